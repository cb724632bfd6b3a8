//! Starting one process: the fork of its supervisor, the pipes, and the error when it does not start.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::listeners::Listeners;
use super::supervisor;
use super::sys::{self, Pid, Split};
use super::watched;

/// A process that has been started, and its supervisor.
pub(super) struct Started {
    pub(super) pid: u32,
    /// std's child is the supervisor.
    pub(super) supervisor: Child,
    pub(super) socket: UnixStream,
    /// What the process and its descendants print.
    pub(super) output: io::PipeReader,
}

/// What both processes need to know, made before the fork.
struct Plan {
    /// Whether a spawn is under way that this belongs to.
    armed: AtomicBool,
    socket: RawFd,
    output: RawFd,
    directory: Option<CString>,
    listeners: Option<Listeners>,
}

impl Split for Plan {
    fn armed(&self) -> bool {
        // Relaxed: read by a copy of the thread that has set it.
        self.armed.load(Ordering::Relaxed)
    }

    fn prepare(&self) -> io::Result<()> {
        if let Some(directory) = &self.directory {
            sys::change_directory(directory)?;
        }
        sys::duplicate_onto(sys::open(c"/dev/null", libc::O_RDWR)?, libc::STDIN_FILENO)?;
        sys::duplicate_onto(self.output, libc::STDOUT_FILENO)?;
        sys::duplicate_onto(self.output, libc::STDERR_FILENO)
    }

    fn execute(&self) -> io::Result<()> {
        self.listeners
            .as_ref()
            .map_or(Ok(()), |listeners| Err(listeners.execute()))
    }

    fn supervise(&self, server: Pid) -> ! {
        supervisor::run(server, self.socket)
    }
}

/// Starts `command` under a supervisor, in `directory` unless it names one itself. Nothing of the
/// command changes but the variable `LISTEN_PID` and a hook that does nothing from now on.
///
/// # Errors
///
/// What std reports, which includes a program that is not there; or the supervisor did not start.
pub(super) fn spawn(
    command: &mut Command,
    directory: &Path,
    listeners: Option<(Listeners, Vec<OwnedFd>)>,
) -> io::Result<Started> {
    let (listeners, sockets) = listeners.unzip();
    let (socket, theirs) = UnixStream::pair()?;
    let (output, printed) = io::pipe()?;
    let directory = match command.get_current_dir() {
        Some(_) => None,
        None => Some(CString::new(directory.as_os_str().as_bytes())?),
    };
    let plan = Arc::new(Plan {
        armed: AtomicBool::new(true),
        socket: theirs.as_raw_fd(),
        output: printed.as_raw_fd(),
        directory,
        listeners,
    });
    sys::split_on_spawn(command, Arc::clone(&plan) as Arc<dyn Split>);
    let spawned = command.spawn();
    plan.armed.store(false, Ordering::Relaxed);
    drop((theirs, printed, sockets));
    let mut supervisor = spawned?;
    match watched::receive(&socket) {
        Ok((_, pid)) => Ok(Started {
            pid: pid.unsigned_abs(),
            supervisor,
            socket,
            output,
        }),
        Err(error) => {
            // It has ended, or will: this end of its socket is about to close.
            drop(socket);
            let _ = supervisor.wait();
            Err(io::Error::new(
                error.kind(),
                format!("its supervisor did not start: {error}"),
            ))
        }
    }
}

/// Why `command` may not have started, to be read before the system's own reason.
pub(super) fn explain(command: &Command, directory: &Path, error: &io::Error) -> String {
    let program = command.get_program();
    let name = program.to_string_lossy();
    if error.kind() != io::ErrorKind::NotFound {
        return format!("cannot run `{name}`");
    }
    let directory = command.get_current_dir().unwrap_or(directory);
    if !directory.is_dir() {
        return format!(
            "cannot run `{name}` in {}, which is no directory",
            directory.display()
        );
    }
    match program.as_bytes() {
        [b'/', ..] => format!("cannot run `{name}`"),
        path if path.contains(&b'/') => {
            format!(
                "cannot run `{name}`, which is looked up from {}",
                directory.display()
            )
        }
        _ => format!("cannot run `{name}`, which is looked up on the PATH"),
    }
}

/// What a program is called in messages.
pub(super) fn name(program: &OsStr) -> String {
    let path = Path::new(program);
    path.file_name()
        .unwrap_or(program)
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read as _};

    fn output(mut started: Started) -> String {
        let mut text = String::new();
        started.output.read_to_string(&mut text).unwrap();
        drop(started.socket);
        started.supervisor.wait().unwrap();
        text
    }

    #[test]
    fn a_command_can_be_spawned_again_with_and_without_supervision() {
        let directory = std::env::temp_dir().canonicalize().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "pwd; echo to stderr >&2; cat; echo done"]);
        for _ in 0..3 {
            let started = spawn(&mut command, &directory, None).unwrap();
            assert_ne!(started.pid, started.supervisor.id());
            assert_eq!(
                output(started),
                format!("{}\nto stderr\ndone\n", directory.display())
            );
        }
        // By hand: in this process's own directory, with a pipe, and nobody between the two.
        let by_hand = command.stdin(std::process::Stdio::null()).output().unwrap();
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            String::from_utf8(by_hand.stdout).unwrap(),
            format!("{}\ndone\n", here.display())
        );
        assert_eq!(by_hand.stderr, b"to stderr\n");
    }

    #[test]
    fn what_std_reports_comes_back_and_says_what_was_looked_for_where() {
        let directory = std::env::temp_dir();
        for (program, listeners, word) in [
            ("port-test-no-such-program", false, "PATH"),
            ("port-test-no-such-program", true, "PATH"),
            ("./port-test-no-such-program", false, "looked up from"),
            ("/port-test-no-such-program", true, "cannot run"),
        ] {
            let mut command = Command::new(program);
            let listeners = listeners.then(|| {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                // Enough to displace whatever pipe std makes.
                let sockets = (0..20)
                    .map(|_| ("x", listener.try_clone().unwrap()))
                    .collect();
                Listeners::new(&mut command, sockets).unwrap()
            });
            let error = spawn(&mut command, &directory, listeners).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{program}");
            let text = explain(&command, &directory, &error);
            assert!(text.contains(program) && text.contains(word), "{text}");
        }
        let mut command = Command::new("true");
        command.current_dir("/no/such/directory");
        let error = spawn(&mut command, &directory, None).err().unwrap();
        assert!(explain(&command, &directory, &error).contains("/no/such/directory"));
    }
}
