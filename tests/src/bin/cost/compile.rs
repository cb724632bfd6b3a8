//! What a test costs the compiler.
//!
//! A crate with 1,000 tests in one file is compiled for each way to write them, and one with a single
//! test; the difference is what the others cost. The least of the rounds. The bound: an empty test of
//! `#[port_test]` costs no more than one of `#[tokio::test]`.

use std::io;

use super::project::{EMPTY, KINDS, PORT_TEST, Project, tests};
use super::usage::Usage;

const TESTS: usize = 1000;

/// Whether the bound is kept.
pub(crate) fn compile(rounds: usize) -> io::Result<bool> {
    let project = Project::new(PORT_TEST)?;
    // Dependencies first, outside of what is measured.
    cost(&project, KINDS[EMPTY[1]].2, 1)?;

    let mut least = [[f64::INFINITY; 2]; KINDS.len()];
    for _ in 0..rounds {
        for ((_, _, test), least) in KINDS.iter().zip(&mut least) {
            for (count, least) in [1, TESTS].into_iter().zip(least) {
                *least = least.min(cost(&project, test, count)?);
            }
        }
    }
    let each = least.map(|[one, all]| (all - one) * 1000.0 / (TESTS - 1) as f64);
    let [tokio, port] = EMPTY.map(|kind| each[kind]);
    println!("| 1,000 tests of | CPU ms a test | of `#[tokio::test]` |\n|---|--:|--:|");
    for ((name, _, _), cost) in KINDS.iter().zip(each) {
        println!("| {name} | {cost:.2} | {:.2} |", cost / tokio);
    }
    Ok(port < tokio)
}

/// CPU seconds to compile a crate with `count` tests.
fn cost(project: &Project, test: &str, count: usize) -> io::Result<f64> {
    project.write("src/lib.rs", &tests(test, count))?;
    let mut cargo = project.cargo(
        &["test", "--quiet", "--offline", "--lib", "--no-run"],
        &project.target(),
    );
    Ok(Usage::of(cargo.env("CARGO_INCREMENTAL", "0"))?.cpu_s)
}
