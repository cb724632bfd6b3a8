//! Panics as values: a future that returns them, and their text.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

pub(crate) type Payload = Box<dyn Any + Send + 'static>;

/// A panic of a future.
pub(crate) struct Panicked {
    pub(crate) payload: Payload,
    /// When the poll began that panicked. Before the panic can be caught its unwinding drops what the
    /// future holds, sockets for example, and that can be seen elsewhere.
    pub(crate) since: Instant,
}

/// Polls `future` to its end; a panic in it becomes an `Err`.
///
/// Unwind safety is asserted because nothing looks at the future's state after a panic: it is only
/// dropped.
pub(crate) async fn catch<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        let since = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(payload) => Poll::Ready(Err(Panicked { payload, since })),
        }
    })
    .await
}

/// What was given to `panic!`, if it was text.
pub(crate) fn text(payload: &Payload) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is not text")
}
