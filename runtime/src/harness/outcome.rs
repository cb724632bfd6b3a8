//! From a test's body to a future that says whether the test passed.
//!
//! The expansion writes `(&&&Returns::<Type>::new()).body(Box::new(async { ... }))`. Method lookup takes all three
//! references first, and one less each time that no trait fits: so the first of [`ViaResult`],
//! [`ViaDebug`] and [`ViaTermination`] decides that is there for the type. None of them overlaps another.
//!
//! Nothing here is generic over the future, so that each test costs the compiler no more than a box.
//! (`Box::pin` would be four functions more: 0.4 ms a test.)

use std::fmt::Debug;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::process::{ExitCode, Termination};
use std::task::{Context, Poll, ready};

/// A test's body: `Err` says what it failed with.
pub type Body<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

/// The body of a test that returns nothing.
#[must_use]
pub fn body<'a>(body: Box<dyn Future<Output = ()> + 'a>) -> Body<'a> {
    judged(body, Ok)
}

/// The type that a test returns.
pub struct Returns<T>(PhantomData<T>);

impl<T> Returns<T> {
    /// Names the type.
    #[expect(clippy::new_without_default, reason = "only the expansion makes one")]
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// Tells the compiler what a body returns, so that a mistake is reported where the body returns
/// something else. Never called.
///
/// # Panics
///
/// Always.
#[must_use]
pub fn never<T>() -> T {
    unreachable!("the expansion calls it behind `if false`")
}

/// For a `Result` whose value may be a failure as well, such as an `ExitCode`.
pub trait ViaResult {
    /// What the test returns.
    type Value;

    /// The body, judged by what it returns.
    fn body<'a>(&self, body: Box<dyn Future<Output = Self::Value> + 'a>) -> Body<'a>;
}

impl<T: Termination + 'static, E: Debug + 'static> ViaResult for &&Returns<Result<T, E>> {
    type Value = Result<T, E>;

    fn body<'a>(&self, body: Box<dyn Future<Output = Self::Value> + 'a>) -> Body<'a> {
        judged(body, |value| value.map_err(failure).and_then(report))
    }
}

/// For a `Result` with any value.
pub trait ViaDebug {
    /// What the test returns.
    type Value;

    /// The body, judged by what it returns.
    fn body<'a>(&self, body: Box<dyn Future<Output = Self::Value> + 'a>) -> Body<'a>;
}

impl<T: 'static, E: Debug + 'static> ViaDebug for &Returns<Result<T, E>> {
    type Value = Result<T, E>;

    fn body<'a>(&self, body: Box<dyn Future<Output = Self::Value> + 'a>) -> Body<'a> {
        judged(body, |value| value.map(drop).map_err(failure))
    }
}

/// For everything else that a test can return.
pub trait ViaTermination {
    /// What the test returns.
    type Value;

    /// The body, judged by what it returns.
    fn body<'a>(&self, body: Box<dyn Future<Output = Self::Value> + 'a>) -> Body<'a>
    where
        Self::Value: Return;
}

impl<T> ViaTermination for Returns<T> {
    type Value = T;

    fn body<'a>(&self, body: Box<dyn Future<Output = T> + 'a>) -> Body<'a>
    where
        T: Return,
    {
        judged(body, T::report)
    }
}

/// What a test can return. The bound is on the method, not on the implementation above, so that a
/// type that does not fit is an error about that type and not about a method.
#[diagnostic::on_unimplemented(
    message = "a `#[port_test]` cannot return `{Self}`",
    label = "says neither that the test passed nor that it failed",
    note = "return `()`, `Result<T, E>` where `E: Debug`, or a type that implements `std::process::Termination`"
)]
pub trait Return: 'static {
    #[doc(hidden)]
    fn report(self) -> Result<(), String>;
}

#[diagnostic::do_not_recommend]
impl<T: Termination + 'static> Return for T {
    fn report(self) -> Result<(), String> {
        report(self)
    }
}

fn report(value: impl Termination) -> Result<(), String> {
    match value.report() {
        ExitCode::SUCCESS => Ok(()),
        code => Err(format!("the test returned {code:?}, which is a failure")),
    }
}

fn failure(error: impl Debug) -> String {
    format!("{error:?}")
}

/// A body and the judgement on what it returns.
struct Judged<'a, T> {
    body: Pin<Box<dyn Future<Output = T> + 'a>>,
    judge: fn(T) -> Result<(), String>,
}

fn judged<'a, T: 'a>(
    body: Box<dyn Future<Output = T> + 'a>,
    judge: fn(T) -> Result<(), String>,
) -> Body<'a> {
    Box::pin(Judged {
        body: body.into(),
        judge,
    })
}

impl<T> Future for Judged<'_, T> {
    type Output = Result<(), String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let value = ready!(self.body.as_mut().poll(cx));
        Poll::Ready((self.judge)(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the expansion writes it.
    macro_rules! outcome {
        ($type:ty, $value:expr) => {
            outcome((&&&Returns::<$type>::new()).body(Box::new(async { $value })))
        };
    }

    fn outcome(mut body: Body<'_>) -> Result<(), String> {
        match body
            .as_mut()
            .poll(&mut Context::from_waker(std::task::Waker::noop()))
        {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => panic!("nothing here waits"),
        }
    }

    #[test]
    fn nothing() {
        assert_eq!(outcome(body(Box::new(async {}))), Ok(()));
    }

    #[test]
    fn what_terminates() {
        assert_eq!(outcome!((), ()), Ok(()));
        assert_eq!(outcome!(ExitCode, ExitCode::SUCCESS), Ok(()));
        assert!(
            outcome!(ExitCode, ExitCode::from(3))
                .unwrap_err()
                .contains("failure")
        );
    }

    #[test]
    fn results() {
        assert_eq!(outcome!(Result<(), &str>, Ok(())), Ok(()));
        assert_eq!(
            outcome!(Result<(), &str>, Err("no leader")),
            Err("\"no leader\"".to_owned())
        );
        assert!(outcome!(Result<ExitCode, &str>, Ok(ExitCode::FAILURE)).is_err());
        assert!(outcome!(Result<Result<(), u8>, ()>, Ok(Err(3))).is_err());
    }

    #[test]
    fn results_with_any_value() {
        struct Opaque;
        assert_eq!(outcome!(Result<Opaque, &str>, Ok(Opaque)), Ok(()));
        assert_eq!(outcome!(Result<Opaque, u8>, Err(7)), Err("7".to_owned()));
    }
}
