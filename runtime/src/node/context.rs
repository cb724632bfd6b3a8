//! What a node's start function gets to know about its node.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};

use super::life::{Life, TaskOutput};
use super::member::Member;
use super::peer::Peer;
use super::pending::Pending;
use super::ports::io_error;
use super::sockets;
use crate::error::Error;
use crate::retry::Delays;

/// A node as its own start function sees it: who it is, its ports, its directory, its peers, and the
/// means to run tasks that are supervised.
///
/// A new one is handed in at each start; [`generation`](Self::generation) counts them. It is cheap to
/// clone and can be moved into tasks.
#[derive(Clone)]
pub struct NodeContext {
    pub(super) member: Arc<Member>,
    generation: u32,
    pub(super) life: Arc<Life>,
}

impl NodeContext {
    pub(crate) fn new(member: &Arc<Member>, generation: u32, life: &Arc<Life>) -> Self {
        Self {
            member: Arc::clone(member),
            generation,
            life: Arc::clone(life),
        }
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

    /// How often the node was started before: 0 at its first start, 1 after one restart.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The node's own directory, created when first asked for. A restart finds it as it was left.
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

    /// Listens on the node's first port.
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

    /// Listens on the port called `name`.
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

    /// A UDP socket on the node's first port, which then counts as taken: the node is ready without a
    /// TCP listener.
    ///
    /// # Errors
    ///
    /// The port is for TCP only, or the system refuses the socket.
    ///
    /// # Panics
    ///
    /// The node has no ports.
    ///
    /// # Platform notes
    ///
    /// The UDP sockets of std and tokio do not set SO_REUSEADDR, so they cannot bind the port by
    /// themselves while its guard is held.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, there is no socket.
    pub async fn udp_socket(&self) -> Result<UdpSocket, Error> {
        self.member.ports.first(&self.member.label);
        sockets::udp_socket(&self.member, 0).await
    }

    /// A UDP socket on the port called `name`.
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

    /// The other nodes of the cluster, whatever state they are in.
    ///
    /// At the first start all of them are listed, ready or not. A node that is added later is in every
    /// answer from before its own start function is called.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        let others = self.member.roster.members().into_iter();
        others
            .filter(|other| other.id != self.member.id)
            .map(|other| Peer::new(&self.member, other))
            .collect()
    }

    /// The other node called `name`.
    ///
    /// # Panics
    ///
    /// There is none of this name; the message lists those that there are.
    #[must_use]
    #[track_caller]
    pub fn peer(&self, name: &str) -> Peer {
        let peers = self.peers();
        match peers.iter().find(|peer| peer.name() == name) {
            Some(peer) => peer.clone(),
            None => {
                let names: Vec<_> = peers.iter().map(Peer::name).collect();
                let own = &self.member.label;
                panic!(
                    "{own} has no peer named `{name}`; it has: {}",
                    names.join(", ")
                )
            }
        }
    }

    /// Runs `task` on the node's runtime, supervised: its error, its panic and its end are the death of
    /// the node, unless the node is [`stopping`](Self::stopping) and the task ends well.
    ///
    /// Tasks of `tokio::spawn` die with the node too, but nobody looks at how they end.
    #[track_caller]
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output: TaskOutput> + Send + 'static,
    {
        self.life.supervise(task, Location::caller());
    }

    /// Gives up the port called `name` until the node is down, for a server that sets no SO_REUSEADDR, or
    /// only SO_REUSEPORT: such a server cannot bind a port while its guard is held. Call it just before
    /// the server is started.
    ///
    /// From then on until the server has bound it, anybody can take the port: this is the gap that a
    /// guard is there to close. Servers that set SO_REUSEADDR, as nearly all do, need no such thing, nor
    /// do those that are handed a listener.
    ///
    /// When the node goes down the port is guarded again; but it is not while connections of the dead
    /// server linger in the kernel, where they keep everybody off the port, up to a minute: also the
    /// server itself, if it is restarted without SO_REUSEADDR or SO_REUSEPORT.
    ///
    /// # Errors
    ///
    /// The test is over.
    ///
    /// # Panics
    ///
    /// There is no port of this name; the message lists those that there are.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time; once polled, the port has been given up.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::process::Command;
    /// use port_test::{BoxError, NodeContext, Process};
    ///
    /// async fn start(cx: NodeContext) -> Result<Process, BoxError> {
    ///     let mut server = Command::new("old-server");
    ///     server.arg(cx.port().to_string());
    ///     cx.release_port("main").await?;
    ///     Ok(cx.spawn_process(&mut server).await?)
    /// }
    /// ```
    pub async fn release_port(&self, name: &str) -> Result<(), Error> {
        let index = self.member.ports.index_of(name, &self.member.label);
        let released = self.member.ports.release(index);
        released.map_err(|error| io_error(&self.member.label, &error))
    }

    /// Waits until somebody listens on the TCP port called `name`, without connecting to it.
    ///
    /// # Errors
    ///
    /// The test's deadline came first, or another node died.
    ///
    /// # Panics
    ///
    /// There is no port of this name; the message lists those that there are.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time.
    #[track_caller]
    pub fn wait_until_listening(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let index = self.member.ports.index_of(name, &self.member.label);
        let mut wait = Pending::new(
            format!("a listener on its port `{name}`"),
            Location::caller(),
        );
        wait.waiter = Some(self.member.label.clone());
        let member = Arc::clone(&self.member);
        async move {
            let listening = async {
                let mut delays = Delays::new();
                while !member.ports.is_listening(index)? {
                    tokio::time::sleep(delays.next()).await;
                }
                Ok(())
            };
            let waited = member.roster.scope.wait(wait, listening, || None).await?;
            waited.map_err(|error| io_error(&member.label, &error))
        }
    }

    /// Waits for a line with `text` in the node's log, and returns the line. Lines that came before the
    /// call count, as far as they are of this run of the node.
    ///
    /// # Errors
    ///
    /// The test's deadline came first, another node died, or the log cannot be written. The message says
    /// how many lines there are, and the last of them.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time.
    #[track_caller]
    pub fn wait_for_log(
        &self,
        text: &str,
    ) -> impl Future<Output = Result<String, Error>> + Send + use<> {
        let waiter = Some(self.member.label.as_str());
        self.member.log.wait_for(text, waiter, Location::caller())
    }

    /// Resolves when [`TestNode::stop`](crate::TestNode::stop) was called: the node then has a grace
    /// period of five seconds to end its tasks and processes before it is killed.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time. A node in which nobody holds this future, and that has no processes,
    /// is killed at once.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let mut stopping = self.life.stopping();
        async move {
            // An error is the end of the run itself.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }
}

impl fmt::Debug for NodeContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeContext")
            .field("node", &self.member)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
