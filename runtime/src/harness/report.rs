//! What a failed test says on stderr.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::test::Test;
use super::verdict::Verdict;
use crate::node::member::State;
use crate::node::pending;
use crate::node::scope::{DEFAULT_TIMEOUT, Scope, scaled};

/// A node as it was when the body ended.
pub(super) struct Seen {
    label: String,
    state: State,
    ports: Vec<(&'static str, SocketAddr)>,
}

/// All nodes of the test.
pub(super) fn nodes(scope: &Scope) -> Vec<Seen> {
    let members = scope
        .rosters()
        .into_iter()
        .flat_map(|roster| roster.members());
    let seen = members.map(|member| Seen {
        label: member.label.clone(),
        state: member.state(),
        ports: member.ports.named().collect(),
    });
    seen.collect()
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

/// What the test failed with first, then the nodes, then where to look, then what is long.
pub(super) fn failure(
    test: &Test,
    verdict: &Verdict,
    nodes: &[Seen],
    kept: Option<&Path>,
) -> String {
    let timeout = scaled(test.timeout().unwrap_or(DEFAULT_TIMEOUT));
    let mut text = format!(
        "port_test: {} failed ({}:{})",
        test.name, test.file, test.line
    );
    let mut backtraces = String::new();
    for line in verdict.lines(&format!("{timeout:?}")) {
        let (line, backtrace) = split_backtrace(&line);
        let _ = write!(text, "\n  {line}");
        backtraces.push_str(backtrace);
    }
    let told = text.clone();
    if !nodes.is_empty() {
        text.push_str("\nnodes when the body ended:");
    }
    for node in nodes {
        let state = match &node.state {
            // Said once is enough.
            State::Down(ending) if ending.cause().is_some_and(|cause| told.contains(cause)) => {
                ending.short().to_owned()
            }
            state => state.to_string(),
        };
        let _ = write!(text, "\n  {}: {state}", node.label);
        for (name, addr) in &node.ports {
            let _ = write!(text, ", {name} {addr}");
        }
    }
    if let Some(path) = kept {
        let path = path.display();
        let _ = write!(
            text,
            "\ndirectories of the nodes, kept until this test runs next:\n  {path}"
        );
    }
    text + backtraces.trim_end()
}

/// Splits off the backtrace that anyhow and eyre print behind an error if `RUST_BACKTRACE` is set: it
/// would hide everything that comes after it.
fn split_backtrace(error: &str) -> (&str, &str) {
    let start = error.find("\n\nStack backtrace:").unwrap_or(error.len());
    error.split_at(start)
}
