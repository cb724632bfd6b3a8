//! The system calls that std does not offer, and all the `unsafe` of processes.
//!
//! Most of them run between `fork` and `exec` in a copy of a process that has other threads, or in a
//! supervisor, which never executes a program and so stays such a copy. Nothing there may allocate, take
//! a lock or panic: a thread that does not exist in the copy may have held the lock. So the functions
//! here take and return plain numbers, and an [`io::Error`] only of an errno, which allocates nothing.

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::ptr;
use std::sync::Arc;

pub(super) use libc::pollfd;

/// A number of a process; of this process's own child, unless it says otherwise.
pub(super) type Pid = libc::pid_t;
/// A file descriptor whose owner is elsewhere.
pub(super) type Fd = libc::c_int;

/// What becomes of the process that std forks for a command.
///
/// The methods run there, so they call nothing but functions of this file.
pub(super) trait Split: Send + Sync + 'static {
    /// Whether this is the spawn that it was made for.
    fn armed(&self) -> bool;
    /// Prepares the process that executes the program.
    ///
    /// # Errors
    ///
    /// Returned from `Command::spawn`, as those of `execute` are.
    fn prepare(&self) -> io::Result<()>;
    /// Executes the program, or returns and leaves it to std.
    fn execute(&self) -> io::Result<()>;
    /// In the fork itself, which is no more than this from now on.
    fn supervise(&self, server: Pid) -> !;
}

/// Makes `command` fork once more in the process that it has forked: the child executes the program, and
/// the parent supervises it.
///
/// Hooks cannot be taken out of a command again, so `split` is asked at each spawn whether it is meant.
pub(super) fn split_on_spawn(command: &mut Command, split: Arc<dyn Split>) {
    let hook = move || match split.armed() {
        true => fork(&*split),
        false => Ok(()),
    };
    // SAFETY: the hook and what it calls, by the contract of `Split`, make system calls on memory that
    // exists already, and nothing else. `split` is alive: the copy of the closure holds it.
    unsafe { command.pre_exec(hook) };
}

fn fork(split: &dyn Split) -> io::Result<()> {
    // Asked while an error can still be returned. ENOSYS: Linux before 5.9.
    close_all_from(libc::c_uint::MAX)?;
    // Before the fork, so that no descendant can come too early to be adopted.
    // SAFETY: plain numbers.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })?;
    let (mut all, mut mask) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let (mut default, mut action) = (
        MaybeUninit::<libc::sigaction>::zeroed(),
        MaybeUninit::uninit(),
    );
    // SAFETY: each call initialises, or has been given, what the next one reads. `sigaction` zeroed is
    // SIG_DFL with an empty mask and no flags. The child's end is a signal to be read and a status to
    // be waited for, even if the test ignores SIGCHLD.
    unsafe {
        check(libc::sigfillset(all.as_mut_ptr()))?;
        check(libc::sigprocmask(
            libc::SIG_SETMASK,
            all.as_ptr(),
            mask.as_mut_ptr(),
        ))?;
        (*default.as_mut_ptr()).sa_sigaction = libc::SIG_DFL;
        check(libc::sigaction(
            libc::SIGCHLD,
            default.as_ptr(),
            action.as_mut_ptr(),
        ))?;
    }
    let supervisor = own_pid();
    match fork_raw()? {
        0 => {
            // SAFETY: plain numbers; then what the calls above have initialised.
            unsafe {
                check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0))?;
                if libc::getppid() != supervisor {
                    libc::_exit(1);
                }
                // The user's command may have put itself in a session or group of its own. That was
                // meant for the program.
                if libc::getsid(0) == supervisor {
                    check(libc::setsid())?;
                } else if libc::getpgrp() == supervisor {
                    check(libc::setpgid(0, 0))?;
                }
            }
            split.prepare()?;
            // SAFETY: what the calls above have initialised.
            unsafe {
                check(libc::sigaction(
                    libc::SIGCHLD,
                    action.as_ptr(),
                    ptr::null_mut(),
                ))?;
                check(libc::sigprocmask(
                    libc::SIG_SETMASK,
                    mask.as_ptr(),
                    ptr::null_mut(),
                ))?;
            }
            split.execute()
        }
        server => split.supervise(server),
    }
}

