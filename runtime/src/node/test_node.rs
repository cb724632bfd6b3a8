//! A node, as the test holds it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};

use super::member::{Member, State};
use super::sockets;
use crate::error::{Error, ErrorKind};

/// A node of the test: its ports, its directory, the handle that its start function returned, and its
/// life and death.
///
/// `TestNode<()>` is a *bare* node: leased ports and a directory, on which the test starts what it likes.
///
/// It is cheap to clone; all clones are the same node. The node belongs to its test, not to this value:
/// dropping it ends nothing.
///
/// # Examples
///
/// ```
/// use port_test::{TestNode, port_test};
/// use tokio::net::TcpStream;
///
/// #[port_test]
/// async fn connects(server: TestNode<()>) -> std::io::Result<()> {
///     let _listener = server.tcp_listener().await.unwrap();
///     TcpStream::connect(server.addr()).await?;
///     Ok(())
/// }
/// # connects();
/// ```
pub struct TestNode<H> {
    member: Arc<Member>,
    handle: PhantomData<fn() -> H>,
}

impl<H> TestNode<H> {
    pub(crate) fn new(member: Arc<Member>) -> Self {
        Self {
            member,
            handle: PhantomData,
        }
    }

    pub(crate) fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// The node's number in its cluster; the first is 1.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.member.id
    }

    /// The node's name: that of the test's argument, or `node-1`, `node-2`, ...
    #[must_use]
    pub fn name(&self) -> &str {
        &self.member.name
    }

    /// The address of the node's first port.
    ///
    /// # Panics
    ///
    /// The node has no ports.
    #[must_use]
    #[track_caller]
    pub fn addr(&self) -> SocketAddr {
        self.member.ports.first(&self.member.label)
    }

    /// The number of the node's first port.
    ///
    /// # Panics
    ///
    /// The node has no ports.
    #[must_use]
    #[track_caller]
    pub fn port(&self) -> u16 {
        self.addr().port()
    }

    /// `http://` and the address of the node's first port.
    ///
    /// # Panics
    ///
    /// The node has no ports.
    #[must_use]
    #[track_caller]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// `http://` and the address of the port called `name`.
    ///
    /// # Panics
    ///
    /// There is no port of this name; the message lists those that there are.
    #[must_use]
    #[track_caller]
    pub fn url_of(&self, name: &str) -> String {
        format!("http://{}", self.addr_of(name))
    }

    /// The address of the port called `name`.
    ///
    /// # Panics
    ///
    /// There is no port of this name; the message lists those that there are.
    #[must_use]
    #[track_caller]
    pub fn addr_of(&self, name: &str) -> SocketAddr {
        self.member.ports.addr_of(name, &self.member.label)
    }

    /// The number of the port called `name`.
    ///
    /// # Panics
    ///
    /// There is no port of this name; the message lists those that there are.
    #[must_use]
    #[track_caller]
    pub fn port_of(&self, name: &str) -> u16 {
        self.addr_of(name).port()
    }

    /// The node's own directory, created when first asked for.
    ///
    /// It is readable to its owner only, removed when the test passes, and kept until the test runs next
    /// when it fails.
    ///
    /// # Panics
    ///
    /// The directory cannot be created.
    #[must_use]
    #[track_caller]
    pub fn data_dir(&self) -> &Path {
        self.member.data_dir()
    }

    /// Listens on the first port of a bare node.
    ///
    /// Any server that sets SO_REUSEADDR, as std and tokio do, may instead bind the address by itself.
    ///
    /// # Errors
    ///
    /// Somebody listens there already, or the port is for UDP only.
    ///
    /// # Panics
    ///
    /// The node has no ports.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, nothing listens.
    pub async fn tcp_listener(&self) -> Result<TcpListener, Error> {
        self.member.ports.first(&self.member.label);
        sockets::tcp_listener(&self.member, 0).await
    }

    /// Listens on the port called `name` of a bare node.
    ///
    /// # Errors
    ///
    /// As [`tcp_listener`](Self::tcp_listener).
    ///
    /// # Panics
    ///
    /// There is no port of this name; the message lists those that there are.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, nothing listens.
    pub async fn tcp_listener_of(&self, name: &str) -> Result<TcpListener, Error> {
        let index = self.member.ports.index_of(name, &self.member.label);
        sockets::tcp_listener(&self.member, index).await
    }

    /// A UDP socket on the first port of a bare node.
    ///
    /// # Errors
    ///
    /// The port is for TCP only, or the system refuses the socket.
    ///
    /// # Panics
    ///
    /// The node has no ports.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, there is no socket.
    pub async fn udp_socket(&self) -> Result<UdpSocket, Error> {
        self.member.ports.first(&self.member.label);
        sockets::udp_socket(&self.member, 0).await
    }

    /// A UDP socket on the port called `name` of a bare node.
    ///
    /// # Errors
    ///
    /// As [`udp_socket`](Self::udp_socket).
    ///
    /// # Panics
    ///
    /// There is no port of this name; the message lists those that there are.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, there is no socket.
    pub async fn udp_socket_of(&self, name: &str) -> Result<UdpSocket, Error> {
        let index = self.member.ports.index_of(name, &self.member.label);
        sockets::udp_socket(&self.member, index).await
    }

    /// All that the node has logged, in all its runs. Bytes that are not UTF-8 are replaced.
    ///
    /// That is its tracing events from INFO up, with the milliseconds since the start of the test, unless
    /// a subscriber is set globally, as by test-log: then they go there and nowhere else. Threads that
    /// the node makes without tokio are not heard, unless they are given its
    /// [dispatcher](https://docs.rs/tracing/latest/tracing/dispatcher/).
    ///
    /// The same is in a file beside the node's directory, called as the node is and `.log`; there, the
    /// bytes are as they came. With `PORT_TEST_LOG=1` it is also streamed to stderr.
    ///
    /// # Examples
    ///
    /// ```
    /// # use port_test::{BoxError, NodeContext, TestNode, port_test};
    /// # use tokio::net::TcpListener;
    /// async fn start(cx: NodeContext) -> Result<TcpListener, BoxError> {
    ///     let listener = cx.tcp_listener().await?;
    ///     tracing::info!(port = cx.port(), "ready to accept");
    ///     Ok(listener)
    /// }
    ///
    /// #[port_test(service = start)]
    /// async fn says_so(node: TestNode<TcpListener>) -> Result<(), BoxError> {
    ///     let line = node.wait_for_log("ready to accept").await?;
    ///     assert!(line.ends_with(&format!("port={}", node.port())));
    ///     assert_eq!(node.logs().lines().count(), 1);
    ///     Ok(())
    /// }
    /// # says_so();
    /// ```
    #[must_use]
    pub fn logs(&self) -> String {
        self.member.log.text()
    }

    /// Waits for a line with `text` in the node's [log](Self::logs), and returns the line. Lines that
    /// came before the call count, as far as they are of the node's present run: what it said before a
    /// restart does not.
    ///
    /// # Errors
    ///
    /// The test's deadline came first, a node died, or the log cannot be written. The message says how
    /// many lines there are, and the last of them.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time.
    #[track_caller]
    pub fn wait_for_log(
        &self,
        text: &str,
    ) -> impl Future<Output = Result<String, Error>> + Send + use<H> {
        self.member.log.wait_for(text, None, Location::caller())
    }

    /// Whether the node is ready and neither paused nor down.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.member.state() == State::Running
    }

    /// Ends the node at once, as a crash would: its runtime is dropped, its tasks die, detached ones too,
    /// and its sockets close; its processes and all that they have started get SIGKILL. Its ports stay held and refuse connections. A node that is down stays so.
    ///
    /// # Errors
    ///
    /// The node is bare; it hangs (for ten seconds) in a task that does not yield, a blocking task or a
    /// `Drop`; or somebody still listens on its port afterwards.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, the node goes down all the same.
    pub async fn kill(&self) -> Result<(), Error> {
        self.member.kill().await
    }

    /// Ends the node gently: [`NodeContext::stopping`](crate::NodeContext::stopping) resolves and its
    /// processes get SIGTERM, the node has five seconds to end its tasks and its processes, then it is
    /// killed. Tasks count only if somebody in the node waits for `stopping`; without such tasks and
    /// without processes, and if the node is paused, it is killed at once.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, the node goes down all the same.
    pub async fn stop(&self) -> Result<(), Error> {
        self.member.stop().await
    }

    /// Kills the node if it is up, calls its start function again with the same ports and directory, and
    /// waits until it is ready.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill); or the node did not start, another one died, or the test's deadline came
    /// first. A node that does not start again fails no test by itself: that may be what is tested.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, the node may be down, or starting.
    #[track_caller]
    pub fn restart(&self) -> impl Future<Output = Result<(), Error>> + Send + use<H> {
        let (member, caller) = (Arc::clone(&self.member), Location::caller());
        async move { member.restart(caller).await }
    }

    /// Stops the node's thread where it is, as SIGSTOP does to a process: its sockets stay open, the
    /// kernel accepts connections for it, and nobody answers. Its processes, and all that they have
    /// started, get that signal. Its blocking tasks go on.
    ///
    /// # Errors
    ///
    /// The node is bare, does not run, or has a task that does not yield.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, the node goes on.
    pub async fn pause(&self) -> Result<(), Error> {
        self.member.pause().await
    }

    /// Lets a paused node go on.
    ///
    /// # Errors
    ///
    /// The node is bare or not paused.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time.
    pub async fn resume(&self) -> Result<(), Error> {
        self.member.resume().await
    }
}

