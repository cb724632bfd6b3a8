//! This program again, as a worker.
//!
//! A worker says that it is ready, waits for a line, works, and writes what it found: all on
//! stderr, because one of the peers prints to stdout whenever it meets a busy port.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Command, Stdio};

use port_test::BoxError;

/// The hidden first argument of a worker.
pub(crate) const ROLE: &str = "worker";

const READY: &str = "ready";

/// A child that does not outlive this.
pub(crate) struct Worker {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Worker {
    /// Starts a worker and waits until it is ready.
    pub(crate) fn start(args: &[String]) -> Result<Self, BoxError> {
        let mut child = Command::new(env::current_exe()?)
            .arg(ROLE)
            .args(args)
            // It would print among the figures.
            .env_remove("PORT_TEST_DEBUG")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let said = child.stderr.take().ok_or("no pipe")?;
        let mut worker = Worker {
            child,
            said: BufReader::new(said),
        };
        let mut line = String::new();
        worker.said.read_line(&mut line)?;
        match line.trim_end() {
            READY => Ok(worker),
            _ => {
                worker.said.read_to_string(&mut line)?;
                Err(format!("worker {args:?}: {line}").into())
            }
        }
    }

    /// An error if it has ended.
    pub(crate) fn is_there(&mut self) -> Result<(), BoxError> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("a worker has ended, {status}").into()),
        }
    }

    pub(crate) fn begin(&mut self) -> io::Result<()> {
        match &mut self.child.stdin {
            Some(stdin) => stdin.write_all(b"\n"),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// What the worker found.
    pub(crate) fn result(mut self) -> Result<String, BoxError> {
        let mut text = String::new();
        self.said.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        match status.success() {
            true => Ok(text),
            false => Err(format!("a worker ended with {status}: {text}").into()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the worker: as many open files as may be. A number that is guarded to the end of its process is
/// a file, and a usual limit of 1,024 is less than the ports of 500 rounds.
pub(crate) fn raise_file_limit() -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a whole rlimit of ours, which the call fills in.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to a whole rlimit of ours, which the call only reads.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// In the worker: says that it is ready.
pub(crate) fn ready() {
    eprintln!("{READY}");
}

/// In the worker: says that it is ready and waits until all begin together.
pub(crate) fn wait_to_begin() -> io::Result<()> {
    ready();
    io::stdin().read_exact(&mut [0])
}

/// In the worker: writes figures of a row.
pub(crate) fn report(row: usize, what: &str, values: &[f64]) {
    let values: Vec<String> = values.iter().map(|value| format!("{value:.1}")).collect();
    eprintln!("{row} {what} {}", values.join(" "));
}

/// Reads what [`report`] wrote.
pub(crate) fn reported(line: &str) -> Result<(usize, &str, Vec<f64>), BoxError> {
    let mut words = line.split_whitespace();
    let (Some(row), Some(what)) = (words.next(), words.next()) else {
        return Err(format!("a worker wrote {line:?}").into());
    };
    let values: Result<Vec<f64>, _> = words.map(str::parse).collect();
    Ok((row.parse()?, what, values?))
}
