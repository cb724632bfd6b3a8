//! The search for a node that satisfies a condition.

use std::any::Any;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::Poll;

use super::Cluster;
use crate::error::Error;
use crate::node::TestNode;
use crate::node::pending::Pending;
use crate::node::scope::Scope;
use crate::retry::Delays;

/// Asks every running node of `cluster` by `found` until one says yes.
pub(crate) async fn find<H, F, Fut>(
    cluster: &Cluster<H>,
    scope: &Scope,
    why: String,
    caller: &'static Location<'static>,
    found: F,
) -> Result<TestNode<H>, Error>
where
    H: Any + Send + Sync,
    F: Fn(TestNode<H>) -> Fut,
    Fut: Future<Output = bool>,
{
    let mut changes = scope.changes();
    let searching = async {
        let mut asked: Vec<Asked<'_>> = Vec::new();
        loop {
            // A node that went down must not be asked any more: it has no handle.
            asked.retain(|asked| cluster[asked.index].is_running());
            for (index, node) in cluster.iter().enumerate() {
                if node.is_running() && !asked.iter().any(|asked| asked.index == index) {
                    asked.push(Asked {
                        index,
                        answer: Box::pin(ask(node, &found)),
                    });
                }
            }
            tokio::select! {
                biased;
                // Nodes come and go.
                _ = changes.changed() => {}
                index = first(&mut asked) => return cluster[index].clone(),
            }
        }
    };
    let detail = || {
        let states = cluster
            .iter()
            .map(|node| format!("{} is {}", node.name(), node.member().state()));
        Some(states.collect::<Vec<_>>().join(", "))
    };
    scope
        .wait(Pending::new(why, caller), searching, detail)
        .await
}

struct Asked<'a> {
    index: usize,
    answer: Pin<Box<dyn Future<Output = ()> + 'a>>,
}

/// Resolves when the node satisfies the condition.
async fn ask<H, F, Fut>(node: &TestNode<H>, found: &F)
where
    F: Fn(TestNode<H>) -> Fut,
    Fut: Future<Output = bool>,
{
    let mut delays = Delays::new();
    // A node that is going down has no handle to be asked by.
    while !node.is_running() || !found(node.clone()).await {
        tokio::time::sleep(delays.next()).await;
    }
}

/// Drives all, until one resolves; its index in the cluster.
async fn first(asked: &mut [Asked<'_>]) -> usize {
    std::future::poll_fn(|cx| {
        for asked in asked.iter_mut() {
            if asked.answer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(asked.index);
            }
        }
        Poll::Pending
    })
    .await
}
