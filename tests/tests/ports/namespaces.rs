//! Machines that are set up in another way: each test in a user and a network namespace of its own, as an
//! ordinary user there. Not every machine lets its users have them.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use port_test::{
    AllocErrorKind, BoxError, Cluster, NodeContext, PortAllocator, PortLease, Transport,
};
use socket2::{Domain, Socket, Type};

use crate::alone::Place;
use crate::edges::serves_on_ipv4;

const EPHEMERAL: &str = "net/ipv4/ip_local_port_range";

fn allocator(first: u16, last: u16) -> PortAllocator {
    let ports = PortAllocator::builder().range(first..=last).attempts(2);
    ports.build().expect("a range")
}

#[test]
#[ignore = "needs user namespaces"]
fn reserved_ports_are_left_out_unless_they_are_named() {
    let place = Place::namespace().sysctl("net/ipv4/ip_local_reserved_ports", "10000-10099,20000");
    // Without the ports of the services database, which are other ones on each machine.
    let place = place.env("CI", "1");
    place.run(reserved_ports_are_left_out_unless_they_are_named, || {
        let ports = PortAllocator::builder().start_at(19_998);
        let ports = ports.build().expect("a range");
        assert_eq!(ports.range().expect("a range"), 10_100..=32_767);
        let leases = [(); 4].map(|()| ports.try_lease().expect("a port"));
        let leases = leases.each_ref().map(PortLease::port);
        assert_eq!(leases, [19_998, 19_999, 20_001, 20_002]);
        let from = PortAllocator::builder().start_at(20_000).build();
        let error = from.expect_err("left out");
        assert_eq!(error.kind(), AllocErrorKind::InvalidRange);
        // Whoever names it gets it.
        let named = allocator(20_000, 20_000).try_lease();
        assert_eq!(named.expect("free").port(), 20_000);
    });
}

#[test]
#[ignore = "needs user namespaces"]
fn disabled_ipv6_leaves_ipv4() {
    let place = Place::namespace()
        .sysctl("net/ipv6/conf/all/disable_ipv6", "1")
        .sysctl("net/ipv6/conf/default/disable_ipv6", "1");
    place.run(disabled_ipv6_leaves_ipv4, || {
        let error = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect_err("no such address");
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        serves_on_ipv4();
        starts_a_cluster();
        let address = PortAllocator::builder().address(Ipv6Addr::LOCALHOST.into());
        let error = address.build().expect_err("no such address");
        assert_eq!(error.kind(), AllocErrorKind::InvalidAddress);
        for part in ["::1", "IPv6"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    });
}

#[test]
#[ignore = "needs user namespaces"]
fn only_ipv6_sockets_by_default_leave_no_gap() {
    let place = Place::namespace().sysctl("net/ipv6/bindv6only", "1");
    place.run(only_ipv6_sockets_by_default_leave_no_gap, serves_on_ipv4);
}

fn starts_a_cluster() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let nodes =
        Cluster::builder(async |cx: NodeContext| cx.tcp_listener().await.map_err(BoxError::from));
    runtime.block_on(async {
        let cluster = nodes.nodes(3).start().await.expect("it starts");
        for node in cluster.iter() {
            TcpStream::connect(node.addr()).expect("it listens");
        }
    });
}

/// A half of the ephemeral ports are guarded; what the kernel chooses is in the other half.
#[test]
#[ignore = "needs user namespaces"]
fn the_kernel_never_chooses_a_leased_port() {
    const TRIES: usize = 2000;
    let place = Place::namespace().sysctl(EPHEMERAL, "20000 20099");
    place.run(the_kernel_never_chooses_a_leased_port, || {
        let server = TcpListener::bind("127.0.0.1:9000").expect("free");
        let ports = PortAllocator::builder().range(20_000..=20_099);
        let ports = ports.transport(Transport::Both).build().expect("a range");
        let leases: Vec<PortLease> = (0..50).map(|_| ports.try_lease().expect("free")).collect();
        let guarded: HashSet<u16> = leases.iter().map(PortLease::port).collect();
        for open in [false, true] {
            if open {
                leases
                    .iter()
                    .for_each(|lease| lease.open().expect("opened"));
            }
            let mut chosen = HashSet::new();
            for round in 0..TRIES {
                for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
                    let addr = SocketAddr::new(ip, 0);
                    chosen.extend([
                        bound(Type::STREAM, addr, round % 2 == 0),
                        bound(Type::DGRAM, addr, false),
                    ]);
                }
                chosen.insert(connected(&server));
            }
            assert!(chosen.len() > 25, "hardly any choice: {chosen:?}");
            assert!(chosen.iter().all(|port| (20_000..=20_099).contains(port)));
            let stolen: Vec<_> = chosen.intersection(&guarded).collect();
            assert!(
                stolen.is_empty(),
                "guarded, open {open}, and chosen: {stolen:?}"
            );
        }
    });
}

/// The port that `bind(0)` chooses.
fn bound(kind: Type, addr: SocketAddr, reuse: bool) -> u16 {
    let socket = Socket::new(Domain::for_address(addr), kind, None).expect("a socket");
    socket.set_reuse_address(reuse).expect("set");
    socket.bind(&addr.into()).expect("half of them are free");
    port(&socket)
}

