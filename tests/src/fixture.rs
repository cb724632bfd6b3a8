//! Tests of a test binary that are run in a child process, and looked at from outside.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A directory with a link to this binary: what its tests keep lies beside that, and goes with this.
pub struct Place {
    /// The directory.
    pub directory: TempDir,
    program: PathBuf,
}

impl Place {
    /// A link called `name`.
    ///
    /// # Panics
    ///
    /// If the target directory cannot be written to.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let exe = env::current_exe().unwrap();
        let directory = tempfile::tempdir_in(exe.parent().unwrap()).unwrap();
        let program = directory.path().join(name);
        fs::hard_link(exe, &program).unwrap();
        Place { directory, program }
    }

    /// Runs the ignored tests `names`, as `cargo test` does, also where this is run by nextest or with
    /// variables set.
    #[must_use]
    pub fn command<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--ignored", "--exact"]);
        let names = names.into_iter().map(|name| format!("fixture::{name}"));
        command.args(names).env("RUST_BACKTRACE", "0");
        let ours = |name: &str| name.starts_with("PORT_TEST_");
        for (name, _) in env::vars_os() {
            let known = name.to_str().is_some_and(ours);
            if known || name == "NEXTEST_RUN_ID" || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command
    }
}

/// Whether all tests of `command` passed, and what it said, stdout first.
///
/// # Panics
///
/// If it cannot be run, or says what is not UTF-8.
#[must_use]
pub fn outcome(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.success(), text.concat())
}
