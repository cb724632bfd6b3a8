//! Nodes that are processes of their own: what they are given, and what happens to them.
#![cfg(target_os = "linux")]

use std::fs;
use std::io;
use std::io::ErrorKind::{AddrInUse, ConnectionRefused};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use port_test::{
    BoxError, Cluster, Error, ErrorKind, NodeContext, Process, TestNode, cargo_bin, eventually,
    port_test,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

/// The server of these tests, on the node's first port.
fn server(cx: &NodeContext, words: &[&str]) -> Command {
    let mut server = Command::new(cargo_bin!("test-server"));
    server.arg(cx.port().to_string()).args(words);
    server
}

async fn start(cx: NodeContext, words: &[&str]) -> Result<Process, BoxError> {
    Ok(cx.spawn_process(&mut server(&cx, words)).await?)
}

async fn plain(cx: NodeContext) -> Result<Process, BoxError> {
    start(cx, &[]).await
}

/// The pid of whoever answers.
async fn ask(addr: SocketAddr) -> io::Result<u32> {
    let mut text = String::new();
    let mut stream = TcpStream::connect(addr).await?;
    stream.read_to_string(&mut text).await?;
    text.parse().map_err(io::Error::other)
}

/// What the node has printed.
fn log<H>(node: &TestNode<H>) -> Vec<u8> {
    let path = node
        .data_dir()
        .with_file_name(format!("{}.log", node.name()));
    fs::read(path).unwrap_or_default()
}

/// The same, once it ends with `text`.
async fn log_with<H>(node: &TestNode<H>, text: &str) -> Result<Vec<u8>, Error> {
    let complete = async || {
        let log = log(node);
        match log.ends_with(text.as_bytes()) {
            true => Ok(log),
            false => Err(String::from_utf8_lossy(&log).into_owned()),
        }
    };
    eventually(text, complete).await
}

/// The state of a process: `R`, `S`, `T`, ...; none if it is gone.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The pids of the processes that have `mark` among their arguments.
fn marked(mark: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has_mark = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|word| word == mark.as_bytes())
    };
    pids.filter(has_mark).collect()
}

#[port_test(service = plain)]
async fn a_process_is_a_node(node: TestNode<Process>) -> Result<(), BoxError> {
    assert_eq!(ask(node.addr()).await?, node.handle().pid());
    node.kill().await?;
    assert_eq!(
        ask(node.addr()).await.unwrap_err().kind(),
        ConnectionRefused
    );
    let taken = TcpListener::bind(node.addr()).await.unwrap_err();
    assert_eq!(taken.kind(), AddrInUse, "the port stays held");
    node.restart().await?;
    assert_eq!(ask(node.addr()).await?, node.handle().pid());
    Ok(())
}

#[port_test(nodes = 3, service = plain)]
async fn a_restart_keeps_the_port_and_the_directory(
    cluster: Cluster<Process>,
) -> Result<(), BoxError> {
    for node in &cluster {
        fs::write(node.data_dir().join("data"), node.name())?;
        let pid = node.handle().pid();
        for _ in 0..3 {
            node.restart().await?;
        }
        assert_ne!(ask(node.addr()).await?, pid);
        assert_eq!(
            fs::read_to_string(node.data_dir().join("data"))?,
            node.name()
        );
    }
    Ok(())
}

async fn talking(cx: NodeContext) -> Result<Process, BoxError> {
    let mut command = server(&cx, &["talk"]);
    // None of this is the node's concern.
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(cx.spawn_process(&mut command).await?)
}

