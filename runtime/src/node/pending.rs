//! The waits that are pending in one test: for the message when time is up.

use std::fmt;
use std::panic::Location;
use std::time::Instant;

/// One wait: who waits for what, and where in the source.
#[derive(Clone)]
pub(crate) struct Pending {
    /// What is waited for, as it reads after "waiting for".
    pub(crate) what: String,
    /// The label of the node that waits; `None` is the test's body.
    pub(crate) waiter: Option<String>,
    /// The label of the node that is waited for, if it is a node.
    pub(crate) awaited: Option<String>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) since: Instant,
}

impl Pending {
    pub(crate) fn new(what: impl Into<String>, location: &'static Location<'static>) -> Self {
        Self {
            what: what.into(),
            waiter: None,
            awaited: None,
            location,
            since: Instant::now(),
        }
    }

    /// The same wait, as `waiter` waiting for `awaited`.
    pub(crate) fn between(mut self, waiter: &str, awaited: &str) -> Self {
        self.waiter = Some(waiter.to_owned());
        self.awaited = Some(awaited.to_owned());
        self
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiter = self.waiter.as_deref().unwrap_or("the test");
        let elapsed = self.since.elapsed();
        write!(
            f,
            "{waiter} has waited {elapsed:.1?} for {} ({}:{})",
            self.what,
            self.location.file(),
            self.location.line()
        )
    }
}

/// A circle among nodes that wait for each other, as `a -> b -> a`.
pub(crate) fn circle(waits: &[Pending]) -> Option<String> {
    let edges: Vec<(&str, &str)> = waits
        .iter()
        .filter_map(|wait| Some((wait.waiter.as_deref()?, wait.awaited.as_deref()?)))
        .collect();
    edges.iter().find_map(|&(start, _)| {
        let path = path_back(&edges, start, &mut vec![start])?;
        Some(path.join(" -> "))
    })
}

/// Depth first from the end of `path`; a node may wait for several others at once. Paths stay short:
/// none visits a node twice.
fn path_back<'a>(
    edges: &[(&'a str, &'a str)],
    start: &'a str,
    path: &mut Vec<&'a str>,
) -> Option<Vec<&'a str>> {
    let here = *path.last()?;
    for &(_, next) in edges.iter().filter(|edge| edge.0 == here) {
        if next == start {
            path.push(start);
            return Some(path.clone());
        }
        if !path.contains(&next) {
            path.push(next);
            if let Some(found) = path_back(edges, start, path) {
                return Some(found);
            }
            path.pop();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(edges: &[(&str, &str)]) -> Vec<Pending> {
        let wait =
            |&(from, to): &(&str, &str)| Pending::new(to, Location::caller()).between(from, to);
        edges.iter().map(wait).collect()
    }

    #[test]
    fn a_circle_is_named_and_a_chain_is_none() {
        assert_eq!(circle(&waits(&[("a", "b"), ("b", "c")])), None);
        assert_eq!(
            circle(&waits(&[("a", "b"), ("b", "a")])).as_deref(),
            Some("a -> b -> a")
        );
    }

    #[test]
    fn a_circle_is_found_behind_a_dead_end_and_a_tail() {
        let waits = waits(&[
            ("x", "a"),
            ("a", "dead"),
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
        ]);
        assert_eq!(circle(&waits).as_deref(), Some("a -> b -> c -> a"));
    }

    #[test]
    fn the_body_waits_for_nodes_but_is_in_no_circle() {
        let mut wait = waits(&[("a", "a2")]).remove(0);
        wait.waiter = None;
        assert_eq!(circle(&[wait]), None);
    }
}
