//! How long to wait between two searches: exponential, with jitter. Knows no sockets.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// What the first delay is drawn from. A child that another thread is spawning holds copies of our sockets for up
/// to 5 ms (measured), so the shortest waits are of that order.
pub(super) const FIRST: Duration = Duration::from_millis(1);

/// A series of delays: each is drawn from the upper half of a span that doubles up to a ceiling.
///
/// Only the upper half, so that the sum of `n` delays has a lower bound; not the whole span at its
/// top, so that waiters who began together come apart.
#[derive(Debug)]
pub(super) struct Backoff {
    span: Duration,
    ceiling: Duration,
    state: u64,
}

impl Backoff {
    pub(super) fn new(first: Duration, ceiling: Duration) -> Self {
        // std seeds it from the operating system: the only randomness without a dependency.
        Self::seeded(first, ceiling, RandomState::new().build_hasher().finish())
    }

    fn seeded(first: Duration, ceiling: Duration, seed: u64) -> Self {
        Backoff {
            span: first.min(ceiling),
            ceiling,
            // xorshift never leaves 0.
            state: seed | 1,
        }
    }

    /// The next delay.
    pub(super) fn next_delay(&mut self) -> Duration {
        let half = self.span / 2;
        // The top 32 bits as a fraction of 1.
        let fraction = (self.random() >> 32) as f64 / f64::from(u32::MAX);
        let delay = half + half.mul_f64(fraction);
        self.span = self.span.saturating_mul(2).min(self.ceiling);
        delay
    }

    /// Marsaglia's xorshift64.
    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_ceiling() {
        let ceiling = Duration::from_millis(250);
        for seed in [0, 1, 42, u64::MAX] {
            let mut backoff = Backoff::seeded(FIRST, ceiling, seed);
            for n in 0..40 {
                let span = (FIRST * (1 << n.min(10))).min(ceiling);
                let delay = backoff.next_delay();
                assert!(
                    span / 2 <= delay && delay <= span,
                    "{n}: {delay:?} of {span:?}"
                );
            }
        }
    }

    #[test]
    fn two_waiters_come_apart() {
        let delays = |seed| {
            let mut backoff = Backoff::seeded(FIRST, Duration::from_millis(250), seed);
            [(); 8].map(|()| backoff.next_delay())
        };
        assert_ne!(delays(3), delays(5));
    }

    #[test]
    fn extreme_ceilings() {
        let mut none = Backoff::new(FIRST, Duration::ZERO);
        assert_eq!(none.next_delay(), Duration::ZERO);
        let mut endless = Backoff::seeded(FIRST, Duration::MAX, 7);
        for _ in 0..200 {
            endless.next_delay();
        }
    }
}
