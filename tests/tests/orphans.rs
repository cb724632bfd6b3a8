//! However a test process ends, what its nodes have started ends with it: a shell, the servers that the
//! shell has started, and a daemon of one of these.
//!
//! The fixtures are tests of this very binary, ignored unless they are asked for by name: each check runs
//! one in a child process, and looks at it from outside.
#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use port_test_tests::fixture::Place;

/// How often each way to end is tried.
const ROUNDS: usize = 50;
/// After the end of the test process. It takes milliseconds; what is left stays for good, and the rest is for
/// a machine that stalls, as it does while several runs unpack their archives.
const GONE_WITHIN: Duration = Duration::from_secs(10);

mod fixture {
    use std::future::pending;
    use std::io::Write as _;
    use std::process::Command;
    use std::time::Instant;

    use port_test::{BoxError, Node, NodeContext, TestNode, cargo_bin, port_test};

    /// Says something that libtest does not capture.
    fn tell(text: &str) {
        let line = format!("{text}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }

    /// A shell that starts two servers, of which one starts a daemon. All have the data directory, which
    /// is beside this binary, among their arguments.
    struct Family;

    impl Node for Family {
        const PORTS: &'static [&'static str] = &["main", "child", "daemon"];

        async fn start(cx: NodeContext) -> Result<Self, BoxError> {
            let script = r#""$1" "$3" "$2" & "$1" "$4" "daemon=$5" "$2" & wait"#;
            let mut shell = Command::new("sh");
            shell.args(["-c", script, "sh"]);
            shell.arg(cargo_bin!("test-server")).arg(cx.data_dir());
            for port in Self::PORTS {
                shell.arg(cx.port_of(port).to_string());
            }
            cx.spawn_process(&mut shell).await?;
            for port in Self::PORTS {
                cx.wait_until_listening(port).await?;
                tell(&format!("port: {}", cx.port_of(port)));
            }
            Ok(Self)
        }
    }

    fn up() {
        tell("up");
        // Whoever looks from outside has seen enough then.
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }

    #[port_test]
    #[ignore = "a fixture"]
    async fn passes(_node: TestNode<Family>) {
        up();
    }

    #[port_test]
    #[ignore = "called by the fixture below"]
    async fn comes_and_goes(node: TestNode<Family>) {
        node.restart().await.unwrap();
    }

    /// The threads, descriptors and children of this process.
    fn look() -> [usize; 3] {
        let count = |list: &str| std::fs::read_dir(list).unwrap().count();
        let own = format!(" {} ", std::process::id());
        let child = |entry: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let (_, numbers) = stat.rsplit_once(") ")?;
            numbers.get(1..)?.starts_with(&own).then_some(())
        };
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let children = processes.filter_map(child).count();
        [count("/proc/self/task"), count("/proc/self/fd"), children]
    }

    #[test]
    #[ignore = "a fixture"]
    fn looks() {
        // What the process has for good comes with the first test.
        comes_and_goes();
        let first = look();
        for _ in 0..10 {
            comes_and_goes();
        }
        // A thread is in the list for a moment after it can be joined, so `first` may have some too many;
        // what each test left would be ten times as much.
        let until = Instant::now() + super::GONE_WITHIN;
        loop {
            let now = look();
            if now.iter().zip(first).all(|(now, first)| *now <= first) && now[2] == 0 {
                break;
            }
            assert!(Instant::now() < until, "{first:?} became {now:?}");
            std::thread::yield_now();
        }
        tell("nothing is left");
    }

    #[port_test]
    #[ignore = "a fixture"]
    async fn panics(_node: TestNode<Family>) {
        up();
        panic!("as it should");
    }

    #[port_test]
    #[ignore = "a fixture"]
    async fn exits(_node: TestNode<Family>) {
        up();
        std::process::exit(7);
    }

    #[port_test]
    #[ignore = "a fixture"]
    async fn aborts(_node: TestNode<Family>) {
        up();
        std::process::abort();
    }

    #[port_test]
    #[ignore = "a fixture"]
    async fn waits(_node: TestNode<Family>) {
        up();
        pending().await
    }

    #[port_test]
    #[ignore = "a fixture"]
    async fn waits_paused(node: TestNode<Family>) {
        node.pause().await.unwrap();
        up();
        pending().await
    }
}

