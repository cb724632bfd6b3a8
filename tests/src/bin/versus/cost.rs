//! What one allocation costs.

use std::time::Instant;

use port_test::BoxError;

use super::child::{self, Worker};
use super::contender::{Contender, Held, Scene};
use super::effort::Effort;

/// Allocations of one contender before the next has its turn. Each is timed by itself.
const BATCH: usize = 8;
/// Rounds of a worker that only warm up.
const WARM_UP: usize = 5;

/// Nanoseconds of each allocation of one row.
#[derive(Default)]
pub(crate) struct Samples {
    pub(crate) taken: Vec<f64>,
    pub(crate) given_back: Vec<f64>,
}

/// Several processes, one after the other: what is kept to the end of its process piles up in
/// none, and no single process's place in memory decides.
pub(crate) fn measure(rows: usize, effort: &Effort) -> Result<Vec<Samples>, BoxError> {
    let mut samples: Vec<Samples> = (0..rows).map(|_| Samples::default()).collect();
    for _ in 0..effort.cost_workers {
        let args = ["cost".to_owned(), effort.cost_rounds.to_string()];
        let mut worker = Worker::start(&args)?;
        worker.begin()?;
        for line in worker.result()?.lines() {
            let (row, kind, values) = child::reported(line)?;
            let samples = samples.get_mut(row).ok_or("no such row")?;
            match kind {
                "taken" => samples.taken.extend(values),
                _ => samples.given_back.extend(values),
            }
        }
    }
    Ok(samples)
}

/// The worker: `cost ROUNDS`.
pub(crate) fn work(
    rows: &[Contender],
    scene: &'static Scene,
    rounds: usize,
) -> Result<(), BoxError> {
    let mut samples: Vec<Samples> = rows.iter().map(|_| Samples::default()).collect();
    for round in 0..WARM_UP + rounds {
        for n in 0..rows.len() {
            // Another order in each round: nobody always follows the same neighbour.
            let n = (n + round) % rows.len();
            let batch = turn(&rows[n], scene)?;
            if round >= WARM_UP {
                samples[n].taken.extend(batch.taken);
                samples[n].given_back.extend(batch.given_back);
            }
        }
    }
    for (n, samples) in samples.iter().enumerate() {
        child::report(n, "taken", &samples.taken);
        child::report(n, "given-back", &samples.given_back);
    }
    Ok(())
}

fn turn(row: &Contender, scene: &'static Scene) -> Result<Samples, BoxError> {
    let take = || (row.take)(scene).map_err(|error| format!("{}: {error}", row.call));
    let mut samples = Samples::default();
    // As a test does that needs several: none is given back between.
    let mut held: Vec<Held> = Vec::with_capacity(BATCH);
    for _ in 0..BATCH {
        let began = Instant::now();
        held.push(take()?);
        samples.taken.push(began.elapsed().as_nanos() as f64);
    }
    drop(held);
    if row.part.returns {
        for _ in 0..BATCH {
            let began = Instant::now();
            drop(take()?);
            samples.given_back.push(began.elapsed().as_nanos() as f64);
        }
    }
    Ok(samples)
}
