//! Every misuse of the attribute is one error, at the user's token, that says what to write instead.
//!
//! The cases in `ui/` hold one mistake each. What is said about them is in their `.stderr` files; after
//! a change of words, `TRYBUILD=overwrite cargo test -p port-test-tests --test ui` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The case that holds several mistakes.
const SEVERAL: (&str, usize) = ("several", 5);

#[test]
fn says_what_to_write_instead() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

#[test]
fn says_it_once() {
    for case in cases() {
        let text =
            fs::read_to_string(case.with_extension("stderr")).expect("the case has its text");
        let errors = text
            .lines()
            .filter(|line| line.starts_with("error"))
            .count();
        assert_eq!(errors, expected(&case), "{}:\n{text}", case.display());
        assert!(!text.contains("\nwarning"), "{}:\n{text}", case.display());
    }
}

/// trybuild compiles without `--test`, where rustc would drop a plain `#[test]` function before it
/// looks at it; users compile with it, and must see the same.
#[test]
fn says_it_once_under_test_as_well() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("it is in the target directory");
    let project = target.join("tests/under-test/project");
    write_project(&project);
    let output = Command::new(env!("CARGO"))
        .args([
            "check",
            "--tests",
            "--keep-going",
            "--offline",
            "--quiet",
            "--message-format=short",
        ])
        .current_dir(&project)
        .env("CARGO_TARGET_DIR", target.join("tests/under-test"))
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stderr);
    let cases = cases().into_iter().map(|case| {
        let name = case.file_stem().expect("a case has a name");
        (name.to_string_lossy().into_owned(), expected(&case))
    });
    for (name, errors) in cases.chain([(NEEDS_FEATURE.0.to_owned(), 1)]) {
        let errors = match errors {
            1 => "1 previous error".to_owned(),
            number => format!("{number} previous errors"),
        };
        // A warning would stand behind it on the same line.
        let line =
            format!("could not compile `port-test-under-test` (test \"{name}\") due to {errors}\n");
        assert!(text.contains(&line), "{line}is not in:\n{text}");
    }
    // At the user's token.
    let needs = format!("tests/{}.rs:1:33: error", NEEDS_FEATURE.0);
    let line = text.lines().find(|line| line.contains(&needs));
    let line = line.unwrap_or_else(|| panic!("{needs} is not in:\n{text}"));
    assert!(
        line.contains("needs tokio's feature `rt-multi-thread`"),
        "{line}"
    );
}

/// Here, where nobody asks tokio for such a runtime.
const NEEDS_FEATURE: (&str, &str) = (
    "many_threads",
    "#[port_test::port_test(flavor = \"multi_thread\")]\nasync fn test() {}\n",
);

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let files = fs::read_dir(folder).expect("the cases are there");
    files
        .map(|file| file.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn expected(case: &Path) -> usize {
    if case.file_stem().is_some_and(|name| name == SEVERAL.0) {
        SEVERAL.1
    } else {
        1
    }
}

/// A package whose integration tests are the cases.
fn write_project(project: &Path) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a member has a workspace");
    let tests = project.join("tests");
    // Cases that were removed would fail.
    let _ = fs::remove_dir_all(&tests);
    fs::create_dir_all(&tests).expect("the target directory can be written to");
    fs::create_dir_all(project.join("src")).expect("the target directory can be written to");
    let runtime = workspace.join("runtime");
    let manifest = format!(
        "[package]\nname = \"port-test-under-test\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [workspace]\n\
         [dependencies]\nport-test = {{ path = {runtime:?} }}\n"
    );
    fs::write(project.join("Cargo.toml"), manifest).expect("the project can be written");
    fs::write(project.join("src/lib.rs"), "").expect("the project can be written");
    fs::copy(workspace.join("Cargo.lock"), project.join("Cargo.lock"))
        .expect("the lock can be copied");
    let (name, text) = NEEDS_FEATURE;
    fs::write(tests.join(name).with_extension("rs"), text).expect("a case can be written");
    for case in cases() {
        let name = case.file_name().expect("a case has a name");
        fs::copy(&case, tests.join(name)).expect("a case can be copied");
    }
}