impl<H: Any + Send + Sync> TestNode<H> {
    /// What the node's start function returned, in its present run.
    ///
    /// # Panics
    ///
    /// The node is not up: what a dead node left behind in memory must not answer for it. Where the node
    /// may go down at any moment, [`try_handle`](Self::try_handle) tells it without a panic.
    #[must_use]
    #[track_caller]
    pub fn handle(&self) -> Arc<H> {
        self.try_handle().unwrap_or_else(|error| panic!("{error}"))
    }

    /// What the node's start function returned, in its present run.
    ///
    /// # Errors
    ///
    /// The node is not up.
    #[expect(
        clippy::missing_panics_doc,
        reason = "the type is that of the node, by construction"
    )]
    pub fn try_handle(&self) -> Result<Arc<H>, Error> {
        let run = self.member.run();
        match run.handle.clone() {
            // The attribute and the builder make the node and this value of the same function.
            Some(handle) => Ok(handle
                .downcast()
                .expect("a node's handle has the type of its node")),
            None => {
                let message = format!("is {}, so it has no handle now", run.state);
                Err(self.member.error(ErrorKind::InvalidState, &message))
            }
        }
    }
}

impl<H> Clone for TestNode<H> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.member))
    }
}

impl<H> fmt::Debug for TestNode<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.member, f)
    }
}
