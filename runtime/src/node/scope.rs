//! What belongs to one test: its deadline, its nodes, who of them died, and who waits for what.

use std::cell::RefCell;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::events::{Event, Events};
use super::pending::{self, Pending};
use super::roster::Roster;
use crate::config;
use crate::directory::TestDirectory;
use crate::error::{Error, ErrorKind};
use crate::sync::lock;

/// The time limit of a test that names none, and of a wait outside any test.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a node may take to go down, from being killed to the last of its threads and listeners.
const TEARDOWN: Duration = Duration::from_secs(10);
/// Waits end this share of the time limit before the test does, so that what they have to say is
/// returned by the body instead of being cut off with it; at most [`MAX_MARGIN`].
const MARGIN_SHARE: u32 = 20;
const MAX_MARGIN: Duration = Duration::from_secs(1);
/// Ten years: longer than any test, and far from the end of the clock.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

pub(crate) struct Scope {
    pub(crate) name: String,
    pub(crate) started: Instant,
    /// `None` outside a test: then each wait has the default time limit to itself.
    pub(crate) deadline: Option<Instant>,
    pub(crate) directory: TestDirectory,
    /// Sent whenever a node changes its state, joins or dies.
    changes: watch::Sender<()>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    rosters: Vec<Arc<Roster>>,
    deaths: Vec<Death>,
    events: Events,
    pending: Vec<(u64, Pending)>,
    last_wait: u64,
    /// When the body was over: whatever ends later was asked to.
    over: Option<Instant>,
    clusters: usize,
}

/// A node that ended without having been asked to.
#[derive(Clone)]
pub(crate) struct Death {
    pub(crate) node: String,
    pub(crate) cause: String,
    /// Since the start of the test.
    pub(crate) after: Duration,
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Scope>>> = const { RefCell::new(None) };
}

impl Scope {
    pub(crate) fn new(package: &str, name: &str, timeout: Option<Duration>) -> Arc<Self> {
        let started = Instant::now();
        Arc::new(Self {
            name: name.to_owned(),
            started,
            deadline: timeout.map(|timeout| started + timeout),
            directory: TestDirectory::new(package, name),
            changes: watch::Sender::new(()),
            inner: Mutex::default(),
        })
    }

