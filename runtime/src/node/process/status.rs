//! How a process ended, in words.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// `exited with status 1`, `was killed by signal 9 (SIGKILL)`; to be read after the name of a process.
pub(super) fn describe(status: i32) -> String {
    let status = ExitStatus::from_raw(status);
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => {
            let name = name(signal)
                .map(|name| format!(" ({name})"))
                .unwrap_or_default();
            format!("was killed by signal {signal}{name}")
        }
        (None, None) => format!("ended: {status}"),
    }
}

/// Signals of which somebody dies; the numbers differ between architectures.
fn name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::describe;

    #[test]
    fn statuses_and_signals_are_told_apart() {
        assert_eq!(describe(0), "exited with status 0");
        assert_eq!(describe(3 << 8), "exited with status 3");
        assert_eq!(describe(9), "was killed by signal 9 (SIGKILL)");
        assert_eq!(describe(34), "was killed by signal 34");
    }
}
