//! Other systems: a node has no processes.

/// The processes of one run of a node: none.
#[derive(Default)]
pub(crate) struct Processes;

impl Processes {
    pub(crate) fn names(&self) -> Vec<String> {
        Vec::new()
    }

    pub(crate) fn running(&self) -> usize {
        0
    }

    pub(crate) fn terminate(&self) {}

    pub(crate) fn kill(&self) {}

    pub(crate) fn wait_until_gone(&self) {}

    pub(crate) fn pause(&self) {}

    pub(crate) fn resume(&self) {}
}
