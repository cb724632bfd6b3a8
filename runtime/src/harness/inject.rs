//! From the types of a test's arguments to nodes, and from nodes to arguments.

use std::any::{Any, TypeId};
use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::count::{All, Count, Counted, Known, Number};
use crate::cluster::spec::{DEFAULT_PORTS, NodeSpec, own_service};
use crate::cluster::{Cluster, Node};
use crate::error::BoxError;
use crate::node::member::Member;
use crate::node::roster::Roster;
use crate::node::service::Service;
use crate::node::{NodeContext, TestNode};

/// The place of one argument: first what it wants, then its value. Not generic, so that the function
/// that runs a test is not either.
#[derive(Default)]
pub struct Slot {
    plan: OnceCell<Plan>,
    value: OnceCell<Box<dyn Any>>,
    /// For an argument that is taken by value.
    given: RefCell<Option<Box<dyn Any>>>,
}

/// What one argument wants.
pub struct Plan {
    /// The name of the argument; empty if it has none.
    pub(super) name: &'static str,
    pub(super) count: Count,
    pub(super) node_type: TypeId,
    /// Whether its node is called as the argument is.
    pub(super) names_node: bool,
    pub(super) service: Option<Service>,
    pub(super) ports: &'static [&'static str],
    pub(super) form: Option<Form>,
    pub(super) build: fn(Share) -> Box<dyn Any>,
    by_reference: bool,
}

/// Lets all nodes of one type form their cluster.
pub(super) type Form = fn(Share) -> Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

/// The nodes that an argument gets.
#[derive(Clone)]
pub struct Share {
    pub(super) roster: Arc<Roster>,
    pub(super) spec: NodeSpec,
    pub(super) members: Vec<Arc<Member>>,
    pub(super) ready_in: Duration,
}

impl Slot {
    /// An empty slot.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn plan(&self) -> &Plan {
        self.plan
            .get()
            .expect("the expansion plans each slot before it runs the test")
    }

    pub(super) fn fill(&self, share: Share) {
        let plan = self.plan();
        let value = (plan.build)(share);
        if plan.by_reference {
            let _ = self.value.set(value);
        } else {
            *self.given.borrow_mut() = Some(value);
        }
    }
}

/// How nodes of type `H` are started. Implemented by what the expansion uses, for nobody else.
#[diagnostic::on_unimplemented(
    message = "`{H}` is not a node that this `#[port_test]` can start",
    label = "nothing says how to start a `{H}`",
    note = "implement `port_test::Node` for it, or write `()` for a bare node",
    note = "or name the function that starts one with `service = function`, which goes with a single node type"
)]
pub trait Start<H> {
    #[doc(hidden)]
    fn service(&self) -> Option<Service>;
    #[doc(hidden)]
    fn ports(&self) -> &'static [&'static str];
    #[doc(hidden)]
    fn form(&self) -> Option<Form>;
}

/// Each node by its own [`Node::start`].
pub struct ByNode;

impl<H: Node> Start<H> for ByNode {
    fn service(&self) -> Option<Service> {
        own_service::<H>()
    }

    fn ports(&self) -> &'static [&'static str] {
        H::PORTS
    }

    fn form(&self) -> Option<Form> {
        Some(|share| Box::pin(async move { H::form(&Cluster::<H>::build(share)).await }))
    }
}

/// All nodes by one function: `service = ...`.
pub struct ByService<H>(Service, std::marker::PhantomData<fn() -> H>);

impl<H: Send + Sync + 'static> Start<H> for ByService<H> {
    fn service(&self) -> Option<Service> {
        Some(self.0.clone())
    }

    fn ports(&self) -> &'static [&'static str] {
        DEFAULT_PORTS
    }

    fn form(&self) -> Option<Form> {
        None
    }
}

/// The function that `service = ...` names.
pub fn service<H, E, F, Fut>(start: F) -> ByService<H>
where
    H: Send + Sync + 'static,
    E: Into<BoxError>,
    F: Fn(NodeContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<H, E>> + 'static,
{
    ByService(Service::new(start), std::marker::PhantomData)
}

/// A type that can be an argument, if its nodes are started by `S`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a `#[port_test]`",
    label = "cannot be injected",
    note = "an argument is a `TestNode<H>`, `[TestNode<H>; N]`, `Vec<TestNode<H>>` or `Cluster<H>`, or a shared reference to one of these"
)]
pub trait Argument<'slot, S>: Counted {
    /// [`Number`] or [`All`](super::count::All), as the count is.
    type Takes;

    #[doc(hidden)]
    fn plan(name: &'static str, start: &S) -> Plan;
    #[doc(hidden)]
    fn take(slot: &'slot Slot) -> Self;
}

/// What an argument is made of its nodes.
trait Build: 'static {
    type Handle: 'static;
    const COUNT: Count;
    const NAMES_NODE: bool = false;
    fn build(share: Share) -> Self;
}