#[port_test(service = talking)]
async fn what_a_process_is_given_and_what_it_prints(
    node: TestNode<Process>,
) -> Result<(), BoxError> {
    // Read by another thread than the one that sees it listen.
    let log = log_with(&node, "line 99\n").await?;
    let text = String::from_utf8_lossy(&log);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "stdin: 0 bytes");
    let directory = node.data_dir().canonicalize()?;
    assert_eq!(lines[1], format!("directory: {}", directory.display()));
    // SAFETY: it cannot fail.
    let group = unsafe { libc::getpgrp() };
    assert_eq!(lines[2], format!("group: {group}"));
    assert!(
        log.windows(14)
            .any(|bytes| bytes == b"UTF-8: \xff\xfe\nSigB"),
        "{text}"
    );
    assert_eq!(lines[4], "SigBlk:\t0000000000000000");
    // No more than cargo or nextest may have left to everybody.
    let mut by_hand = Command::new(cargo_bin!("test-server"));
    let by_hand = by_hand.args(["0", "talk", "exit=0"]).output()?.stdout;
    assert!(String::from_utf8_lossy(&by_hand).contains(&format!("\n{}\n", lines[5])));
    // Both outputs in one order.
    let expected: Vec<_> = (0..100).map(|line| format!("line {line}")).collect();
    assert_eq!(lines[6..], expected);
    Ok(())
}

async fn elsewhere(cx: NodeContext) -> Result<Process, BoxError> {
    let mut command = server(&cx, &["talk"]);
    command.current_dir("/").process_group(0);
    Ok(cx.spawn_process(&mut command).await?)
}

#[port_test(service = elsewhere)]
async fn a_directory_and_a_group_of_the_command_are_heeded(
    node: TestNode<Process>,
) -> Result<(), BoxError> {
    let text = String::from_utf8_lossy(&log_with(&node, "line 99\n").await?).into_owned();
    assert!(text.contains("directory: /\n"), "{text}");
    let group = format!("group: {}\n", node.handle().pid());
    assert!(text.contains(&group), "{text}");
    Ok(())
}

async fn chatty(cx: NodeContext) -> Result<Process, BoxError> {
    start(cx, &["spew=1000000000"]).await
}

/// This test's own memory, in bytes.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

#[port_test(service = chatty)]
async fn a_gigabyte_neither_stalls_nor_fills_memory(
    node: TestNode<Process>,
) -> Result<(), BoxError> {
    assert_eq!(ask(node.addr()).await?, node.handle().pid());
    assert!(memory() < 300 << 20, "{} bytes", memory());
    Ok(())
}

async fn missing(cx: NodeContext) -> Result<Process, BoxError> {
    let mut command = Command::new("no-such-server");
    let error = cx.spawn_process(&mut command).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let text = format!("{error:?}");
    assert!(
        text.starts_with("broken cannot run `no-such-server`"),
        "{text}"
    );
    assert!(text.contains("PATH"), "{text}");
    assert!(text.contains("No such file"), "{text}");
    plain(cx).await
}

#[port_test(service = missing)]
async fn a_program_that_is_missing_is_named(_broken: TestNode<Process>) {}

#[port_test(service = |cx| start(cx, &["exit=3"]), nodes = 1)]
#[should_panic(expected = "exited with status 3")]
async fn a_process_that_ends_at_once_is_a_node_that_did_not_start(_cluster: Cluster<Process>) {}

async fn fragile(cx: NodeContext) -> Result<Process, BoxError> {
    start(cx, &["exit-on-connect=3"]).await
}

/// Waits in vain until the node dies; the error.
async fn died() -> Error {
    let began = Instant::now();
    let never = eventually("a sign of life", async || Err::<(), _>("none"));
    let error = never.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Died);
    assert!(began.elapsed() < Duration::from_secs(10));
    error
}

#[port_test(service = fragile)]
#[ignore = "called by the test below"]
async fn fragile_body(node: TestNode<Process>) {
    let pid = node.handle().pid();
    let _ = ask(node.addr()).await;
    let error = died().await.to_string();
    let how = format!("its process test-server (pid {pid}) exited with status 3");
    assert!(error.contains(&how), "{error}");
    // It was there before the death was told.
    assert!(log(&node).ends_with(b"my last words\n"));
}

