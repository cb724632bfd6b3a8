//! How much is measured.

pub(crate) struct Effort {
    pub(crate) cost_workers: usize,
    pub(crate) cost_rounds: usize,
    pub(crate) throughput_rounds: usize,
    /// How often the stress is run for each row, by turns.
    pub(crate) passes: usize,
    /// Rounds of each process in one pass.
    pub(crate) rounds: u32,
    /// Microseconds between the noise's explicit ports.
    pub(crate) pace: u64,
}

impl Effort {
    /// For figures to keep.
    pub(crate) const FULL: Effort = Effort {
        cost_workers: 20,
        cost_rounds: 50,
        throughput_rounds: 31,
        passes: 3,
        rounds: 500,
        pace: PACE,
    };
    /// For CI.
    pub(crate) const SHORT: Effort = Effort {
        cost_workers: 2,
        cost_rounds: 25,
        throughput_rounds: 5,
        passes: 1,
        rounds: 100,
        pace: PACE,
    };
}

/// An explicit bind of a stranger every 20 ms, as in the stress test of the leases
/// (`tests/stress.rs`). A guard must be open for the microseconds in which its server binds; one
/// stranger in a hurry, tens of thousands of ports a second, hits such a moment once in a while.
const PACE: u64 = 20_000;
