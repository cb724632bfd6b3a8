//! Leases, and children that are spawned meanwhile: each holds copies of all sockets until its exec.

use std::collections::HashSet;
use std::net::UdpSocket;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use port_test::{PortAllocator, PortLease, Transport};

#[test]
fn forks_elsewhere_neither_keep_a_port_nor_a_listener() {
    let over = AtomicBool::new(false);
    let slow_exec = || {
        while !over.load(Ordering::Relaxed) {
            let mut child = Command::new("true");
            let pause = || {
                thread::sleep(FORK);
                Ok(())
            };
            // SAFETY: sleeping is all that the closure does: no memory, no locks.
            unsafe { child.pre_exec(pause) };
            child.status().expect("it runs");
        }
    };
    thread::scope(|scope| {
        scope.spawn(slow_exec);
        let work = scope.spawn(|| {
            restarts();
            leases_again();
            releases();
        });
        let result = work.join();
        over.store(true, Ordering::Relaxed);
        result.expect("no panic");
    });
}

/// Between fork and exec of each child. On a quiet machine it is up to 5 ms, too short to be met.
const FORK: Duration = Duration::from_millis(20);

/// Until a child has been forked that holds what we hold now, and most likely still does.
fn be_copied() {
    thread::sleep(FORK + Duration::from_millis(10));
}

fn restarts() {
    let lease = PortAllocator::global().try_lease().expect("a port");
    for _ in 0..8 {
        let server = lease.listen().expect("its server is gone");
        be_copied();
        drop(server);
    }
}

fn leases_again() {
    let mut lease = PortAllocator::global().try_lease().expect("a port");
    let only = lease.port()..=lease.port();
    let only = PortAllocator::builder()
        .range(only)
        .build()
        .expect("a range");
    for _ in 0..8 {
        be_copied();
        drop(lease);
        lease = only.blocking_lease().expect("given back");
    }
}

fn releases() {
    // UDP, since std sets SO_REUSEADDR for TCP.
    let ports = PortAllocator::builder()
        .transport(Transport::Udp)
        .build()
        .expect("a range");
    let really_released = |_: &i32| {
        let lease = ports.try_lease().expect("a port");
        be_copied();
        UdpSocket::bind(("127.0.0.1", lease.release())).is_ok()
    };
    // Most of eight, and in one of many tries: `release` waits 100 ms only, and on a machine that
    // is busy enough a child takes longer to its exec.
    let most = (0..20).any(|_| (0..8).filter(really_released).count() >= 6);
    assert!(most, "ports were not really released");
}

#[test]
fn children_do_not_inherit_a_lease() {
    for _ in 0..10 {
        let lease = PortAllocator::global().try_lease().expect("a port");
        let server = lease.listen().expect("a listener");
        // Alive until its stdin is closed.
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .spawn()
            .expect("it runs");
        let port = lease.port();
        drop((server, lease));
        let ports = PortAllocator::builder().range(port..=port).attempts(12);
        let again = ports.build().expect("a range").blocking_lease();
        child.kill().and_then(|()| child.wait()).expect("it ends");
        // Otherwise a stranger has it, or the child.
        if again.is_ok() {
            return;
        }
    }
    panic!("children keep the ports of leases");
}

/// Threads lease and serve in a range that is hardly large enough, others spawn children all the time.
#[test]
fn forks_lose_no_port_for_good() {
    const PORTS: u16 = 12;
    const THREADS: usize = 6;
    const CHILDREN: u64 = 100;
    let range = {
        // Below all default ranges, where other tests have no business.
        let below = PortAllocator::builder().range(1024..=9999);
        let block = below.build().and_then(|below| below.lease_block(PORTS));
        let block = block.expect("a few ports in a row are free");
        block[0].port()..=block[block.len() - 1].port()
    };
    let ports = PortAllocator::builder().range(range.clone());
    // Minutes, which nobody needs unless a port is lost.
    let ports = ports.attempts(500).build().expect("a range");
    let (children, rounds) = (AtomicU64::new(0), AtomicU64::new(0));
    let over = AtomicBool::new(false);
    let spawn_children = || {
        while !over.load(Ordering::Relaxed) {
            let mut child = Command::new("true");
            let pause = || {
                thread::sleep(Duration::from_millis(5));
                Ok(())
            };
            // SAFETY: sleeping is all that the closure does: no memory, no locks.
            unsafe { child.pre_exec(pause) };
            child.status().expect("it runs");
            children.fetch_add(1, Ordering::Relaxed);
        }
    };
    let work = || {
        while children.load(Ordering::Relaxed) < CHILDREN {
            let (one, other) = (ports.blocking_lease(), ports.blocking_lease());
            let leases = [one, other].map(|lease| lease.expect("a port comes back"));
            // Twice each, over what a child may have copied.
            for lease in leases.iter().chain(&leases) {
                lease.listen().expect("the port is ours");
            }
            rounds.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(spawn_children);
        }
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let results: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        over.store(true, Ordering::Relaxed);
        results
            .into_iter()
            .for_each(|result| result.expect("no panic"));
    });
    let (stats, rounds) = (ports.stats(), rounds.into_inner());
    println!("{rounds} rounds: {stats}");
    assert_eq!((stats.successes(), stats.held()), (2 * rounds, 0));
    assert_eq!(stats.attempts(), stats.successes() + stats.failures());
    // Waiting, for the last of the children.
    let all = || ports.blocking_lease().expect("a port comes back");
    let all: Vec<PortLease> = range.clone().map(|_| all()).collect();
    let numbers: HashSet<u16> = all.iter().map(PortLease::port).collect();
    assert_eq!(numbers, range.collect());
}