#[port_test(service = |cx| start(cx, &["abort-on-connect"]))]
#[ignore = "called by the test below"]
async fn aborting_body(node: TestNode<Process>) {
    let _ = ask(node.addr()).await;
    died().await;
}

#[test]
fn an_exit_unasked_is_the_death_of_the_node() {
    let tests = [
        ("fragile_body", "exited with status 3"),
        ("aborting_body", "was killed by signal 6 (SIGABRT)"),
    ];
    for (test, how) in tests {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", test])
            // It fails as it should, and this test leaves nothing.
            .env("PORT_TEST_KEEP", "never")
            .output()
            .unwrap();
        assert!(!output.status.success(), "{output:?}");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let told = text.lines().any(|line| {
            line.starts_with("  node died after")
                && line.contains("its process test-server (pid")
                && line.ends_with(how)
        });
        assert!(told, "{text}");
    }
}

/// A shell that says farewell.
async fn polite(cx: NodeContext) -> Result<Process, BoxError> {
    let script = r#"trap 'echo farewell; echo x >> farewells; exit 7' TERM; "$@" & wait"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]);
    shell
        .arg(cargo_bin!("test-server"))
        .arg(cx.port().to_string());
    Ok(cx.spawn_process(&mut shell).await?)
}

#[port_test(service = polite)]
async fn stop_asks_and_takes_any_answer(node: TestNode<Process>) -> Result<(), BoxError> {
    let grandchild = ask(node.addr()).await?;
    let began = Instant::now();
    node.stop().await?;
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_eq!(
        fs::read_to_string(node.data_dir().join("farewells"))?,
        "x\n"
    );
    assert!(log(&node).ends_with(b"farewell\n"));
    assert_eq!(state(grandchild), None);
    node.restart().await?;
    node.kill().await?;
    assert_eq!(
        fs::read_to_string(node.data_dir().join("farewells"))?,
        "x\n"
    );
    Ok(())
}

async fn stubborn(cx: NodeContext) -> Result<Process, BoxError> {
    start(cx, &["ignore-term"]).await
}

#[port_test(service = stubborn)]
async fn stop_kills_after_the_grace_period(node: TestNode<Process>) -> Result<(), BoxError> {
    let pid = node.handle().pid();
    let began = Instant::now();
    node.stop().await?;
    assert!(began.elapsed() > Duration::from_secs(4));
    assert_eq!(state(pid), None);
    Ok(())
}

async fn with_all_kinds(cx: NodeContext) -> Result<String, BoxError> {
    let mark = cx.data_dir().to_str().ok_or("a path")?.to_owned();
    let script = r#""$1" "$3" "$4" & "$1" "$2" "daemon=$5" "$4" & wait"#;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script, "sh"])
        .arg(cargo_bin!("test-server"));
    for port in ["main", "child"] {
        shell.arg(cx.port_of(port).to_string());
    }
    shell.arg(&mark).arg(cx.port_of("daemon").to_string());
    cx.spawn_process(&mut shell).await?;
    for port in ["main", "child", "daemon"] {
        cx.wait_until_listening(port).await?;
    }
    Ok(mark)
}

#[port_test(service = with_all_kinds, ports = ["main", "child", "daemon"])]
async fn kill_reaches_grandchildren_and_daemons(node: TestNode<String>) -> Result<(), BoxError> {
    let mark = node.handle();
    for _ in 0..5 {
        // The shell and three servers.
        assert_eq!(marked(&mark).len(), 4);
        node.kill().await?;
        assert_eq!(marked(&mark), []);
        for port in ["main", "child", "daemon"] {
            let error = ask(node.addr_of(port)).await.unwrap_err();
            assert_eq!(error.kind(), ConnectionRefused);
        }
        node.restart().await?;
    }
    node.stop().await?;
    assert_eq!(marked(&mark), []);
    Ok(())
}

