//! The trait that names the start function of a type.

use std::future::Future;

use super::Cluster;
use crate::error::BoxError;
use crate::node::NodeContext;

/// A type of node: how one is started, and which ports it wants.
///
/// With this a test only has to say `TestNode<Echo>` or `Cluster<Echo>`. Without it, name the function
/// with `#[port_test(service = start_echo)]`.
///
/// # Examples
///
/// ```
/// use port_test::{BoxError, Node, NodeContext, TestNode, port_test};
///
/// struct Echo;
///
/// impl Node for Echo {
///     async fn start(cx: NodeContext) -> Result<Self, BoxError> {
///         let listener = cx.tcp_listener().await?;
///         cx.spawn(async move {
///             loop {
///                 let (mut stream, _) = listener.accept().await?;
///                 tokio::spawn(async move {
///                     let (mut read, mut write) = stream.split();
///                     tokio::io::copy(&mut read, &mut write).await
///                 });
///             }
///             #[expect(unreachable_code, reason = "says what the task returns")]
///             std::io::Result::Ok(())
///         });
///         Ok(Echo)
///     }
/// }
///
/// #[port_test]
/// async fn echoes(echo: TestNode<Echo>) -> std::io::Result<()> {
///     tokio::net::TcpStream::connect(echo.addr()).await?;
///     Ok(())
/// }
/// # echoes();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a node that `#[port_test]` can start",
    label = "nothing says how to start a `{Self}`",
    note = "implement `port_test::Node` for it, name the function that starts one with `service = function`, or write `()` for a bare node"
)]
pub trait Node: Sized + Send + Sync + 'static {
    /// The node's ports by name: TCP, unless the name ends in `/udp` or `/tcp+udp`. The first one is that
    /// of [`NodeContext::addr`].
    const PORTS: &'static [&'static str] = &["main"];

    /// Starts the node. Returning `Ok` means that it is ready; the value is what
    /// [`TestNode::handle`](crate::TestNode::handle) gives to the test. It is called again at each restart.
    ///
    /// It runs on the node's own thread and runtime, which die with the node.
    fn start(cx: NodeContext) -> impl Future<Output = Result<Self, BoxError>>;

    /// Makes a cluster of nodes that have all started: a bootstrap, a membership. Called once, before the
    /// test's body.
    fn form(cluster: &Cluster<Self>) -> impl Future<Output = Result<(), BoxError>> {
        let _ = cluster;
        async { Ok(()) }
    }
}

/// The bare node: ports and a directory.
impl Node for () {
    async fn start(_: NodeContext) -> Result<Self, BoxError> {
        Ok(())
    }
}
