//! Real ports and real nodes for tests.

mod cluster;
mod config;
mod directory;
mod error;
mod harness;
mod node;
mod panic;
mod port;
mod retry;
mod sync;
mod wait;

pub use cluster::{Cluster, ClusterBuilder, ClusterFormation, Node};
pub use error::{BoxError, Error, ErrorKind};
pub use node::{NodeContext, Peer, TaskOutput, TestNode};
pub use port::{
    AllocError, AllocErrorKind, AllocatorBuilder, PortAllocator, PortLease, Stats, Transport,
};
#[doc(inline)]
pub use port_test_macros::port_test;
pub use wait::eventually;

/// What the attribute expands to. Not for anybody else: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::harness::*;
}
