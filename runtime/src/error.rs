//! The one error of nodes, clusters and waits.

use std::error::Error as StdError;
use std::fmt;

use crate::open_files;

/// Any error, as services and tests hand it in.
pub type BoxError = Box<dyn StdError + Send + Sync + 'static>;

/// What went wrong with a node, a cluster or a wait.
///
/// [`Display`](fmt::Display) says what failed, naming the node and, for a wait, the line that waits; the
/// cause is in [`source`](StdError::source). [`Debug`](fmt::Debug) prints both, because that is what
/// `unwrap` and a test that returns `Err` show.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<BoxError>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A port could not be leased, or the name of a port is malformed.
    Port,
    /// A node's start returned an error, panicked, or ended without a listener.
    Start,
    /// A node died without having been asked to.
    Died,
    /// A wait reached the deadline of its test.
    TimedOut,
    /// The node is in a state in which this cannot be done to it.
    InvalidState,
    /// A node did not go down in time, or left something behind.
    Teardown,
    /// The operating system refused something: a socket, a thread, a directory.
    Io,
    /// An error of the user's own, converted from a [`BoxError`].
    Other,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    pub(crate) fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Which kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(self))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<BoxError> for Error {
    fn from(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => *own,
            Err(error) => {
                let mut own = Self::new(ErrorKind::Other, error.to_string());
                own.0.source = error.source().map(|source| chain(source).into());
                own
            }
        }
    }
}

/// An error and its causes on one line, and the limit of open files if that is a cause. A cause that its
/// effect already quotes is not said twice.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut limit = None;
    let mut next = Some(error);
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        limit = limit.or_else(|| open_files::limit(cause.downcast_ref()?));
        next = cause.source();
    }
    match limit {
        Some(limit) if !text.contains(&limit) => text + "; " + &limit,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_the_causes_and_display_does_not() {
        let error = Error::new(ErrorKind::Start, "node-1 did not start").caused_by("no disk");
        assert_eq!(error.to_string(), "node-1 did not start");
        assert_eq!(format!("{error:?}"), "node-1 did not start: no disk");
    }

    #[test]
    fn an_error_that_went_through_a_box_keeps_its_kind() {
        let boxed: BoxError = Error::new(ErrorKind::Died, "gone").into();
        assert_eq!(Error::from(boxed).kind(), ErrorKind::Died);
    }

    #[test]
    fn a_cause_that_is_quoted_already_is_not_repeated() {
        let error = Error::new(ErrorKind::Io, "cannot bind: in use").caused_by("in use");
        assert_eq!(chain(&error), "cannot bind: in use");
    }

    #[cfg(unix)]
    #[test]
    fn a_full_table_of_files_is_told_with_its_limit_once() {
        let full = || std::io::Error::from_raw_os_error(libc::EMFILE);
        let limit = open_files::limit(&full()).expect("a limit");
        let error = Error::new(ErrorKind::Io, "cannot bind").caused_by(full());
        assert_eq!(chain(&error), format!("cannot bind: {}; {limit}", full()));
        let error = Error::new(ErrorKind::Io, format!("cannot bind: {limit}")).caused_by(full());
        assert_eq!(chain(&error).matches(&limit).count(), 1);
    }
}
