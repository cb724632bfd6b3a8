//! A replicated key-value service over gRPC, small enough to read in five minutes. It is here to be
//! tested: `tests/cluster.rs` is what this example is about.
//!
//! A write is appended to the log of the node that takes it, then pushed to every peer that answers.
//! A node that starts pulls what its peers have and gives them what it has, before it is ready.
//!
//! # Limits
//! - Eventual: a read may be older than a write on another node. Of two writes to one key, the one
//!   with the greater (version, node id) wins, and the other is gone.
//! - A push that fails between two nodes that both stay up is not repeated until one of them
//!   restarts.
//! - The log is written, not synced: it survives a process, not a power cut. Nothing is deleted, and
//!   everything is in memory.

mod admin;
mod service;
mod store;

/// What tonic-prost-build makes of `proto/kv.proto`.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    reason = "generated code has its own style, and kv.proto its own comments"
)]
pub mod proto {
    tonic::include_proto!("kv");
}

pub use service::Kv;
pub use store::Store;
