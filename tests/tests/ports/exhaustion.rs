//! A range that another process has taken, in part and as a whole.

use std::io::{self, Read as _};
use std::net::{Ipv6Addr, TcpStream};
use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use port_test::{AllocErrorKind, PortAllocator};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::alone::Place;
use crate::holder::Holder;

/// Large enough that 99.9 % of it leave a port.
const PORTS: u16 = 1000;

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().build().expect("a runtime")
}

/// In a process of its own: a fork of another test would keep ports for some milliseconds that were
/// given back, and be counted.
#[test]
fn a_lease_costs_one_over_the_free_share() {
    Place::process().run(a_lease_costs_one_over_the_free_share, || {
        let mut other = Holder::somewhere(PORTS);
        for free in [1, 10, 100, 500] {
            other.keep(usize::from(PORTS - free));
            let ports = PortAllocator::builder().range(other.range());
            let ports = ports.build().expect("a range");
            // As many leases as go round the whole range 20 times. The search goes on where the last
            // one ended, so that all together they try each port 20 times, whichever are free; only
            // the first round may be cut.
            let leases = 20 * u32::from(free);
            for _ in 0..leases {
                drop(ports.blocking_lease().expect("some ports are free"));
            }
            let stats = ports.stats();
            let probes = (stats.busy_probes() + stats.successes()) as f64 / f64::from(leases);
            let expected = f64::from(PORTS) / f64::from(free);
            // Half and twice leave room for strangers that pass by.
            assert!(
                (0.5 * expected..=2.0 * expected).contains(&probes),
                "{free} of {PORTS} free: {probes} probes a lease: {stats}"
            );
        }
    });
}

#[test]
fn a_full_range_is_an_error_that_names_it_and_who_has_it() {
    let other = Holder::somewhere(PORTS);
    let range = other.range();
    let ports = PortAllocator::builder().range(range.clone()).attempts(3);
    let ports = ports.max_backoff(Duration::from_millis(2));
    let ports = ports.build().expect("a range");
    for error in [
        ports.blocking_lease().expect_err("all are taken"),
        runtime()
            .block_on(ports.lease())
            .expect_err("all are taken"),
    ] {
        assert_eq!(error.kind(), AllocErrorKind::Exhausted);
        assert_eq!(error.probed(), u32::from(PORTS));
        assert_eq!(error.range(), format!("{}-{}", range.start(), range.end()));
        let text = error.to_string();
        for part in [
            "after 3 attempts".to_owned(),
            format!("no free port in {}", error.range()),
            format!("port-worker (pid {}): {PORTS}", other.pid()),
        ] {
            assert!(text.contains(&part), "{part:?} is not in {text:?}");
        }
    }
}

/// A server that closes a connection first leaves its port to the kernel for a minute, and nobody holds it.
#[test]
fn a_port_of_a_connection_that_is_closing_is_told_apart() {
    // Elsewhere a fork might hold it a moment longer.
    Place::process().run(a_port_of_a_connection_that_is_closing_is_told_apart, || {
        let lease = PortAllocator::global().blocking_lease().expect("a port");
        let server = lease.listen().expect("a listener");
        let mut client = TcpStream::connect(lease.addr()).expect("it listens");
        drop(server.accept().expect("the client is there"));
        assert_eq!(client.read(&mut [0]).expect("the server has closed"), 0);
        let only = lease.port()..=lease.port();
        drop((client, server, lease));

        let ports = PortAllocator::builder().range(only).attempts(2);
        let error = ports.build().expect("a range").blocking_lease();
        let text = error.expect_err("nobody may bind it now").to_string();
        assert!(
            text.contains("closed connections, for up to a minute"),
            "{text}"
        );
        assert!(text.ends_with("closed them: 1"), "{text}");
    });
}

