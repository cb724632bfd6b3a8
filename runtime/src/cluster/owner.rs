//! Takes down the cluster of somebody who has no `#[port_test]` to do it.

use std::sync::Arc;

use crate::node::scope::{Scope, teardown_deadline};

/// Takes the scope's nodes down on drop, as the end of a test does.
pub(crate) struct Owner(pub(crate) Arc<Scope>);

impl Drop for Owner {
    fn drop(&mut self) {
        let deadline = teardown_deadline();
        let rosters = self.0.disown();
        rosters.iter().for_each(|roster| roster.close());
        let mut failures: Vec<_> = rosters
            .iter()
            .flat_map(|roster| roster.take_down(deadline))
            .collect();
        failures.extend(
            self.0
                .deaths()
                .iter()
                .map(|death| format!("{} died: {}", death.node, death.cause)),
        );
        let failed = !failures.is_empty() || std::thread::panicking();
        match self.0.directory.finish(failed) {
            Ok(Some(path)) => failures.push(format!(
                "the nodes' directories are kept in {}",
                path.display()
            )),
            Ok(None) => {}
            Err(error) => {
                failures.push(format!("the nodes' directories cannot be removed: {error}"))
            }
        }
        // A drop can fail no test; it can only say so.
        for failure in failures {
            let line = format!("port-test: {}: {failure}", self.0.name);
            // eprintln is what libtest captures, but it panics if stderr is closed.
            let _ = std::panic::catch_unwind(|| eprintln!("{line}"));
        }
    }
}
