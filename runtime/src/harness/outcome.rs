//! From what a test returned to whether it passed.
//!
//! The expansion writes `(&&&Returned::new(value)).outcome()`. Method lookup takes all three references
//! first, and one less each time that no trait fits: so the first of [`ViaResult`], [`ViaDebug`] and
//! [`ViaTermination`] decides that is there for the type. None of them overlaps another.

use std::cell::Cell;
use std::fmt::Debug;
use std::process::{ExitCode, Termination};

/// What a test returned.
pub struct Returned<T>(Cell<Option<T>>);

impl<T> Returned<T> {
    /// Wraps what a test returned.
    pub fn new(value: T) -> Self {
        Self(Cell::new(Some(value)))
    }

    fn take(&self) -> T {
        self.0.take().expect("the expansion asks once")
    }
}

/// For a `Result` whose value may be a failure as well, such as an `ExitCode`.
pub trait ViaResult {
    /// `Err` says what the test failed with.
    ///
    /// # Errors
    ///
    /// The test failed.
    fn outcome(&self) -> Result<(), String>;
}

impl<T: Termination, E: Debug> ViaResult for &&Returned<Result<T, E>> {
    fn outcome(&self) -> Result<(), String> {
        self.take()
            .map_err(|error| format!("{error:?}"))
            .and_then(report)
    }
}

/// For a `Result` with any value.
pub trait ViaDebug {
    /// `Err` says what the test failed with.
    ///
    /// # Errors
    ///
    /// The test failed.
    fn outcome(&self) -> Result<(), String>;
}

impl<T, E: Debug> ViaDebug for &Returned<Result<T, E>> {
    fn outcome(&self) -> Result<(), String> {
        self.take().map(drop).map_err(|error| format!("{error:?}"))
    }
}

/// For everything else that a test can return.
pub trait ViaTermination {
    /// What the test returned.
    type Value;

    /// `Err` says what the test failed with.
    ///
    /// # Errors
    ///
    /// The test failed.
    fn outcome(&self) -> Result<(), String>
    where
        Self::Value: Return;
}

impl<T> ViaTermination for Returned<T> {
    type Value = T;

    fn outcome(&self) -> Result<(), String>
    where
        T: Return,
    {
        self.take().report()
    }
}

/// What a test can return. The bound is on the method, not on the implementations above, so that a
/// type that does not fit is an error about that type and not about a method.
#[diagnostic::on_unimplemented(
    message = "a `#[port_test]` cannot return `{Self}`",
    label = "says neither that the test passed nor that it failed",
    note = "return `()`, `Result<T, E>` where `E: Debug`, or a type that implements `std::process::Termination`"
)]
pub trait Return {
    #[doc(hidden)]
    fn report(self) -> Result<(), String>;
}

#[diagnostic::do_not_recommend]
impl<T: Termination> Return for T {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As the expansion writes it.
    macro_rules! outcome {
        ($value:expr) => {
            (&&&Returned::new($value)).outcome()
        };
    }

    #[test]
    fn what_terminates() {
        assert_eq!(outcome!(()), Ok(()));
        assert_eq!(outcome!(ExitCode::SUCCESS), Ok(()));
        assert!(outcome!(ExitCode::from(3)).unwrap_err().contains("failure"));
    }

    #[test]
    fn results() {
        assert_eq!(outcome!(Ok::<(), &str>(())), Ok(()));
        assert_eq!(
            outcome!(Err::<(), &str>("no leader")),
            Err("\"no leader\"".to_owned())
        );
        assert!(outcome!(Ok::<ExitCode, &str>(ExitCode::FAILURE)).is_err());
        assert!(outcome!(Ok::<_, ()>(Err::<(), _>("nested"))).is_err());
    }

    #[test]
    fn results_with_any_value() {
        struct Opaque;
        assert_eq!(outcome!(Ok::<Opaque, &str>(Opaque)), Ok(()));
        assert_eq!(outcome!(Err::<Opaque, u8>(7)), Err("7".to_owned()));
    }
}