impl<H: 'static> Build for TestNode<H> {
    type Handle = H;
    const COUNT: Count = Count::Fixed(1);
    const NAMES_NODE: bool = true;

    fn build(share: Share) -> Self {
        let member = share.members.into_iter().next();
        Self::new(member.expect("a node's share is one node"))
    }
}

impl<H: 'static, const N: usize> Build for [TestNode<H>; N] {
    type Handle = H;
    const COUNT: Count = Count::Fixed(N);

    fn build(share: Share) -> Self {
        let nodes: Vec<_> = share.members.into_iter().map(TestNode::new).collect();
        nodes
            .try_into()
            .expect("an array's share is as long as the array")
    }
}

impl<H: 'static> Build for Vec<TestNode<H>> {
    type Handle = H;
    const COUNT: Count = Count::Rest;

    fn build(share: Share) -> Self {
        share.members.into_iter().map(TestNode::new).collect()
    }
}

impl<H: 'static> Build for Cluster<H> {
    type Handle = H;
    const COUNT: Count = Count::Rest;

    fn build(share: Share) -> Self {
        Self::new(
            share.roster,
            share.spec,
            share.members,
            share.ready_in,
            None,
        )
    }
}

fn plan<T: Build, S: Start<T::Handle>>(name: &'static str, start: &S, by_reference: bool) -> Plan {
    Plan {
        name,
        count: T::COUNT,
        node_type: TypeId::of::<T::Handle>(),
        names_node: T::NAMES_NODE,
        service: start.service(),
        ports: start.ports(),
        form: start.form(),
        build: |share| Box::new(T::build(share)),
        by_reference,
    }
}

/// An argument and a shared reference to one, for each type. (Blanket implementations for both would
/// overlap.)
macro_rules! argument {
    ($type:ty, $takes:ty, $($generics:tt)*) => {
        impl<$($generics)*> Counted for $type {
            const COUNT: Count = <Self as Build>::COUNT;
        }

        impl<$($generics)*> Counted for &$type {
            const COUNT: Count = <$type as Build>::COUNT;
        }

        impl<'slot, S: Start<H>, $($generics)*> Argument<'slot, S> for $type {
            type Takes = $takes;

            fn plan(name: &'static str, start: &S) -> Plan {
                plan::<Self, S>(name, start, false)
            }

            fn take(slot: &'slot Slot) -> Self {
                let value = slot.given.borrow_mut().take().expect("the body runs once, on filled slots");
                *value.downcast().expect("a slot is filled by its own plan")
            }
        }

        impl<'slot, S: Start<H>, $($generics)*> Argument<'slot, S> for &'slot $type {
            type Takes = $takes;

            fn plan(name: &'static str, start: &S) -> Plan {
                plan::<$type, S>(name, start, true)
            }

            fn take(slot: &'slot Slot) -> Self {
                let value = slot.value.get().expect("the body runs on filled slots");
                value.downcast_ref().expect("a slot is filled by its own plan")
            }
        }
    };
}

argument!(TestNode<H>, Number, H: 'static);
argument!([TestNode<H>; N], Number, H: 'static, const N: usize);
argument!(Vec<TestNode<H>>, All, H: 'static);
argument!(Cluster<H>, All, H: 'static);

/// Takes the argument from its slot. Without bounds, so that a type that cannot be injected is one error
/// only.
pub struct Taker<'slot, A> {
    slot: &'slot Slot,
    take: fn(&'slot Slot) -> A,
}

impl<A> Taker<'_, A> {
    /// The argument, once.
    #[must_use]
    pub fn take(&self) -> A {
        (self.take)(self.slot)
    }
}

/// Plans an argument whose nodes start by themselves.
pub fn argument<'slot, A: Argument<'slot, ByNode>>(
    slot: &'slot Slot,
    name: &'static str,
) -> Taker<'slot, A> {
    planned(slot, A::plan(name, &ByNode), A::take)
}

/// Plans an argument whose nodes start by themselves, in a test that leaves `nodes` out.
pub fn counted<'slot, A: Argument<'slot, ByNode, Takes: Known>>(
    slot: &'slot Slot,
    name: &'static str,
) -> Taker<'slot, A> {
    argument(slot, name)
}

/// Plans an argument whose nodes are started by `service`.
pub fn argument_by<'slot, S, A: Argument<'slot, S>>(
    slot: &'slot Slot,
    name: &'static str,
    service: &S,
) -> Taker<'slot, A> {
    planned(slot, A::plan(name, service), A::take)
}

fn planned<'slot, A>(slot: &'slot Slot, plan: Plan, take: fn(&'slot Slot) -> A) -> Taker<'slot, A> {
    let _ = slot.plan.set(plan);
    Taker { slot, take }
}
