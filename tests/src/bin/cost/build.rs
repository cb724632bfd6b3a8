//! What one more dev-dependency adds to the build of a crate that uses tokio.
//!
//! Cold: everything is compiled, in a new target directory, from sources that are on the disk. Touched:
//! the crate's own test file is newer than the last build, which is what a user waits for all day. Each
//! build is followed or preceded by one of the same crate without the dependency; the figures are the
//! medians of the differences. The bound: port-test is cheaper than test-context, if both are measured.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::median;
use super::project::{PORT_TEST, Project};
use super::usage::Usage;

/// A test such as the crate has without the dependency.
const TEST: &str = "#[tokio::test]\nasync fn own() {\n\
    let listener = tokio::net::TcpListener::bind(\"127.0.0.1:0\").await.unwrap();\n\
    let answer = tokio::time::timeout(std::time::Duration::ZERO, listener.accept());\n\
    assert!(answer.await.is_err());\n}\n";

/// The smallest natural use of port-test.
const USE: &str = "#[port_test::port_test]\nasync fn with(_node: port_test::TestNode<()>) {}\n";

/// How often a file is touched in each round; the least counts.
const TOUCHES: usize = 5;

/// The place of the one that the bound is about, and of the one that it must stay under.
const BOUND: [&str; 2] = ["port-test", "test-context"];

/// A name, the line in the manifest, and the smallest natural use.
const CANDIDATES: [(&str, &str, &str); 8] = [
    ("port-test", PORT_TEST, USE),
    (
        "test-context",
        "test-context = \"0.5\"",
        "struct Setup;\n\
         impl test_context::AsyncTestContext for Setup { async fn setup() -> Self { Setup } }\n\
         #[test_context::test_context(Setup)]\n#[tokio::test]\nasync fn with(_setup: &mut Setup) {}\n",
    ),
    (
        "rstest",
        "rstest = \"0.28\"",
        "#[rstest::fixture]\nfn five() -> u8 { let five = 5; five }\n\
         #[rstest::rstest]\n#[tokio::test]\nasync fn with(five: u8) { assert_eq!(five, 5); }\n",
    ),
    (
        "rstest without default features",
        "rstest = { version = \"0.28\", default-features = false }",
        "#[rstest::fixture]\nfn five() -> u8 { let five = 5; five }\n\
         #[rstest::rstest]\n#[tokio::test]\nasync fn with(five: u8) { assert_eq!(five, 5); }\n",
    ),
    (
        "test-log",
        "test-log = \"0.2\"",
        "#[test_log::test(tokio::test)]\nasync fn with() {}\n",
    ),
    (
        "portpicker",
        "portpicker = \"0.1\"",
        "#[test]\nfn with() { assert!(portpicker::pick_unused_port().is_some()); }\n",
    ),
    (
        "reserve-port",
        "reserve-port = \"2\"",
        "#[test]\nfn with() { assert!(reserve_port::ReservedPort::random().is_ok()); }\n",
    ),
    (
        "testcontainers",
        "testcontainers = \"0.28\"",
        "#[tokio::test]\n#[ignore = \"needs docker\"]\nasync fn with() {\n\
         use testcontainers::runners::AsyncRunner as _;\n\
         let image = testcontainers::GenericImage::new(\"redis\", \"7\");\n\
         assert!(image.start().await.is_ok());\n}\n",
    ),
];

pub(crate) fn names() -> Vec<&'static str> {
    CANDIDATES.iter().map(|(name, _, _)| *name).collect()
}

pub(crate) fn are_known(asked: &[&str]) -> bool {
    asked.iter().all(|name| names().contains(name))
}

/// Measures those that are named, or all. Whether the bound is kept.
pub(crate) fn build(rounds: usize, asked: &[&str]) -> io::Result<bool> {
    let base = project("", "")?;
    let chosen = |name: &&(&str, &str, &str)| asked.is_empty() || asked.contains(&name.0);
    let mut added = Vec::new();
    for (name, dependency, test) in CANDIDATES.iter().filter(chosen) {
        added.push(Added {
            name,
            project: project(dependency, test)?,
            differences: Vec::new(),
            packages: 0,
            lines: 0,
        });
    }
    let mut bases = Vec::new();
    for round in 0..rounds {
        for added in &mut added {
            let without = sample(&base)?;
            let with = sample(&added.project)?;
            added.differences.push(with.less(&without));
            added.packages = packages(&with.sources)
                .difference(&packages(&without.sources))
                .count();
            // Files that a feature adds to a package that is there anyway are among them.
            added.lines = lines(with.sources.difference(&without.sources))?;
            let [[cold, _], [touched, _]] = with.less(&without);
            eprintln!(
                "round {}: {}: {cold:.1} CPU s cold, {touched:.2} touched",
                round + 1,
                added.name
            );
            bases.push(without);
        }
    }
    let of = |figure: fn(&Sample) -> f64| median(bases.iter().map(figure).collect());
    println!(
        "| dev-dependency | packages | lines | CPU s cold | wall s cold | CPU s touched | wall s touched |\n\
         |---|--:|--:|--:|--:|--:|--:|\n\
         | (the crate with tokio alone) | | | {:.1} | {:.1} | {:.2} | {:.2} |",
        of(|base| base.cold[0]),
        of(|base| base.cold[1]),
        of(|base| base.touched[0]),
        of(|base| base.touched[1]),
    );
    added.iter().for_each(Added::print);
    let cold = |name| {
        let mut added = added.iter();
        added.find(|added| added.name == name).map(Added::cold_cpu)
    };
    Ok(match BOUND.map(cold) {
        [Some(ours), Some(theirs)] => ours < theirs,
        _ => true,
    })
}

