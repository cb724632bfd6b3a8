//! Ports in processes of their own: the environment, limits, permissions, and forks.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, io, thread};

use port_test::{PortAllocator, Transport, cargo_bin};

fn worker(mode: &str) -> Command {
    let mut command = Command::new(cargo_bin!("port-worker"));
    command.arg(mode);
    for name in ["PORT_TEST_RANGE", "PORT_TEST_DEBUG"] {
        command.env_remove(name);
    }
    command
}

fn text(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the worker runs");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text").trim().to_owned()
}

#[test]
fn the_range_comes_from_the_environment() {
    // A port that is free: leased a moment ago, and given back for the worker.
    for _ in 0..10 {
        let lease = PortAllocator::global().try_lease().expect("a port");
        let port = lease.release().to_string();
        if text(worker("global").env("PORT_TEST_RANGE", &port)) == format!("leased {port}") {
            return;
        }
    }
    panic!("PORT_TEST_RANGE was never the range");
}

#[test]
fn a_malformed_range_is_an_error_that_names_it() {
    for range in ["", "0-100", "30000-20000", "20000-70000", "some"] {
        let text = text(worker("global").env("PORT_TEST_RANGE", range));
        assert!(text.starts_with("InvalidRange: "), "{text}");
        assert!(
            text.contains(&format!("PORT_TEST_RANGE={range:?}")),
            "{text}"
        );
    }
}

#[test]
fn debug_prints_every_lease() {
    let output = worker("global")
        .env("PORT_TEST_DEBUG", "1")
        .output()
        .expect("it runs");
    let port = String::from_utf8_lossy(&output.stdout)
        .trim()
        .replace("leased ", "");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains(&format!("port-test: leased {port}/tcp")),
        "{stderr}"
    );
    let silent = worker("global").output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&silent.stderr), "");
}

#[test]
fn a_full_table_of_files_is_an_error_that_names_the_limit() {
    let worker = cargo_bin!("port-worker");
    let limited = format!("ulimit -n 64; exec '{}' full", worker.display());
    let text = text(Command::new("sh").args(["-c", &limited]));
    assert!(text.starts_with("TooManyOpenFiles: "), "{text}");
    assert!(
        text.contains("limit of 64 ") && text.contains("ulimit -n"),
        "{text}"
    );
}

#[test]
fn privileged_ports_are_an_error_that_says_so() {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if first.is_ok_and(|first| first.trim() != "1024") {
        return; // As in many containers: nothing is privileged.
    }
    let mut worker = worker("privileged");
    if TcpListener::bind("127.0.0.1:1023").is_ok() {
        // We may; nobody may not, unless nobody cannot run the worker at all.
        worker.uid(65_534);
        if matches!(worker.output(), Err(error) if error.kind() == io::ErrorKind::PermissionDenied)
        {
            return;
        }
    }
    let text = text(&mut worker);
    assert!(
        text.starts_with("PermissionDenied: ") && text.contains("1-9"),
        "{text}"
    );
}

/// A child that is being spawned holds copies of all sockets until its exec.
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
