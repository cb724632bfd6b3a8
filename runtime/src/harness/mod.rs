//! The run of one test: everything that code expanded by the attribute names.

mod count;
mod inject;
mod outcome;
mod report;
mod run;
mod start;
mod test;
mod verdict;

pub use count::{Count, CountOf, Counted, Nodes, Uncounted, check_count};
pub use inject::{Argument, ByNode, ByService, Slot, Start, Taker, argument, argument_by, service};
pub use outcome::{Return, Returned, ViaDebug, ViaResult, ViaTermination};
pub use run::{Body, run};
pub use test::{Flavor, ShouldPanic, Test};
