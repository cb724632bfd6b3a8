//! What a command and all that it started used.

use std::io;
use std::mem;
use std::process::{Command, Stdio};
use std::time::Instant;

pub(crate) struct Usage {
    /// By the clock.
    pub(crate) wall_s: f64,
    /// In user and system mode.
    pub(crate) cpu_s: f64,
    /// Resident memory of the process that had most.
    pub(crate) peak_mb: f64,
}

impl Usage {
    /// Runs `command` to its end; what it prints on stdout is dropped.
    ///
    /// # Errors
    ///
    /// It cannot be started, or does not succeed.
    pub(crate) fn of(command: &mut Command) -> io::Result<Self> {
        let started = Instant::now();
        let child = command.stdout(Stdio::null()).spawn()?;
        let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
        let mut status = 0;
        // SAFETY: a struct of numbers, for which zeroes are a value.
        let mut used: libc::rusage = unsafe { mem::zeroed() };
        // SAFETY: the pointers are to variables that outlive the call. The child has not been waited for,
        // and `child`, which is dropped without waiting, never is.
        while unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut used) } < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        if status != 0 {
            return Err(io::Error::other(format!("{command:?} has failed")));
        }
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        Ok(Self {
            wall_s: started.elapsed().as_secs_f64(),
            cpu_s: seconds(used.ru_utime) + seconds(used.ru_stime),
            // Linux counts in KiB.
            peak_mb: used.ru_maxrss as f64 / 1024.0,
        })
    }
}
