//! Where a binary of the user's own package is.

use std::env;
use std::path::PathBuf;

/// The path of a binary of the package whose integration test this is: `cargo_bin!("server")`.
///
/// It works under `cargo test`, under nextest, and from an archive of nextest's on another machine. Cargo
/// builds the binaries of a package before its integration tests (those in `tests/`), and only for them:
/// unit tests and other packages cannot have the path.
///
/// It looks at, in this order:
///
/// 1. `NEXTEST_BIN_EXE_server` in the environment, which nextest sets, also where it has unpacked an archive;
///    where hyphens are not allowed, with underscores instead;
/// 2. `CARGO_BIN_EXE_server` in the environment;
/// 3. `CARGO_BIN_EXE_server` when the test was compiled.
///
/// # Panics
///
/// It is in none of the three.
///
/// # Examples
///
/// ```no_run
/// use std::process::Command;
/// use port_test::{BoxError, NodeContext, Process, cargo_bin};
///
/// async fn start(cx: NodeContext) -> Result<Process, BoxError> {
///     let mut server = Command::new(cargo_bin!("server"));
///     server.arg("--port").arg(cx.port().to_string());
///     Ok(cx.spawn_process(&mut server).await?)
/// }
/// ```
#[macro_export]
macro_rules! cargo_bin {
    ($name:literal) => {
        $crate::__private::locate(
            $name,
            ::core::option_env!(::core::concat!("CARGO_BIN_EXE_", $name)),
        )
    };
}

/// # Panics
///
/// The binary called `name` is nowhere.
#[must_use]
#[track_caller]
pub fn locate(name: &str, compiled: Option<&str>) -> PathBuf {
    let variables = [
        format!("NEXTEST_BIN_EXE_{name}"),
        format!("NEXTEST_BIN_EXE_{}", name.replace('-', "_")),
        format!("CARGO_BIN_EXE_{name}"),
    ];
    let set = variables.iter().find_map(env::var_os).map(PathBuf::from);
    match set.or_else(|| compiled.map(PathBuf::from)) {
        Some(path) => path,
        None => panic!(
            "no binary `{name}` is known: neither NEXTEST_BIN_EXE_{name} nor CARGO_BIN_EXE_{name} is set, \
             which cargo and nextest do for the binaries of the package whose integration test this is"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::locate;

    #[test]
    fn what_was_compiled_in_is_the_last_resort() {
        let path = locate("port-test-nowhere", Some("/somewhere"));
        assert_eq!(path.to_str(), Some("/somewhere"));
    }

    #[test]
    #[should_panic(expected = "CARGO_BIN_EXE_port-test-nowhere")]
    fn a_binary_that_is_nowhere_is_named() {
        let _ = locate("port-test-nowhere", None);
    }
}
