//! Whether tokio has a runtime of many threads: it does if any crate of the build has asked for it.

use std::io;

use tokio::runtime::Builder;

/// Whether `flavor = "multi_thread"` can be had; the attribute asserts it.
pub const MULTI_THREAD: bool = is_there(Builder::new_multi_thread);

/// Starts to build such a runtime.
pub(super) fn builder() -> io::Result<Builder> {
    Builder::new_multi_thread().get()
}

/// What a type has comes before what a trait gives it. So `Builder::new_multi_thread` is tokio's or, if
/// tokio was compiled without, this.
trait Without {
    fn new_multi_thread() -> Missing {
        Missing
    }
}

impl Without for Builder {}

/// Used here, for the compiler, whichever it is.
const _: fn() -> Missing = <Builder as Without>::new_multi_thread;

struct Missing;

trait Found {
    const IS_THERE: bool;

    fn get(self) -> io::Result<Builder>;
}

impl Found for Builder {
    const IS_THERE: bool = true;

    fn get(self) -> io::Result<Builder> {
        Ok(self)
    }
}

impl Found for Missing {
    const IS_THERE: bool = false;

    fn get(self) -> io::Result<Builder> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

const fn is_there<T: Found>(_: fn() -> T) -> bool {
    T::IS_THERE
}
