//! Nodes: what they are made of, their life on a thread of their own, and what a test may do to them.

mod capture;
mod context;
mod control;
mod events;
mod host;
mod life;
mod log;
pub(crate) mod member;
mod peer;
pub(crate) mod pending;
pub(crate) mod ports;
mod process;
pub(crate) mod roster;
pub(crate) mod scope;
pub(crate) mod service;
mod sockets;
pub(crate) mod start;
mod test_node;
pub(crate) mod threads;

pub use context::NodeContext;
pub use life::TaskOutput;
pub use peer::Peer;
#[cfg(target_os = "linux")]
pub use process::Process;
pub use test_node::TestNode;
