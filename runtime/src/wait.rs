//! The wait of a test's body.

use std::future::Future;
use std::panic::Location;
use std::sync::Mutex;

use crate::error::{BoxError, Error, chain};
use crate::node::pending::Pending;
use crate::node::scope::Scope;
use crate::retry::Delays;
use crate::sync::lock;

/// Calls `attempt` until it returns `Ok`, and returns that value.
///
/// The pauses between attempts grow from a tenth of a millisecond to twenty. There is no time limit to
/// choose: the wait ends a little before its test would (outside a `#[port_test]`, after sixty seconds),
/// and at once when a node of the test dies.
///
/// `why` completes the sentence "waiting for ..." in messages: `"the old leader to catch up"`.
///
/// # Errors
///
/// Time is up, or a node died. The message says which line waited for what, and the last error of
/// `attempt`.
///
/// # Panics
///
/// Outside a tokio runtime with its timer enabled.
///
/// # Cancel safety
///
/// It can be dropped at any time; the attempt that is under way is dropped with it.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), port_test::Error> {
/// let mut left = 3;
/// let answer = port_test::eventually("the third attempt", || {
///     left -= 1;
///     async move { if left == 0 { Ok(42) } else { Err(format!("{left} left")) } }
/// })
/// .await?;
/// assert_eq!(answer, 42);
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn eventually<T, E, F, Fut>(
    why: &str,
    attempt: F,
) -> impl Future<Output = Result<T, Error>> + use<T, E, F, Fut>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    let wait = Pending::new(why, Location::caller());
    async move {
        let scope =
            Scope::current().unwrap_or_else(|| Scope::new("outside-port-test", "wait", None));
        let last = Mutex::new(None);
        let detail = || {
            let last = lock(&last).take();
            Some(match last {
                Some(error) => format!("last error: {error}"),
                None => "its first attempt did not end".to_owned(),
            })
        };
        scope.wait(wait, repeat(attempt, &last), detail).await
    }
}

async fn repeat<T, E, F, Fut>(mut attempt: F, last: &Mutex<Option<String>>) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    let mut delays = Delays::new();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => *lock(last) = Some(chain(&*error.into())),
        }
        tokio::time::sleep(delays.next()).await;
    }
}