/// Not libc's: that one runs what libraries have registered for forks, which may do anything.
fn fork_raw() -> io::Result<Pid> {
    let flags = libc::SIGCHLD as libc::c_ulong;
    let none: libc::c_ulong = 0;
    // s390x alone takes the stack first.
    let (first, second) = if cfg!(target_arch = "s390x") {
        (none, flags)
    } else {
        (flags, none)
    };
    // SAFETY: without CLONE_VM and with no stack this is fork(2): the child goes on here on a copy.
    let pid = unsafe { libc::syscall(libc::SYS_clone, first, second, none, none, none) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(pid as Pid),
    }
}

/// A program with its arguments and environment, ready to be executed without an allocation.
pub(super) struct Image {
    /// The first is the program.
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    /// In the environment: the digits of the pid.
    digits: *mut u8,
    /// What the pointers point to.
    _strings: Vec<Vec<u8>>,
}

/// As wide as the widest pid.
const DIGITS: usize = 10;

// SAFETY: the pointers are into the heap buffers of `_strings`, which moves with them, and nothing is
// written through them but by `execute`, in the only thread of a process that is about to be replaced.
unsafe impl Send for Image {}
// SAFETY: as above.
unsafe impl Sync for Image {}

impl Image {
    /// `variable` is added to the environment, with the pid of whoever executes this as its value.
    pub(super) fn new(args: Vec<CString>, environment: Vec<CString>, variable: &str) -> Self {
        let count = args.len();
        let strings = args.into_iter().chain(environment);
        let mut strings: Vec<_> = strings.map(CString::into_bytes_with_nul).collect();
        let mut pid = [variable.as_bytes(), b"=", &[b'0'; DIGITS], b"\0"].concat();
        let digits = pid[variable.len() + 1..].as_mut_ptr();
        strings.push(pid);
        let mut argv: Vec<*const c_char> =
            strings.iter().map(|text| text.as_ptr().cast()).collect();
        let mut envp = argv.split_off(count);
        argv.push(ptr::null());
        envp.push(ptr::null());
        Self {
            argv,
            envp,
            digits,
            _strings: strings,
        }
    }

    /// Executes the program, which is looked up on the PATH of its own environment, as std does.
    pub(super) fn execute(&self) -> io::Error {
        let pid = own_pid();
        let mut power = 1;
        while pid / power >= 10 {
            power *= 10;
        }
        let mut place = self.digits;
        while power > 0 {
            // SAFETY: `digits` points to room for the widest pid and a null, which nobody else reads or
            // writes: this is the only thread of its process.
            unsafe {
                place.write(b'0' + (pid / power % 10) as u8);
                place = place.add(1);
                place.write(0);
            }
            power /= 10;
        }
        // SAFETY: both lists end with a null, and what they point to lives in `self`. `environ` is
        // libc's own variable; there is no other thread that could be reading it.
        unsafe {
            environ = self.envp.as_ptr();
            libc::execvp(*self.argv.as_ptr(), self.argv.as_ptr());
        }
        io::Error::last_os_error()
    }
}

// SAFETY: this is how POSIX declares it.
unsafe extern "C" {
    static mut environ: *const *const c_char;
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

pub(super) fn own_pid() -> Pid {
    // SAFETY: it cannot fail.
    unsafe { libc::getpid() }
}

pub(super) fn change_directory(path: &CStr) -> io::Result<()> {
    // SAFETY: a string that ends with a null.
    check(unsafe { libc::chdir(path.as_ptr()) }).map(drop)
}

pub(super) fn open(path: &CStr, flags: libc::c_int) -> io::Result<Fd> {
    // SAFETY: a string that ends with a null.
    check(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) })
}

/// Makes `to` another number of what `from` is, which `exec` leaves open.
pub(super) fn duplicate_onto(from: Fd, to: Fd) -> io::Result<()> {
    // SAFETY: plain numbers; what `to` was is no object of Rust's in a process that executes another
    // program or never returns.
    check(unsafe { libc::dup2(from, to) }).map(drop)
}