/// The port that `connect` chooses.
fn connected(server: &TcpListener) -> u16 {
    let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    // Reset, so that nothing is left of it.
    client.set_linger(Some(Duration::ZERO)).expect("set");
    let addr = server.local_addr().expect("bound");
    client.connect(&addr.into()).expect("it listens");
    server.accept().expect("a connection");
    port(&client)
}

fn port(socket: &Socket) -> u16 {
    let addr = socket.local_addr().expect("bound");
    addr.as_socket().expect("of a family with ports").port()
}

#[test]
#[ignore = "needs user namespaces"]
fn leases_keep_off_what_the_kernel_has_chosen() {
    let place = Place::namespace().sysctl(EPHEMERAL, "20000 20099");
    place.run(leases_keep_off_what_the_kernel_has_chosen, || {
        let listeners: Vec<TcpListener> = (0..30)
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("free"))
            .collect();
        let sockets: Vec<UdpSocket> = (0..30)
            .map(|_| UdpSocket::bind("127.0.0.1:0").expect("free"))
            .collect();
        let clients: Vec<TcpStream> = (0..10)
            .map(|n| TcpStream::connect(listeners[n].local_addr().expect("bound")).expect("up"))
            .collect();
        let [tcp, udp, connected] = [
            listeners
                .iter()
                .map(|s| s.local_addr().expect("bound").port())
                .collect::<HashSet<_>>(),
            sockets
                .iter()
                .map(|s| s.local_addr().expect("bound").port())
                .collect(),
            clients
                .iter()
                .map(|s| s.local_addr().expect("bound").port())
                .collect(),
        ];
        let ports = PortAllocator::builder().range(20_000..=20_099);
        let ports = ports.transport(Transport::Both).build().expect("a range");
        let mut leased = HashSet::new();
        while let Ok(lease) = ports.try_lease() {
            leased.insert(lease.port());
            std::mem::forget(lease);
        }
        let mut left: HashSet<u16> = (20_000..=20_099).collect();
        left.retain(|port| {
            ![&tcp, &udp, &connected]
                .iter()
                .any(|taken| taken.contains(port))
        });
        assert_eq!(leased, left);
    });
}

#[test]
#[ignore = "needs user namespaces"]
fn a_machine_whose_ports_are_all_ephemeral_has_a_default_range() {
    let place = Place::namespace()
        .sysctl(EPHEMERAL, "1024 65535")
        .env("CI", "1");
    place.run(
        a_machine_whose_ports_are_all_ephemeral_has_a_default_range,
        || {
            let range = PortAllocator::global().range().expect("a range");
            assert_eq!(range, 10_000..=65_535);
            serves_on_ipv4();
            starts_a_cluster();
        },
    );
}

#[test]
#[ignore = "needs user namespaces"]
fn privileged_ports_are_an_error_that_says_so() {
    Place::namespace().run(privileged_ports_are_an_error_that_says_so, || {
        let ports = allocator(80, 89);
        for error in [
            ports.try_lease().expect_err("not permitted"),
            ports.blocking_lease().expect_err("not permitted"),
            ports.lease_block(2).expect_err("not permitted"),
        ] {
            assert_eq!(error.kind(), AllocErrorKind::PermissionDenied);
            for part in [
                "80-89",
                "PORT_TEST_RANGE",
                "1024",
                "ip_unprivileged_port_start",
            ] {
                assert!(error.to_string().contains(part), "{error}");
            }
        }
        // Some of them.
        let ports = allocator(1020, 1025);
        let mut leases = [(); 2].map(|()| ports.try_lease().expect("free").port());
        leases.sort_unstable();
        assert_eq!(leases, [1024, 1025]);
    });
}

#[test]
#[ignore = "needs user namespaces"]
fn ports_that_are_not_privileged_any_more_are_leased() {
    let place = Place::namespace().sysctl("net/ipv4/ip_unprivileged_port_start", "0");
    place.run(ports_that_are_not_privileged_any_more_are_leased, || {
        let lease = allocator(80, 80).try_lease().expect("a port");
        let _server = lease.listen().expect("a listener");
        TcpStream::connect("127.0.0.1:80").expect("it listens");
    });
}

#[test]
#[ignore = "needs user namespaces"]
fn without_proc_the_errors_are_clear() {
    let place = Place::namespace().without("/proc");
    place.run(without_proc_the_errors_are_clear, || {
        assert!(!std::path::Path::new("/proc/self").exists());
        serves_on_ipv4();
        starts_a_cluster();
        let ports = allocator(20_000, 20_004);
        let block = ports.lease_block(5).expect("free");
        let error = ports.blocking_lease().expect_err("all are taken");
        assert_eq!(error.kind(), AllocErrorKind::Exhausted);
        let text = error.to_string();
        assert!(
            text.starts_with("after 2 attempts: no free port in 20000-20004: "),
            "{text}"
        );
        // The kernel says whose the sockets are, and nobody which process has them.
        assert!(
            text.contains("user 1000, hidden from this one: 5"),
            "{text}"
        );
        assert!(!text.contains("pid"), "{text}");
        let _server = block[0].listen().expect("a listener");
        let taken = block[0].listen().expect_err("taken").to_string();
        assert!(taken.contains(&block[0].addr().to_string()), "{taken}");
        assert!(taken.contains("another server has it"), "{taken}");
    });
}
