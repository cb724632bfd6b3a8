//! A test that can be expanded: legal values only.

use proc_macro2::{Group, Span};
use syn::{Attribute, Expr, Ident, LitStr, Pat, Path, Type, Visibility};

/// What [`expand`](crate::expand) turns into tokens.
pub(crate) struct PortTest<'a> {
    /// Where the runtime is, if not at `::port_test`.
    pub(crate) krate: Option<Path>,
    pub(crate) name: &'a Ident,
    pub(crate) visibility: &'a Visibility,
    pub(crate) attributes: &'a [Attribute],
    /// The user's code as it stands, braces included.
    pub(crate) body: &'a Group,
    pub(crate) arguments: Vec<Argument<'a>>,
    /// `None` for `()` and `!`, which need no judgement.
    pub(crate) returns: Option<&'a Type>,
    pub(crate) nodes: Nodes,
    pub(crate) service: Option<Expr>,
    pub(crate) ports: Option<Vec<LitStr>>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) flavor: Flavor,
    pub(crate) should_panic: ShouldPanic,
}

/// One argument of the test.
pub(crate) struct Argument<'a> {
    /// Empty if it has none.
    pub(crate) name: String,
    pub(crate) attributes: &'a [Attribute],
    pub(crate) pattern: &'a Pat,
    pub(crate) ty: &'a Type,
}

/// How many nodes the test has. The spans are where a wrong count is reported.
pub(crate) enum Nodes {
    /// As many as the arguments take.
    Counted,
    Given {
        number: usize,
        span: Span,
    },
    /// One test for each number; there is at least one, and none twice.
    Matrix {
        numbers: Vec<(usize, Span)>,
        span: Span,
    },
}

/// The runtime that the body runs on.
pub(crate) enum Flavor {
    CurrentThread,
    /// The span is where it is reported that tokio has no such runtime.
    MultiThread {
        worker_threads: Option<usize>,
        span: Span,
    },
}

/// What `#[should_panic]` says.
pub(crate) enum ShouldPanic {
    No,
    Yes,
    With(LitStr),
}
