//! The run of one test: everything that code expanded by the attribute names.

mod count;
mod inject;
mod multi_thread;
mod outcome;
mod report;
mod run;
mod seen;
mod start;
mod test;
mod verdict;

pub use count::{All, Count, CountOf, Counted, Known, Nodes, Number, Uncounted, check_count};
pub use inject::{
    Argument, ByNode, ByService, Slot, Start, Taker, argument, argument_by, counted, service,
};
pub use multi_thread::MULTI_THREAD;
pub use outcome::{Body, Return, Returns, ViaDebug, ViaResult, ViaTermination, body, never};
pub use run::{run, run_alone};
pub use test::{Flavor, ShouldPanic, Test};
