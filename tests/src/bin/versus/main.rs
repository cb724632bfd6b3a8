//! port-test and its peers, side by side:
//! `cargo run --release -p port-test-tests --features peers --bin versus`.
//!
//! What an allocation costs, how many there are in a second, and how often a port is stolen before its
//! server has bound it. `docs/versus.md` says how each figure comes about. Without the feature `peers` it
//! measures this library, what is done by hand and the limit.

mod child;
mod contender;
mod cost;
mod effort;
mod figures;
mod json;
mod noise;
mod options;
#[cfg(feature = "peers")]
mod peers;
mod rows;
mod samples;
mod stolen;
mod svg;
mod table;
mod text;
mod throughput;
mod verdict;

use std::env;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use port_test::{BoxError, PortAllocator};

use contender::Scene;
use effort::Effort;
use figures::Figures;
use options::{HELP, Options};

fn main() -> Result<ExitCode, BoxError> {
    let args: Vec<String> = env::args().skip(1).collect();
    if let Some((child::ROLE, args)) = args.split_first().map(|(role, args)| (role.as_str(), args))
    {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        return work(&args).map(|()| ExitCode::SUCCESS);
    }
    let options = Options::parse(env::args_os().skip(1))?;
    if options.help {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    run(&options)
}

fn run(options: &Options) -> Result<ExitCode, BoxError> {
    let mut effort = match options.short {
        true => Effort::SHORT,
        false => Effort::FULL,
    };
    if options.full_noise {
        effort.pace = 0;
    }
    let all = rows::rows();
    let remarks = remarks(options);
    for remark in &remarks {
        eprintln!("versus: {remark}");
    }
    let mut figures = Figures {
        rows: Vec::new(),
        remarks,
    };
    // What can be found out before the minutes are spent.
    for path in &options.markdown {
        filled_in(path, &figures)?;
    }
    if let Some(library) = &options.check
        && !all.iter().any(|row| row.library == *library)
    {
        return Err(format!("no library {library:?} in this program").into());
    }
    figures.rows = figures::measure(&all, &effort)?;

    print!("{}", table::full(&figures));
    if let Some(path) = &options.json {
        fs::write(path, json::text(&figures))?;
    }
    if let Some(path) = &options.svg {
        fs::write(path, svg::picture(&figures))?;
    }
    for path in &options.markdown {
        fs::write(path, filled_in(path, &figures)?)?;
    }
    let Some(library) = &options.check else {
        return Ok(ExitCode::SUCCESS);
    };
    let losses = verdict::losses(&figures, library)?;
    for loss in &losses {
        eprintln!("versus: {loss}");
    }
    Ok(match losses.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn filled_in(path: &Path, figures: &Figures) -> Result<String, BoxError> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = table::fill_in(&text, figures);
    Ok(text.map_err(|error| format!("{}: {error}", path.display()))?)
}

/// How this run differs from the one that the documentation shows.
fn remarks(options: &Options) -> Vec<&'static str> {
    let differences = [
        (!rows::PEERS, "The peers are not built: --features peers."),
        (options.short, "A short run."),
        (
            options.full_noise,
            "The noise names ports as fast as it can.",
        ),
        (cfg!(debug_assertions), "Built without --release."),
    ];
    let differences = differences.into_iter().filter(|(differs, _)| *differs);
    differences.map(|(_, remark)| remark).collect()
}

/// What a worker does: see the functions that start one.
fn work(args: &[&str]) -> Result<(), BoxError> {
    child::raise_file_limit()?;
    let rows = rows::rows();
    match args[..] {
        ["cost", rounds] => {
            let scene = scene(PortAllocator::global().range()?, (0, 1), false)?;
            child::wait_to_begin()?;
            cost::work(&rows, scene, rounds.parse()?)
        }
        ["throughput", rounds] => {
            let scene = scene(PortAllocator::global().range()?, (0, 1), false)?;
            child::wait_to_begin()?;
            throughput::work(&rows, scene, rounds.parse()?)
        }
        ["noise", pace, range] => {
            noise::work(Duration::from_micros(pace.parse()?), &range_of(range)?)
        }
        ["stolen", start, range, row, rounds, worker, workers] => {
            let place = (worker.parse()?, workers.parse()?);
            let scene = scene(range_of(range)?, place, start == stolen::LOCKSTEP)?;
            let n: usize = row.parse()?;
            let row = rows.get(n).ok_or("no such row")?;
            child::wait_to_begin()?;
            let share = stolen::work(row, scene, rounds.parse()?)?;
            let counts = [share.stolen, share.refused].map(f64::from);
            child::report(n, "stolen", &counts);
            Ok(())
        }
        _ => Err(format!("not understood: {args:?}").into()),
    }
}

/// Lives as long as the worker: so do some of the peers' books.
fn scene(
    range: RangeInclusive<u16>,
    place: (u16, u16),
    lockstep: bool,
) -> Result<&'static Scene, BoxError> {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    let scene = Scene::new(range, place, lockstep)?;
    Ok(SCENE.get_or_init(|| scene))
}

fn range_of(text: &str) -> Result<RangeInclusive<u16>, BoxError> {
    let (first, last) = text.split_once('-').ok_or("no range")?;
    Ok(first.parse()?..=last.parse()?)
}
