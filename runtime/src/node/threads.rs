//! The threads that a runtime makes besides its own: counted, so that its end can be waited for.
//!
//! Dropping a runtime waits for its blocking tasks for ever, and shutting it down in the background does
//! not wait for them at all.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use tokio::runtime::Builder;
use tracing::Dispatch;

use super::capture;
use super::scope::Scope;
use crate::sync::lock;

#[derive(Clone, Default)]
pub(crate) struct Threads(Arc<(Mutex<usize>, Condvar)>);

impl Threads {
    /// Names and counts the threads of the runtime that `builder` builds, and makes `scope` theirs, and
    /// `events` the subscriber of what they trace.
    ///
    /// tokio asks for a name where it spawns a thread, and calls `on_thread_start` only on the new thread:
    /// one that is counted there would be overlooked while it has not come so far, and a blocking task
    /// may still run on it after the runtime is gone.
    pub(crate) fn watch(
        &self,
        builder: &mut Builder,
        scope: &Arc<Scope>,
        name: &str,
        events: Option<Dispatch>,
    ) {
        let (spawn, stop) = (self.clone(), self.clone());
        let (scope, name) = (Arc::clone(scope), name.to_owned());
        builder
            .thread_name_fn(move || {
                *lock(&spawn.0.0) += 1;
                name.clone()
            })
            // For the thread's whole life: it works for one test only.
            .on_thread_start(move || {
                std::mem::forget(scope.enter());
                events.iter().for_each(capture::enter);
            })
            .on_thread_stop(move || {
                capture::leave();
                *lock(&stop.0.0) -= 1;
                stop.0.1.notify_all();
            });
    }

    pub(crate) fn wait_until_gone(&self) {
        let (count, changed) = &*self.0;
        let gone = changed.wait_while(lock(count), |count| *count > 0);
        drop(gone.unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits no longer than until `deadline`; how many threads are left.
    pub(crate) fn wait_until(&self, deadline: Instant) -> usize {
        let (count, changed) = &*self.0;
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = changed.wait_timeout_while(lock(count), left, |count| *count > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
