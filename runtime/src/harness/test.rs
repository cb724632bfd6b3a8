//! What the expansion says about a test.

use std::panic::Location;
use std::time::Duration;

use super::count::Nodes;

/// One test, as the attribute wrote it down.
pub struct Test {
    /// Its full path, from the name of the crate on.
    pub name: &'static str,
    /// The package it belongs to, where cargo builds it.
    pub package: Option<&'static str>,
    /// Where it is.
    pub file: &'static str,
    /// Where it is.
    pub line: u32,
    /// How many nodes were asked for.
    pub nodes: Nodes,
    /// The ports of each node, if the attribute names them.
    pub ports: Option<&'static [&'static str]>,
    /// The time limit in milliseconds, if the attribute names one.
    pub timeout_ms: Option<u64>,
    /// The runtime of the body.
    pub flavor: Flavor,
    /// Whether a panic is what the test wants.
    pub should_panic: ShouldPanic,
}

/// What the expansion writes: only what the attribute says. (A literal with all fields would be a constant
/// of its own for the compiler to check in each test.)
impl Test {
    /// A test with all options left out, at the place of the call.
    #[must_use]
    #[track_caller]
    pub fn new(name: &'static str, package: Option<&'static str>) -> Self {
        let place = Location::caller();
        Self {
            name,
            package,
            file: place.file(),
            line: place.line(),
            nodes: Nodes::Counted,
            ports: None,
            timeout_ms: None,
            flavor: Flavor::CurrentThread,
            should_panic: ShouldPanic::No,
        }
    }

    /// `nodes = ...`
    #[must_use]
    pub fn nodes(self, nodes: Nodes) -> Self {
        Self { nodes, ..self }
    }

    /// `ports = ...`
    #[must_use]
    pub fn ports(self, ports: &'static [&'static str]) -> Self {
        Self {
            ports: Some(ports),
            ..self
        }
    }

    /// `timeout = ...`
    #[must_use]
    pub fn timeout_ms(self, timeout_ms: u64) -> Self {
        Self {
            timeout_ms: Some(timeout_ms),
            ..self
        }
    }

    /// `flavor = ...`
    #[must_use]
    pub fn flavor(self, flavor: Flavor) -> Self {
        Self { flavor, ..self }
    }

    /// `#[should_panic]`
    #[must_use]
    pub fn should_panic(self, should_panic: ShouldPanic) -> Self {
        Self {
            should_panic,
            ..self
        }
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }
}

/// The runtime that the body runs on.
#[derive(Clone, Copy)]
pub enum Flavor {
    /// All on the test's thread.
    CurrentThread,
    /// On worker threads, as many as there are cores unless said otherwise.
    MultiThread {
        /// How many.
        worker_threads: Option<usize>,
    },
}

/// `#[should_panic]`, which the harness has to know to tell success from failure.
pub enum ShouldPanic {
    /// A panic is a failure.
    No,
    /// A panic is a success.
    Yes,
    /// A panic with this text in its message is a success.
    With(&'static str),
}

impl ShouldPanic {
    /// Whether libtest takes a panic with this message for a success.
    pub(super) fn accepts(&self, message: &str) -> bool {
        match self {
            Self::No => false,
            Self::Yes => true,
            Self::With(text) => message.contains(text),
        }
    }
}