    /// The scope of the test that this thread works for.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Makes this the current scope of the calling thread until the guard drops.
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        Entered(CURRENT.replace(Some(Arc::clone(self))))
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|()| {});
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(crate) fn adopt(&self, roster: Arc<Roster>) {
        lock(&self.inner).rosters.push(roster);
    }

    /// The clusters of this test, in the order in which they were made.
    pub(crate) fn rosters(&self) -> Vec<Arc<Roster>> {
        lock(&self.inner).rosters.clone()
    }

    /// Forgets its nodes: they hold the scope in turn.
    pub(crate) fn disown(&self) -> Vec<Arc<Roster>> {
        std::mem::take(&mut lock(&self.inner).rosters)
    }

    /// The number of the next cluster that the test builds by itself; the first is 1.
    pub(crate) fn next_cluster(&self) -> usize {
        let mut inner = lock(&self.inner);
        inner.clusters += 1;
        inner.clusters
    }

    /// A node ended unasked at `at`.
    pub(crate) fn died(&self, node: String, cause: String, at: Instant) {
        let after = at.saturating_duration_since(self.started);
        let mut inner = lock(&self.inner);
        if inner.over.is_none_or(|over| at < over) {
            inner.deaths.push(Death { node, cause, after });
        }
        drop(inner);
        self.changed();
    }

    /// Remembers what happened to a node, for the report.
    pub(crate) fn note(&self, node: &str, what: String) {
        let event = Event {
            at: self.started.elapsed(),
            node: node.to_owned(),
            what,
        };
        lock(&self.inner).events.push(event);
    }

    /// At most `count` events, the first and the last.
    pub(crate) fn events(&self, count: usize) -> Vec<String> {
        lock(&self.inner).events.shown(count)
    }

    /// The body is over. A node whose tasks end because their clients are gone has done nothing wrong.
    pub(crate) fn end_of_body(&self) {
        lock(&self.inner).over.get_or_insert_with(Instant::now);
    }

    pub(crate) fn deaths(&self) -> Vec<Death> {
        lock(&self.inner).deaths.clone()
    }

    pub(crate) fn pending(&self) -> Vec<Pending> {
        lock(&self.inner)
            .pending
            .iter()
            .map(|(_, wait)| wait.clone())
            .collect()
    }

    /// When a wait that begins now has to end: a margin before the test, if it is the test's body that
    /// waits. A node's wait outlasts the test, which takes the node down, so that it is still pending, and
    /// told of, when the test's time is up.
    fn wait_deadline(&self, of_node: bool) -> Instant {
        let (deadline, margin) = match self.deadline {
            Some(deadline) => {
                let margin = (deadline - self.started) / MARGIN_SHARE;
                (deadline, margin.min(MAX_MARGIN))
            }
            None => (Instant::now() + scaled(DEFAULT_TIMEOUT), Duration::ZERO),
        };
        if of_node {
            deadline + MAX_MARGIN
        } else {
            deadline - margin
        }
    }

    /// Drives `work` until it is done, a node of this test dies unasked, or time is up.
    ///
    /// # Errors
    ///
    /// The latter two, as a message that `detail` may complete.
    pub(crate) async fn wait<T>(
        &self,
        wait: Pending,
        work: impl Future<Output = T>,
        detail: impl FnOnce() -> Option<String>,
    ) -> Result<T, Error> {
        let deadline = self.wait_deadline(wait.waiter.is_some());
        let registered = self.register(wait);
        tokio::select! {
            biased;
            output = work => Ok(output),
            error = self.end_of_wait(&registered, deadline) => {
                let detail = detail().map(|detail| format!("; {detail}")).unwrap_or_default();
                Err(Error::new(error.kind(), format!("{error}{detail}")))
            }
        }
    }

    async fn end_of_wait(&self, registered: &Registered<'_>, deadline: Instant) -> Error {
        let mut changes = self.changes();
        let deadline = tokio::time::sleep_until(deadline.into());
        tokio::pin!(deadline);
        loop {
            if let Some(death) = self.deaths().first() {
                let what = registered.describe();
                let message = format!("{what} ended early: {} died: {}", death.node, death.cause);
                return Error::new(ErrorKind::Died, message);
            }
            tokio::select! {
                // The sender lives as long as `self`.
                _ = changes.changed() => {}
                () = &mut deadline => {
                    let mut message = format!("{} ran out of time", registered.describe());
                    if let Some(circle) = pending::circle(&self.pending()) {
                        message = format!("{message}; these wait for each other: {circle}");
                    }
                    return Error::new(ErrorKind::TimedOut, message);
                }
            }
        }
    }

    fn register(&self, wait: Pending) -> Registered<'_> {
        let mut inner = lock(&self.inner);
        inner.last_wait += 1;
        let key = inner.last_wait;
        inner.pending.push((key, wait));
        Registered { scope: self, key }
    }
}

/// A wait in the list of pending ones, until it is dropped.
struct Registered<'a> {
    scope: &'a Scope,
    key: u64,
}

impl Registered<'_> {
    fn describe(&self) -> String {
        let inner = lock(&self.scope.inner);
        let wait = inner.pending.iter().find(|(key, _)| *key == self.key);
        wait.map(|(_, wait)| {
            let elapsed = wait.since.elapsed();
            let (file, line) = (wait.location.file(), wait.location.line());
            format!(
                "the wait for {} at {file}:{line}, {elapsed:.1?} long,",
                wait.what
            )
        })
        .unwrap_or_default()
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        lock(&self.scope.inner)
            .pending
            .retain(|(key, _)| *key != self.key);
    }
}

/// Restores the thread's former scope on drop.
pub(crate) struct Entered(Option<Arc<Scope>>);

impl Drop for Entered {
    fn drop(&mut self) {
        // A thread that is ending may have lost the variable already; nobody can ask it any more.
        let _ = CURRENT.try_with(|current| current.replace(self.0.take()));
    }
}

/// `duration`, by the factor of `PORT_TEST_TIMEOUT_SCALE`.
pub(crate) fn scaled(duration: Duration) -> Duration {
    // Whoever wants no time limit names a huge factor; that must not overflow the clock.
    let scaled = duration.as_secs_f64() * config::get().timeout_scale;
    Duration::try_from_secs_f64(scaled).map_or(FOREVER, |scaled| scaled.min(FOREVER))
}

/// When a node that is asked to go down now must be gone.
pub(crate) fn teardown_deadline() -> Instant {
    Instant::now() + scaled(TEARDOWN)
}
