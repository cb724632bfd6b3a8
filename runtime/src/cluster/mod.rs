//! Clusters: nodes of one type that start together, and waits for one of them.

mod builder;
mod handle;
mod list;
mod node;
mod owner;
mod search;
pub(crate) mod spec;

pub use builder::{ClusterBuilder, ClusterFormation};
pub use handle::{Cluster, ClusterIter};
pub use node::Node;
