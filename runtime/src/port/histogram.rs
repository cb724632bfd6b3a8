//! A log-linear histogram of durations: atomics only, no allocation, 2.5 kB.

use std::array;
use std::time::Duration;

use super::sync::{AtomicU64, Ordering};

/// Each power of two of nanoseconds is cut into `1 << CUTS` equal buckets: a quantile is wrong by
/// at most one part in 16.
const CUTS: u32 = 3;

/// Durations from `1 << TOP` nanoseconds on, 73 minutes, are counted in the last bucket.
const TOP: u32 = 42;

const BUCKETS: usize = ((TOP - CUTS + 1) << CUTS) as usize;

/// How often a duration of each size was recorded.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: [AtomicU64; BUCKETS],
}

impl Histogram {
    pub(super) fn new() -> Self {
        Histogram {
            counts: array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    pub(super) fn record(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // Relaxed, like the loads in `quantile`, without a partner: a count publishes nothing.
        self.counts[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
    }

    /// The durations below which each of the given shares of all records lie. `None` when nothing
    /// was recorded.
    pub(super) fn quantiles<const N: usize>(&self, shares: [f64; N]) -> [Option<Duration>; N] {
        let counts: [u64; BUCKETS] = array::from_fn(|n| self.counts[n].load(Ordering::Relaxed));
        let total: u64 = counts.iter().sum();
        shares.map(|share| {
            let wanted = ((total as f64 * share).ceil() as u64).max(1);
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen >= wanted
            })?;
            Some(Duration::from_nanos(middle(found)))
        })
    }
}

fn bucket(nanos: u64) -> usize {
    // The lowest 2^CUTS values are their own buckets.
    if nanos < 1 << CUTS {
        return nanos as usize;
    }
    let exponent = nanos.ilog2();
    let cut = (nanos >> (exponent - CUTS)) as usize - (1 << CUTS);
    let bucket = ((exponent - CUTS + 1) << CUTS) as usize + cut;
    bucket.min(BUCKETS - 1)
}

/// The duration in the middle of a bucket.
fn middle(bucket: usize) -> u64 {
    if bucket < 1 << CUTS {
        return bucket as u64;
    }
    let shift = (bucket >> CUTS) as u32 - 1;
    let low = (((bucket & ((1 << CUTS) - 1)) + (1 << CUTS)) as u64) << shift;
    low + (1u64 << shift) / 2
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_ascend_without_a_gap() {
        let mut last = 0;
        for nanos in 0..1_000_000 {
            let now = bucket(nanos);
            assert!(now == last || now == last + 1, "{nanos}");
            last = now;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(bucket((1 << TOP) - 1), BUCKETS - 1);
        assert_eq!(bucket(15 << (TOP - 4)), BUCKETS - 1);
        assert_eq!(bucket((15 << (TOP - 4)) - 1), BUCKETS - 2);
    }

    #[test]
    fn the_middle_is_near_every_value_of_its_bucket() {
        for exponent in 0..TOP {
            for nanos in [1 << exponent, (1 << exponent) + (1 << exponent) / 3] {
                let middle = middle(bucket(nanos));
                assert!(middle.abs_diff(nanos) * 16 <= nanos, "{nanos}: {middle}");
            }
        }
    }

    #[test]
    fn quantiles_of_a_known_spread() {
        let histogram = Histogram::new();
        assert_eq!(histogram.quantiles([0.5, 0.99]), [None, None]);
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        let [p50, p99, all] = histogram.quantiles([0.5, 0.99, 1.0]).map(Option::unwrap);
        let near = |time: Duration, micros: f64| {
            (time.as_nanos() as f64 / (micros * 1000.0) - 1.0).abs() < 0.07
        };
        assert!(near(p50, 500.0), "{p50:?}");
        assert!(near(p99, 990.0), "{p99:?}");
        assert!(near(all, 1000.0), "{all:?}");
    }
}
