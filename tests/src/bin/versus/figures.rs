//! Everything that one run found.

use port_test::BoxError;

use super::contender::{Contender, Looks};
use super::cost::{self, Samples};
use super::effort::Effort;
use super::rows;
use super::samples::Spread;
use super::stolen::{self, Beside, Share, Stolen};
use super::throughput::{self, THREADS};

pub(crate) struct Figures {
    pub(crate) rows: Vec<Row>,
    /// One sentence each on how the run differs from the one in the documentation.
    pub(crate) remarks: Vec<&'static str>,
}

/// The figures of one contender; none where it does not take part.
pub(crate) struct Row {
    pub(crate) library: &'static str,
    pub(crate) call: &'static str,
    pub(crate) keeps: &'static str,
    pub(crate) range: String,
    pub(crate) promises: bool,
    pub(crate) in_summary: bool,
    /// Nanoseconds to get a port.
    pub(crate) taken: Option<Spread>,
    /// Nanoseconds to get a port and give it back.
    pub(crate) given_back: Option<Spread>,
    /// For each number of threads.
    pub(crate) per_second: [Option<f64>; THREADS.len()],
    /// What it lost among its own kind.
    pub(crate) alone: Share,
    /// None for the rows of this library.
    pub(crate) beside: Option<Beside>,
    /// It never tries a port by its number.
    pub(crate) names_none: bool,
}

impl Row {
    /// What a port costs, all in all.
    pub(crate) fn cost(&self) -> Option<Spread> {
        self.given_back.or(self.taken)
    }
}

impl Figures {
    /// The median cost of the row that nobody can beat.
    pub(crate) fn limit(&self) -> Option<f64> {
        Some(self.rows.first()?.cost()?.median)
    }
}

pub(crate) fn measure(all: &[Contender], effort: &Effort) -> Result<Vec<Row>, BoxError> {
    eprintln!("versus: what one allocation costs");
    let costs = cost::measure(all.len(), effort)?;
    eprintln!("versus: how many there are in a second");
    let rates = throughput::measure(all.len(), effort)?;
    eprintln!("versus: who loses a port");
    let stolen = stolen::measure(all, effort)?;
    let found = costs.into_iter().zip(rates).zip(stolen);
    let rows = all.iter().zip(found);
    rows.map(|(row, ((cost, rates), stolen))| row_of(row, cost, rates, stolen))
        .collect()
}

fn row_of(
    row: &Contender,
    cost: Samples,
    rates: throughput::Rates,
    stolen: Stolen,
) -> Result<Row, BoxError> {
    let range = stolen::range(&row.looks)?;
    let other = row.library != rows::OURS;
    Ok(Row {
        library: row.library,
        call: row.call,
        keeps: row.keeps,
        range: format!("{}-{}", range.start(), range.end()),
        promises: row.part.promises,
        in_summary: row.part.stands_for_all,
        taken: Spread::of(cost.taken),
        given_back: Spread::of(cost.given_back),
        // The best round: what else the machine does can only take away.
        per_second: rates.map(|rates| rates.into_iter().max_by(f64::total_cmp)),
        alone: stolen.alone,
        beside: other.then_some(stolen.beside),
        names_none: matches!(row.looks, Looks::Ephemeral),
    })
}

#[cfg(test)]
impl Figures {
    /// A limit, two rows of this library and one of another, which loses.
    pub(crate) fn sample() -> Self {
        let row = |library, call, nanos: f64| Row {
            library,
            call,
            keeps: "a number",
            range: "10-20".to_owned(),
            promises: true,
            in_summary: true,
            taken: Some(Spread {
                median: nanos - 2_000.0,
                p99: nanos,
            }),
            given_back: Some(Spread {
                median: nanos,
                p99: 2.0 * nanos,
            }),
            per_second: [Some(1e9 / nanos), Some(2e9 / nanos), Some(3e9 / nanos)],
            alone: Share::sample(0),
            beside: None,
            names_none: false,
        };
        let limit = row("the limit", "socket, bind", 7_000.0);
        let lease = row(rows::OURS, "lease()", 7_700.0);
        let kept = Row {
            promises: false,
            in_summary: false,
            given_back: None,
            per_second: [None; THREADS.len()],
            alone: Share::sample(1),
            ..row(rows::OURS, "next()", 7_000.0)
        };
        let peer = Row {
            alone: Share::sample(10),
            beside: Some(Beside {
                theirs: Share::sample(2),
                ours: [Share::sample(1), Share::sample(0), Share::sample(0)],
            }),
            ..row("peer", "Peer::pick(<T>)", 70_000.0)
        };
        Figures {
            rows: vec![limit, lease, kept, peer],
            remarks: vec!["A <short> & odd run."],
        }
    }
}

#[cfg(test)]
impl Share {
    /// Of 40 rounds.
    pub(crate) fn sample(stolen: u32) -> Self {
        Share {
            rounds: 40,
            stolen,
            refused: 0,
        }
    }
}