fn project(dependency: &str, test: &str) -> io::Result<Project> {
    let project = Project::new(dependency)?;
    project.write("tests/own.rs", &format!("{TEST}{test}"))?;
    Ok(project)
}

/// One build of a crate, and one after a touch: CPU and wall seconds.
struct Sample {
    cold: [f64; 2],
    touched: [f64; 2],
    /// All files of other packages that were compiled, as the compiler noted them down.
    sources: BTreeSet<PathBuf>,
}

impl Sample {
    /// Cold and touched.
    fn less(&self, base: &Self) -> [[f64; 2]; 2] {
        let less = |with: [f64; 2], without: [f64; 2]| [with[0] - without[0], with[1] - without[1]];
        [less(self.cold, base.cold), less(self.touched, base.touched)]
    }
}

fn sample(project: &Project) -> io::Result<Sample> {
    let target = tempfile::tempdir()?;
    let build = || {
        let args = ["test", "--quiet", "--offline", "--no-run", "--test", "own"];
        let usage = Usage::of(&mut project.cargo(&args, target.path()))?;
        io::Result::Ok([usage.cpu_s, usage.wall_s])
    };
    let cold = build()?;
    let mut touched = [f64::INFINITY; 2];
    for _ in 0..TOUCHES {
        File::options()
            .append(true)
            .open(project.dir().join("tests/own.rs"))?
            .set_modified(SystemTime::now())?;
        let [cpu, wall] = build()?;
        touched = [touched[0].min(cpu), touched[1].min(wall)];
    }
    let mut sources = BTreeSet::new();
    note_sources(&target.path().join("debug/deps"), &mut sources)?;
    for build_script in fs::read_dir(target.path().join("debug/build"))? {
        note_sources(&build_script?.path(), &mut sources)?;
    }
    // Not what build scripts have written.
    sources.retain(|source| source.is_absolute() && !source.starts_with(target.path()));
    Ok(Sample {
        cold,
        touched,
        sources,
    })
}

/// Reads the dependency files (`*.d`) that rustc leaves: each source stands on a line of its own, before a colon.
fn note_sources(dir: &Path, sources: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "d") {
            let text = fs::read_to_string(path)?;
            let files = text.lines().filter_map(|line| line.strip_suffix(':'));
            let files = files.filter(|file| file.ends_with(".rs"));
            sources.extend(files.map(|file| PathBuf::from(file.replace("\\ ", " "))));
        }
    }
    Ok(())
}

fn packages(sources: &BTreeSet<PathBuf>) -> BTreeSet<&Path> {
    let package = |dir: &&Path| dir.join("Cargo.toml").exists();
    sources
        .iter()
        .filter_map(|source| source.ancestors().find(package))
        .collect()
}

fn lines<'a>(mut sources: impl Iterator<Item = &'a PathBuf>) -> io::Result<usize> {
    sources.try_fold(0, |lines, source| {
        Ok(lines + fs::read_to_string(source)?.lines().count())
    })
}

/// What one dependency adds.
struct Added {
    name: &'static str,
    project: Project,
    /// Of each round: cold and touched, CPU and wall seconds.
    differences: Vec<[[f64; 2]; 2]>,
    packages: usize,
    lines: usize,
}

impl Added {
    fn figure(&self, touched: usize, wall: usize) -> f64 {
        let figures = self.differences.iter();
        median(figures.map(|figures| figures[touched][wall]).collect())
    }

    fn cold_cpu(&self) -> f64 {
        self.figure(0, 0)
    }

    fn print(&self) {
        println!(
            "| {} | {} | {} | {:.1} | {:.1} | {:.2} | {:.2} |",
            self.name,
            self.packages,
            self.lines,
            self.cold_cpu(),
            self.figure(0, 1),
            self.figure(1, 0),
            self.figure(1, 1),
        );
    }
}
