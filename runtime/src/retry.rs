//! Short waits for what the kernel announces by no event.

use std::time::{Duration, Instant};

/// Ever longer pauses between two questions. They grow by an eighth, so that an answer is late by a ninth
/// of the whole wait at most: doubled pauses made nodes ready half as late again.
pub(crate) struct Delays(Duration);

const FIRST: Duration = Duration::from_micros(100);
const LONGEST: Duration = Duration::from_millis(20);

impl Delays {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    pub(crate) fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now + now / 8).min(LONGEST);
        now
    }
}

/// Asks `done` until it says yes or the deadline has come, blocking the thread; whether it said yes.
pub(crate) fn poll_until(deadline: Instant, mut done: impl FnMut() -> bool) -> bool {
    let mut delays = Delays::new();
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(delays.next());
    }
}
