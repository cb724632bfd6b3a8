//! Many leases, and users who know nothing of each other.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use port_test::{PortAllocator, PortLease, cargo_bin};
use socket2::{Domain, Socket, Type};

use crate::alone::Place;
use crate::exhaustion::{cpu, runtime};

/// Resident memory in bytes.
fn memory() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("a number");
    // SAFETY: only asks.
    pages * u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).expect("a size")
}

/// How many files are open.
pub(crate) fn files() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux").count()
}

/// The CPU seconds of a lease over those of a socket that is bound and closed, which is the least that it
/// can cost: the best of many interleaved rounds each, so that what else the machine does counts for
/// neither.
fn cost(ports: &PortAllocator) -> f64 {
    const LEASES: u32 = 100;
    let addr = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into();
    let (mut lease, mut limit) = (f64::MAX, f64::MAX);
    for _ in 0..20 {
        let began = cpu();
        for _ in 0..LEASES {
            drop(ports.try_lease().expect("a port"));
        }
        let between = cpu();
        for _ in 0..LEASES {
            let socket = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
            socket.bind(&addr).expect("a free port");
        }
        lease = lease.min(between - began);
        limit = limit.min(cpu() - between);
    }
    lease / limit
}

/// A hundred thousand: alone, in blocks of three, and waited for.
#[test]
fn leases_leave_nothing_behind() {
    const TENTH: u32 = 10_000;
    const BLOCKS: u32 = 1000;
    const WAITS: u32 = 500;
    Place::process().run(leases_leave_nothing_behind, || {
        let ports = PortAllocator::builder().build().expect("a range");
        let waits = Waits::new();
        let mut first = None;
        for _ in 0..10 {
            (0..BLOCKS).for_each(|_| drop(ports.lease_block(3).expect("room")));
            (0..WAITS).for_each(|round| waits.wait(round % 2 == 0));
            // Those that `cost` takes are leases as well.
            for _ in 0..TENTH - 3 * BLOCKS - 2 * WAITS - 2000 {
                drop(ports.blocking_lease().expect("a port"));
            }
            let now = (memory(), files(), cost(&ports));
            println!(
                "{} bytes, {} files, a lease costs {:.2} binds",
                now.0, now.1, now.2
            );
            let (memory, files, cost) = *first.get_or_insert(now);
            assert_eq!(now.1, files, "open files");
            // 12 bytes a lease would be more.
            assert!(
                now.0 < memory + 1_000_000,
                "{memory} bytes became {}",
                now.0
            );
            assert!(
                now.2 < 2.0 * cost,
                "a lease cost {cost} binds and now {}",
                now.2
            );
        }
        let (one, other) = (ports.stats(), waits.ports.stats());
        assert_eq!(one.successes() + other.successes(), 100_000);
        assert_eq!((one.held(), other.held()), (0, 0));
    });
}

/// A port for two: whoever wants it second waits.
struct Waits {
    ports: PortAllocator,
    ask: mpsc::Sender<bool>,
    got: mpsc::Receiver<()>,
}

impl Waits {
    fn new() -> Self {
        let port = PortAllocator::global()
            .blocking_lease()
            .expect("a port")
            .release();
        let ports = PortAllocator::builder()
            .range(port..=port)
            .attempts(u32::MAX);
        let ports = ports.build().expect("a range");
        let ((ask, asked), (give, got)) = (mpsc::channel(), mpsc::channel());
        let (runtime, other) = (runtime(), ports.clone());
        thread::spawn(move || {
            for blocking in asked {
                let lease = match blocking {
                    true => other.blocking_lease(),
                    false => runtime.block_on(other.lease()),
                };
                drop(lease.expect("waits for ever"));
                give.send(()).expect("somebody waits for it");
            }
        });
        Waits { ports, ask, got }
    }

    /// Two leases, the second of which waited.
    fn wait(&self, blocking: bool) {
        let lease = self.ports.blocking_lease().expect("waits for ever");
        let before = self.ports.stats().failures();
        self.ask.send(blocking).expect("it listens");
        while self.ports.stats().failures() == before {
            thread::yield_now();
        }
        drop(lease);
        self.got.recv().expect("it leases");
    }
}

/// A worker of another user's.
struct User {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
}

impl User {
    fn new(worker: &std::path::Path, uid: u32) -> Self {
        let mut child = Command::new(worker)
            .args(["churn", "20000", "20009", "2000"])
            .uid(uid)
            .gid(uid)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        User { child, stdout }
    }

    fn go(&mut self) {
        let mut stdin = self.child.stdin.as_ref().expect("piped");
        stdin.write_all(b"\n").expect("the worker waits");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        assert!(!line.is_empty(), "the worker has ended");
        line
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nobody, and somebody.
const UIDS: [u32; 2] = [65_534, 1000];

/// In a network namespace, so that ten ports are ten.
#[test]
#[ignore = "needs root"]
fn two_users_share_a_range() {
    Place::namespace_of_root().run(two_users_share_a_range, || {
        // Where they may not go, root's own binaries may lie.
        let directory = tempfile::tempdir().expect("a directory");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), mode).expect("it is ours");
        let worker = directory.path().join("port-worker");
        fs::copy(cargo_bin!("port-worker"), &worker).expect("room");

        let mut users = UIDS.map(|uid| User::new(&worker, uid));
        users.iter_mut().for_each(User::go);
        for user in &mut users {
            let stats = user.line();
            assert!(stats.contains(" 2000 leased,"), "{stats}");
        }
        // Each takes what it gets; none are left then.
        users.iter_mut().for_each(User::go);
        let said = users.each_mut().map(User::line);
        let ids = users.each_ref().map(|user| user.child.id());
        let held = said.each_ref().map(|text| {
            let (held, _) = text.split_once(' ').expect("a number first");
            held.parse::<u32>().expect("a number")
        });
        assert_eq!(held[0] + held[1], 10, "{said:?}");
        for (n, text) in said.iter().enumerate() {
            assert!(text.contains("no free port in 20000-20009"), "{text}");
            // A user sees the own processes; of the others that there are some.
            if held[n] > 0 {
                assert!(text.contains(&format!("(pid {}", ids[n])), "{text}");
            }
            assert!(!text.contains(&format!("(pid {}", ids[1 - n])), "{text}");
            if held[1 - n] > 0 {
                let uid = UIDS[1 - n];
                let other = format!("of user {uid}, hidden from this one: {}", held[1 - n]);
                assert!(text.contains(&other), "{other:?} is not in {text}");
            }
        }
        // Root sees both.
        let ports = PortAllocator::builder().range(20_000..=20_009).attempts(2);
        let error = ports.build().expect("a range").blocking_lease();
        let text = error.expect_err("all are taken").to_string();
        for (id, held) in ids.iter().zip(held).filter(|(_, held)| *held > 0) {
            assert!(text.contains(&format!("(pid {id}): {held}")), "{text}");
        }
        drop(users);
        let ports = PortAllocator::builder().range(20_000..=20_009).build();
        let ports = ports.expect("a range");
        let all: Vec<PortLease> = (0..10)
            .map(|_| ports.blocking_lease().expect("given back"))
            .collect();
        assert_eq!(all.len(), 10);
    });
}
