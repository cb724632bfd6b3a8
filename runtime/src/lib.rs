//! Real ports and real nodes for tests.
//!
//! [`#[port_test]`](macro@port_test) makes an async function a test that gets nodes as arguments: on ports
//! that nobody can steal, ready when the body runs, and gone when it ends, after a panic, an error or a
//! timeout too.
//!
//! ```
//! use port_test::{BoxError, Cluster, Node, NodeContext, port_test};
//! use tokio::io::AsyncReadExt;
//! use tokio::net::TcpStream;
//!
//! struct Hello;
//!
//! impl Node for Hello {
//!     async fn start(cx: NodeContext) -> Result<Self, BoxError> {
//!         let listener = cx.tcp_listener().await?;
//!         cx.spawn(async move {
//!             loop {
//!                 let (stream, _) = listener.accept().await.unwrap();
//!                 stream.writable().await.unwrap();
//!                 stream.try_write(b"hello").unwrap();
//!             }
//!         });
//!         Ok(Hello)
//!     }
//! }
//!
//! #[port_test(nodes = 3)]
//! async fn comes_back(cluster: Cluster<Hello>) -> Result<(), BoxError> {
//!     let node = &cluster[1];
//!     node.kill().await?;
//!     assert!(TcpStream::connect(node.addr()).await.is_err());
//!
//!     node.restart().await?; // the same port, the same directory
//!     let mut answer = String::new();
//!     TcpStream::connect(node.addr()).await?.read_to_string(&mut answer).await?;
//!     assert_eq!(answer, "hello");
//!     Ok(())
//! }
//! # comes_back();
//! ```
//!
//! # Which part does what
//!
//! | to | use |
//! |---|---|
//! | write a test with nodes | [`#[port_test]`](macro@port_test) |
//! | say how a node starts | [`Node`], or any `async fn(NodeContext) -> Result<H, E>` |
//! | know a node's ports, directory and peers where it starts | [`NodeContext`], [`Peer`] |
//! | kill, stop, restart or pause a node in a test | [`TestNode`] |
//! | start a server under test | [`NodeContext::spawn_process`], [`cargo_bin!`] |
//! | handle nodes together, find one, add one | [`Cluster`] |
//! | build a cluster without the attribute | [`Cluster::builder`] |
//! | wait for something | [`eventually`], [`Cluster::wait_for_node`] |
//! | read what a node says, or wait until it says something | [`TestNode::logs`], [`TestNode::wait_for_log`] |
//! | have a port and nothing else | [`PortAllocator`], [`PortLease`] |
//! | have ports ready before they are needed | [`PortPool`] |
//!
//! # How it works
//!
//! A [`PortLease`] is an open socket, bound and never listening. The kernel keeps everybody else off the
//! port until the socket closes, which it does whatever happens to the process. While a node is up, its
//! guards let servers that set SO_REUSEADDR bind; while it is down, they let nobody.
//!
//! Each node lives on a thread and a current-thread runtime of its own. Its death is the end of that
//! runtime: tasks that nobody holds die with it, and their sockets close.
//!
//! # Features
//!
//! `rt-multi-thread`: tokio's feature of that name, which `flavor = "multi_thread"` needs, as in
//! `#[tokio::test]`. No need for it where another crate of the build has asked tokio for it.

mod block_on;
mod cargo_bin;
mod cluster;
mod config;
mod directory;
mod error;
mod harness;
mod node;
mod open_files;
mod panic;
mod port;
mod retry;
mod sync;
mod wait;

pub use cluster::{Cluster, ClusterBuilder, ClusterFormation, ClusterIter, Node};
pub use error::{BoxError, Error, ErrorKind};
#[cfg(target_os = "linux")]
pub use node::Process;
pub use node::{NodeContext, Peer, TaskOutput, TestNode};
pub use port::{
    AllocError, AllocErrorKind, AllocatorBuilder, PortAllocator, PortLease, PortPool, Stats,
    Transport,
};
/// Makes an async function a test that gets nodes as its arguments.
///
/// The test leases ports, starts all nodes at once on threads of their own, waits until they are ready,
/// runs the body, and takes everything down, whatever the body does.
///
/// # Arguments
///
/// They are told apart by their types, so aliases and generic types work.
///
/// | type | gets |
/// |---|---|
/// | [`TestNode<H>`] | one node, called as the argument is, less leading underscores |
/// | `[TestNode<H>; N]` | `N` nodes |
/// | `Vec<TestNode<H>>`, [`Cluster<H>`] | the nodes that the other arguments leave of `nodes = ...` |
/// | a shared reference to one of these | the same |
///
/// `H` is what the node's start function returns. `()` is a *bare* node, which starts nothing: leased ports
/// and a directory. Nodes without a name of their own are `node-1`, `node-2`, ...; ids start at 1.
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `nodes = 3` | how many nodes there are; may be left out if the arguments say it |
/// | `nodes = [1, 3]` | a test for each number, in a module called as the function is: `nodes_1`, `nodes_3` |
/// | `service = start` | the function that starts a node, `Fn(NodeContext) -> Future<Output = Result<H, E>>`; default: [`Node::start`] of `H` |
/// | `ports = ["raft", "quic/udp"]` | each node's ports: TCP, or with `/udp` or `/tcp+udp`; default: [`Node::PORTS`], and `["main"]` with a `service` |
/// | `timeout = "30s"` | of the whole test, start-up included, in `ms`, `s` or `m`; default: `"60s"` |
/// | `flavor = "multi_thread"`, `worker_threads = 2` | the runtime of the body, as in `#[tokio::test]`; needs tokio's feature `rt-multi-thread` |
/// | `crate = path` | where this crate is, if it is renamed |
///
/// # What it returns
///
/// Nothing, a `Result<T, E>` with `E: Debug`, or anything that is
/// [`Termination`](std::process::Termination).
///
/// # When it fails
///
/// The body panics or returns an error, time is up, a node does not start, a node dies without having
/// been asked to, or a node does not go down. The nodes' directories are kept until the test runs next.
///
/// A body that blocks its thread cannot be interrupted by the time limit: let the runner end such a test,
/// as nextest does by its `slow-timeout`.
///
/// # Other attributes
///
/// `#[ignore]`, `#[should_panic]`, `#[cfg]` and all others pass through. To use it with `test-log`, write
/// `#[test_log::test(port_test::port_test(nodes = 3))]`.
///
/// # Examples
///
/// ```
/// use port_test::{BoxError, NodeContext, TestNode, port_test};
/// use tokio::net::{TcpListener, TcpStream};
///
/// async fn start(cx: NodeContext) -> Result<TcpListener, BoxError> {
///     Ok(TcpListener::bind(cx.addr()).await?)
/// }
///
/// #[port_test(service = start, timeout = "10s")]
/// async fn both_listen(primary: TestNode<TcpListener>, replica: TestNode<TcpListener>) -> std::io::Result<()> {
///     for node in [primary, replica] {
///         TcpStream::connect(node.addr()).await?;
///     }
///     Ok(())
/// }
/// # both_listen();
/// ```
#[doc(inline)]
pub use port_test_macros::port_test;
pub use wait::eventually;

/// What the attribute expands to. Not for anybody else: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::cargo_bin::locate;
    pub use crate::harness::*;
}
