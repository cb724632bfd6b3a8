//! The start of a test: leases, nodes, their cluster, and the arguments.

use std::any::TypeId;
use std::sync::Arc;
use std::time::Instant;

use super::count;
use super::inject::{Form, Plan, Share, Slot};
use super::test::Test;
use crate::cluster::spec::NodeSpec;
use crate::error::{Error, ErrorKind};
use crate::node::member::Member;
use crate::node::ports::PortSpec;
use crate::node::roster::Roster;
use crate::node::start::{Caller, start_all};

/// Starts all nodes of the test at once and fills its slots.
///
/// # Errors
///
/// A port cannot be leased, a node did not start, a cluster did not form.
pub(super) async fn start(
    test: &Test,
    slots: &[&Slot],
    roster: &Arc<Roster>,
    caller: Caller,
) -> Result<(), Error> {
    let counts: Vec<_> = slots.iter().map(|slot| slot.plan().count).collect();
    let begun = Instant::now();
    let mut shares = Vec::with_capacity(slots.len());
    for (slot, count) in slots.iter().zip(count::share(test.nodes, &counts)) {
        shares.push(lease(test, slot.plan(), count, roster, caller).await?);
    }
    let all: Vec<_> = shares
        .iter()
        .flat_map(|(_, members)| members)
        .cloned()
        .collect();
    start_all(&all, caller).await?;
    let shares = shares.into_iter().map(|(spec, members)| Share {
        roster: Arc::clone(roster),
        spec,
        members,
        ready_in: begun.elapsed(),
    });
    let mut forming = Forming::default();
    for (slot, share) in slots.iter().zip(shares) {
        forming.add(slot.plan(), &share);
        slot.fill(share);
    }
    forming.form().await
}

async fn lease(
    test: &Test,
    plan: &Plan,
    count: usize,
    roster: &Arc<Roster>,
    caller: Caller,
) -> Result<(NodeSpec, Vec<Arc<Member>>), Error> {
    let ports = PortSpec::parse_all(test.ports.unwrap_or(plan.ports))?;
    let spec = NodeSpec {
        service: plan.service.clone(),
        ports,
    };
    let name = Some(plan.name).filter(|name| plan.names_node && !name.is_empty());
    if let Some(name) = name {
        let taken = roster.members().iter().any(|other| other.name == name);
        if taken {
            let message =
                format!("two nodes are called `{name}`: give one of the arguments another name");
            return Err(Error::new(ErrorKind::Start, message));
        }
    }
    let mut members = Vec::with_capacity(count);
    for _ in 0..count {
        members.push(spec.add(roster, name, caller).await?);
    }
    Ok((spec, members))
}

/// The nodes by type: those of one type form one cluster, however many arguments they are spread over.
#[derive(Default)]
struct Forming(Vec<(TypeId, Form, Share)>);

impl Forming {
    fn add(&mut self, plan: &Plan, share: &Share) {
        // A service of the test's own says nothing about forming, and bare nodes have nothing to form.
        let Some(form) = plan.form.filter(|_| share.spec.service.is_some()) else {
            return;
        };
        match self
            .0
            .iter_mut()
            .find(|(node_type, ..)| *node_type == plan.node_type)
        {
            Some((.., cluster)) => cluster.members.extend(share.members.iter().cloned()),
            None => self.0.push((plan.node_type, form, share.clone())),
        }
    }

    async fn form(self) -> Result<(), Error> {
        for (_, form, share) in self.0 {
            let formed = form(share).await;
            formed.map_err(|error| {
                Error::new(ErrorKind::Start, "the cluster did not form").caused_by(error)
            })?;
        }
        Ok(())
    }
}
