//! Leases under stress: eight processes that have never heard of each other, and a ninth that is
//! in their way.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use port_test::{PortAllocator, cargo_bin};

const PROCESSES: usize = 8;
const ROUNDS: u32 = 500;

/// A stranger's explicit bind every 20 ms. The kernel lets anybody who sets SO_REUSEADDR bind an
/// *open* guard, and a lease must be open for the microseconds until its server has bound. A
/// stranger that tries tens of thousands of ports a second hits such a moment once in a while;
/// `strangers_at_full_speed` counts.
const PACE: u32 = 20_000;

#[test]
fn no_port_is_stolen() {
    assert_eq!(run("late", None, PACE), 0);
}

#[test]
fn no_port_is_stolen_when_all_begin_at_the_same() {
    let range = PortAllocator::global().range().expect("a range");
    let middle = range.start() + (range.end() - range.start()) / 2;
    // A default range leaves some ports out.
    let start = (middle..=*range.end()).find(|port| {
        let ports = PortAllocator::builder().start_at(*port);
        ports.build().is_ok()
    });
    assert_eq!(run("late", start, PACE), 0);
}

#[test]
#[ignore = "a measurement: strangers may win"]
fn strangers_at_full_speed() {
    for style in ["late", "early"] {
        let stolen = run(style, None, 0);
        println!(
            "{style}: {stolen} of {} ports stolen",
            3 * ROUNDS as usize * PROCESSES
        );
    }
}

/// How many ports were leased and could not be bound, in all processes.
fn run(style: &str, start: Option<u16>, pace: u32) -> u32 {
    let start = start.map_or("-".to_owned(), |port| port.to_string());
    let mut noise = Worker::start(&["noise", &pace.to_string(), &start]);
    let args = ["lease", &ROUNDS.to_string(), style, &start];
    let mut workers: Vec<Worker> = (0..PROCESSES).map(|_| Worker::start(&args)).collect();
    for worker in &mut workers {
        worker.begin();
    }
    let stolen = workers.into_iter().map(Worker::stolen).sum();
    noise.is_there();
    drop(noise);
    stolen
}

/// A child that does not outlive this.
struct Worker(Option<Child>);

impl Worker {
    fn start(args: &[&str]) -> Self {
        let child = Command::new(cargo_bin!("stress-worker"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Worker(Some(child.expect("the worker starts")))
    }

    fn begin(&mut self) {
        let child = self.0.as_mut().expect("running");
        let stdin = child.stdin.as_mut().expect("piped");
        stdin.write_all(b"x").expect("the worker waits");
    }

    /// Without the noise the rest would be easy.
    fn is_there(&mut self) {
        let child = self.0.as_mut().expect("not ended by us");
        let ended = child.try_wait().expect("its state");
        assert!(ended.is_none(), "a worker has ended: {ended:?}");
    }

    fn stolen(mut self) -> u32 {
        let child = self.0.take().expect("running");
        let output = child.wait_with_output().expect("its output");
        assert!(
            output.status.success(),
            "a worker ended with {}",
            output.status
        );
        let text = String::from_utf8(output.stdout).expect("a number");
        text.trim().parse().expect("a number")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
