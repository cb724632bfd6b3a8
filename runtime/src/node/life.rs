//! One run of an in-process node as its own code sees it: its tasks, and the wish that it stop.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::process::Processes;
use crate::error::{BoxError, chain};
use crate::panic;

pub(crate) struct Life {
    runtime: Handle,
    stopping: watch::Sender<bool>,
    ends: mpsc::UnboundedSender<TaskEnd>,
    processes: Arc<Processes>,
}

impl Life {
    pub(crate) fn new(
        runtime: Handle,
        processes: Arc<Processes>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<TaskEnd>) {
        let (ends, receiver) = mpsc::unbounded_channel();
        let life = Self {
            runtime,
            stopping: watch::Sender::new(false),
            ends,
            processes,
        };
        (Arc::new(life), receiver)
    }

    /// Runs `task` on the node's runtime and reports its end, unless the node ends first.
    pub(crate) fn supervise<F>(&self, task: F, spawned_at: &'static Location<'static>)
    where
        F: Future<Output: TaskOutput> + Send + 'static,
    {
        let ends = self.ends.clone();
        self.runtime.spawn(async move {
            let caught = panic::catch(task).await;
            // At once: who sees that the task is gone may end the test, or the node, before this is read.
            let at = caught
                .as_ref()
                .map_or_else(|panicked| panicked.since, |_| Instant::now());
            let outcome = match caught {
                Ok(output) => match output.into_result() {
                    Ok(()) => Outcome::Returned,
                    Err(error) => Outcome::Failed(chain(&*error)),
                },
                Err(panicked) => Outcome::Panicked(panic::text(&panicked.payload).to_owned()),
            };
            // Nobody receives once the node is going down.
            let what = What::Task {
                outcome,
                spawned_at,
            };
            let _ = ends.send(TaskEnd { what, at });
        });
    }

    /// The processes that the node has started.
    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
    }

    /// Reports how and when a process ended, unless the node ends first.
    #[cfg(target_os = "linux")]
    pub(crate) fn on_exit(&self) -> impl FnOnce(String, Instant) + Send + 'static {
        let ends = self.ends.clone();
        move |how, at| {
            let what = What::Process(how);
            let _ = ends.send(TaskEnd { what, at });
        }
    }

    /// Tells the node and its processes to stop; whether anybody in it listens.
    pub(crate) fn stop(&self) -> bool {
        self.stopping.send_replace(true);
        self.processes.terminate();
        self.stopping.receiver_count() > 0
    }

    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    pub(crate) fn alive_tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }
}

/// The end of a supervised task or process.
pub(crate) struct TaskEnd {
    what: What,
    /// When it was over.
    pub(crate) at: Instant,
}

enum What {
    Task {
        outcome: Outcome,
        spawned_at: &'static Location<'static>,
    },
    /// Which it was, and how it ended.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "there are no processes")
    )]
    Process(String),
}

enum Outcome {
    Returned,
    Failed(String),
    Panicked(String),
}

impl TaskEnd {
    /// Why this is the end of its node.
    pub(crate) fn cause(&self) -> String {
        let (outcome, spawned_at) = match &self.what {
            What::Task {
                outcome,
                spawned_at,
            } => (outcome, spawned_at),
            What::Process(how) => return how.clone(),
        };
        let (file, line) = (spawned_at.file(), spawned_at.line());
        match outcome {
            Outcome::Returned => format!(
                "its task of {file}:{line} ended early (work that may end is for tokio::spawn)"
            ),
            Outcome::Failed(error) => format!("its task of {file}:{line} failed: {error}"),
            Outcome::Panicked(text) => format!("its task of {file}:{line} panicked: {text}"),
        }
    }

    /// A node that is stopping may let its tasks end, but they must end well. Its processes were sent a
    /// signal, and what they make of that is their own affair.
    pub(crate) fn is_well(&self) -> bool {
        match &self.what {
            What::Task { outcome, .. } => matches!(outcome, Outcome::Returned),
            What::Process(_) => true,
        }
    }
}

/// What a task of [`NodeContext::spawn`](crate::NodeContext::spawn) may return: nothing, a `Result`, or
/// never.
pub trait TaskOutput: Send {
    /// The task's error, if it has one.
    ///
    /// # Errors
    ///
    /// The task returned `Err`.
    fn into_result(self) -> Result<(), BoxError>;
}

impl TaskOutput for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// A task that loops for ever returns `!`, which stable Rust cannot name but can describe.
pub trait Returns {
    /// What it returns.
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

impl TaskOutput for <fn() -> ! as Returns>::Output {
    fn into_result(self) -> Result<(), BoxError> {
        self
    }
}

impl<T: Send, E: Into<BoxError> + Send> TaskOutput for Result<T, E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map(drop).map_err(Into::into)
    }
}
