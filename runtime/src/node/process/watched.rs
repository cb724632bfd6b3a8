//! A process as the test sees it: told what to do, and watched by a thread of its own.

use std::fmt;
use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::lines::Lines;
use super::status;
use super::supervisor::{command, message};
use super::sys::{self, pollfd};
use crate::node::log::Log;
use crate::sync::lock;

/// How much is read at once: what a pipe holds, unless its user has made it larger.
const CHUNK: usize = 64 * 1024;
/// As many as the largest pipe holds that anybody may make without privileges.
const CHUNKS_IN_PIPE: usize = 16;

pub(super) struct Watched {
    /// The name of the program, without the path.
    program: String,
    pid: u32,
    supervisor: UnixStream,
    state: Mutex<State>,
    changed: Condvar,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.program, self.pid)
    }
}

#[derive(Default)]
struct State {
    exited: bool,
    /// How often all of it was stopped.
    stops: u64,
    /// The supervisor is gone, and so is everybody whom it supervised.
    gone: bool,
}

impl Watched {
    pub(super) fn new(program: String, pid: u32, supervisor: UnixStream) -> Arc<Self> {
        Arc::new(Self {
            program,
            pid,
            supervisor,
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    pub(super) fn has_exited(&self) -> bool {
        lock(&self.state).exited
    }

    pub(super) fn terminate(&self) {
        self.tell(command::TERMINATE);
    }

    pub(super) fn kill(&self) {
        self.tell(command::KILL);
    }

    pub(super) fn resume(&self) {
        self.tell(command::CONTINUE);
    }

    /// Stops it; [`Self::wait_until_stopped`] with what this returns.
    pub(super) fn pause(&self) -> u64 {
        let stops = lock(&self.state).stops;
        self.tell(command::STOP);
        stops
    }

    /// Returns when all processes are stopped, or gone.
    pub(super) fn wait_until_stopped(&self, stops_before: u64) {
        self.wait_while(|state| state.stops == stops_before && !state.gone);
    }

    fn wait_while(&self, condition: impl Fn(&State) -> bool) {
        let waited = self
            .changed
            .wait_while(lock(&self.state), |state| condition(state));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// std's sockets raise no SIGPIPE. An error is a supervisor that has ended, so there is nobody left
    /// to be told about.
    fn tell(&self, command: u8) {
        let _ = (&self.supervisor).write_all(&[command]);
    }

    fn update(&self, change: impl FnOnce(&mut MutexGuard<'_, State>)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }

    /// Reads what the processes print and what becomes of them, until all are gone. `died` is told how
    /// the server ended, after the last that it printed is in the log.
    pub(super) fn watch(
        &self,
        mut supervisor: Child,
        output: PipeReader,
        log: &Log,
        died: impl FnOnce(String, Instant),
    ) {
        let mut output = Output {
            pipe: Some(output),
            lines: Lines::default(),
            buffer: vec![0; CHUNK],
            log,
        };
        let mut died = Some(died);
        let mut report = |how: &str, at: Instant| {
            if let Some(died) = died.take() {
                let what = format!("its process {self} {how}");
                died(what, at);
            }
        };
        loop {
            let (printed, told) = output.poll_with(&self.supervisor, -1);
            if printed {
                output.read();
            }
            if !told {
                continue;
            }
            match receive(&self.supervisor) {
                Ok((message::EXITED, status)) => {
                    let at = Instant::now();
                    output.drain();
                    // Its last words count, even if a process that it leaves behind, and that is being
                    // killed, goes on in the same line.
                    output.finish();
                    self.update(|state| state.exited = true);
                    report(&status::describe(status), at);
                }
                Ok((message::STOPPED, _)) => self.update(|state| state.stops += 1),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        let at = Instant::now();
        output.drain();
        output.finish();
        // It has nothing left to do but to end. An error is somebody else in this process who waits
        // for all children.
        let _ = supervisor.wait();
        self.update(|state| (state.exited, state.gone) = (true, true));
        report("was killed together with its supervisor", at);
    }
}

/// The next message of a supervisor: what, and a number.
pub(super) fn receive(mut supervisor: &UnixStream) -> io::Result<(u8, i32)> {
    let mut bytes = [0; message::LENGTH];
    supervisor.read_exact(&mut bytes)?;
    let [what, number @ ..] = bytes;
    Ok((what, i32::from_ne_bytes(number)))
}

/// What the processes print.
struct Output<'a> {
    /// `None` at the end, and after an error.
    pipe: Option<PipeReader>,
    lines: Lines,
    buffer: Vec<u8>,
    log: &'a Log,
}

impl Output<'_> {
    /// Waits until there is something to be read from the pipe or the socket; from which.
    fn poll_with(&self, socket: &UnixStream, timeout: i32) -> (bool, bool) {
        // A negative number is no descriptor, and never ready.
        let pipe = self.pipe.as_ref().map_or(-1, |pipe| pipe.as_raw_fd());
        let mut fds = [pipe, socket.as_raw_fd()].map(|fd| pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        });
        sys::poll(&mut fds, timeout);
        (fds[0].revents != 0, fds[1].revents != 0)
    }

    fn read(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        match pipe.read(&mut self.buffer) {
            Ok(length @ 1..) => self
                .lines
                .push(&self.buffer[..length], |lines| self.log.line(lines)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => self.pipe = None,
        }
    }

    /// Reads what is in the pipe now: all that a process which has ended has printed. Others may go on.
    fn drain(&mut self) {
        for _ in 0..CHUNKS_IN_PIPE {
            let Some(pipe) = &self.pipe else { return };
            let mut fds = [pollfd {
                fd: pipe.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            }];
            if !sys::poll(&mut fds, 0) {
                return;
            }
            self.read();
        }
    }

    fn finish(&mut self) {
        self.lines.finish(|line| self.log.line(line));
    }
}
