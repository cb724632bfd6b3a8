//! One node, without the type of its handle: what it is, and the state it is in.

use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::mpsc as blocking;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::mpsc;

use super::host::Command;
use super::log::Log;
use super::ports::Ports;
use super::process::Processes;
use super::roster::Roster;
use super::service::Service;
use crate::sync::lock;

/// A service's handle, its type erased.
pub(crate) type AnyHandle = Arc<dyn Any + Send + Sync>;

pub(crate) struct Member {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// The name, with the cluster's number if it has one.
    pub(crate) label: String,
    pub(crate) ports: Ports,
    pub(crate) roster: Arc<Roster>,
    /// `None`: a bare node.
    pub(crate) service: Option<Service>,
    pub(crate) log: Arc<Log>,
    directory: OnceLock<std::path::PathBuf>,
    run: Mutex<Run>,
    /// Signalled together with the scope's `changes`, for those who wait on no runtime.
    run_changed: Condvar,
    /// Held during kill, stop, restart, pause and resume: one at a time.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

pub(crate) struct Run {
    pub(crate) state: State,
    /// When it came into this state.
    pub(crate) since: Instant,
    /// How often the node was started before; the first run is 0.
    pub(crate) generation: u32,
    pub(crate) handle: Option<AnyHandle>,
    pub(crate) commands: Option<mpsc::UnboundedSender<Command>>,
    /// What it has started; of the last run, if the node is down.
    pub(crate) processes: Arc<Processes>,
    /// Sent to, it lets the paused node go on; dropped, it wakes the node to be told what else.
    pub(crate) resume: Option<blocking::Sender<()>>,
    /// Of this run and of earlier ones, as far as they were not seen to be gone. A node that is down may
    /// have its thread for a moment yet; nobody waits for that but the end of the test.
    pub(crate) threads: Vec<JoinHandle<()>>,
    /// The test is over: it is not started again.
    pub(crate) condemned: bool,
    /// What was left of its runs, or went wrong while they were taken down.
    pub(crate) leaks: Vec<String>,
    /// What the node's thread is doing, for the message when it does not end.
    pub(crate) doing: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Leased and listed, `start` not called yet.
    New,
    /// `start` is running.
    Starting,
    /// `start` has returned, and nobody listens on the first port yet.
    Silent,
    Running,
    Paused,
    Stopping,
    Down(Ending),
}

/// How a run of a node ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Killed,
    Stopped,
    /// Before it was ready; the cause.
    NotStarted(String),
    /// Unasked; the cause.
    Died(String),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down(ending) => ending.fmt(f),
            _ => f.write_str(self.short()),
        }
    }
}

impl State {
    /// In one or a few words, without a cause.
    pub(crate) fn short(&self) -> &'static str {
        match self {
            Self::New => "not started yet",
            Self::Starting => "starting",
            Self::Silent => "started, but nobody listens on its first port",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "going down",
            Self::Down(ending) => ending.short(),
        }
    }
}

impl Ending {
    /// In one or a few words, without the cause.
    pub(crate) fn short(&self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Stopped => "stopped",
            Self::NotStarted(_) => "did not start",
            Self::Died(_) => "died",
        }
    }

    pub(crate) fn cause(&self) -> Option<&str> {
        match self {
            Self::Killed | Self::Stopped => None,
            Self::NotStarted(cause) | Self::Died(cause) => Some(cause),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())?;
        self.cause().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl Member {
    pub(crate) fn new(
        id: u64,
        name: String,
        ports: Ports,
        roster: &Arc<Roster>,
        service: Option<Service>,
    ) -> Arc<Self> {
        let bare = service.is_none();
        Arc::new(Self {
            id,
            label: roster.label(&name),
            log: Log::new(roster, &name),
            name,
            ports,
            roster: Arc::clone(roster),
            service,
            directory: OnceLock::new(),
            run: Mutex::new(Run {
                since: Instant::now(),
                state: if bare { State::Running } else { State::New },
                generation: 0,
                handle: bare.then(|| Arc::new(()) as AnyHandle),
                commands: None,
                processes: Arc::default(),
                resume: None,
                threads: Vec::new(),
                condemned: false,
                leaks: Vec::new(),
                doing: "nothing",
            }),
            run_changed: Condvar::new(),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    pub(crate) fn run(&self) -> MutexGuard<'_, Run> {
        lock(&self.run)
    }

    pub(crate) fn state(&self) -> State {
        self.run().state.clone()
    }

    /// Changes the run and tells everybody who waits for a change.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Run) -> T) -> T {
        let (output, down) = {
            let mut run = self.run();
            let before = run.state.clone();
            let output = change(&mut run);
            if run.state != before {
                self.entered(&mut run);
            }
            (output, run.is_down())
        };
        if down {
            // The only change that is waited for without a runtime.
            self.run_changed.notify_all();
        }
        self.roster.scope.changed();
        output
    }

    /// The run is over, and its handle is to be dropped. Nobody waits for that, so nobody is woken.
    pub(crate) fn begin_end(&self) -> Option<AnyHandle> {
        let mut run = self.run();
        run.state = State::Stopping;
        run.doing = "dropping its handle";
        self.entered(&mut run);
        run.handle.take()
    }

    fn entered(&self, run: &mut Run) {
        run.since = Instant::now();
        let what = run.state.short().to_owned();
        self.roster.scope.note(&self.label, what);
    }

    /// Resolves as soon as `answer` has one of this node's run.
    pub(crate) async fn until<T>(&self, answer: impl Fn(&Run) -> Option<T>) -> T {
        self.until_any(|| answer(&self.run())).await
    }

    /// Resolves as soon as `answer` has one; it is asked again at every change in the test.
    pub(crate) async fn until_any<T>(&self, answer: impl Fn() -> Option<T>) -> T {
        // Subscribed before the first question, so that no change falls between the two.
        let mut changes = self.roster.scope.changes();
        loop {
            if let Some(answer) = answer() {
                return answer;
            }
            // The sender lives as long as the scope, which `self` holds.
            let _ = changes.changed().await;
        }
    }

    /// Blocks until `done` says so or the deadline has come; whether it did.
    pub(crate) fn block_until(&self, deadline: Instant, done: impl Fn(&Run) -> bool) -> bool {
        let mut run = self.run();
        while !done(&run) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.run_changed.wait_timeout(run, left);
            run = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Remembers what is left of the node or went wrong while it was taken down; that fails the test.
    pub(crate) fn leaked(&self, what: String) {
        self.run().leaks.push(what);
    }

    /// The node's own directory, the same for all its runs.
    ///
    /// # Panics
    ///
    /// It cannot be created.
    #[track_caller]
    pub(crate) fn data_dir(&self) -> &Path {
        if let Some(made) = self.directory.get() {
            return made;
        }
        let name = self.roster.directory_of(&self.name);
        match self.roster.scope.directory.create(&name) {
            // Whoever comes second gets the first one's: both made the same.
            Ok(path) => self.directory.get_or_init(|| path),
            Err(error) => panic!(
                "the data directory of {} cannot be created: {error}",
                self.label
            ),
        }
    }
}

impl Run {
    pub(crate) fn is_down(&self) -> bool {
        matches!(self.state, State::Down(_))
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("ports", &self.ports)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
