//! The nodes of one cluster: who they are, and how they are taken down together.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::member::{Member, State};
use super::scope::Scope;
use crate::error::{Error, ErrorKind};
use crate::sync::lock;

pub(crate) struct Roster {
    pub(crate) scope: Arc<Scope>,
    /// `None` for the nodes that a test gets as arguments; a number for each cluster it builds itself,
    /// whose nodes may have the same names.
    number: Option<usize>,
    last_id: AtomicU64,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    /// Those that are each other's peers.
    present: Vec<Arc<Member>>,
    /// Added, but never ready: nobody's peers, and still to be taken down.
    failed: Vec<Arc<Member>>,
    /// The test is over: nobody joins any more.
    closed: bool,
}

impl Members {
    fn all(&self) -> Vec<Arc<Member>> {
        self.present.iter().chain(&self.failed).cloned().collect()
    }
}

impl Roster {
    /// The nodes that the attribute's test gets as arguments.
    pub(crate) fn of_arguments(scope: &Arc<Scope>) -> Arc<Self> {
        Self::adopted(scope, None)
    }

    /// One more cluster of the test.
    pub(crate) fn numbered(scope: &Arc<Scope>) -> Arc<Self> {
        Self::adopted(scope, Some(scope.next_cluster()))
    }

    fn adopted(scope: &Arc<Scope>, number: Option<usize>) -> Arc<Self> {
        let roster = Arc::new(Self {
            scope: Arc::clone(scope),
            number,
            last_id: AtomicU64::new(0),
            members: Mutex::default(),
        });
        scope.adopt(Arc::clone(&roster));
        roster
    }

    /// The next node's id; ids start at 1.
    pub(crate) fn next_id(&self) -> u64 {
        // Only the numbers matter; the members' lock orders everything else.
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Lists a node.
    ///
    /// # Errors
    ///
    /// The test is over.
    pub(crate) fn add(&self, member: &Arc<Member>) -> Result<(), Error> {
        let mut members = lock(&self.members);
        if members.closed {
            return Err(member.error(ErrorKind::InvalidState, "cannot be added: the test is over"));
        }
        members.present.push(Arc::clone(member));
        drop(members);
        self.scope.changed();
        Ok(())
    }

    /// Takes a node that never was ready out of the others' sight.
    pub(crate) fn hide(&self, member: &Arc<Member>) {
        let mut members = lock(&self.members);
        let before = members.present.len();
        members.present.retain(|other| !Arc::ptr_eq(other, member));
        if members.present.len() < before {
            members.failed.push(Arc::clone(member));
        }
    }

    pub(crate) fn members(&self) -> Vec<Arc<Member>> {
        lock(&self.members).present.clone()
    }

    /// What a node is called in messages.
    pub(crate) fn label(&self, name: &str) -> String {
        match self.number {
            None => name.to_owned(),
            Some(number) => format!("{name} of cluster {number}"),
        }
    }

    /// Where a node's directory lies in the directory of the test.
    pub(crate) fn directory_of(&self, name: &str) -> PathBuf {
        match self.number {
            None => PathBuf::from(name),
            Some(number) => PathBuf::from(format!("cluster-{number}")).join(name),
        }
    }

    /// Asks all nodes to go down, for good, and lets nobody join any more.
    pub(crate) fn close(&self) {
        let members = {
            let mut members = lock(&self.members);
            members.closed = true;
            members.all()
        };
        members.iter().for_each(|member| member.condemn());
    }

    /// Waits until all nodes are gone.
    pub(crate) async fn gone(&self) {
        let members = lock(&self.members).all();
        for member in members.iter().filter(|member| member.service.is_some()) {
            member
                .until(|run| (run.is_down() || run.state == State::New).then_some(()))
                .await;
        }
    }

    /// Waits until the nodes of a closed roster are gone or `deadline` has come, and gives the ports back.
    /// It tries everything; each failure is one line.
    pub(crate) fn take_down(&self, deadline: Instant) -> Vec<String> {
        let members = lock(&self.members).all();
        let mut failures = Vec::new();
        for member in &members {
            failures.extend(member.await_down(deadline));
            member.ports.give_back();
        }
        // The members hold this roster in turn: without them there is no circle left. Not before, since
        // nodes may look for their peers to the last.
        let mut members = lock(&self.members);
        members.present.clear();
        members.failed.clear();
        failures
    }
}
