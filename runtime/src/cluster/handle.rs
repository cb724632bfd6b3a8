//! A cluster, as the test holds it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::ops::Index;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::list::{self, List};
use super::owner::Owner;
use super::search;
use super::spec::NodeSpec;
use crate::error::Error;
use crate::node::TestNode;
use crate::node::member::Member;
use crate::node::roster::Roster;
use crate::node::scope::teardown_deadline;
use crate::node::start::start_all;

/// Nodes of one type that were started together.
///
/// It is cheap to clone; all clones are the same cluster. The nodes of a test go down when the test
/// ends. A cluster that was built outside any `#[port_test]` goes down with its last clone.
///
/// `{cluster}` prints one line: the nodes, their ports, and how long they took to be ready.
pub struct Cluster<H>(Arc<Shared<H>>);

struct Shared<H> {
    roster: Arc<Roster>,
    spec: NodeSpec,
    nodes: List<TestNode<H>>,
    ready_in: Duration,
    _owner: Option<Owner>,
}

impl<H> Cluster<H> {
    pub(crate) fn new(
        roster: Arc<Roster>,
        spec: NodeSpec,
        members: Vec<Arc<Member>>,
        ready_in: Duration,
        owner: Option<Owner>,
    ) -> Self {
        let nodes = List::new(members.into_iter().map(TestNode::new).collect());
        Self(Arc::new(Shared {
            roster,
            spec,
            nodes,
            ready_in,
            _owner: owner,
        }))
    }

    /// How many nodes it has, in whatever state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether it has no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its nodes, in the order in which they were added.
    #[must_use]
    pub fn iter(&self) -> ClusterIter<'_, H> {
        ClusterIter(self.0.nodes.iter())
    }

    /// The node called `name`.
    ///
    /// # Panics
    ///
    /// There is none of this name; the message lists those that there are.
    #[must_use]
    #[track_caller]
    pub fn node(&self, name: &str) -> &TestNode<H> {
        match self.iter().find(|node| node.name() == name) {
            Some(node) => node,
            None => {
                let names: Vec<_> = self.iter().map(TestNode::name).collect();
                panic!(
                    "the cluster has no node named `{name}`; it has: {}",
                    names.join(", ")
                )
            }
        }
    }

    /// Adds one more node and waits until it is ready. The others see it in
    /// [`NodeContext::peers`](crate::NodeContext::peers) from now on.
    ///
    /// # Errors
    ///
    /// No port could be leased, the node did not start, another one died, or the test's deadline came
    /// first.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, the node goes down again. Its id is not used another time.
    #[track_caller]
    pub fn add_node(&self) -> impl Future<Output = Result<TestNode<H>, Error>> + Send + use<H> {
        let (cluster, caller) = (self.clone(), Location::caller());
        async move {
            let roster = &cluster.0.roster;
            let member = cluster.0.spec.add(roster, None, caller).await?;
            let mut joining = Joining(Some(Arc::clone(&member)));
            if let Err(error) = start_all(std::slice::from_ref(&member), caller).await {
                drop(joining);
                let down = member.until(|run| run.is_down().then_some(()));
                let _ = tokio::time::timeout_at(teardown_deadline().into(), down).await;
                return Err(error);
            }
            joining.0 = None;
            let node = TestNode::new(member);
            cluster.0.nodes.push(node.clone());
            // Whoever searches the list was told that the node runs before it was there.
            cluster.0.roster.scope.changed();
            Ok(node)
        }
    }
}

impl<H: Any + Send + Sync> Cluster<H> {
    /// Waits until `found` says yes to one of the running nodes, and returns that node. All are asked at
    /// the same time, again and again; a node that is down is not asked, one that hangs keeps no other
    /// from being found.
    ///
    /// `why` completes the sentence "waiting for ..." in messages: `"a leader"`. If other tasks kill nodes
    /// meanwhile, let `found` use [`try_handle`](TestNode::try_handle).
    ///
    /// # Errors
    ///
    /// A node died, or the test's deadline came first.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time.
    #[track_caller]
    pub fn wait_for_node<F, Fut>(
        &self,
        why: &str,
        found: F,
    ) -> impl Future<Output = Result<TestNode<H>, Error>> + use<H, F, Fut>
    where
        F: Fn(TestNode<H>) -> Fut,
        Fut: Future<Output = bool>,
    {
        let (cluster, why, caller) = (self.clone(), why.to_owned(), Location::caller());
        async move { search::find(&cluster, &cluster.0.roster.scope, why, caller, found).await }
    }
}

/// A node that is being added. Unless that is done, nobody is to see it any more, and it ends.
struct Joining(Option<Arc<Member>>);

impl Drop for Joining {
    fn drop(&mut self) {
        if let Some(member) = &self.0 {
            member.roster.hide(member);
            member.condemn();
        }
    }
}

/// The nodes of a cluster, in the order in which they were added; those that are added meanwhile come last.
pub struct ClusterIter<'a, H>(list::Iter<'a, TestNode<H>>);

impl<'a, H> Iterator for ClusterIter<'a, H> {
    type Item = &'a TestNode<H>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl<'a, H> IntoIterator for &'a Cluster<H> {
    type Item = &'a TestNode<H>;
    type IntoIter = ClusterIter<'a, H>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<H> fmt::Debug for ClusterIter<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterIter").finish_non_exhaustive()
    }
}

impl<H> Index<usize> for Cluster<H> {
    type Output = TestNode<H>;

    #[track_caller]
    fn index(&self, index: usize) -> &TestNode<H> {
        &self.0.nodes[index]
    }
}

impl<H> Clone for Cluster<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H> fmt::Display for Cluster<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, ready_in) = (self.len(), self.0.ready_in);
        let nodes = if count == 1 { "node" } else { "nodes" };
        write!(f, "{count} {nodes}, ready in {ready_in:.1?}:")?;
        for (index, node) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma} {}", node.name())?;
            for (name, addr) in node.member().ports.named() {
                write!(f, " {name}={addr}")?;
            }
        }
        Ok(())
    }
}

impl<H> fmt::Debug for Cluster<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