/// One more number of what `from` is, not below `least`, which `exec` closes.
pub(super) fn duplicate_above(from: Fd, least: Fd) -> io::Result<Fd> {
    // SAFETY: plain numbers.
    check(unsafe { libc::fcntl(from, libc::F_DUPFD_CLOEXEC, least) })
}

/// As [`duplicate_above`], in the test process.
pub(super) fn own_above(socket: &impl AsRawFd, least: Fd) -> io::Result<OwnedFd> {
    let fd = duplicate_above(socket.as_raw_fd(), least)?;
    // SAFETY: it is new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Only for numbers that this module's own functions have returned, and in a process that never returns.
pub(super) fn close(fd: Fd) {
    // SAFETY: by the contract, nobody else owns it.
    unsafe { libc::close(fd) };
}

/// Closes every file descriptor from `first` on. Only in a process that never returns.
pub(super) fn close_all_from(first: libc::c_uint) -> io::Result<()> {
    // SAFETY: plain numbers; by the contract nobody uses what is closed.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
    check(closed as libc::c_int).map(drop)
}

/// Leaves the session and the process group.
pub(super) fn new_session() {
    // SAFETY: no arguments. It fails if the process leads a group already, which is as good.
    unsafe { libc::setsid() };
}

/// What `ps` and `top` show; 15 bytes.
pub(super) fn name_thread(name: &CStr) {
    // SAFETY: a string that ends with a null. A failure changes nothing but the name.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

pub(super) fn exit() -> ! {
    // SAFETY: it runs no handlers and touches no buffers of the process that this is a copy of.
    unsafe { libc::_exit(0) }
}

/// A descriptor that is readable while SIGCHLD, which is blocked, is pending.
pub(super) fn child_signals() -> io::Result<Fd> {
    let mut mask = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises what the others read.
    unsafe {
        check(libc::sigemptyset(mask.as_mut_ptr()))?;
        check(libc::sigaddset(mask.as_mut_ptr(), libc::SIGCHLD))?;
        check(libc::signalfd(
            -1,
            mask.as_ptr(),
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
        ))
    }
}

pub(super) fn read(fd: Fd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is this long.
    let length = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

/// To a socket whose other end may be gone: no SIGPIPE.
pub(super) fn send(fd: Fd, bytes: &[u8]) {
    // SAFETY: the buffer is this long. Nobody can be told of a failure.
    unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
}

/// Entries of a directory, as the kernel writes them; none at the end.
pub(super) fn entries(directory: Fd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is this long; it is read by bytes, so it needs no alignment.
    let length = unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            directory,
            buffer.as_mut_ptr(),
            buffer.len(),
        )
    };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

/// Waits until one of `fds` is ready, `timeout` milliseconds at most, -1 being for ever; whether one is.
pub(super) fn poll(fds: &mut [pollfd], timeout: libc::c_int) -> bool {
    // SAFETY: the array is this long.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout) > 0 }
}

/// An ended child.
pub(super) enum Reaped {
    Child(Pid, libc::c_int),
    /// None has ended that was not waited for.
    NotYet,
    /// There are no children.
    None,
}

pub(super) fn reap() -> Reaped {
    let mut status = 0;
    // SAFETY: it writes the one integer.
    match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
        0 => Reaped::NotYet,
        -1 => Reaped::None,
        pid => Reaped::Child(pid, status),
    }
}

/// Only for children that have not been waited for: their numbers are nobody else's.
pub(super) fn signal_child(child: Pid, signal: libc::c_int) {
    // SAFETY: plain numbers. It fails only for a child that may not be signalled.
    unsafe { libc::kill(child, signal) };
}

/// A process that stays the one it is, whatever becomes of its number; `None` if there is none.
pub(super) fn open_process(pid: Pid) -> Option<Fd> {
    // SAFETY: plain numbers.
    check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) as libc::c_int }).ok()
}

/// Whether the process of `open_process` is there and took the signal.
pub(super) fn signal_process(process: Fd, signal: libc::c_int) -> bool {
    let no_details = ptr::null::<libc::siginfo_t>();
    // SAFETY: plain numbers, and a null that is allowed.
    unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process, signal, no_details, 0) == 0 }
}
