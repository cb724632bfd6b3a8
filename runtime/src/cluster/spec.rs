//! What the nodes of one cluster have in common.

use std::any::TypeId;
use std::sync::Arc;

use super::Node;
use crate::error::Error;
use crate::node::member::Member;
use crate::node::ports::{PortSpec, Ports};
use crate::node::roster::Roster;
use crate::node::service::Service;
use crate::node::start::Caller;

#[derive(Clone)]
pub(crate) struct NodeSpec {
    /// `None`: bare nodes.
    pub(crate) service: Option<Service>,
    pub(crate) ports: Vec<PortSpec>,
}

/// The ports of a node that names none.
pub(crate) const DEFAULT_PORTS: &[&str] = &["main"];

/// How nodes of type `H` start by themselves: not at all, if they are bare.
pub(crate) fn own_service<H: Node>() -> Option<Service> {
    let bare = TypeId::of::<H>() == TypeId::of::<()>();
    (!bare).then(|| Service::new(H::start))
}

impl NodeSpec {
    /// Makes one more node in `roster`: leases its ports and lists it, but does not start it.
    ///
    /// # Errors
    ///
    /// A port cannot be leased.
    pub(crate) async fn add(
        &self,
        roster: &Arc<Roster>,
        name: Option<&str>,
        caller: Caller,
    ) -> Result<Arc<Member>, Error> {
        let id = roster.next_id();
        let name = name.map_or_else(|| format!("node-{id}"), str::to_owned);
        let ports = Ports::lease(&self.ports, &name, &roster.scope, caller).await?;
        let member = Member::new(id, name, ports, roster, self.service.clone());
        let ports: Vec<_> = member
            .ports
            .named()
            .map(|(name, addr)| format!("{name} {}", addr.port()))
            .collect();
        if !ports.is_empty() {
            roster
                .scope
                .note(&member.label, format!("leased {}", ports.join(", ")));
        }
        roster.add(&member)?;
        Ok(member)
    }
}
