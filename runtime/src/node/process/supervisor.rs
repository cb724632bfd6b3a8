//! The process between the test and a server: it ends the server and all that the server has started,
//! however the test process ends.
//!
//! It is a fork of the test process that executes nothing, so it must not allocate, lock or panic; see
//! [`sys`]. What makes it sure:
//!
//! - It is a child subreaper: whoever loses its parent among its descendants, a daemon too, becomes its
//!   child. When it has no children there are no descendants.
//! - It holds one end of a socket whose other end only the test process has. However that process ends,
//!   the kernel closes the socket.
//! - It is in a session of its own and blocks every signal, so that what ends the test's process group
//!   leaves it alone.
//! - It signals its own children, of which it alone can free the numbers, or a descriptor of a process
//!   whose parent it has looked up after opening it.

use super::descendants;
use super::sys::{self, Fd, Pid, Reaped, pollfd};

/// From the test, one byte each.
pub(super) mod command {
    /// SIGTERM for the server.
    pub(in super::super) const TERMINATE: u8 = b'T';
    /// SIGKILL for the server and all its descendants.
    pub(in super::super) const KILL: u8 = b'K';
    /// SIGSTOP for all; answered.
    pub(in super::super) const STOP: u8 = b'S';
    /// SIGCONT for all.
    pub(in super::super) const CONTINUE: u8 = b'C';
}

/// To the test: a byte that says what, and a number. The end of the socket is the end of all processes.
pub(super) mod message {
    /// The server's pid.
    pub(in super::super) const PID: u8 = b'P';
    /// The server has ended, with this status.
    pub(in super::super) const EXITED: u8 = b'X';
    /// All are stopped.
    pub(in super::super) const STOPPED: u8 = b'S';
    pub(in super::super) const LENGTH: usize = 5;
}

const SOCKET: Fd = 0;
/// How long the dead are waited for before the living are looked for again. Most servers have no
/// children, so the first round mostly ends with the server's own death.
const FIRST_PAUSE: i32 = 20;
/// For one that cannot be killed: another user's, or one that hangs in the kernel.
const LONGEST_PAUSE: i32 = 1000;

struct Supervisor {
    /// `None` once it has been waited for: its number may be somebody else's then.
    server: Option<Pid>,
    /// No children are left.
    alone: bool,
    signals: Fd,
}

/// `socket` is the end that the test does not have.
pub(super) fn run(server: Pid, socket: Fd) -> ! {
    sys::new_session();
    sys::name_thread(c"port-test-super");
    // So that no directory of the test stays in use.
    let _ = sys::change_directory(c"/");
    // A failure leaves a supervisor that cannot be told anything, or that the test's runner waits for:
    // better none, which the server does not survive.
    let placed = sys::duplicate_onto(socket, SOCKET).is_ok()
        && sys::open(c"/dev/null", libc::O_RDWR).is_ok_and(|null| {
            sys::duplicate_onto(null, 1).is_ok() && sys::duplicate_onto(null, 2).is_ok()
        })
        && sys::close_all_from(3).is_ok();
    let (true, Ok(signals)) = (placed, sys::child_signals()) else {
        sys::signal_child(server, libc::SIGKILL);
        sys::exit();
    };
    tell(message::PID, server);
    Supervisor {
        server: Some(server),
        alone: false,
        signals,
    }
    .supervise()
}

impl Supervisor {
    fn supervise(mut self) -> ! {
        loop {
            let mut ready = [readable(SOCKET), readable(self.signals)];
            sys::poll(&mut ready, -1);
            if ready[1].revents != 0 {
                self.reap();
                if self.server.is_none() {
                    self.end();
                }
            }
            if ready[0].revents != 0 {
                self.obey();
            }
        }
    }

    fn obey(&mut self) {
        let mut commands = [0; 16];
        let length = match sys::read(SOCKET, &mut commands) {
            // The test process has ended, or has no use for the server any more. An error is one that
            // ended before it read all that it was told.
            Ok(0) | Err(_) => self.end(),
            Ok(length) => length,
        };
        for command in commands.iter().take(length) {
            match *command {
                command::TERMINATE => {
                    if let Some(server) = self.server {
                        sys::signal_child(server, libc::SIGTERM);
                    }
                }
                command::STOP => {
                    // First, so that it does not see its children go.
                    if let Some(server) = self.server {
                        sys::signal_child(server, libc::SIGSTOP);
                    }
                    descendants::stop();
                    tell(message::STOPPED, 0);
                }
                command::CONTINUE => descendants::resume(),
                _ => self.end(),
            }
        }
    }

    /// Kills everybody until nobody is left.
    fn end(&mut self) -> ! {
        if let Some(server) = self.server {
            // First, and mostly alone.
            sys::signal_child(server, libc::SIGKILL);
            self.wait(FIRST_PAUSE);
        }
        let mut pause = FIRST_PAUSE;
        let mut again = false;
        loop {
            self.reap();
            if self.alone {
                sys::exit();
            }
            descendants::kill(again);
            again = true;
            self.wait(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn wait(&self, milliseconds: i32) {
        sys::poll(&mut [readable(self.signals)], milliseconds);
    }

    fn reap(&mut self) {
        // Signals of one kind count once, however many were sent: the descriptor says when to look.
        let mut signals = [0; 256];
        while sys::read(self.signals, &mut signals).is_ok_and(|length| length > 0) {}
        loop {
            match sys::reap() {
                Reaped::Child(pid, status) if self.server == Some(pid) => {
                    self.server = None;
                    tell(message::EXITED, status);
                }
                Reaped::Child(..) => {}
                Reaped::NotYet => return,
                Reaped::None => {
                    self.alone = true;
                    return;
                }
            }
        }
    }
}

fn readable(fd: Fd) -> pollfd {
    pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    }
}

fn tell(what: u8, number: i32) {
    let [a, b, c, d] = number.to_ne_bytes();
    sys::send(SOCKET, &[what, a, b, c, d]);
}
