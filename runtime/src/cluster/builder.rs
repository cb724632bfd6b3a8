//! A cluster by hand: without the attribute, or a second one inside a test.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use super::owner::Owner;
use super::spec::{DEFAULT_PORTS, NodeSpec, own_service};
use super::{Cluster, Node};
use crate::config;
use crate::error::{BoxError, Error, ErrorKind};
use crate::node::NodeContext;
use crate::node::ports::PortSpec;
use crate::node::roster::Roster;
use crate::node::scope::{Scope, teardown_deadline};
use crate::node::service::Service;
use crate::node::start::{Caller, start_all};

/// What [`Cluster::builder`] and [`Cluster::node_builder`] return: how many nodes, with which ports.
#[must_use = "nothing happens until `start` is called"]
pub struct ClusterBuilder<H, F = ()> {
    service: Option<Service>,
    ports: &'static [&'static str],
    nodes: usize,
    types: PhantomData<fn() -> (H, F)>,
}

impl<H: Send + Sync + 'static> Cluster<H> {
    /// A cluster of nodes that `service` starts, one node with one port unless the builder is told
    /// otherwise.
    ///
    /// For a type that implements [`Node`] there is [`node_builder`](Self::node_builder): it knows the ports
    /// of the type and lets its nodes form their cluster, which this one does not, even if `service` is
    /// the type's own start function.
    ///
    /// Inside a `#[port_test]`, the nodes are the test's: its deadline is theirs, and they go down when
    /// it ends. Anywhere else they go down with the last clone of the cluster, and each wait may take
    /// sixty seconds. There a node that dies ends the waits, but only says so on stderr: it cannot fail a
    /// test that it knows nothing of.
    ///
    /// # Examples
    ///
    /// ```
    /// use port_test::{BoxError, Cluster, NodeContext};
    ///
    /// async fn start(cx: NodeContext) -> Result<tokio::net::TcpListener, BoxError> {
    ///     Ok(cx.tcp_listener().await?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let cluster = Cluster::builder(start).nodes(3).start().await?;
    /// assert_eq!(cluster.len(), 3);
    /// tokio::net::TcpStream::connect(cluster[2].addr()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder<E, S, Fut>(service: S) -> ClusterBuilder<H>
    where
        E: Into<BoxError>,
        S: Fn(NodeContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<H, E>> + 'static,
    {
        ClusterBuilder {
            service: Some(Service::new(service)),
            ports: DEFAULT_PORTS,
            nodes: 1,
            types: PhantomData,
        }
    }
}

impl<H: Node> Cluster<H> {
    /// A cluster of nodes that start and [`form`](Node::form) by themselves, with the ports of their
    /// type; else as [`Cluster::builder`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), port_test::Error> {
    /// let bare = port_test::Cluster::<()>::node_builder().ports(&["grpc", "admin"]).start().await?;
    /// let _listener = bare[0].tcp_listener_of("admin").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn node_builder() -> ClusterBuilder<H, ByNode> {
        ClusterBuilder {
            service: own_service::<H>(),
            ports: H::PORTS,
            nodes: 1,
            types: PhantomData,
        }
    }
}

impl<H: Send + Sync + 'static, F: ClusterFormation<H>> ClusterBuilder<H, F> {
    /// How many nodes.
    pub fn nodes(mut self, count: usize) -> Self {
        self.nodes = count;
        self
    }

    /// Each node's ports: TCP, unless the name ends in `/udp` or `/tcp+udp`.
    pub fn ports(mut self, ports: &'static [&'static str]) -> Self {
        self.ports = ports;
        self
    }

    /// Leases the ports, starts all nodes at once, and waits until they are ready.
    ///
    /// # Errors
    ///
    /// A port's name is malformed, no port could be leased, a node did not start or died, forming the
    /// cluster failed, or the test's deadline came first. Then no node is left.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, the nodes go down when the test ends; at once, outside a test.
    #[track_caller]
    pub fn start(self) -> impl Future<Output = Result<Cluster<H>, Error>> + use<H, F> {
        let caller = Location::caller();
        async move {
            let (scope, owner) = match Scope::current() {
                Some(scope) => (scope, None),
                None => {
                    if let Some(error) = config::get().error() {
                        return Err(Error::new(ErrorKind::Other, error));
                    }
                    let scope = outside();
                    scope.directory.remove_earlier();
                    (Arc::clone(&scope), Some(Owner(scope)))
                }
            };
            let roster = Roster::numbered(&scope);
            let started = self.start_in(&roster, owner, caller).await;
            if started.is_err() {
                // What hangs or is left is told when the test ends, as of all nodes.
                roster.close();
                let _ = tokio::time::timeout_at(teardown_deadline().into(), roster.gone()).await;
            }
            started
        }
    }

    async fn start_in(
        self,
        roster: &Arc<Roster>,
        owner: Option<Owner>,
        caller: Caller,
    ) -> Result<Cluster<H>, Error> {
        let begun = Instant::now();
        let spec = NodeSpec {
            service: self.service,
            ports: PortSpec::parse_all(self.ports)?,
        };
        let mut members = Vec::with_capacity(self.nodes);
        for _ in 0..self.nodes {
            members.push(spec.add(roster, None, caller).await?);
        }
        start_all(&members, caller).await?;
        let cluster = Cluster::new(Arc::clone(roster), spec, members, begun.elapsed(), owner);
        let formed = F::form(&cluster).await;
        formed.map_err(|error| {
            Error::new(ErrorKind::Start, "the cluster did not form").caused_by(error)
        })?;
        Ok(cluster)
    }
}

/// The scope of a cluster outside any `#[port_test]`: called as the program and, since libtest names
/// threads after tests, as the thread.
fn outside() -> Arc<Scope> {
    static PROGRAM: LazyLock<String> = LazyLock::new(|| {
        let exe = std::env::current_exe().unwrap_or_default();
        exe.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    });
    let thread = std::thread::current();
    Scope::new(&PROGRAM, thread.name().unwrap_or("cluster"), None)
}

/// Whether the nodes of a builder form a cluster by themselves once they have started. Only this crate's
/// builders implement it.
pub trait ClusterFormation<H>: sealed::Sealed {
    /// Called once, when all nodes are ready.
    fn form(cluster: &Cluster<H>) -> impl Future<Output = Result<(), BoxError>>;
}

/// By [`Node::form`].
#[derive(Debug)]
pub struct ByNode(());

impl<H> ClusterFormation<H> for () {
    async fn form(_: &Cluster<H>) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<H: Node> ClusterFormation<H> for ByNode {
    fn form(cluster: &Cluster<H>) -> impl Future<Output = Result<(), BoxError>> {
        H::form(cluster)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl Sealed for super::ByNode {}
}
