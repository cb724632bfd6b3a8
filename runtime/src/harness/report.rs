//! What a failed test says on stderr: at most forty lines, the cause first.

use std::path::Path;

use super::seen::Seen;
use super::test::Test;
use super::verdict::Verdict;
use crate::node::pending;
use crate::node::scope::{DEFAULT_TIMEOUT, Scope, scaled};

/// What fits on a screen beside the message of the runner.
const LINES: usize = 40;
/// The lines of the cause, which can be a whole text of the user's.
const CAUSE: usize = 12;
const LOG_LINES: usize = 10;
const LOG_WIDTH: usize = 160;
/// A cause may be a long sentence, but not a file.
const CAUSE_WIDTH: usize = 1000;
const EVENT_LINES: usize = 10;
pub(super) const EVENTS: usize = 24;
/// Where the line of events is broken.
const WIDTH: usize = 110;

/// Who waits for what, and which of them wait for each other.
pub(super) fn pending(scope: &Scope) -> String {
    let waits = scope.pending();
    let mut lines: Vec<_> = waits.iter().map(|wait| format!("\n  {wait}")).collect();
    if let Some(circle) = pending::circle(&waits) {
        lines.push(format!("\n  these wait for each other: {circle}"));
    }
    lines.concat()
}

/// The report: what the test failed with, the nodes, the events, where to look, and what is long.
pub(super) fn failure(
    test: &Test,
    verdict: &Verdict,
    nodes: &[Seen],
    events: &[String],
    kept: Option<&Path>,
) -> String {
    let timeout = scaled(test.timeout().unwrap_or(DEFAULT_TIMEOUT));
    let mut lines = vec![format!(
        "port-test: {} failed ({}:{})",
        test.name, test.file, test.line
    )];
    let mut backtraces = String::new();
    let mut causes = Vec::new();
    let mut told = String::new();
    for cause in verdict.lines(&format!("{timeout:?}")) {
        let (cause, backtrace) = split_backtrace(&cause);
        told.push_str(cause);
        causes.extend(
            cause
                .lines()
                .map(|line| format!("  {}", printable(line, CAUSE_WIDTH))),
        );
        backtraces.push_str(backtrace);
    }
    lines.extend(shorten(causes, CAUSE));
    let mut end = cut(wrap("events, in ms:", events), EVENT_LINES);
    if let Some(path) = kept {
        end.push(format!(
            "kept until this test runs next: {}",
            path.display()
        ));
        end.push(format!(
            "look at it with: find {} -type f -exec tail -n 20 {{}} +",
            path.display()
        ));
    }
    let room = LINES.saturating_sub(lines.len() + end.len());
    lines.extend(describe(nodes, &told, room));
    lines.extend(end);
    lines.join("\n") + backtraces.trim_end()
}

/// The nodes in at most `room` lines, dead ones first: a line each, then as many lines of their logs as
/// there is room for.
fn describe(nodes: &[Seen], told: &str, room: usize) -> Vec<String> {
    let of_rank = |rank| nodes.iter().filter(move |node| node.rank() == rank);
    let mut nodes: Vec<_> = (0..=Seen::LAST_RANK).flat_map(of_rank).collect();
    let hidden = if nodes.len() > room {
        nodes.len() + 1 - room.max(1)
    } else {
        0
    };
    nodes.truncate(nodes.len() - hidden);
    let mut left = room.saturating_sub(nodes.len() + usize::from(hidden > 0));
    let mut lines = Vec::new();
    for node in nodes {
        lines.push(printable(&node.line(told), CAUSE_WIDTH));
        let log = &node.log[node.log.len().saturating_sub(left.min(LOG_LINES))..];
        lines.extend(
            log.iter()
                .map(|line| format!("    | {}", printable(line, LOG_WIDTH))),
        );
        left -= log.len();
    }
    if hidden > 0 && room > 0 {
        lines.push(format!("and {hidden} more nodes"));
    }
    lines
}

/// At most `most` lines: the first and the last.
fn cut(mut lines: Vec<String>, most: usize) -> Vec<String> {
    if lines.len() > most {
        let left_out = lines.len() - (most - 1);
        let first = most / 2;
        lines.splice(
            first..first + left_out,
            [format!("  ({left_out} more lines)")],
        );
    }
    lines
}

/// A line as a terminal can show it: not too long, and without what would move its cursor.
fn printable(line: &str, width: usize) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let mut text: String = line.chars().take(width).map(visible).collect();
    if line.chars().nth(width).is_some() {
        text.push('…');
    }
    text
}

/// The first lines, and how many more there were.
fn shorten(mut lines: Vec<String>, most: usize) -> Vec<String> {
    if lines.len() > most {
        let more = lines.len() - (most - 1);
        lines.truncate(most - 1);
        lines.push(format!("  ({more} more lines)"));
    }
    lines
}

