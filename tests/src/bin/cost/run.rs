//! What a test costs when it runs: 1,000 of each kind in one binary.
//!
//! First as cargo runs them, all in one process on as many threads as there are cores; then by nextest,
//! which gives each a process of its own, and for its memory once more as nextest starts it. Medians of
//! the rounds. The bound: under nextest, an empty test of `#[port_test]` takes at most half as much again
//! of CPU time as one of `#[tokio::test]`; it is far less, and the rest is for the noise.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::median;
use super::project::{EMPTY, KINDS, PORT_TEST, Project, tests};
use super::usage::Usage;

const TESTS: usize = 1000;
const BOUND: f64 = 1.5;

/// Whether the bound is kept.
pub(crate) fn run(rounds: usize) -> io::Result<bool> {
    let project = Project::new(PORT_TEST)?;
    for (_, file, test) in KINDS {
        project.write(&format!("tests/{file}.rs"), &tests(test, TESTS))?;
    }
    Usage::of(&mut project.cargo(
        &["test", "--quiet", "--offline", "--no-run"],
        &project.target(),
    ))?;
    let mut binaries = Vec::new();
    for (_, file, _) in KINDS {
        binaries.push(binary(&project, file)?);
    }

    let mut figures = [const { Vec::new() }; KINDS.len()];
    // The first round warms up.
    for round in 0..=rounds {
        for (((_, file, _), binary), figures) in KINDS.iter().zip(&binaries).zip(&mut figures) {
            let run = runs(&project, file, binary)?;
            if round > 0 {
                figures.push(run);
            }
        }
    }
    println!(
        "| 1,000 tests of | one process: wall ms a test | CPU ms a test | peak MB | nextest: wall ms a test | CPU ms a test | peak MB a process |\n\
         |---|--:|--:|--:|--:|--:|--:|"
    );
    let medians = figures.map(|rounds| {
        [0, 1, 2, 3, 4, 5].map(|figure| median(rounds.iter().map(|run| run[figure]).collect()))
    });
    for ((name, _, _), run) in KINDS.iter().zip(&medians) {
        let [wall, cpu, peak, wall_each, cpu_each, peak_each] = run;
        println!(
            "| {name} | {wall:.3} | {cpu:.3} | {peak:.1} | {wall_each:.2} | {cpu_each:.2} | {peak_each:.1} |"
        );
    }
    let [tokio, port] = EMPTY.map(|kind| medians[kind][4]);
    Ok(port < BOUND * tokio)
}

/// The figures of one line.
fn runs(project: &Project, file: &str, binary: &Path) -> io::Result<[f64; 6]> {
    let threads = Usage::of(Command::new(binary).current_dir(project.dir()))?;
    let args = ["nextest", "run", "--offline", "--test", file];
    let mut nextest = project.cargo(&args, &project.target());
    let processes = Usage::of(nextest.stderr(Stdio::null()))?;
    let mut alone = Command::new(binary);
    alone
        .args(["--exact", "t0", "--nocapture"])
        .current_dir(project.dir());
    let alone = Usage::of(&mut alone)?;
    let each = |seconds: f64| seconds * 1000.0 / TESTS as f64;
    Ok([
        each(threads.wall_s),
        each(threads.cpu_s),
        threads.peak_mb,
        each(processes.wall_s),
        each(processes.cpu_s),
        alone.peak_mb,
    ])
}

/// The program that cargo has built of `tests/FILE.rs`.
fn binary(project: &Project, file: &str) -> io::Result<PathBuf> {
    for entry in fs::read_dir(project.target().join("debug/deps"))? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let is_it = stem.is_some_and(|stem| stem.starts_with(&format!("{file}-")));
        if is_it && path.extension().is_none() {
            return Ok(path);
        }
    }
    Err(io::Error::other(format!(
        "cargo has built no program of tests/{file}.rs"
    )))
}
