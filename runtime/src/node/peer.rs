//! Another node, as a node sees it.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::Arc;

use super::member::{Ending, Member, State};
use super::pending::Pending;
use crate::error::{Error, ErrorKind};

/// Another node of the cluster, as the node that asked must address it.
#[derive(Clone)]
pub struct Peer {
    /// The node that asked.
    asker: Arc<Member>,
    member: Arc<Member>,
}

impl Peer {
    pub(crate) fn new(asker: &Arc<Member>, member: Arc<Member>) -> Self {
        Self {
            asker: Arc::clone(asker),
            member,
        }
    }

    /// The node's number in its cluster; the first is 1.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.member.id
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.member.name
    }

    /// The address of its first port.
    ///
    /// # Panics
    ///
    /// The node has no ports.
    #[must_use]
    #[track_caller]
    pub fn addr(&self) -> SocketAddr {
        self.member.ports.first(&self.member.label)
    }

    /// The address of its port called `name`.
    ///
    /// # Panics
    ///
    /// There is no port of this name; the message lists those that there are.
    #[must_use]
    #[track_caller]
    pub fn addr_of(&self, name: &str) -> SocketAddr {
        self.member.ports.addr_of(name, &self.member.label)
    }

    /// Waits until the node is ready.
    ///
    /// # Errors
    ///
    /// The node did not start, a node died, or the test's deadline came first. If nodes wait for each
    /// other in a circle, the message names it.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time.
    #[track_caller]
    pub fn ready(&self) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let what = format!("{} to be ready", self.member.label);
        let wait =
            Pending::new(what, Location::caller()).between(&self.asker.label, &self.member.label);
        let member = Arc::clone(&self.member);
        async move {
            let settled = member.until(|run| match &run.state {
                State::Running | State::Paused => Some(Ok(())),
                State::Down(Ending::NotStarted(cause)) => Some(Err(cause.clone())),
                _ => None,
            });
            let ready = member.roster.scope.wait(wait, settled, || None).await?;
            ready.map_err(|cause| {
                Error::new(ErrorKind::Start, format!("{} did not start", member.label))
                    .caused_by(cause)
            })
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.member, f)
    }
}
