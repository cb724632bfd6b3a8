//! How many ports a second several threads get and give back, all together.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use port_test::BoxError;

use super::child::{self, Worker};
use super::contender::{Contender, Scene};
use super::effort::Effort;

pub(crate) const THREADS: [usize; 3] = [1, 2, 16];

/// Allocations of all threads together in one turn.
const WORK: usize = 1024;

/// Allocations a second of one row, for each number of threads.
pub(crate) type Rates = [Vec<f64>; THREADS.len()];

pub(crate) fn measure(rows: usize, effort: &Effort) -> Result<Vec<Rates>, BoxError> {
    let mut rates: Vec<Rates> = (0..rows).map(|_| Rates::default()).collect();
    let args = [
        "throughput".to_owned(),
        effort.throughput_rounds.to_string(),
    ];
    let mut worker = Worker::start(&args)?;
    worker.begin()?;
    for line in worker.result()?.lines() {
        let (row, threads, values) = child::reported(line)?;
        let place = THREADS.iter().position(|n| n.to_string() == threads);
        let row = rates.get_mut(row).ok_or("no such row")?;
        row[place.ok_or("no such number of threads")?].extend(values);
    }
    Ok(rates)
}

/// The worker: `throughput ROUNDS`.
pub(crate) fn work(
    rows: &[Contender],
    scene: &'static Scene,
    rounds: usize,
) -> Result<(), BoxError> {
    let mut rates: Vec<Rates> = rows.iter().map(|_| Rates::default()).collect();
    for round in 0..rounds {
        for n in 0..rows.len() {
            let n = (n + round) % rows.len();
            if !rows[n].part.returns {
                continue;
            }
            for (place, threads) in THREADS.into_iter().enumerate() {
                rates[n][place].push(per_second(&rows[n], scene, threads)?);
            }
        }
    }
    for (n, rates) in rates.iter().enumerate() {
        for (threads, values) in THREADS.iter().zip(rates) {
            child::report(n, &threads.to_string(), values);
        }
    }
    Ok(())
}

/// A fixed amount of work, shared out and timed as a whole: threads that wait for a processor
/// would each report a rate that they do not have at the same time.
fn per_second(row: &Contender, scene: &'static Scene, threads: usize) -> Result<f64, BoxError> {
    let barrier = Barrier::new(threads + 1);
    let work = || {
        barrier.wait();
        for _ in 0..WORK / threads {
            (row.take)(scene).map_err(|error| format!("{}: {error}", row.call))?;
        }
        Ok::<(), BoxError>(())
    };
    let (began, done) = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let began = Instant::now();
        barrier.wait();
        let done: Result<Vec<()>, BoxError> = workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| "a thread panicked")?)
            .collect();
        (began, done)
    });
    let elapsed = began.elapsed();
    done?;
    Ok(WORK as f64 / elapsed.as_secs_f64())
}
