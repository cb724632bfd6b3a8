//! What the environment of a process says of its ports.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output};

use port_test::{PortAllocator, cargo_bin};

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
    for range in [
        "",
        "0-100",
        "30000-20000",
        "20000-70000",
        "some",
        "20000-\u{fffd}",
    ] {
        // The last is not UTF-8, and shown as if it were.
        let bytes = match range.strip_suffix('\u{fffd}') {
            Some(start) => [start.as_bytes(), b"\xff"].concat(),
            None => range.into(),
        };
        let variable = OsStr::from_bytes(&bytes);
        let text = text(worker("global").env("PORT_TEST_RANGE", variable));
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
