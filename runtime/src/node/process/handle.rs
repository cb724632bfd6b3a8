//! A process, as the node that started it holds it.

use std::sync::Arc;

/// A process of a node, started by [`NodeContext::spawn_process`](crate::NodeContext::spawn_process).
///
/// It belongs to its node and lives and dies with it: dropping this ends nothing.
///
/// # Platform notes
///
/// Only on Linux.
#[derive(Clone, Debug)]
pub struct Process {
    #[expect(dead_code, reason = "shown by Debug")]
    program: Arc<str>,
    pid: u32,
}

impl Process {
    pub(super) fn new(program: &str, pid: u32) -> Self {
        Self {
            program: program.into(),
            pid,
        }
    }

    /// The number of the process: that of the program itself, not of its supervisor.
    ///
    /// For messages and for looking at `/proc`. Once the process has ended, the number may be given to
    /// another, so do not send signals to it: kill, stop or pause the node.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }
}
