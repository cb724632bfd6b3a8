//! Callers that wait for a port to be given back. Knows no sockets.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::sync::{AtomicUsize, Notified, Notify, Ordering, Thread, current, fence, park_timeout};

/// Wakes all waiters when a port is given back. Costs the giver one load while nobody waits.
///
/// No wake-up is lost. A waiter counts itself (1), makes its notification (2), searches (3) and
/// then waits; a giver closes its guard (4), reads the count (5) and notifies (6). If (5) saw the
/// waiter, then (6) wakes it when it came after (2); and when it came before (2), then so did (4),
/// and (3) finds the port. If (5) did not see it, (5) came before (1) in the order of the two
/// fences, so (4) came before (3).
///
/// All are woken, not one: a port that was given back may be of no use to the first in the row,
/// which wants another transport.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    count: AtomicUsize,
    notify: Notify,
}

impl Waiters {
    /// Counts the caller as one who waits, until the guard is dropped.
    pub(super) fn enter(&self) -> Waiting<'_> {
        // Relaxed: the fence behind it is what the giver's fence in `wake` pairs with.
        self.count.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        Waiting { waiters: self }
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// To be called after a port was given back.
    pub(super) fn wake(&self) {
        // Pairs with the fence in `enter`: either this load sees the waiter, or the waiter's
        // search comes after the guard was closed.
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::Relaxed) > 0 {
            self.notify.notify_waiters();
        }
    }
}

/// A caller that waits.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    waiters: &'a Waiters,
}

impl Waiting<'_> {
    /// What the next [`Waiters::wake`] completes. To be made before the search: tokio promises
    /// that `notify_waiters` completes all that exist, polled or not.
    pub(super) fn notified(&self) -> Notified<'_> {
        self.waiters.notify.notified()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // Relaxed, without a partner: a giver that still sees us notifies nobody.
        self.waiters.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Blocks the thread until `notified` completes, for at most `time`. Returns whether it did.
pub(super) fn block(mut notified: Pin<&mut Notified<'_>>, time: Duration) -> bool {
    let began = Instant::now();
    let waker = Waker::from(Arc::new(Unpark(current())));
    loop {
        if let Poll::Ready(()) = notified.as_mut().poll(&mut Context::from_waker(&waker)) {
            return true;
        }
        let left = time.saturating_sub(began.elapsed());
        if left.is_zero() {
            return false;
        }
        park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::thread;

    const FOREVER: Duration = Duration::from_secs(3600);

    #[test]
    fn a_wake_between_search_and_wait_is_not_lost() {
        let waiters = Waiters::default();
        let waiting = waiters.enter();
        let notified = pin!(waiting.notified());
        waiters.wake();
        assert!(block(notified, FOREVER));
    }

    #[test]
    fn a_wake_from_another_thread_ends_the_wait() {
        let waiters = Waiters::default();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let waiting = waiters.enter();
                        let notified = pin!(waiting.notified());
                        block(notified, FOREVER)
                    })
                })
                .collect();
            // Until all are through: a wake before they wait is none of theirs.
            while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
                waiters.wake();
                thread::yield_now();
            }
        });
        assert_eq!(waiters.count(), 0);
    }

    #[test]
    fn without_a_wake_the_time_passes() {
        let waiters = Waiters::default();
        waiters.wake();
        let waiting = waiters.enter();
        let notified = pin!(waiting.notified());
        assert!(!block(notified, Duration::from_millis(2)));
    }
}
