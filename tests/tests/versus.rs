//! `versus` as CI runs it, but without the peers: it finds who loses, and writes everything.

use std::fs::{self, File};
use std::process::Command;

use port_test::cargo_bin;
use roxmltree::Document;
use serde_json::Value;

#[test]
fn it_names_who_lost_and_port_test_lost_nothing() {
    // It is a stranger that tries port after port: to another run of it, and to other tests unless it has
    // a range of its own.
    let exe = std::env::current_exe().expect("a path");
    let lock = File::open(exe.parent().expect("a directory")).expect("it can be read");
    lock.lock().expect("the only one");

    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let markers = "# Figures\n<!-- versus: full -->\n<!-- versus: end -->\n";
    fs::write(path("md"), markers).expect("written");

    // Who counts through a window of ports meets those that somebody holds: 300 of the noise.
    let output = Command::new(cargo_bin!("versus"))
        .env("PORT_TEST_RANGE", "61000-65535")
        .args(["--short", "--check=by hand", "--json"])
        .arg(path("json"))
        .arg("--svg")
        .arg(path("svg"))
        .arg("--markdown")
        .arg(path("md"))
        .output()
        .expect("it runs");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("by hand lost "), "{stderr}");

    let read = |name| fs::read_to_string(path(name)).expect("written");
    let figures: Value = serde_json::from_str(&read("json")).expect("JSON");
    let rows = figures["rows"].as_array().expect("rows");
    let lease = rows.iter().find(|row| row["call"] == "lease()");
    let stolen = &lease.expect("a lease")["stolen"];
    assert_eq!(stolen["rounds"], 800);
    assert_eq!(
        (&stolen["stolen"], &stolen["refused"]),
        (&0.into(), &0.into())
    );
    for row in rows.iter().filter(|row| row["library"] != "port-test") {
        let handed = &row["port_test_beside_it"]["handed_a_listener"];
        assert_eq!(handed["rounds"], 400, "{row}");
        assert_eq!(
            (&handed["stolen"], &handed["refused"]),
            (&0.into(), &0.into()),
            "{row}"
        );
    }
    let svg = read("svg");
    let svg = Document::parse(&svg).expect("well-formed");
    assert_eq!(svg.root_element().tag_name().name(), "svg");
    let text = read("md");
    let tables = text.split_once("<!-- versus: full -->\n").expect("kept").1;
    let stdout = String::from_utf8(output.stdout).expect("text");
    assert_eq!(tables, format!("{stdout}<!-- versus: end -->\n"));
}

#[test]
fn it_does_not_measure_in_vain() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("md");
    fs::write(&file, "no markers").expect("written");
    let file = file.to_str().expect("text");
    for (args, message) in [
        (["--short", "--markdown", file], "no marker"),
        (["--short", "--check=nobody", "--json=x"], "no library"),
        (["--short", "--noise", "loud"], "no such noise"),
    ] {
        let output = Command::new(cargo_bin!("versus"))
            .current_dir(dir.path())
            .args(args)
            .output()
            .expect("it runs");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(message), "{message}: {stderr}");
        assert!(!stderr.contains("what one allocation costs"), "{stderr}");
    }
}
