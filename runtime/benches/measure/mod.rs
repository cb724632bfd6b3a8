//! Ratios of contenders that run in turn.

use std::time::{Duration, Instant};

/// What a row must not exceed.
pub(crate) struct Target {
    /// The greatest ratio allowed.
    pub(crate) most: f64,
    /// What it is a ratio of.
    pub(crate) of: &'static str,
}

/// Prints a row for each comparison and remembers those that miss their target.
pub(crate) struct Table {
    rounds: usize,
    missed: usize,
}

impl Table {
    /// Each comparison runs both contenders `rounds` times, and a tenth of it before to warm up.
    pub(crate) fn new(rounds: usize) -> Self {
        println!("| what | median | against | median | ratio | at most |");
        println!("|---|--:|---|--:|--:|--:|");
        Self { rounds, missed: 0 }
    }

    /// Measures `ours` and `base` in turn.
    pub(crate) fn compare(
        &mut self,
        what: &str,
        target: Target,
        ours: &mut dyn FnMut(),
        base: &mut dyn FnMut(),
    ) {
        let mut times = [
            Vec::with_capacity(self.rounds),
            Vec::with_capacity(self.rounds),
        ];
        for round in 0..self.rounds + self.rounds / 10 {
            let pair = [time(ours), time(base)];
            if round >= self.rounds / 10 {
                times[0].push(pair[0]);
                times[1].push(pair[1]);
            }
        }
        let [ours, base] = times.map(median);
        let ratio = ours.as_secs_f64() / base.as_secs_f64();
        let verdict = if ratio <= target.most {
            ""
        } else {
            " **missed**"
        };
        self.missed += usize::from(ratio > target.most);
        println!(
            "| {what} | {ours:.1?} | {} | {base:.1?} | {ratio:.2}{verdict} | {} |",
            target.of, target.most
        );
    }

    /// Ends the process with an error if a target was missed.
    pub(crate) fn finish(self) {
        if self.missed > 0 {
            println!("\n{} targets missed", self.missed);
            std::process::exit(1);
        }
    }
}

fn time(run: &mut dyn FnMut()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
