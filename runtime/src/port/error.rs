//! Why no port was leased.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io;

use super::holders::census;
use super::range::{PortRange, VARIABLE};
use crate::open_files;

/// What kept an allocator from leasing a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AllocErrorKind {
    /// Every port of the range is in use. The only kind that waiting can cure.
    Exhausted,
    /// `PORT_TEST_RANGE` or what the builder was given is not a range of ports.
    InvalidRange,
    /// A variable of the environment has a value that it cannot have.
    InvalidSetting,
    /// The builder's address is none of this machine's loopback addresses.
    InvalidAddress,
    /// The process or the system may not open another file, and a lease is an open socket.
    TooManyOpenFiles,
    /// The range has only ports that this user may not bind.
    PermissionDenied,
    /// Something else that the operating system said; see [`source`](Error::source).
    Io,
}

/// Why no port was leased: the range, the number of ports probed, the cause, and what to do.
///
/// # Examples
///
/// ```
/// use port_test::{AllocErrorKind, PortAllocator};
///
/// let error = PortAllocator::builder().range(0..=100).build().unwrap_err();
/// assert_eq!(error.kind(), AllocErrorKind::InvalidRange);
/// assert_eq!(error.range(), "0..=100");
/// ```
pub struct AllocError(Box<Repr>);

/// Boxed, so that a `Result` of a lease stays small on the path that succeeds.
struct Repr {
    kind: AllocErrorKind,
    range: String,
    probed: u32,
    message: String,
    source: Option<io::Error>,
}

impl AllocError {
    /// What kept the allocator from leasing a port.
    #[must_use]
    pub fn kind(&self) -> AllocErrorKind {
        self.0.kind
    }

    /// The range that was searched, like `20000-29999`; if it was malformed, its text; empty if the error is
    /// not about a range.
    #[must_use]
    pub fn range(&self) -> &str {
        &self.0.range
    }

    /// How many ports the last search tried to bind.
    #[must_use]
    pub fn probed(&self) -> u32 {
        self.0.probed
    }

    fn new(kind: AllocErrorKind, range: String, message: String) -> Self {
        AllocError(Box::new(Repr {
            kind,
            range,
            probed: 0,
            message,
            source: None,
        }))
    }

    /// A whole search found nothing: all ports were busy, or this user may not bind them.
    pub(super) fn none_free(range: String, miss: Miss) -> Self {
        let Miss {
            probed,
            denied,
            last,
        } = miss;
        let (kind, message) = if denied == probed {
            let message = format!(
                "no permission to bind any of the {probed} ports in {range}; set {VARIABLE} to \
                 ports from 1024 up (or net.ipv4.ip_unprivileged_port_start)"
            );
            (AllocErrorKind::PermissionDenied, message)
        } else {
            let denied = match denied {
                0 => String::new(),
                n => format!(" ({n} of them not permitted)"),
            };
            let message = format!(
                "no free port in {range}: {probed} ports probed{denied}, all in use; drop leases \
                 that are not needed any more, or name more ports ({VARIABLE}, or the builder's range)"
            );
            (AllocErrorKind::Exhausted, message)
        };
        let mut error = AllocError::new(kind, range, message);
        error.0.probed = probed;
        error.0.source = last;
        error
    }

    /// No run of free ports was long enough.
    pub(super) fn no_block(
        range: String,
        wanted: u16,
        probed: u32,
        last: Option<io::Error>,
    ) -> Self {
        let tried = match probed {
            0 => "it has no more".to_owned(),
            _ => format!("{probed} ports probed"),
        };
        let message = format!(
            "no {wanted} consecutive free ports in {range}: {tried}; ask for fewer, \
             or name more ports ({VARIABLE}, or the builder's range)"
        );
        let mut error = AllocError::new(AllocErrorKind::Exhausted, range, message);
        error.0.probed = probed;
        error.0.source = last;
        error
    }

    /// The operating system refused something other than one port.
    pub(super) fn refused(range: String, probed: u32, cause: io::Error) -> Self {
        let (kind, message) = match open_files::limit(&cause) {
            Some(limit) => (
                AllocErrorKind::TooManyOpenFiles,
                format!(
                    "failed to open a socket for a port in {range} after {probed} ports probed: \
                     {limit}"
                ),
            ),
            None => (
                AllocErrorKind::Io,
                format!("failed to probe {range}, after {probed} ports probed"),
            ),
        };
        let mut error = AllocError::new(kind, range, message);
        error.0.probed = probed;
        error.0.source = Some(cause);
        error
    }

    /// The thread that a pool needs could not be started.
    pub(super) fn no_thread(cause: io::Error) -> Self {
        let message = "failed to start the thread of a pool of ports".to_owned();
        let mut error = AllocError::new(AllocErrorKind::Io, String::new(), message);
        error.0.source = Some(cause);
        error
    }

    pub(super) fn address(message: String, source: Option<io::Error>) -> Self {
        let mut error = AllocError::new(AllocErrorKind::InvalidAddress, String::new(), message);
        error.0.source = source;
        error
    }

    /// A waiting call gave up; `attempts` is how often it searched. After so long a wait it is worth
    /// while to look who has the ports.
    pub(super) fn after(mut self, attempts: u32, range: &PortRange) -> Self {
        let census = census(&|port| range.place(port).is_some());
        if let Some(holders) = census.describe() {
            let _ = write!(
                self.0.message,
                "; who holds how many of the ports: {holders}"
            );
        }
        if attempts > 1 {
            self.0
                .message
                .insert_str(0, &format!("after {attempts} attempts: "));
        }
        self
    }
}

