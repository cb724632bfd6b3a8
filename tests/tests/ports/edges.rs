//! Machines and users that have less than others: files, addresses, permissions, /proc.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Output;
use std::{iter, thread};

use port_test::{
    AllocError, AllocErrorKind, BoxError, Cluster, Node, NodeContext, PortAllocator, TestNode,
    Transport, port_test,
};

use crate::alone::{Place, is_inner};
use crate::endurance::files as open_files;
use crate::holder::Holder;

/// A limit of open files that a test reaches with a few of them.
const FILES: u64 = 64;

/// Opens files until there are no more.
fn fill() -> Vec<File> {
    iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

fn few_files() {
    let limit = libc::rlimit {
        rlim_cur: FILES,
        rlim_max: FILES,
    };
    // SAFETY: setrlimit reads one `rlimit`, which lives.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(result, 0, "a lower limit is always allowed");
}

fn names_the_limit(error: &AllocError) {
    assert_eq!(error.kind(), AllocErrorKind::TooManyOpenFiles, "{error}");
    says_the_limit(&error.to_string());
}

fn says_the_limit(text: &str) {
    for part in [&*format!("limit of {FILES} "), "ulimit -n"] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn a_full_table_of_files_fails_a_lease_at_once_and_harms_nothing() {
    Place::process().run(
        a_full_table_of_files_fails_a_lease_at_once_and_harms_nothing,
        || {
            few_files();
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_time().build().expect("a runtime");
            for transport in [Transport::Tcp, Transport::Udp, Transport::Both] {
                // Before anything is known of the machine, in the first round.
                let files = fill();
                let ports = PortAllocator::builder().transport(transport);
                let ports = ports.attempts(20).build().expect("a range");
                // Those that wait would come back with another error, after some seconds.
                for error in [
                    ports.try_lease().expect_err("no file"),
                    ports.blocking_lease().expect_err("no file"),
                    runtime.block_on(ports.lease()).expect_err("no file"),
                    ports.lease_block(3).expect_err("no file"),
                ] {
                    names_the_limit(&error);
                }
                let global = runtime.block_on(PortAllocator::global().next_available_port());
                names_the_limit(&global.expect_err("no file"));
                drop(files);
                // A block for which a few files are left is given back.
                let before = open_files();
                let mut files = fill();
                files.truncate(files.len() - 2);
                names_the_limit(&ports.lease_block(3).expect_err("too few files"));
                drop(files);
                assert_eq!(open_files(), before);
                let block = ports.lease_block(3).expect("there are files again");
                assert_eq!(ports.stats().held(), block.len() as u64);
            }
        },
    );
}

#[test]
fn a_table_of_files_that_fills_while_a_lease_waits_ends_the_wait() {
    Place::process().run(
        a_table_of_files_that_fills_while_a_lease_waits_ends_the_wait,
        || {
            let other = Holder::somewhere(3);
            few_files();
            let ports = PortAllocator::builder().range(other.range());
            let ports = ports.build().expect("a range");
            thread::scope(|scope| {
                let waiter = scope.spawn(|| ports.blocking_lease());
                while ports.stats().failures() < 3 && !waiter.is_finished() {
                    thread::yield_now();
                }
                // Each search of the waiter has a socket for a moment, whose place is left free here.
                let mut files = Vec::new();
                while !waiter.is_finished() {
                    files.extend(fill());
                    thread::yield_now();
                }
                let result = waiter.join().expect("no panic");
                names_the_limit(&result.expect_err("all are taken"));
            });
        },
    );
}

#[test]
fn a_lease_opens_and_closes_with_a_full_table_of_files() {
    Place::process().run(a_lease_opens_and_closes_with_a_full_table_of_files, || {
        let lease = PortAllocator::global().try_lease().expect("a port");
        few_files();
        let files = fill();
        for _ in 0..3 {
            lease.open().expect("needs no file");
            lease.close().expect("needs no file");
        }
        for error in [
            lease.listen().expect_err("no file"),
            lease.is_listening().expect_err("no file"),
        ] {
            let text = error.to_string();
            assert!(text.contains(&lease.addr().to_string()), "{text}");
            says_the_limit(&text);
        }
        drop(files);
        // What failed has left the guard as it was.
        TcpListener::bind(lease.addr()).expect_err("exclusive");
        let server = lease.listen().expect("there are files again");
        TcpStream::connect(server.local_addr().expect("bound")).expect("it listens");
        assert!(lease.is_listening().expect("an answer"));
    });
}

#[test]
fn a_cluster_says_that_the_table_of_files_is_full() {
    Place::process().run(a_cluster_says_that_the_table_of_files_is_full, || {
        few_files();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        let start = || async {
            let nodes = Cluster::builder(async |cx: NodeContext| {
                cx.tcp_listener().await.map_err(BoxError::from)
            });
            nodes.nodes(3).start().await
        };
        runtime.block_on(async {
            // From none left to enough for the ports but not for the nodes.
            let mut files = fill();
            loop {
                match start().await {
                    Ok(cluster) => break drop(cluster),
                    Err(error) => {
                        let text = format!("{error:?}");
                        println!("{} files left: {text}", FILES as usize - files.len());
                        says_the_limit(&text);
                    }
                }
                files.pop().expect("a cluster starts with few files");
            }
        });
    });
}

/// What tests see in a process that is not fit for them.
mod fixture {
    use super::*;

    struct Listening(#[expect(dead_code, reason = "held open")] tokio::net::TcpListener);

    impl Node for Listening {
        async fn start(cx: NodeContext) -> Result<Self, BoxError> {
            Ok(Self(cx.tcp_listener().await?))
        }
    }

    #[port_test(nodes = 3)]
    #[ignore = "a fixture"]
    async fn with_nodes(nodes: [TestNode<Listening>; 3]) {
        for node in &nodes {
            TcpStream::connect(node.addr()).expect("it listens");
        }
    }

    #[test]
    #[ignore = "a fixture"]
    pub(super) fn nodes() {
        with_nodes();
    }

    #[test]
    #[ignore = "a fixture"]
    pub(super) fn nodes_with_a_full_table_of_files() {
        if !is_inner() {
            return;
        }
        few_files();
        let _files = fill();
        with_nodes();
    }
}

/// That a test failed, and its report.
fn report(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it passed: {stderr}");
    stderr.into_owned()
}

#[test]
fn a_test_says_that_the_table_of_files_is_full() {
    let output = Place::process().output(fixture::nodes_with_a_full_table_of_files);
    says_the_limit(&report(&output));
}

#[test]
fn a_test_names_an_unusable_range_once() {
    for (range, shown) in [
        (&b""[..], r#"PORT_TEST_RANGE="" is not"#),
        (b"0-100", r#"PORT_TEST_RANGE="0-100" is not"#),
        (b"30000-20000", r#"PORT_TEST_RANGE="30000-20000" is not"#),
        (b"20000-70000", r#"PORT_TEST_RANGE="20000-70000" is not"#),
        (b"some", r#"PORT_TEST_RANGE="some" is not"#),
        (b"20000-\xff", "PORT_TEST_RANGE=\"20000-\u{fffd}\" is not"),
    ] {
        let place = Place::process().env("PORT_TEST_RANGE", OsStr::from_bytes(range));
        let report = report(&place.output(fixture::nodes));
        assert_eq!(report.matches(shown).count(), 1, "{shown}: {report}");
        assert_eq!(report.matches("PORT_TEST_RANGE").count(), 1, "{report}");
    }
    let place = Place::process().env("PORT_TEST_RANGE", "10000-32767");
    assert!(place.output(fixture::nodes).status.success());
}

/// Sockets of a family that the kernel does not have.
#[test]
fn without_ipv6_leases_are_on_ipv4() {
    Place::process()
        .without_ipv6()
        .run(without_ipv6_leases_are_on_ipv4, || {
            TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect_err("no such family");
            serves_on_ipv4();
            let address = PortAllocator::builder().address(Ipv6Addr::LOCALHOST.into());
            let error = address.build().expect_err("no such address");
            assert_eq!(error.kind(), AllocErrorKind::InvalidAddress);
            assert!(error.to_string().contains("::1"), "{error}");
            assert!(error.to_string().contains("IPv6"), "{error}");
        });
}

/// Leases, listens and talks; and nobody else gets the port meanwhile, on any address.
pub(crate) fn serves_on_ipv4() {
    for transport in [Transport::Tcp, Transport::Udp, Transport::Both] {
        let ports = PortAllocator::builder().transport(transport);
        let lease = ports
            .build()
            .expect("a range")
            .blocking_lease()
            .expect("a port");
        let elsewhere = ("127.0.0.2", lease.port());
        if transport != Transport::Udp {
            TcpListener::bind(elsewhere).expect_err("guarded");
            let _server = lease.listen().expect("a listener");
            TcpStream::connect(lease.addr()).expect("it listens");
            TcpListener::bind(lease.addr()).expect_err("taken");
        }
        if transport != Transport::Tcp {
            UdpSocket::bind(elsewhere).expect_err("guarded");
            let server = lease.udp_socket().expect("a socket");
            let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            client.send_to(b"x", lease.addr()).expect("sent");
            assert_eq!(server.recv(&mut [0; 9]).expect("received"), 1);
        }
    }
}