#[test]
fn a_port_that_another_process_gives_back_ends_a_wait() {
    for waiters in 0..4 {
        let mut other = Holder::somewhere(5);
        let ports = PortAllocator::builder().range(other.range());
        // It ends because there is a port, or never.
        let ports = ports.attempts(u32::MAX).build().expect("a range");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| match waiters % 2 {
                0 => ports.blocking_lease(),
                _ => runtime().block_on(ports.lease()),
            });
            while ports.stats().failures() < 3 && !waiter.is_finished() {
                thread::yield_now();
            }
            let given_back = other.keep(4);
            let lease = waiter.join().expect("no panic").expect("waits for ever");
            assert_eq!(lease.port(), given_back);
        });
    }
}

/// That this is at once, and no search by the clock, is a test beside `PortAllocator`.
#[test]
fn a_port_that_this_process_gives_back_ends_a_wait() {
    for waiters in 0..4 {
        let mut other = Holder::somewhere(5);
        let ports = PortAllocator::builder().range(other.range());
        let ports = ports.attempts(u32::MAX).build().expect("a range");
        other.keep(4);
        let lease = ports.blocking_lease().expect("one is free");
        let port = lease.port();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| match waiters % 2 {
                0 => ports.blocking_lease(),
                _ => runtime().block_on(ports.lease()),
            });
            let before = ports.stats().failures();
            while ports.stats().failures() < before + 3 && !waiter.is_finished() {
                thread::yield_now();
            }
            drop(lease);
            let lease = waiter.join().expect("no panic").expect("waits for ever");
            assert_eq!(lease.port(), port);
        });
    }
}

/// The limit is what the kernel takes for the same binds by one socket.
#[test]
fn a_whole_scan_costs_what_its_binds_cost() {
    Place::process().run(a_whole_scan_costs_what_its_binds_cost, || {
        let other = Holder::somewhere(PORTS);
        let (scan, limit) = scan_and_limit(other.range(), 30);
        assert!(
            scan < 1.5 * limit,
            "a scan takes {scan} s of CPU, its binds {limit} s"
        );
    });
}

#[test]
#[ignore = "a measurement; needs user namespaces"]
fn a_whole_scan_of_the_default_range() {
    Place::namespace().run(a_whole_scan_of_the_default_range, || {
        let ports = PortAllocator::builder().build().expect("a range");
        let range = ports.range().expect("a range");
        println!("| ports taken | scan, CPU ms | its binds, CPU ms | ratio |");
        println!("|--:|--:|--:|--:|");
        // No process need have more files open than systems allow as a rule.
        let mut others = Vec::new();
        for first in range.clone().step_by(4000) {
            let last = first.saturating_add(3999).min(*range.end());
            others.push(Holder::of(first..=last));
            let taken = *range.start()..=last;
            let (scan, limit) = scan_and_limit(taken.clone(), 10);
            let [scan, limit] = [scan, limit].map(|seconds| seconds * 1e3);
            let ratio = scan / limit;
            println!("| {} | {scan:.1} | {limit:.1} | {ratio:.2} |", taken.len());
        }
    });
}

/// The least CPU seconds of some rounds each: of a search of `range`, where all ports are taken, and of
/// as many binds that fail.
fn scan_and_limit(range: RangeInclusive<u16>, rounds: u32) -> (f64, f64) {
    let ports = PortAllocator::builder().range(range.clone());
    let ports = ports.build().expect("a range");
    let (mut scan, mut limit) = (f64::MAX, f64::MAX);
    for _ in 0..rounds {
        let began = cpu();
        ports.try_lease().expect_err("all are taken");
        let between = cpu();
        bind_each(range.clone());
        scan = scan.min(between - began);
        limit = limit.min(cpu() - between);
    }
    (scan, limit)
}

fn bind_each(range: RangeInclusive<u16>) {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
    socket.set_only_v6(false).expect("set");
    for port in range {
        let addr = SockAddr::from(std::net::SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
        let error = socket.bind(&addr).expect_err("taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}

/// Seconds of CPU that this thread has had.
pub(crate) fn cpu() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime writes one `timespec`, which lives.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "every Linux has the clock");
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
