//! Whoever waits for a port gets it when it is given back: no wake-up is lost, in any order.
//!
//! The port is an atomic whose accesses are relaxed, which promises less than any kernel: on Linux
//! a bind and a close take the same lock.
//!
//! Models have no clock, so that whoever waits for a wake-up that was lost waits for ever, which loom
//! reports as a deadlock. Async code, where tokio waits in place of `waiters::block`, is not modelled.
//!
//! The `Arc`s are std's, since loom's cannot be dropped where a deadlock unwinds.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::atomics::{Flaw, MAIN, check, check_in_part, check_with};
use crate::port::waiters::{Waiters, block};

/// A port, taken at first, and who waits for it.
#[derive(Default)]
struct Port {
    free: AtomicBool,
    waiters: Waiters,
}

impl Port {
    fn search(&self) -> bool {
        let (free, taken) = (true, false);
        // The load alone may see less than the exchange, which reads the newest value.
        self.free.load(Ordering::Relaxed)
            && self
                .free
                .compare_exchange(free, taken, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    fn give_back(&self) {
        self.free.store(true, Ordering::Relaxed);
        self.waiters.wake();
    }

    /// The loop of `PortAllocator::lease`, less the clock.
    fn lease(&self) {
        let waiting = self.waiters.enter();
        loop {
            let notified = pin!(waiting.notified());
            if self.search() {
                return;
            }
            assert!(block(notified, Duration::MAX), "the time passed");
        }
    }
}

/// What one who waits does before it searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// As it should be.
    EnterAndListen,
    /// The notification is made after the search.
    Enter,
    Nothing,
}

const GIVER: &str = "giver";

/// One round of that loop, without the wait: whoever found nothing must have been notified when the
/// giver is done.
fn found_or_notified(before: Before) {
    let port = Arc::new(Port::default());
    let giver = {
        let port = Arc::clone(&port);
        let builder = thread::Builder::new().name(GIVER.to_owned());
        builder.spawn(move || port.give_back()).expect("a thread")
    };

    let mut found = before == Before::Nothing && port.search();
    let waiting = port.waiters.enter();
    found |= before == Before::Enter && port.search();
    let mut notified = pin!(waiting.notified());
    found |= before == Before::EnterAndListen && port.search();

    giver.join().expect("no panic");
    if !found {
        let poll = notified
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_ready(), "a wake-up was lost");
        assert!(port.search(), "notified of nothing");
    }
    drop(waiting);
    assert_eq!(port.waiters.count(), 0);
}

#[test]
fn whoever_finds_nothing_is_notified() {
    check(|| found_or_notified(Before::EnterAndListen));
}

#[test]
fn two_that_wait_for_one_port_both_get_it() {
    check_in_part(|| {
        let port = Arc::new(Port::default());
        let waiters = [(); 2].map(|()| {
            let port = Arc::clone(&port);
            thread::spawn(move || {
                port.lease();
                port.give_back();
            })
        });
        port.give_back();
        for waiter in waiters {
            waiter.join().expect("no panic");
        }
        assert_eq!(port.waiters.count(), 0);
        assert!(port.search());
    });
}

#[test]
fn wakes_for_other_ports_do_no_harm() {
    check_in_part(|| {
        let port = Arc::new(Port::default());
        let others = [Port::lease, |port: &Port| port.waiters.wake()].map(|action| {
            let port = Arc::clone(&port);
            thread::spawn(move || action(&port))
        });
        port.give_back();
        for other in others {
            other.join().expect("no panic");
        }
    });
}

#[test]
#[should_panic(expected = "a wake-up was lost")]
fn a_waiter_without_its_fence_is_found() {
    check_with(Flaw::Unfenced(MAIN), || {
        found_or_notified(Before::EnterAndListen)
    });
}

#[test]
#[should_panic(expected = "a wake-up was lost")]
fn a_giver_without_its_fence_is_found() {
    check_with(Flaw::Unfenced(GIVER), || {
        found_or_notified(Before::EnterAndListen)
    });
}

#[test]
#[should_panic(expected = "a wake-up was lost")]
fn a_waiter_that_is_counted_too_late_is_found() {
    check(|| found_or_notified(Before::Nothing));
}

#[test]
#[should_panic(expected = "a wake-up was lost")]
fn a_notification_that_is_made_too_late_is_found() {
    check(|| found_or_notified(Before::Enter));
}
