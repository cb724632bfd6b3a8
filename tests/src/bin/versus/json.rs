//! The figures for programs.

use serde_json::{Value, json};

use super::figures::{Figures, Row};
use super::samples::Spread;
use super::stolen::{Beside, Share};
use super::throughput::THREADS;

pub(crate) fn text(figures: &Figures) -> String {
    let rows: Vec<Value> = figures.rows.iter().map(row).collect();
    let all = json!({ "remarks": figures.remarks, "threads": THREADS, "rows": rows });
    format!("{all:#}\n")
}

fn row(row: &Row) -> Value {
    json!({
        "library": row.library,
        "call": row.call,
        "keeps": row.keeps,
        "ports": row.range,
        "taken_ns": row.taken.map(spread),
        "given_back_ns": row.given_back.map(spread),
        "per_second": row.per_second.map(|rate| rate.map(f64::round)),
        "stolen": share(row.alone),
        "stolen_beside_port_test": row.beside.map(|beside| share(beside.theirs)),
        "port_test_beside_it": row.beside.map(|Beside { ours: [told, handed, bare], .. }| {
            json!({ "told_a_number": share(told), "handed_a_listener": share(handed), "bare_number": share(bare) })
        }),
    })
}

fn spread(spread: Spread) -> Value {
    json!({ "median": spread.median.round(), "p99": spread.p99.round() })
}

fn share(share: Share) -> Value {
    json!({ "rounds": share.rounds, "stolen": share.stolen, "refused": share.refused })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_read_again() {
        let read: Value = serde_json::from_str(&text(&Figures::sample())).expect("JSON");
        let rows = read["rows"].as_array().expect("rows");
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[3]["given_back_ns"]["median"], 70_000.0);
        assert_eq!(rows[3]["port_test_beside_it"]["told_a_number"]["stolen"], 1);
        assert_eq!(rows[2]["given_back_ns"], Value::Null);
    }
}
