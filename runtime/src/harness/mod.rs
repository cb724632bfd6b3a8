//! The run of one test: everything that code expanded by the attribute names.

mod count;
mod inject;
mod outcome;
mod report;
mod run;
mod seen;
mod start;
mod test;
mod verdict;

pub use count::{Count, CountOf, Counted, Nodes, Uncounted, check_count};
pub use inject::{Argument, ByNode, ByService, Slot, Start, Taker, argument, argument_by, service};
pub use outcome::{Body, Return, Returns, ViaDebug, ViaResult, ViaTermination, body, never};
pub use run::run;
pub use test::{Flavor, ShouldPanic, Test};
