//! A crate of somebody who uses tokio, as it is measured.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A dependency on the crates of this workspace. They are compiled as those of a registry are, that is
/// not incrementally.
pub(crate) const PORT_TEST: &str = "port-test = { path = RUNTIME }\n\
    [profile.dev.package]\n\
    port-test.incremental = false\n\
    port-test-macros.incremental = false\n";

pub(crate) struct Project {
    dir: TempDir,
}

impl Project {
    /// A crate with tokio and one more dependency, or none, which are downloaded here.
    pub(crate) fn new(dependency: &str) -> io::Result<Self> {
        let project = Self {
            dir: tempfile::tempdir()?,
        };
        let runtime = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../runtime")
            .canonicalize()?;
        let manifest = format!(
            "[package]\nname = \"cost\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
             [dev-dependencies]\n\
             tokio = {{ version = \"1\", features = [\"macros\", \"net\", \"rt\", \"time\"] }}\n\
             {}",
            dependency.replace("RUNTIME", &format!("{runtime:?}"))
        );
        project.write("Cargo.toml", &manifest)?;
        project.write("src/lib.rs", "")?;
        let fetched = project
            .cargo(&["fetch", "--quiet"], &project.target())
            .status()?;
        match fetched.success() {
            true => Ok(project),
            false => Err(io::Error::other("the dependencies cannot be downloaded")),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// For those who do not need a new one.
    pub(crate) fn target(&self) -> std::path::PathBuf {
        self.dir().join("target")
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> io::Result<()> {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().expect("it is in the crate"))?;
        fs::write(path, text)
    }

    /// A call of cargo that builds in `target`.
    pub(crate) fn cargo(&self, args: &[&str], target: &Path) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(args)
            .current_dir(self.dir())
            .env("CARGO_TARGET_DIR", target);
        cargo
    }
}

/// A file with `count` tests.
pub(crate) fn tests(test: &str, count: usize) -> String {
    (0..count)
        .map(|number| test.replace("NAME", &format!("t{number}")) + "\n")
        .collect()
}

/// The ways to write a test that are compared: a name in Markdown, one for files, and the test.
pub(crate) const KINDS: [(&str, &str, &str); 5] = [
    ("`#[test]`", "plain", "#[test] fn NAME() {}"),
    (
        "`#[tokio::test]`",
        "tokio",
        "#[tokio::test] async fn NAME() {}",
    ),
    (
        "`#[port_test]`",
        "port",
        "#[port_test::port_test] async fn NAME() {}",
    ),
    (
        "`#[tokio::test]`, one lease",
        "lease",
        "#[tokio::test] async fn NAME() { let _lease = port_test::PortAllocator::global().lease().await.unwrap(); }",
    ),
    (
        "`#[port_test]`, one bare node",
        "node",
        "#[port_test::port_test] async fn NAME(_node: port_test::TestNode<()>) {}",
    ),
];

/// The places of `#[tokio::test]` and `#[port_test]` in [`KINDS`].
pub(crate) const EMPTY: [usize; 2] = [1, 2];