/// Runs the fixture `name`, lets `end` end it once all of its processes are up, and looks for what is
/// left; how it ended.
#[track_caller]
fn check(name: &str, end: impl Fn(&Child)) -> ExitStatus {
    let place = Place::new("orphans");
    let mark = place.directory.path().to_str().unwrap();

    let mut fixture = place.command([name]);
    fixture
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // As nextest runs it.
        .process_group(0);
    let mut fixture = fixture.spawn().unwrap();
    let mut errors = BufReader::new(fixture.stderr.take().unwrap());
    let mut told = String::new();
    while !told.ends_with("up\n") {
        assert_ne!(errors.read_line(&mut told).unwrap(), 0, "{told}");
    }
    // The test, the supervisor, the shell, two servers and a daemon.
    assert_eq!(marked(mark).len(), 6, "{:?}", marked(mark));

    end(&fixture);
    drop(fixture.stdin.take());
    let status = fixture.wait().unwrap();
    let ended = Instant::now();
    while !marked(mark).is_empty() {
        assert!(ended.elapsed() < GONE_WITHIN, "{:?}", marked(mark));
        std::thread::sleep(Duration::from_millis(1));
    }
    // nextest calls it a leak if anybody still holds these.
    errors.read_to_string(&mut told).unwrap();
    let mut output = String::new();
    fixture.stdout.unwrap().read_to_string(&mut output).unwrap();
    assert!(ended.elapsed() < GONE_WITHIN, "{told}");

    let ports = told.lines().filter_map(|line| line.strip_prefix("port: "));
    let ports: Vec<u16> = ports.map(|port| port.parse().unwrap()).collect();
    assert_eq!(ports.len(), 3, "{told}");
    for port in ports {
        // Another test may have leased it meanwhile, and gives it back; no dead one holds it.
        let allocator = port_test::PortAllocator::builder().range(port..=port);
        drop(allocator.build().unwrap().blocking_lease().unwrap());
    }
    status
}

/// The command lines of the processes that have `mark` in theirs.
fn marked(mark: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let line = |entry: std::fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some(format!("{pid} {}", String::from_utf8_lossy(&line)))
    };
    let lines = processes.filter_map(line);
    lines.filter(|line| line.contains(mark)).collect()
}

fn leave(_: &Child) {}

/// Neither a thread, nor a descriptor, nor a zombie.
#[test]
fn nothing_is_left_in_the_test_process() {
    let exe = std::env::current_exe().unwrap();
    let output = Command::new(exe)
        .args(["--ignored", "--exact", "fixture::looks"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("nothing is left"),
        "{output:?}"
    );
}

fn signal(signal: i32) -> impl Fn(&Child) {
    move |fixture| {
        // SAFETY: it has not been waited for, so its number is its own.
        assert_eq!(unsafe { libc::kill(fixture.id() as i32, signal) }, 0);
    }
}

fn signal_group(signal: i32) -> impl Fn(&Child) {
    move |fixture| {
        // SAFETY: it leads its group and has not been waited for, so the number is its own.
        assert_eq!(unsafe { libc::kill(-(fixture.id() as i32), signal) }, 0);
    }
}

#[test]
fn a_test_that_passes_leaves_nothing() {
    for _ in 0..ROUNDS {
        assert!(check("passes", leave).success());
    }
}

#[test]
fn a_panic_leaves_nothing() {
    for _ in 0..ROUNDS {
        assert_eq!(check("panics", leave).code(), Some(101));
    }
}

#[test]
fn an_exit_leaves_nothing() {
    for _ in 0..ROUNDS {
        assert_eq!(check("exits", leave).code(), Some(7));
    }
}

#[test]
fn an_abort_leaves_nothing() {
    for _ in 0..ROUNDS {
        assert_eq!(check("aborts", leave).signal(), Some(libc::SIGABRT));
    }
}

#[test]
fn sigterm_and_sigint_leave_nothing() {
    for number in [libc::SIGTERM, libc::SIGINT].repeat(ROUNDS) {
        assert_eq!(check("waits", signal(number)).signal(), Some(number));
    }
}

#[test]
fn sigkill_of_the_test_leaves_nothing() {
    for _ in 0..ROUNDS {
        let status = check("waits", signal(libc::SIGKILL));
        assert_eq!(status.signal(), Some(libc::SIGKILL));
    }
}

#[test]
fn sigterm_and_sigkill_of_the_group_leave_nothing() {
    for number in [libc::SIGTERM, libc::SIGKILL].repeat(ROUNDS) {
        assert_eq!(check("waits", signal_group(number)).signal(), Some(number));
    }
}

#[test]
fn sigkill_of_a_test_with_paused_processes_leaves_nothing() {
    for _ in 0..ROUNDS {
        let status = check("waits_paused", signal(libc::SIGKILL));
        assert_eq!(status.signal(), Some(libc::SIGKILL));
    }
}