#[port_test(service = with_all_kinds, ports = ["main", "child", "daemon"])]
async fn pause_stops_all_and_resume_lets_them_go_on(
    node: TestNode<String>,
) -> Result<(), BoxError> {
    let mark = node.handle();
    let pids = marked(&mark);
    assert_eq!(pids.len(), 4);
    for _ in 0..5 {
        node.pause().await?;
        for pid in &pids {
            assert_eq!(state(*pid), Some('T'));
        }
        // The kernel connects; nobody answers.
        let mut silent = TcpStream::connect(node.addr_of("daemon")).await?;
        let answer = silent.read_u8();
        assert!(
            tokio::time::timeout(Duration::from_millis(50), answer)
                .await
                .is_err()
        );
        node.resume().await?;
        for port in ["main", "child", "daemon"] {
            let pid = ask(node.addr_of(port)).await?;
            assert!(pids.contains(&pid));
        }
    }
    node.pause().await?;
    node.kill().await?;
    assert_eq!(marked(&mark), []);
    Ok(())
}

#[port_test(service = plain)]
async fn a_paused_process_that_is_restarted_or_torn_down(
    node: TestNode<Process>,
    _other: TestNode<Process>,
) -> Result<(), BoxError> {
    node.pause().await?;
    node.restart().await?;
    assert_eq!(ask(node.addr()).await?, node.handle().pid());
    node.pause().await?;
    node.stop().await?;
    node.restart().await?;
    node.pause().await?;
    Ok(())
}

async fn twice(cx: NodeContext) -> Result<[Process; 2], BoxError> {
    let mut command = server(&cx, &[]);
    command.arg("first");
    let first = cx.spawn_process(&mut command).await?;
    cx.wait_until_listening("main").await?;
    let mut command = Command::new(cargo_bin!("test-server"));
    command.arg(cx.port_of("second").to_string());
    let second = cx.spawn_process(&mut command).await?;
    cx.wait_until_listening("second").await?;
    // The same command once more, by hand: nobody supervises it, and its output is not the node's.
    let by_hand = command.arg("exit=5").output()?;
    assert_eq!(by_hand.status.code(), Some(5));
    assert_eq!(by_hand.stdout, b"that was all\n");
    Ok([first, second])
}

#[port_test(service = twice, ports = ["main", "second"])]
async fn a_node_may_have_several_processes(node: TestNode<[Process; 2]>) -> Result<(), BoxError> {
    let [first, second] = (*node.handle()).clone();
    assert_eq!(ask(node.addr()).await?, first.pid());
    assert_eq!(ask(node.addr_of("second")).await?, second.pid());
    node.kill().await?;
    assert_eq!((state(first.pid()), state(second.pid())), (None, None));
    Ok(())
}

async fn old(cx: NodeContext, word: &str) -> Result<Process, BoxError> {
    cx.release_port("main").await?;
    start(cx, &[word]).await
}

async fn holds_its_port(node: &TestNode<Process>) -> Result<(), BoxError> {
    assert_eq!(ask(node.addr()).await?, node.handle().pid());
    node.kill().await?;
    let refused = ask(node.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), ConnectionRefused);
    let taken = TcpListener::bind(node.addr()).await.unwrap_err();
    assert_eq!(taken.kind(), AddrInUse, "the port of a dead node is held");
    Ok(())
}

#[port_test(service = |cx| old(cx, "no-reuseaddr"))]
async fn a_server_without_reuseaddr_works(node: TestNode<Process>) -> Result<(), BoxError> {
    // The server closes first, so its end of the connection lingers, and it could not be restarted.
    holds_its_port(&node).await
}

#[port_test(service = |cx| old(cx, "no-reuseaddr"))]
async fn a_server_without_reuseaddr_restarts_if_no_connection_lingers(
    node: TestNode<Process>,
) -> Result<(), BoxError> {
    for _ in 0..5 {
        node.restart().await?;
        node.kill().await?;
        let taken = TcpListener::bind(node.addr()).await.unwrap_err();
        assert_eq!(taken.kind(), AddrInUse, "the port of a dead node is held");
    }
    Ok(())
}

