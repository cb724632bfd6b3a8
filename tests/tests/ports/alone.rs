//! A test's body in a process of its own, or in namespaces of its own.
//!
//! The process runs this very binary with the one test. It is there for what belongs to the whole
//! process: limits, memory, the environment, and sockets that no fork of another test copies.

use std::any::type_name;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::{env, io, mem, ptr};

/// Says in which test a process is the inner one.
const INSIDE: &str = "PORT_TEST_TESTS_INSIDE";

/// Printed by the inner process behind its scenario: a name that selects no test would pass as well.
const DONE: &str = "the scenario came to its end";

/// Where a scenario runs.
pub(crate) struct Place {
    command: Command,
    steps: Vec<Step>,
}

/// What the child does between fork and exec: system calls alone, everything else is made before.
type Step = Box<dyn FnMut() -> io::Result<()> + Send + Sync>;

impl Place {
    /// A process of its own, without this crate's variables.
    pub(crate) fn process() -> Self {
        let mut command = Command::new(env::args_os().next().expect("this binary"));
        for name in ["PORT_TEST_RANGE", "PORT_TEST_DEBUG", "CI"] {
            command.env_remove(name);
        }
        // Ranges that no other run has are nothing to remember.
        command.env("PORT_TEST_CURSOR", "off");
        Place {
            command,
            steps: Vec::new(),
        }
    }

    /// A process in a user and a network namespace of its own, where it is an ordinary user. The
    /// loopback interface is up, and nobody else has a port.
    pub(crate) fn namespace() -> Self {
        let mut place = Place::process();
        // SAFETY: the two only read the ids of this process.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        place.step(|| {
            let namespaces = libc::CLONE_NEWUSER | libc::CLONE_NEWNET | libc::CLONE_NEWNS;
            // SAFETY: takes numbers alone, and a child between fork and exec has one thread.
            done(unsafe { libc::unshare(namespaces) })
        });
        // Until the exec the process may do anything to its namespaces; behind it, being user 1000 of
        // them, nothing.
        place.write("/proc/self/setgroups", "deny");
        place.write("/proc/self/uid_map", &format!("1000 {uid} 1"));
        place.write("/proc/self/gid_map", &format!("1000 {gid} 1"));
        place.step(loopback_up);
        place
    }

    /// A process in a network namespace of its own, and root as this one is.
    pub(crate) fn namespace_of_root() -> Self {
        let mut place = Place::process();
        place.step(|| {
            // SAFETY: takes a number alone.
            done(unsafe { libc::unshare(libc::CLONE_NEWNET) })
        });
        place.step(loopback_up);
        place
    }

    /// Sets what lies below /proc/sys, of the namespace.
    pub(crate) fn sysctl(mut self, name: &str, value: &str) -> Self {
        self.write(&format!("/proc/sys/{name}"), value);
        self
    }

    /// Covers a directory with an empty one, in the namespace alone.
    pub(crate) fn without(mut self, directory: &str) -> Self {
        let (target, kind) = (text(directory.as_ref()), text("tmpfs".as_ref()));
        self.step(move || {
            let (target, kind) = (target.as_ptr(), kind.as_ptr());
            // SAFETY: two strings that live as long as the closure; tmpfs needs no data. A mount
            // namespace of another user's does not pass mounts on.
            done(unsafe { libc::mount(kind, target, kind, libc::MS_RDONLY, ptr::null()) })
        });
        self
    }

    /// Answers `socket(AF_INET6, ..)` as a kernel without IPv6 does.
    pub(crate) fn without_ipv6(mut self) -> Self {
        self.step(refuse_ipv6);
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs `scenario` there, as the body of `test`, which is the function that calls this.
    pub(crate) fn run<T: Fn()>(self, test: T, scenario: impl FnOnce()) {
        let name = path_of(&test);
        if env::var_os(INSIDE).is_some_and(|inside| inside == name) {
            scenario();
            println!("{DONE}");
            return;
        }
        let output = self.output(test);
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b));
        print!("{stdout}");
        eprint!("{stderr}");
        assert!(output.status.success(), "{name}: {}", output.status);
        assert!(stdout.contains(DONE), "{name}: no such test was run");
    }

    /// Runs `test`, another one, there.
    pub(crate) fn output<T: Fn()>(mut self, test: T) -> Output {
        let name = path_of(&test);
        self.command.args(["--exact", name, "--include-ignored"]);
        self.command.args(["--nocapture", "--test-threads", "1"]);
        self.command.env(INSIDE, name);
        let mut steps = self.steps;
        let prepare = move || steps.iter_mut().try_for_each(|step| step());
        // SAFETY: each step makes system calls on memory made before, and neither allocates nor locks.
        unsafe { self.command.pre_exec(prepare) };
        self.command.output().unwrap_or_else(|error| {
            panic!(
                "no process of such a kind: {error}; for namespaces, be root or allow them to users \
                 (user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0)"
            )
        })
    }

    fn step(&mut self, step: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
        self.steps.push(Box::new(step));
    }

    fn write(&mut self, path: &str, content: &str) {
        let (path, content) = (text(path.as_ref()), content.to_owned());
        self.step(move || {
            // SAFETY: the path lives as long as the closure.
            let file = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
            done(file)?;
            // SAFETY: the pointer is to as many bytes as are said.
            let written = unsafe { libc::write(file, content.as_ptr().cast(), content.len()) };
            done(written as i32)
        });
    }
}

/// Whether this process is the inner one of some test: what would harm others may be done.
pub(crate) fn is_inner() -> bool {
    env::var_os(INSIDE).is_some()
}

/// As libtest calls it: `module::function`, without the crate's name.
fn path_of<T>(_test: &T) -> &'static str {
    let (_crate, path) = type_name::<T>().split_once("::").expect("a path");
    path
}

fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("no zero byte")
}

fn done(result: i32) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// In a new network namespace it is down, and 127.0.0.1 is no address.
fn loopback_up() -> io::Result<()> {
    // SAFETY: zeroes are a valid `ifreq`: a name, and a union of numbers.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: takes numbers alone.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    done(socket)?;
    // SAFETY: SIOCSIFFLAGS reads one `ifreq`, which lives.
    done(unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &raw const request) })
}

/// Installs a filter of system calls: see seccomp(2).
fn refuse_ipv6() -> io::Result<()> {
    /// Where `struct seccomp_data` has the number of the call, and the lower half of its first argument.
    const NUMBER: u32 = 0;
    const ARGUMENT: u32 = if cfg!(target_endian = "big") { 20 } else { 16 };
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let answer = libc::BPF_RET as u16;
    let line = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let mut lines = [
        line(load, NUMBER, 0, 0),
        line(equal, libc::SYS_socket as u32, 0, 3),
        line(load, ARGUMENT, 0, 0),
        line(equal, libc::AF_INET6 as u32, 0, 1),
        line(
            answer,
            libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32,
            0,
            0,
        ),
        line(answer, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog {
        len: lines.len() as u16,
        filter: lines.as_mut_ptr(),
    };
    // SAFETY: takes numbers alone.
    done(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    let filter = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the kernel copies the program, which lives until here.
    done(unsafe { libc::prctl(libc::PR_SET_SECCOMP, filter, &raw const program) })
}
