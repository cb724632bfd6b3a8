//! What an allocator has done: counters without a lock, and a snapshot of them.

use std::fmt;
use std::time::Duration;

use super::histogram::Histogram;
use super::sync::{AtomicU32, AtomicU64, Ordering};

/// The living counters of one allocator.
///
/// Every ordering here is relaxed and has no partner: a counter publishes nothing but itself, and
/// a snapshot taken while leases come and go is of no single moment anyway.
#[derive(Debug)]
pub(super) struct Counters {
    leased: AtomicU64,
    given_back: AtomicU64,
    failures: AtomicU64,
    busy: AtomicU64,
    worst: AtomicU32,
    times: Histogram,
}

impl Counters {
    pub(super) fn new() -> Self {
        Counters {
            leased: AtomicU64::new(0),
            given_back: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            worst: AtomicU32::new(0),
            times: Histogram::new(),
        }
    }

    /// A port was found by the last of `probes` binds, `time` after it was asked for.
    pub(super) fn leased(&self, probes: u32, time: Duration) {
        self.leased.fetch_add(1, Ordering::Relaxed);
        self.probed(probes, probes - 1);
        self.times.record(time);
    }

    /// A search ended without a port.
    pub(super) fn failed(&self, probes: u32) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.probed(probes, probes);
    }

    fn probed(&self, probes: u32, busy: u32) {
        // Nearly always nothing: both checks keep the common lease from writing shared memory.
        if busy > 0 {
            self.busy.fetch_add(busy.into(), Ordering::Relaxed);
        }
        if self.worst.load(Ordering::Relaxed) < probes {
            self.worst.fetch_max(probes, Ordering::Relaxed);
        }
    }

    /// A lease was dropped.
    pub(super) fn given_back(&self) {
        self.given_back.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> Stats {
        // In this order a lease that comes or goes meanwhile is counted as held, never as minus
        // one; `saturating_sub` covers processors that reorder the two loads.
        let given_back = self.given_back.load(Ordering::Relaxed);
        let successes = self.leased.load(Ordering::Relaxed);
        let [p50, p99] = self.times.quantiles([0.5, 0.99]);
        Stats {
            successes,
            failures: self.failures.load(Ordering::Relaxed),
            busy_probes: self.busy.load(Ordering::Relaxed),
            held: successes.saturating_sub(given_back),
            worst_probes: self.worst.load(Ordering::Relaxed),
            p50,
            p99,
        }
    }
}

/// What a [`PortAllocator`](crate::PortAllocator) has done so far; prints as one line.
///
/// # Examples
///
/// ```
/// use port_test::PortAllocator;
///
/// let ports = PortAllocator::builder().build()?;
/// let lease = ports.try_lease()?;
/// let stats = ports.stats();
/// assert_eq!((stats.successes(), stats.held()), (1, 1));
/// println!("{stats}");
///
/// drop(lease);
/// assert_eq!(ports.stats().held(), 0);
/// # Ok::<(), port_test::AllocError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    successes: u64,
    failures: u64,
    busy_probes: u64,
    held: u64,
    worst_probes: u32,
    p50: Option<Duration>,
    p99: Option<Duration>,
}

impl Stats {
    /// Searches of the range: successes and failures. A call that waits may search many times,
    /// and a block of ports counts as one success for each port.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.successes + self.failures
    }

    /// Ports that were leased.
    #[must_use]
    pub fn successes(&self) -> u64 {
        self.successes
    }

    /// Searches that found no port, or could not be made.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Ports that were tried and not to be had, mostly because something uses them.
    #[must_use]
    pub fn busy_probes(&self) -> u64 {
        self.busy_probes
    }

    /// Leases that are held now.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held
    }

    /// The most ports that one search has tried.
    #[must_use]
    pub fn worst_probes(&self) -> u32 {
        self.worst_probes
    }

    /// The median time from a call to its lease, waits included, to within 7 %. `None` before the
    /// first lease.
    #[must_use]
    pub fn p50(&self) -> Option<Duration> {
        self.p50
    }

    /// The time that 99 % of the leases took at most, like [`p50`](Self::p50).
    #[must_use]
    pub fn p99(&self) -> Option<Duration> {
        self.p99
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} attempts, {} leased, {} failed, {} held now, {} busy probes, at most {} probes a \
             lease",
            self.attempts(),
            self.successes,
            self.failures,
            self.held,
            self.busy_probes,
            self.worst_probes,
        )?;
        if let (Some(p50), Some(p99)) = (self.p50, self.p99) {
            write!(f, ", time to lease p50 {p50:.1?} p99 {p99:.1?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_prints_one_line() {
        let counters = Counters::new();
        assert_eq!(
            counters.snapshot().to_string(),
            "0 attempts, 0 leased, 0 failed, 0 held now, 0 busy probes, at most 0 probes a lease"
        );
        counters.leased(1, Duration::from_micros(5));
        counters.leased(4, Duration::from_micros(5));
        counters.failed(7);
        counters.given_back();
        let stats = counters.snapshot();
        assert_eq!(
            (stats.attempts(), stats.successes(), stats.failures()),
            (3, 2, 1)
        );
        assert_eq!(
            (stats.held(), stats.busy_probes(), stats.worst_probes()),
            (1, 10, 7)
        );
        let line = stats.to_string();
        assert!(line.starts_with("3 attempts, 2 leased, 1 failed, 1 held now, 10 busy probes"));
        assert!(
            line.contains("p50") && line.contains("p99") && !line.contains('\n'),
            "{line}"
        );
    }
}
