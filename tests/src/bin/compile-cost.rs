//! What a test costs the compiler: `cargo run -p port-test-tests --bin compile-cost`.
//!
//! A crate with 1,000 tests in one file is compiled for each way to write them, and one with a single
//! test; the difference is what the others cost. CPU time of all that cargo starts, the kinds in turn,
//! the least of three rounds. Ends with an error if an empty test of `#[port_test]` costs more than one of
//! `#[tokio::test]`; a test with a node is shown beside one that leases a port by itself.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};

const TESTS: usize = 1000;
const ROUNDS: usize = 3;

const KINDS: [(&str, &str); 5] = [
    ("#[test]", "#[test] fn NAME() {}"),
    ("#[tokio::test]", "#[tokio::test] async fn NAME() {}"),
    ("#[port_test]", "#[port_test::port_test] async fn NAME() {}"),
    (
        "#[tokio::test], one lease",
        "#[tokio::test] async fn NAME() { let _lease = port_test::PortAllocator::global().lease().await.unwrap(); }",
    ),
    (
        "#[port_test], one bare node",
        "#[port_test::port_test] async fn NAME(_node: port_test::TestNode<()>) {}",
    ),
];

fn main() -> io::Result<ExitCode> {
    let crate_dir = tempfile::tempdir()?;
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../runtime")
        .canonicalize()?;
    let manifest = format!(
        "[package]\nname = \"cost\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [dev-dependencies]\nport-test = {{ path = {runtime:?} }}\n\
         tokio = {{ version = \"1\", features = [\"macros\", \"net\", \"rt\", \"time\"] }}\n"
    );
    fs::create_dir(crate_dir.path().join("src"))?;
    fs::write(crate_dir.path().join("Cargo.toml"), manifest)?;
    // Dependencies first, outside of what is measured.
    cost(crate_dir.path(), KINDS[2].1, 1)?;

    let mut least = [[f64::INFINITY; 2]; KINDS.len()];
    for _ in 0..ROUNDS {
        for (kind, least) in KINDS.iter().zip(&mut least) {
            for (count, least) in [1, TESTS].into_iter().zip(least) {
                *least = least.min(cost(crate_dir.path(), kind.1, count)?);
            }
        }
    }
    let each = least.map(|[one, all]| (all - one) * 1000.0 / (TESTS - 1) as f64);
    println!("| 1,000 tests of | CPU ms a test | of #[tokio::test] |\n|---|--:|--:|");
    for ((name, _), cost) in KINDS.iter().zip(each) {
        println!("| `{name}` | {cost:.2} | {:.2} |", cost / each[1]);
    }
    Ok(match each[2] < each[1] {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// CPU seconds to compile a crate with `count` tests.
fn cost(crate_dir: &Path, test: &str, count: usize) -> io::Result<f64> {
    let tests: String = (0..count)
        .map(|number| test.replace("NAME", &format!("t{number}")) + "\n")
        .collect();
    fs::write(crate_dir.join("src/lib.rs"), tests)?;
    let before = children_cpu()?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["test", "--quiet", "--lib", "--no-run"])
        .current_dir(crate_dir);
    let status = cargo
        .env("CARGO_TARGET_DIR", crate_dir.join("target"))
        .env("CARGO_INCREMENTAL", "0")
        .status()?;
    assert!(status.success(), "the crate does not compile");
    Ok(children_cpu()? - before)
}

/// CPU seconds of the children that this process has waited for, and of theirs.
fn children_cpu() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").expect("the name is in parentheses");
    let field = |index: usize| -> f64 {
        fields
            .split(' ')
            .nth(index)
            .map_or(0.0, |text| text.parse().unwrap_or(0.0))
    };
    // cutime and cstime, in ticks of a hundredth of a second (USER_HZ).
    Ok((field(13) + field(14)) / 100.0)
}
