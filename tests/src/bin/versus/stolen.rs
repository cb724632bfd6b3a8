//! How often somebody else is on a port before its server is.

use std::array;
use std::fmt::Display;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Once;
use std::thread;
use std::time::Duration;

use port_test::{BoxError, PortAllocator};

use super::child::{self, Worker};
use super::contender::{Contender, Held, Looks, Scene};
use super::effort::Effort;
use super::rows;

/// Processes that have never heard of each other.
pub(crate) const PROCESSES: usize = 8;
/// Ports of each process in each round.
pub(crate) const PORTS: usize = 3;
/// What a fast server needs from its start to its bind.
const DELAY: Duration = Duration::from_millis(1);
/// And how long it is up: the shortest of tests.
const UPTIME: Duration = Duration::from_millis(1);

/// How the processes of this library begin among themselves: all at the same port, where ports that
/// are not held would be lost in most rounds. The peers begin as they do.
pub(crate) const LOCKSTEP: &str = "lockstep";
/// How they begin otherwise, and by default: each elsewhere.
const SPREAD: &str = "spread";

/// How a worker begins the line that says why the first of its rounds was lost, if it is of this library.
const LOST: &str = "versus: lost: ";

/// Rounds, and those of them in which a server was not on the port it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Share {
    pub(crate) rounds: u32,
    pub(crate) stolen: u32,
    /// Rounds in which a number was not even given. None of the stolen ones.
    pub(crate) refused: u32,
}

impl Share {
    pub(crate) fn lost(self) -> u32 {
        self.stolen + self.refused
    }

    /// From 0 to 100.
    pub(crate) fn percent(self) -> f64 {
        100.0 * f64::from(self.lost()) / f64::from(self.rounds.max(1))
    }

    fn add(&mut self, other: Share) {
        self.rounds += other.rounds;
        self.stolen += other.stolen;
        self.refused += other.refused;
    }
}

/// What a contender lost among its own kind, and what it and this library lost beside each other.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stolen {
    pub(crate) alone: Share,
    pub(crate) beside: Beside,
}

/// What was lost when half of the processes were of this library.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Beside {
    pub(crate) theirs: Share,
    /// Of this library, for each of [`rows::BESIDE`].
    pub(crate) ours: [Share; rows::BESIDE.len()],
}

/// Each row in turn, `passes` times.
pub(crate) fn measure(all: &[Contender], effort: &Effort) -> Result<Vec<Stolen>, BoxError> {
    let mut ours = Vec::new();
    for call in rows::BESIDE {
        let place = all.iter().position(|row| row.call == call);
        ours.push(place.ok_or_else(|| format!("no row {call}"))?);
    }
    let mut stolen = vec![Stolen::default(); all.len()];
    for _ in 0..effort.passes {
        for (n, row) in all.iter().enumerate() {
            let range = range(&row.looks)?;
            for share in contest(LOCKSTEP, &[n; PROCESSES], &range, effort)? {
                stolen[n].alone.add(share);
            }
            if row.library == rows::OURS {
                continue;
            }
            for (place, ours) in ours.iter().enumerate() {
                // In turn, so that neither kind starts first.
                let sides: [usize; PROCESSES] =
                    array::from_fn(|w| if w % 2 == 0 { n } else { *ours });
                for (w, share) in contest(SPREAD, &sides, &range, effort)?
                    .into_iter()
                    .enumerate()
                {
                    match w % 2 {
                        0 => stolen[n].beside.theirs.add(share),
                        _ => stolen[n].beside.ours[place].add(share),
                    }
                }
            }
        }
    }
    Ok(stolen)
}

/// All workers at once, beside the noise; a share for each.
fn contest(
    start: &str,
    sides: &[usize],
    range: &RangeInclusive<u16>,
    effort: &Effort,
) -> Result<Vec<Share>, BoxError> {
    let range = format!("{}-{}", range.start(), range.end());
    let mut noise = Worker::start(&["noise".to_owned(), effort.pace.to_string(), range.clone()])?;
    let mut workers = Vec::new();
    for (w, row) in sides.iter().enumerate() {
        let numbers = [*row, effort.rounds as usize, w, sides.len()].map(|n| n.to_string());
        let mut args = vec!["stolen".to_owned(), start.to_owned(), range.clone()];
        args.extend(numbers);
        workers.push(Worker::start(&args)?);
    }
    for worker in &mut workers {
        worker.begin()?;
    }
    let mut shares = Vec::new();
    for worker in workers {
        let text = worker.result()?;
        let mut values = Vec::new();
        for line in text.lines() {
            match line.starts_with(LOST) {
                true => eprintln!("{line}"),
                false => values = child::reported(line)?.2,
            }
        }
        let [stolen, refused] = values[..] else {
            return Err(format!("a worker wrote {text:?}").into());
        };
        shares.push(Share {
            rounds: effort.rounds,
            stolen: stolen as u32,
            refused: refused as u32,
        });
    }
    // It goes on until it is dropped, or something is wrong with it.
    noise.is_there()?;
    Ok(shares)
}

/// Where a contender and its noise are.
pub(crate) fn range(looks: &Looks) -> Result<RangeInclusive<u16>, BoxError> {
    match looks {
        Looks::Told => Ok(PortAllocator::global().range()?),
        #[cfg(feature = "peers")]
        Looks::Fixed(range) => Ok(range.clone()),
        Looks::Ephemeral => {
            let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
            let mut numbers = text.split_whitespace().map(str::parse);
            match (numbers.next(), numbers.next()) {
                (Some(first), Some(last)) => Ok(first?..=last?),
                _ => Err(format!("no range: {text:?}").into()),
            }
        }
    }
}

/// The worker: `stolen START RANGE ROW ROUNDS WORKER WORKERS`.
pub(crate) fn work(row: &Contender, scene: &'static Scene, rounds: u32) -> Result<Share, BoxError> {
    let mut share = Share {
        rounds,
        ..Share::default()
    };
    for _ in 0..rounds {
        match round(row, scene)? {
            Outcome::Served => {}
            Outcome::Stolen => share.stolen += 1,
            Outcome::Refused => share.refused += 1,
        }
    }
    Ok(share)
}

enum Outcome {
    Served,
    Stolen,
    Refused,
}

fn round(row: &Contender, scene: &'static Scene) -> Result<Outcome, BoxError> {
    let note = |error: &dyn Display| {
        static FIRST: Once = Once::new();
        if row.library == rows::OURS {
            FIRST.call_once(|| eprintln!("{LOST}{}: {error}", row.call));
        }
    };
    let mut held: Vec<Held> = Vec::new();
    for _ in 0..PORTS {
        match (row.take)(scene) {
            Ok(port) => held.push(port),
            Err(error) => {
                note(&error);
                return Ok(Outcome::Refused);
            }
        }
    }
    thread::sleep(DELAY);
    let mut outcome = Outcome::Served;
    let mut up = Vec::new();
    for held in held {
        match held.serve() {
            Ok(server) => up.push(server),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                note(&error);
                outcome = Outcome::Stolen;
            }
            Err(error) => return Err(error.into()),
        }
    }
    thread::sleep(UPTIME);
    Ok(outcome)
}
