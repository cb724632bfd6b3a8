//! What a failed test says on stderr.

use std::fmt::Write as _;
use std::path::Path;

use super::test::Test;
use super::verdict::Verdict;
use crate::node::pending;
use crate::node::scope::{DEFAULT_TIMEOUT, Scope, scaled};

/// The nodes and their states, a line each.
pub(super) fn nodes(scope: &Scope) -> String {
    let mut text = String::new();
    for member in scope.rosters().iter().flat_map(|roster| roster.members()) {
        let _ = write!(text, "\n  {}: {}", member.label, member.state());
        for (name, addr) in member.ports.named() {
            let _ = write!(text, ", {name} {addr}");
        }
    }
    text
}

/// Who waits for what, and which of them wait for each other.
pub(super) fn pending(scope: &Scope) -> String {
    let waits = scope.pending();
    let mut text = String::new();
    for wait in &waits {
        let _ = write!(text, "; {wait}");
    }
    if let Some(circle) = pending::circle(&waits) {
        let _ = write!(text, "; these wait for each other: {circle}");
    }
    text
}

pub(super) fn failure(test: &Test, verdict: &Verdict, nodes: &str, kept: Option<&Path>) -> String {
    let timeout = scaled(test.timeout().unwrap_or(DEFAULT_TIMEOUT));
    let mut text = format!(
        "port_test: {} failed ({}:{})",
        test.name, test.file, test.line
    );
    for line in verdict.lines(&format!("{timeout:?}")) {
        let _ = write!(text, "\n  {line}");
    }
    if !nodes.is_empty() {
        let _ = write!(text, "\nnodes when the body ended:{nodes}");
    }
    if let Some(path) = kept {
        let _ = write!(
            text,
            "\ndirectories of the nodes, kept until this test runs next:\n  {}",
            path.display()
        );
    }
    text
}
