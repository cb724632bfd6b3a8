//! What happened to the nodes of a test, and when: for the report.

use std::fmt;
use std::time::Duration;

/// Something that happened to a node.
#[derive(Clone)]
pub(crate) struct Event {
    /// Since the start of the test.
    pub(crate) at: Duration,
    pub(crate) node: String,
    pub(crate) what: String,
}

/// The last events of a test, and how many were before them.
#[derive(Default)]
pub(crate) struct Events {
    kept: Vec<Event>,
    forgotten: usize,
}

/// A test that restarts a node ten thousand times must not remember each of them. The first events, of
/// the start, and the last ones matter; these many of each are kept.
const KEPT: usize = 64;

impl Events {
    pub(crate) fn push(&mut self, event: Event) {
        if self.kept.len() == 2 * KEPT {
            self.kept.remove(KEPT);
            self.forgotten += 1;
        }
        self.kept.push(event);
    }

    /// The events in order, at most `count` of them: the later half, and as many of the earliest; between
    /// them, how many are left out.
    pub(crate) fn shown(&self, count: usize) -> Vec<String> {
        let all: Vec<_> = self.kept.iter().map(Event::to_string).collect();
        let left_out = (all.len() + self.forgotten).saturating_sub(count);
        if left_out == 0 {
            return all;
        }
        let first = (count / 2).min(all.len());
        let last = (count - count / 2).min(all.len() - first);
        let mut shown = all[..first].to_vec();
        shown.push(format!("({left_out} more)"));
        shown.extend_from_slice(&all[all.len() - last..]);
        shown
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} {} {}",
            self.at.as_secs_f64() * 1000.0,
            self.node,
            self.what
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(count: u64) -> Events {
        let mut events = Events::default();
        for number in 0..count {
            let (node, what) = ("n".to_owned(), "restarted".to_owned());
            events.push(Event {
                at: Duration::from_millis(number),
                node,
                what,
            });
        }
        events
    }

    #[test]
    fn all_are_shown_if_they_are_few() {
        assert_eq!(events(2).shown(2), ["0.0 n restarted", "1.0 n restarted"]);
    }

    #[test]
    fn of_many_the_first_and_the_last_are_shown_and_the_others_counted() {
        let shown = events(1_000_000).shown(4);
        let expected = [
            "0.0 n",
            "1.0 n",
            "(999996 more)",
            "999998.0 n",
            "999999.0 n",
        ];
        assert_eq!(shown.len(), expected.len());
        for (shown, expected) in shown.iter().zip(expected) {
            assert!(shown.starts_with(expected), "{shown}");
        }
    }
}
