//! What starts a node: an async function, its types erased.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::context::NodeContext;
use super::member::AnyHandle;
use crate::error::BoxError;

type Started = Pin<Box<dyn Future<Output = Result<AnyHandle, BoxError>>>>;

/// Cheap to clone: every node of a cluster and every restart calls the same function.
#[derive(Clone)]
pub struct Service(Arc<dyn Fn(NodeContext) -> Started + Send + Sync>);

impl Service {
    /// The future that `start` returns stays on the node's thread, so it need not be `Send`.
    pub(crate) fn new<H, E, F, Fut>(start: F) -> Self
    where
        H: Send + Sync + 'static,
        E: Into<BoxError>,
        F: Fn(NodeContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<H, E>> + 'static,
    {
        Self(Arc::new(move |cx| {
            let starting = start(cx);
            Box::pin(async move {
                match starting.await {
                    Ok(handle) => Ok(Arc::new(handle) as AnyHandle),
                    Err(error) => Err(error.into()),
                }
            })
        }))
    }

    pub(crate) fn start(&self, cx: NodeContext) -> Started {
        (self.0)(cx)
    }
}
