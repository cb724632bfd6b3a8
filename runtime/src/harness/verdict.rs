//! Whether a test passed.

use crate::node::scope::Death;
use crate::panic::{self, Payload};

use super::test::ShouldPanic;

/// How the body of a test ended.
pub(super) enum End {
    Passed,
    /// It returned an error.
    Failed(String),
    Panicked(Payload),
    /// What was pending then.
    TimedOut(String),
    /// The body was not called.
    NotStarted(String),
}

/// All that went wrong with a test, the first being what it fails with.
pub(super) struct Verdict {
    end: End,
    deaths: Vec<Death>,
    /// Of the teardown.
    failures: Vec<String>,
}

impl Verdict {
    pub(super) fn new(end: End, deaths: Vec<Death>) -> Self {
        Self {
            end,
            deaths,
            failures: Vec::new(),
        }
    }

    /// All deaths: one that came before the end of the body may have been told only now.
    pub(super) fn and_deaths(mut self, deaths: Vec<Death>) -> Self {
        self.deaths = deaths;
        self
    }

    pub(super) fn and_failures(mut self, more: impl IntoIterator<Item = String>) -> Self {
        self.failures.extend(more);
        self
    }

    /// What went wrong, one item each, the cause of the failure first.
    pub(super) fn lines(&self, timeout: &str) -> Vec<String> {
        let end = match &self.end {
            End::Passed => None,
            End::Failed(error) => Some(format!("it returned an error: {error}")),
            End::Panicked(payload) => Some(format!("it panicked: {}", panic::text(payload))),
            End::TimedOut(pending) => Some(format!("it took longer than {timeout}{pending}")),
            End::NotStarted(cause) => Some(cause.clone()),
        };
        // A start or a wait that a death has ended tells of it already.
        let told = |death: &Death| end.as_ref().is_some_and(|end| end.contains(&death.cause));
        let deaths = self
            .deaths
            .iter()
            .filter(|death| !told(death))
            .map(|death| {
                format!(
                    "{} died after {:.1?}: {}",
                    death.node, death.after, death.cause
                )
            });
        let deaths: Vec<_> = deaths.collect();
        let failures = self
            .failures
            .iter()
            .map(|failure| format!("teardown: {failure}"));
        end.into_iter().chain(deaths).chain(failures).collect()
    }

    /// Whether nothing went wrong but, perhaps, the panic that was wanted.
    pub(super) fn passed(&self, should_panic: &ShouldPanic) -> bool {
        let beside = self.deaths.len() + self.failures.len();
        beside == 0 && (matches!(self.end, End::Passed) || self.is_wanted(should_panic))
    }

    /// The panic to end the test with.
    ///
    /// A test that should panic and failed in another way must not panic: that would be its success.
    pub(super) fn into_panic(self, passed: bool, should_panic: &ShouldPanic) -> Option<Payload> {
        let message = self.lines("its time limit").into_iter().next()?;
        if !passed && should_panic.accepts(&self.text().unwrap_or(message.clone())) {
            return None;
        }
        match self.end {
            End::Panicked(payload) => Some(payload),
            _ => Some(Box::new(message)),
        }
    }

    /// Whether the end of the body is what `#[should_panic]` wants: any panic of the body's own or, where
    /// the text is named, whatever ended it with that text.
    fn is_wanted(&self, should_panic: &ShouldPanic) -> bool {
        match (should_panic, &self.end) {
            (ShouldPanic::No, _) | (_, End::Passed) => false,
            (ShouldPanic::Yes, end) => matches!(end, End::Panicked(_)),
            (ShouldPanic::With(_), _) => {
                self.text().is_some_and(|text| should_panic.accepts(&text))
            }
        }
    }

    /// What libtest compares with the text that is wanted.
    fn text(&self) -> Option<String> {
        match &self.end {
            End::Passed => None,
            End::Panicked(payload) => Some(panic::text(payload).to_owned()),
            _ => self.lines("its time limit").into_iter().next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panicked() -> End {
        End::Panicked(Box::new("boom"))
    }

    #[test]
    fn a_panic_is_success_only_where_it_is_wanted() {
        let verdict = || Verdict::new(panicked(), Vec::new());
        assert!(!verdict().passed(&ShouldPanic::No));
        assert!(verdict().passed(&ShouldPanic::Yes));
        assert!(verdict().passed(&ShouldPanic::With("oo")));
        assert!(!verdict().passed(&ShouldPanic::With("bang")));
        assert!(verdict().into_panic(true, &ShouldPanic::Yes).is_some());
    }

    #[test]
    fn a_failure_beside_the_wanted_panic_fails_the_test_by_not_panicking() {
        let verdict =
            Verdict::new(panicked(), Vec::new()).and_failures(["a node hangs".to_owned()]);
        assert!(!verdict.passed(&ShouldPanic::Yes));
        assert!(verdict.into_panic(false, &ShouldPanic::Yes).is_none());
    }

    #[test]
    fn a_teardown_failure_fails_a_test_that_would_have_passed() {
        let verdict =
            Verdict::new(End::Passed, Vec::new()).and_failures(["a node hangs".to_owned()]);
        assert!(!verdict.passed(&ShouldPanic::No));
        assert!(verdict.into_panic(false, &ShouldPanic::No).is_some());
    }
}