#[port_test(service = |cx| old(cx, "reuseport"))]
async fn a_server_with_reuseport_alone_works(node: TestNode<Process>) -> Result<(), BoxError> {
    for _ in 0..3 {
        holds_its_port(&node).await?;
        node.restart().await?;
    }
    Ok(())
}

async fn activated(cx: NodeContext) -> Result<Process, BoxError> {
    // Kept, as by a service that starts its program again: the sockets must not be kept with it.
    let command = Box::leak(Box::new(server(&cx, &["listenfd"])));
    command.env("KEPT", "yes").env("LISTEN_PID", "1");
    let ports = ["main", "admin"];
    Ok(cx.spawn_process_with_listeners(command, &ports).await?)
}

#[port_test(service = activated, ports = ["main", "admin"])]
async fn listening_sockets_are_handed_over(node: TestNode<Process>) -> Result<(), BoxError> {
    for _ in 0..3 {
        assert_eq!(ask(node.addr()).await?, node.handle().pid());
        let mut text = String::new();
        let mut admin = TcpStream::connect(node.addr_of("admin")).await?;
        admin.read_to_string(&mut text).await?;
        assert_eq!(text, "another");
        let said = String::from_utf8(log_with(&node, "sockets: 2\n").await?)?;
        for line in ["names: main:admin", "kept: yes", "sockets: 2"] {
            assert!(said.contains(line), "{said}");
        }
        node.restart().await?;
    }
    node.kill().await?;
    assert_eq!(
        ask(node.addr()).await.unwrap_err().kind(),
        ConnectionRefused
    );
    Ok(())
}

#[port_test]
async fn nothing_is_started_by_a_node_that_went_down(_node: TestNode<()>) -> Result<(), BoxError> {
    let service = async |cx: NodeContext| {
        let listener = cx.tcp_listener().await?;
        cx.spawn(async move {
            let _listener = listener;
            std::future::pending::<()>().await;
        });
        Ok::<_, Error>(cx)
    };
    let cluster = Cluster::builder(service).nodes(1).start().await?;
    let handle = cluster[0].handle();
    cluster[0].kill().await?;
    let error = handle.spawn_process(&mut Command::new("true")).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    assert!(error.to_string().contains("`true`"), "{error}");
    Ok(())
}

#[test]
fn binaries_are_found() {
    let path: PathBuf = cargo_bin!("test-server");
    assert!(path.is_file(), "{}", path.display());
    let status = Command::new(path)
        .args(["0", "exit=9"])
        .stdout(Stdio::null())
        .status();
    assert_eq!(status.unwrap().code(), Some(9));
}

async fn ten(cx: NodeContext) -> Result<(), BoxError> {
    let mark = cx.data_dir().parent().ok_or("a parent")?.to_owned();
    for _ in 1..10 {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 1000; true"]).arg(&mark);
        cx.spawn_process(&mut shell).await?;
    }
    cx.spawn_process(server(&cx, &[]).arg(&mark)).await?;
    Ok(())
}

/// The mark of a hundred processes, and when the body that had them ended.
static HUNDRED: Mutex<Option<(String, Instant)>> = Mutex::new(None);

#[port_test(service = ten, nodes = 10)]
#[ignore = "called by the test below"]
async fn hundred(cluster: Cluster<()>) {
    let mark = cluster[0].data_dir().parent().unwrap();
    let mark = mark.to_str().unwrap().to_owned();
    assert_eq!(marked(&mark).len(), 100);
    *HUNDRED.lock().unwrap() = Some((mark, Instant::now()));
}

#[test]
fn a_hundred_processes_are_gone_within_two_seconds() {
    hundred();
    let (mark, ended) = HUNDRED.lock().unwrap().take().unwrap();
    let took = ended.elapsed();
    assert_eq!(marked(&mark), []);
    println!("a hundred processes took {took:?} to go");
    assert!(took < Duration::from_secs(2), "{took:?}");
}
