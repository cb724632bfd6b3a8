//! What to say when a table of open files is full: sockets, runtimes and processes need places in it.

use std::io;

/// If `cause` is a limit of open files: which one, its value, and how to raise it.
#[cfg(unix)]
pub(crate) fn limit(cause: &io::Error) -> Option<String> {
    match cause.raw_os_error()? {
        libc::EMFILE => {
            let mut limit = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            // /proc/self/limits is no alternative: with a full table it cannot be opened.
            // SAFETY: the pointer is to a live, writable `rlimit`, and getrlimit writes nothing
            // else.
            let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0;
            let value = match known {
                true => format!(" of {} (at most {})", limit.rlim_cur, limit.rlim_max),
                false => String::new(),
            };
            Some(format!(
                "the process has reached its limit{value} open files; raise it with `ulimit -n`, \
                 or run fewer tests in one process"
            ))
        }
        libc::ENFILE => Some(
            "the system has reached its limit of open files; raise the sysctl fs.file-max"
                .to_owned(),
        ),
        _ => None,
    }
}

/// If `cause` is a limit of open files: which one.
#[cfg(not(unix))]
pub(crate) fn limit(cause: &io::Error) -> Option<String> {
    // WSAEMFILE.
    (cause.raw_os_error() == Some(10_024)).then(|| "too many open sockets".to_owned())
}
