//! Stand-ins for what loom cannot see of tokio, and lacks of std.
//!
//! [`Notify`] does what tokio documents: `notify_waiters` completes every [`Notified`] that was made before,
//! polled or not, and stores nothing for later ones. Where the documentation is silent, about what
//! such a call publishes, it has the structure and the orderings of tokio 1.54 and no stronger ones:
//! the calls are counted in an atomic that `notified` loads (`Acquire`) without the lock, and that
//! is moved (`Release`) and compared under the lock of the wakers.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

#[derive(Debug, Default)]
pub(in crate::port) struct Notify {
    calls: AtomicUsize,
    wakers: Mutex<Vec<Waker>>,
}

impl Notify {
    pub(in crate::port) fn notified(&self) -> Notified<'_> {
        Notified {
            notify: self,
            calls: self.calls.load(Ordering::Acquire),
        }
    }

    pub(in crate::port) fn notify_waiters(&self) {
        let mut wakers = self.wakers.lock().expect("no panic");
        self.calls.fetch_add(1, Ordering::Release);
        let wakers = {
            let taken = mem::take(&mut *wakers);
            drop(wakers);
            taken
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[derive(Debug)]
pub(in crate::port) struct Notified<'a> {
    notify: &'a Notify,
    calls: usize,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut wakers = self.notify.wakers.lock().expect("no panic");
        if self.notify.calls.load(Ordering::Acquire) != self.calls {
            return Poll::Ready(());
        }
        wakers.push(context.waker().clone());
        Poll::Pending
    }
}

/// There is no clock in a model: the time never passes.
pub(in crate::port) fn park_timeout(_time: Duration) {
    thread::park();
}