/// The events after their title, in lines of a readable length.
fn wrap(title: &str, events: &[String]) -> Vec<String> {
    if events.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![title.to_owned()];
    for (index, event) in events.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let last = lines.last_mut().expect("there is the title");
        if last.len() + event.len() + 2 > WIDTH {
            last.push_str(comma);
            lines.push(format!("  {event}"));
        } else {
            last.push_str(&format!("{comma} {event}"));
        }
    }
    lines
}

/// Splits off the backtrace that anyhow and eyre print behind an error if `RUST_BACKTRACE` is set: it
/// would hide everything that comes after it.
fn split_backtrace(error: &str) -> (&str, &str) {
    let start = error.find("\n\nStack backtrace:").unwrap_or(error.len());
    error.split_at(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::count::Nodes;
    use crate::harness::test::{Flavor, ShouldPanic};
    use crate::harness::verdict::End;
    use crate::node::member::{Ending, State};

    fn seen(label: &str, state: State, log: usize) -> Seen {
        let log = (0..log).map(|number| format!("line {number}")).collect();
        Seen {
            label: label.to_owned(),
            state,
            restarts: 0,
            processes: Vec::new(),
            ports: Vec::new(),
            log,
        }
    }

    fn report(end: &str, nodes: &[Seen], events: usize) -> String {
        let test = Test {
            name: "a::test",
            package: None,
            file: "a.rs",
            line: 1,
            nodes: Nodes::Counted,
            ports: None,
            timeout_ms: None,
            flavor: Flavor::CurrentThread,
            should_panic: ShouldPanic::No,
        };
        let verdict = Verdict::new(End::Failed(end.to_owned()), Vec::new());
        let events: Vec<_> = (0..events)
            .map(|number| format!("{number}.0 node-{number} of cluster 12 started a-server-with-a-long-name (pid 1234567)"))
            .collect();
        failure(&test, &verdict, nodes, &events, Some(Path::new("/kept")))
    }

    #[test]
    fn it_is_never_longer_than_forty_lines() {
        let long = "line\n".repeat(100);
        for nodes in [0, 1, 3, 10, 38, 39, 40, 100, 1000] {
            for (end, events) in [("short", 0), ("short", EVENTS), (long.as_str(), EVENTS)] {
                let nodes: Vec<_> = (0..nodes)
                    .map(|_| seen("node", State::Running, 10))
                    .collect();
                let report = report(end, &nodes, events);
                assert!(report.lines().count() <= LINES, "{report}");
                assert!(report.contains("find /kept"), "{report}");
            }
        }
    }

    #[test]
    fn a_cause_of_several_lines_is_told_once_and_no_node_takes_more_than_a_line() {
        let cause = "assertion failed\n  left: 1\n right: 2";
        let dead = || State::Down(Ending::NotStarted(cause.to_owned()));
        let nodes: Vec<_> = (0..20).map(|_| seen("node", dead(), 0)).collect();
        let report = report(&format!("node did not start: {cause}"), &nodes, EVENTS);
        assert_eq!(report.matches("left: 1").count(), 1, "{report}");
        assert!(report.lines().count() <= LINES, "{report}");
    }

    #[test]
    fn dead_nodes_come_first_with_the_end_of_their_logs() {
        let dead = State::Down(Ending::Died("out of cheese".to_owned()));
        let nodes = [seen("alive", State::Running, 50), seen("dead", dead, 50)];
        let report = report("no answer", &nodes, 3);
        let at = |text: &str| {
            report
                .find(text)
                .unwrap_or_else(|| panic!("{text}: {report}"))
        };
        assert!(at("no answer") < at("dead: died: out of cheese"));
        assert!(at("dead: died") < at("| line 40") && at("| line 49") < at("alive: running"));
        assert!(!report.contains("line 39"), "ten lines a node: {report}");
    }

    #[test]
    fn a_cause_is_told_once() {
        let dead = State::Down(Ending::Died("out of cheese".to_owned()));
        let report = report("node died: out of cheese", &[seen("node", dead, 0)], 0);
        assert_eq!(report.matches("out of cheese").count(), 1, "{report}");
    }

    #[test]
    fn logs_are_shown_without_control_characters_and_not_too_wide() {
        let mut node = seen("node", State::Running, 0);
        node.log = vec![format!("\u{1b}[2J{}", "x".repeat(1000))];
        let report = report("no answer", &[node], 0);
        assert!(!report.contains('\u{1b}'), "{report}");
        assert!(
            report.lines().all(|line| line.chars().count() < 200),
            "{report}"
        );
    }

    #[test]
    fn a_backtrace_comes_after_everything_else() {
        let report = report("no answer\n\nStack backtrace:\n   0: main", &[], 0);
        assert!(report.ends_with("Stack backtrace:\n   0: main"), "{report}");
    }
}
