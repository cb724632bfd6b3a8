//! Runs a future on a runtime.

use std::future::Future;
use std::pin::{Pin, pin};

use tokio::runtime::Runtime;

/// As [`Runtime::block_on`], but what tokio needs for it is compiled once, and not for each future.
///
/// The future is dropped inside the runtime, as there.
pub(crate) fn block_on<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let mut output = None;
    erased(runtime, pin!(async { output = Some(future.await) }));
    output.expect("the future has ended")
}

fn erased(runtime: &Runtime, future: Pin<&mut dyn Future<Output = ()>>) {
    runtime.block_on(future);
}
