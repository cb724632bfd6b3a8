//! Panics as values: a future that returns them, and their text.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

pub(crate) type Payload = Box<dyn Any + Send + 'static>;

/// Polls `future` to its end; a panic in it becomes an `Err`.
///
/// Unwind safety is asserted because nothing looks at the future's state after a panic: it is only
/// dropped.
pub(crate) async fn catch<F: Future>(future: F) -> Result<F::Output, Payload> {
    let mut future = pin!(future);
    std::future::poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(payload) => Poll::Ready(Err(payload)),
        },
    )
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
