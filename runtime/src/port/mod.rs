//! Ports that nobody can steal; usable alone, without nodes.
//!
//! `cursor`, `search`, `waiters`, `backoff`, `histogram` and `stats` know no sockets; `guard` and
//! the file of `cursor` are the only parts that know the operating system.

mod allocator;
mod backoff;
mod builder;
mod cursor;
mod error;
mod events;
mod guard;
mod histogram;
pub(crate) mod holders;
mod lease;
#[cfg(all(test, port_test_loom))]
mod models;
mod pool;
#[cfg(test)]
mod properties;
mod range;
mod search;
mod stats;
mod sync;
mod transport;
mod waiters;

pub use allocator::PortAllocator;
pub use builder::AllocatorBuilder;
pub use error::{AllocError, AllocErrorKind};
pub(crate) use lease::FORK;
pub use lease::PortLease;
pub use pool::PortPool;
pub use stats::Stats;
pub use transport::Transport;
