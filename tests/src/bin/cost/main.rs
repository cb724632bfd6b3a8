//! What port-test costs its users, beside what they would use instead. [docs/cost.md] says what came out.
//!
//! ```text
//! cargo run -p port-test-tests --bin cost -- compile                      # CPU time of rustc for each test
//! cargo run -p port-test-tests --bin cost -- build [--rounds N] [NAME..]  # what the dependency adds to a build
//! cargo run -p port-test-tests --bin cost -- run [--rounds N]             # time and memory of each test
//! ```
//!
//! Each prints a table in Markdown. All measure what they compare in turn, in several rounds, so that a
//! machine that is busy for a while is busy for all of them; and CPU time, which a busy machine changes
//! less than the time of the clock. They end with an error if a bound is broken that is said in their files.
//!
//! [docs/cost.md]: ../../../../docs/cost.md

mod build;
mod compile;
mod project;
mod run;
mod usage;

use std::io;
use std::process::ExitCode;

const USAGE: &str =
    "usage: cost compile [--rounds N] | cost build [--rounds N] [NAME..] | cost run [--rounds N]";

fn main() -> io::Result<ExitCode> {
    let mut args: Vec<_> = std::env::args().skip(1).collect();
    let rounds = match args.iter().position(|arg| arg == "--rounds") {
        Some(place) => args
            .splice(place..args.len().min(place + 2), [])
            .nth(1)
            .and_then(|number| number.parse().ok())
            .filter(|number| *number > 0),
        None => Some(3),
    };
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let kept = match (&args[..], rounds) {
        (["compile"], Some(rounds)) => compile::compile(rounds)?,
        (["build", names @ ..], Some(rounds)) if build::are_known(names) => {
            build::build(rounds, names)?
        }
        (["run"], Some(rounds)) => run::run(rounds)?,
        _ => {
            eprintln!("{USAGE}\nNAME is one of: {}", build::names().join(", "));
            return Ok(ExitCode::from(2));
        }
    };
    Ok(match kept {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The one in the middle; of an even number, the upper one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
