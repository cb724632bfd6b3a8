//! The nodes of one cluster: who they are, and how they are taken down together.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::member::Member;
use super::scope::Scope;
use crate::sync::lock;

pub(crate) struct Roster {
    pub(crate) scope: Arc<Scope>,
    /// `None` for the nodes that a test gets as arguments; a number for each cluster it builds itself,
    /// whose nodes may have the same names.
    number: Option<usize>,
    last_id: AtomicU64,
    members: Mutex<Vec<Arc<Member>>>,
}

impl Roster {
    /// The nodes that the attribute's test gets as arguments.
    pub(crate) fn of_arguments(scope: &Arc<Scope>) -> Arc<Self> {
        Self::adopted(scope, None)
    }

    /// One more cluster of the test.
    pub(crate) fn numbered(scope: &Arc<Scope>) -> Arc<Self> {
        let number = scope.rosters().len() + 1;
        Self::adopted(scope, Some(number))
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

    pub(crate) fn add(&self, member: &Arc<Member>) {
        lock(&self.members).push(Arc::clone(member));
        self.scope.changed();
    }

    pub(crate) fn members(&self) -> Vec<Arc<Member>> {
        lock(&self.members).clone()
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

    /// Kills every node at once, waits until they are gone or `deadline` has come, and gives the ports
    /// back. It tries everything; each failure is one line.
    pub(crate) fn take_down(&self, deadline: Instant) -> Vec<String> {
        // The members hold this roster in turn: without them there is no circle left.
        let members = std::mem::take(&mut *lock(&self.members));
        for member in &members {
            member.ask_to_die();
        }
        let mut failures = Vec::new();
        for member in &members {
            failures.extend(member.await_down(deadline).err());
            member.ports.give_back();
        }
        failures
    }
}
