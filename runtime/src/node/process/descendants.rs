//! Signals for all descendants of this process, which is a supervisor: see there for what that forbids.
//!
//! The kernel lists the children of a process only if it was built to, so all processes are looked at:
//! some 5 µs each.

use super::sys::{self, Fd, Pid};

/// More are dealt with once some of these are dead. 16 KiB, on the stack of a copied thread.
const MOST: usize = 4096;
/// One who forks at that very moment has one more child; the next round finds it.
const ROUNDS: usize = 100;

/// Processes of which each has its parent in the list too; the first is this one.
struct Tree {
    pids: [Pid; MOST],
    length: usize,
}

impl Tree {
    fn new() -> Self {
        let mut tree = Self {
            pids: [0; MOST],
            length: 0,
        };
        tree.push(sys::own_pid());
        tree
    }

    fn contains(&self, pid: Pid) -> bool {
        self.pids
            .iter()
            .take(self.length)
            .any(|known| *known == pid)
    }

    fn push(&mut self, pid: Pid) {
        if let Some(place) = self.pids.get_mut(self.length) {
            *place = pid;
            self.length += 1;
        }
    }
}

/// Sends SIGKILL to descendants, parents first: to some at least, if there are any. The caller comes back
/// until there are none; `again` says that it does.
pub(super) fn kill(again: bool) {
    // Who was started later has a higher number, until the numbers have gone round. When a hundred
    // supervisors look at once, it counts that each looks at few; but only at first, since one that is
    // slow to die would be found each time, and hide the others.
    let above = if again { 0 } else { sys::own_pid() };
    if !visit(&mut Tree::new(), libc::SIGKILL, above).found && !again {
        visit(&mut Tree::new(), libc::SIGKILL, 0);
    }
}

/// Lets every descendant go on, parents first.
pub(super) fn resume() {
    let mut tree = Tree::new();
    // A child may have a lower number than its parent.
    for _ in 0..ROUNDS {
        if !visit(&mut tree, libc::SIGCONT, 0).found {
            return;
        }
    }
}

/// Stops every descendant, parents first, and returns when they are: one that is stopped starts no other.
pub(super) fn stop() {
    let mut tree = Tree::new();
    for _ in 0..ROUNDS {
        let seen = visit(&mut tree, libc::SIGSTOP, 0);
        if !seen.found && !seen.running {
            return;
        }
        if seen.running {
            // The signal takes effect when the process next leaves the kernel.
            sys::poll(&mut [], 1);
        }
    }
}

struct Seen {
    /// A descendant that was not known.
    found: bool,
    /// A known one that is neither stopped nor dead.
    running: bool,
}

/// Looks once at every process whose number is higher than `above`; signals those, and adds them to
/// `tree`, whose parent is there.
fn visit(tree: &mut Tree, signal: libc::c_int, above: Pid) -> Seen {
    let mut seen = Seen {
        found: false,
        running: false,
    };
    let own = sys::own_pid();
    let Ok(proc) = sys::open(c"/proc", libc::O_RDONLY | libc::O_DIRECTORY) else {
        return seen;
    };
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = sys::entries(proc, &mut buffer) {
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some((pid, others)) = next_entry(rest) {
            rest = others;
            let Some(pid) = pid.filter(|pid| *pid > above && *pid != own) else {
                continue;
            };
            let Some(stat) = Stat::of(pid) else { continue };
            if tree.contains(pid) {
                seen.running |= !stat.still;
            } else if tree.contains(stat.parent) && signal_child_of(tree, pid, signal) {
                tree.push(pid);
                seen.found = tree.length < MOST;
            }
        }
    }
    sys::close(proc);
    seen
}

/// Whether `pid` still is a child of somebody in `tree`, and has got the signal.
fn signal_child_of(tree: &Tree, pid: Pid, signal: libc::c_int) -> bool {
    let Some(process) = sys::open_process(pid) else {
        return false;
    };
    // Looked up after it was opened: if the number is another's by now, the signal reaches nobody.
    let child = Stat::of(pid).is_some_and(|stat| tree.contains(stat.parent));
    let signalled = child && sys::signal_process(process, signal);
    sys::close(process);
    signalled
}

/// Reads one `linux_dirent64`: two words, the length, a byte, and the name. What is behind it, and its
/// number if it is a process.
fn next_entry(entries: &[u8]) -> Option<(Option<Pid>, &[u8])> {
    let length = usize::from(u16::from_ne_bytes([*entries.get(16)?, *entries.get(17)?]));
    let name = entries.get(19..length)?;
    Some((number(name), entries.get(length..)?))
}

/// The digits at the beginning of `text`.
fn number(text: &[u8]) -> Option<Pid> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    let mut number = None;
    for digit in digits {
        let so_far: Pid = number.unwrap_or(0);
        number = so_far
            .checked_mul(10)?
            .checked_add(Pid::from(digit - b'0'))
            .map(Some)?;
    }
    number
}

struct Stat {
    parent: Pid,
    /// Stopped, or dead.
    still: bool,
}

impl Stat {
    fn of(pid: Pid) -> Option<Self> {
        // Long enough for what is read, and then some.
        let mut text = [0; 256];
        let fd = open_stat(pid)?;
        let length = sys::read(fd, &mut text);
        sys::close(fd);
        Self::parse(text.get(..length.ok()?)?)
    }

    /// `123 (name) S 1 ...`; the name may contain anything, what is behind it no parenthesis.
    fn parse(text: &[u8]) -> Option<Self> {
        let end = text.iter().rposition(|byte| *byte == b')')?;
        let state = text.get(end + 2)?;
        Some(Self {
            parent: number(text.get(end + 4..)?)?,
            still: matches!(state, b'T' | b't' | b'Z' | b'X'),
        })
    }
}

fn open_stat(pid: Pid) -> Option<Fd> {
    const START: &[u8] = b"/proc/";
    const END: &[u8] = b"/stat\0";
    let mut path = [0; 32];
    let mut length = 0;
    let mut put = |byte| {
        if let Some(place) = path.get_mut(length) {
            *place = byte;
            length += 1;
        }
    };
    START.iter().copied().for_each(&mut put);
    let mut power = 1;
    while pid / power >= 10 {
        power *= 10;
    }
    while power > 0 {
        put(b'0' + (pid / power % 10) as u8);
        power /= 10;
    }
    END.iter().copied().for_each(&mut put);
    let path = std::ffi::CStr::from_bytes_until_nul(&path).ok()?;
    sys::open(path, libc::O_RDONLY).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_behind_the_last_parenthesis() {
        let stat = Stat::parse(b"12 (a) S 3 (b)) T 45 1 1 0").unwrap();
        assert_eq!((stat.parent, stat.still), (45, true));
        assert!(Stat::parse(b"12 (cut").is_none());
    }

    #[test]
    fn this_process_and_its_parent_are_found() {
        let stat = Stat::of(sys::own_pid()).unwrap();
        assert_eq!(stat.parent, std::os::unix::process::parent_id() as Pid);
        assert!(!stat.still);
    }

    #[test]
    fn entries_that_are_no_processes_have_no_number() {
        assert_eq!(number(b"1234\0\0"), Some(1234));
        assert_eq!(number(b"self\0"), None);
        assert_eq!(number(b"99999999999"), None);
    }
}