impl From<&RangeError> for AllocError {
    fn from(error: &RangeError) -> Self {
        AllocError::new(error.kind, error.text.clone(), error.to_string())
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

/// For `unwrap`, which prints this: the sentence as it stands, not escaped a second time.
impl fmt::Debug for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllocError")
            .field("kind", &self.0.kind)
            .field("message", &format_args!("{}", self.0.message))
            .field("source", &self.0.source)
            .finish()
    }
}

impl Error for AllocError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|error| error as _)
    }
}

/// A whole search without a find.
#[derive(Debug)]
pub(super) struct Miss {
    /// Ports that were tried.
    pub(super) probed: u32,
    /// Those among them that this user may not bind.
    pub(super) denied: u32,
    /// What the kernel said last.
    pub(super) last: Option<io::Error>,
}

/// A text that is not a range of ports, or another setting that is wrong. Can be cloned, because the global allocator repeats it
/// from every call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RangeError {
    kind: AllocErrorKind,
    text: String,
    message: String,
}

impl RangeError {
    pub(super) fn in_variable(text: &str, problem: String) -> Self {
        RangeError {
            kind: AllocErrorKind::InvalidRange,
            text: text.to_owned(),
            message: format!(
                "{VARIABLE}={text:?} is not a range of ports: {problem}; write it like \
                 `20000-29999` or `20000`"
            ),
        }
    }

    pub(super) fn in_builder(text: String, problem: String) -> Self {
        RangeError {
            kind: AllocErrorKind::InvalidRange,
            message: format!("range({text}) of the builder is not a range of ports: {problem}"),
            text,
        }
    }

    pub(super) fn start(port: u16, range: String) -> Self {
        RangeError {
            kind: AllocErrorKind::InvalidRange,
            message: format!("start_at({port}) of the builder is not in its range {range}"),
            text: range,
        }
    }

    /// A setting that is not about the range keeps from leasing as well, lest it be ignored.
    pub(super) fn setting(message: String) -> Self {
        RangeError {
            kind: AllocErrorKind::InvalidSetting,
            text: String::new(),
            message,
        }
    }

    pub(super) fn of_machine(problem: &str) -> Self {
        RangeError {
            kind: AllocErrorKind::InvalidRange,
            text: String::new(),
            message: format!("no default range of ports: {problem}; set {VARIABLE}"),
        }
    }
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Option<io::Error> {
        Some(io::Error::from(io::ErrorKind::AddrInUse))
    }

    #[test]
    fn texts_say_range_probes_and_what_to_do() {
        let miss = Miss {
            probed: 5,
            denied: 0,
            last: busy(),
        };
        let error = AllocError::none_free("20000-20004".to_owned(), miss);
        assert_eq!(error.kind(), AllocErrorKind::Exhausted);
        assert_eq!((error.range(), error.probed()), ("20000-20004", 5));
        assert_eq!(
            error.to_string(),
            "no free port in 20000-20004: 5 ports probed, all in use; drop leases that are not \
             needed any more, or name more ports (PORT_TEST_RANGE, or the builder's range)"
        );
        assert!(error.source().is_some());
        let range = PortRange::of_variable("20000-20004").expect("well-formed");
        let waited = error.after(100, &range).to_string();
        assert!(
            waited.starts_with("after 100 attempts: no free port"),
            "{waited}"
        );
    }

    #[test]
    fn denied_everywhere_is_another_kind_than_busy() {
        let miss = Miss {
            probed: 3,
            denied: 3,
            last: busy(),
        };
        let error = AllocError::none_free("80-82".to_owned(), miss);
        assert_eq!(error.kind(), AllocErrorKind::PermissionDenied);
        assert!(error.to_string().contains("80-82") && error.to_string().contains("1024"));

        let miss = Miss {
            probed: 3,
            denied: 2,
            last: busy(),
        };
        let error = AllocError::none_free("1022-1024".to_owned(), miss);
        assert_eq!(error.kind(), AllocErrorKind::Exhausted);
        assert!(
            error.to_string().contains("2 of them not permitted"),
            "{error}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_full_table_names_its_limit() {
        let cause = io::Error::from_raw_os_error(libc::EMFILE);
        let error = AllocError::refused("20000-20004".to_owned(), 2, cause);
        assert_eq!(error.kind(), AllocErrorKind::TooManyOpenFiles);
        let text = error.to_string();
        assert!(
            text.contains("ulimit -n") && text.contains("20000-20004"),
            "{text}"
        );
        let limit = text
            .split("limit of ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        assert!(
            limit.is_some_and(|n| n.parse::<u64>().is_ok_and(|n| n > 0)),
            "{text}"
        );

        let cause = io::Error::from_raw_os_error(libc::ENOBUFS);
        let error = AllocError::refused("20000-20004".to_owned(), 2, cause);
        assert_eq!(error.kind(), AllocErrorKind::Io);
    }

    #[test]
    fn debug_shows_the_sentence() {
        let miss = Miss {
            probed: 5,
            denied: 0,
            last: busy(),
        };
        let error = AllocError::none_free("1-5".to_owned(), miss);
        assert!(format!("{error:?}").contains("no free port in 1-5"));
    }
}
