//! What nodes say: where it goes, how it reads, and how a test waits for it.
//!
//! What needs a process of its own, because it fails, or sets a global subscriber, is a fixture: a test of
//! this very binary, ignored unless it is asked for by name.

use std::path::PathBuf;
use std::time::Duration;

use port_test::{BoxError, Cluster, ErrorKind, NodeContext, TestNode, port_test};
use port_test_tests::fixture::{Place, outcome};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tracing::{Instrument as _, Span, debug, error, info, info_span, warn};

/// Runs one `what` for each connection, in the order in which they come, and says when it is done.
async fn on_demand<F: Future<Output = ()> + Send>(
    cx: NodeContext,
    what: impl Fn() -> F + Send + 'static,
) -> Result<(), BoxError> {
    let listener = cx.tcp_listener().await?;
    cx.spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            what().await;
            client.write_all(b"x").await.unwrap();
        }
    });
    Ok(())
}

async fn demand(node: &TestNode<()>) {
    let mut server = TcpStream::connect(node.addr()).await.unwrap();
    server.read_u8().await.unwrap();
}

/// The lines of the node's log, without the milliseconds that each begins with.
#[track_caller]
fn events(node: &TestNode<impl Sized>) -> Vec<String> {
    let logs = node.logs();
    let lines = logs.lines().map(|line| {
        let (elapsed, event) = line.split_once("ms ").unwrap();
        elapsed.parse::<u32>().unwrap();
        event.to_owned()
    });
    lines.collect()
}

async fn talkative(cx: NodeContext) -> Result<(), BoxError> {
    let listener = cx.tcp_listener().await?;
    let id = cx.id();
    info!("start {id}");
    debug!("for whoever debugs this");
    tokio::spawn(async move { info!("task {id}") }).await?;
    tokio::task::spawn_blocking(move || info!("blocking {id}")).await?;
    cx.spawn(async move {
        let _listener = listener;
        info!("supervised {id}");
        std::future::pending::<()>().await;
    });
    cx.wait_for_log("supervised").await?;
    Ok(())
}

#[port_test(nodes = 3, service = talkative)]
async fn each_node_has_a_log_of_its_own(cluster: Cluster<()>) {
    info!("the body is no node");
    for node in &cluster {
        let expected = ["start", "task", "blocking", "supervised"]
            .map(|what| format!(" INFO logs: {what} {}", node.id()));
        assert_eq!(events(node), expected);
    }
}

#[port_test(service = talkative)]
async fn clusters_of_one_test_do_not_share_logs(node: TestNode<()>) -> Result<(), BoxError> {
    let other = Cluster::builder(talkative).nodes(2).start().await?;
    other[0].restart().await?;
    assert_eq!(events(&other[0]).len(), 8);
    assert_eq!((events(&other[1]).len(), events(&node).len()), (4, 4));
    let text = std::fs::read_to_string(other[0].data_dir().with_extension("log"))?;
    assert_eq!(text, other[0].logs());
    Ok(())
}

async fn fields(cx: NodeContext) -> Result<(), BoxError> {
    let cause = std::io::Error::other("no space left");
    on_demand(cx, move || {
        info!(port = 80, name = "a b", ok = true, r#type = ?Some(1), "listening on {}", 80);
        info!(answer = 42);
        warn!(target: "raft::election", term = %7);
        error!(error = &cause as &dyn std::error::Error, "cannot\nwrite");
        std::future::ready(())
    })
    .await
}

#[port_test(service = fields)]
async fn an_event_is_a_line_with_its_fields(node: TestNode<()>) {
    demand(&node).await;
    let logs = node.logs();
    let lines: Vec<_> = logs.lines().collect();
    let ends = [
        r#"ms  INFO logs: listening on 80 port=80 name="a b" ok=true type=Some(1)"#,
        "ms  INFO logs: answer=42",
        "ms  WARN raft::election: term=7",
        "ms ERROR logs: cannot",
        "write error=no space left",
    ];
    assert_eq!(lines.len(), ends.len());
    for (line, end) in lines.iter().zip(ends) {
        assert!(line.ends_with(end), "{line}");
    }
}

async fn spans(cx: NodeContext) -> Result<(), BoxError> {
    on_demand(cx, || async {
        let work = |id: u32| {
            async move {
                info!("begin");
                // The two take turns: each is left and entered again.
                tokio::task::yield_now().await;
                let inner = info_span!("inner", result = tracing::field::Empty);
                async {
                    tokio::task::yield_now().await;
                    Span::current().record("result", id * 10);
                    info!("deep");
                }
                .instrument(inner.clone())
                .await;
                info!("end");
                inner
            }
            .instrument(info_span!("work", id))
        };
        let (kept, _) = tokio::join!(work(1), work(2));
        info!("outside");

        tokio::spawn(async { info!("task") }.instrument(kept.clone()))
            .await
            .unwrap();
        let (one, two) = (info_span!("one"), info_span!("two"));
        let (in_one, in_two) = (one.enter(), two.enter());
        // Two was made outside of one: it is where it was made.
        info!("in both");
        info!(parent: &one, "named");
        info!(parent: None, "of none");
        drop(in_one);
        info!("in two");
        let carried = async { info!("carried") }.in_current_span();
        drop(in_two);
        carried.await;
        info!("outside again");
    })
    .await
}

#[port_test(service = spans)]
async fn events_name_the_spans_that_they_are_in(node: TestNode<()>) {
    demand(&node).await;
    let expected = [
        " INFO work{id=1}: logs: begin",
        " INFO work{id=2}: logs: begin",
        " INFO work{id=1}:inner{result=10}: logs: deep",
        " INFO work{id=1}: logs: end",
        " INFO work{id=2}:inner{result=20}: logs: deep",
        " INFO work{id=2}: logs: end",
        " INFO logs: outside",
        " INFO work{id=1}:inner{result=10}: logs: task",
        " INFO two: logs: in both",
        " INFO one: logs: named",
        " INFO logs: of none",
        " INFO two: logs: in two",
        " INFO two: logs: carried",
        " INFO logs: outside again",
    ];
    assert_eq!(events(&node), expected);
}

async fn slow(cx: NodeContext) -> Result<TcpListener, BoxError> {
    let generation = cx.generation();
    info!("starting run {generation}");
    if generation > 0 {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            info!("caught up in run {generation}");
        });
    } else {
        info!("caught up in run 0");
    }
    Ok(cx.tcp_listener().await?)
}

#[port_test(service = slow)]
async fn a_wait_sees_what_came_before_it_but_not_before_a_restart(
    node: TestNode<TcpListener>,
) -> Result<(), BoxError> {
    let line = node.wait_for_log("caught up").await?;
    assert!(
        line.ends_with("ms  INFO logs: caught up in run 0"),
        "{line}"
    );
    for generation in 1..=2 {
        node.restart().await?;
        let line = node.wait_for_log("caught up").await?;
        assert!(line.ends_with(&format!("in run {generation}")), "{line}");
    }
    // All of them are in the log.
    assert_eq!(events(&node).len(), 6);
    Ok(())
}

#[port_test(service = slow)]
async fn a_wait_that_began_before_a_restart_goes_on(
    node: TestNode<TcpListener>,
) -> Result<(), BoxError> {
    let (line, restarted) = tokio::join!(node.wait_for_log("in run 1"), node.restart());
    restarted?;
    assert!(line?.ends_with("caught up in run 1"));
    Ok(())
}

async fn counts(cx: NodeContext) -> Result<TcpListener, BoxError> {
    for number in 1..=7 {
        info!("line {number}");
    }
    Ok(cx.tcp_listener().await?)
}

#[port_test(service = counts, timeout = "2s")]
async fn a_wait_in_vain_says_how_many_lines_there_are_and_the_last(
    node: TestNode<TcpListener>,
) -> Result<(), BoxError> {
    node.restart().await?;
    let line = line!() + 1;
    let error = node.wait_for_log("line 8").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let text = error.to_string();
    for part in [
        "the wait for a line with `line 8` in the log of node at",
        &format!("logs.rs:{line}"),
        "; there are 7 lines since the node's start, the last of them:\n    ",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let last: Vec<_> = text
        .lines()
        .skip(1)
        .map(|line| &line[line.len() - 6..])
        .collect();
    assert_eq!(last, ["line 3", "line 4", "line 5", "line 6", "line 7"]);
    Ok(())
}

mod fixture {
    use super::*;

    /// Says something that libtest does not capture.
    fn tell(text: &str) {
        use std::io::Write as _;
        std::io::stderr()
            .write_all(format!("{text}\n").as_bytes())
            .unwrap();
    }

    async fn dies(cx: NodeContext) -> Result<(), BoxError> {
        info!("so far so good");
        let listener = cx.tcp_listener().await?;
        cx.spawn(async move {
            let _ = listener.accept().await;
            warn!("low on cheese");
            Err::<(), BoxError>("out of cheese".into())
        });
        Ok(())
    }

    #[port_test(service = dies)]
    #[ignore = "a fixture"]
    async fn node_dies(node: TestNode<()>) -> Result<(), BoxError> {
        let _client = TcpStream::connect(node.addr()).await?;
        node.wait_for_log("never").await?;
        Ok(())
    }

    #[port_test(service = dies)]
    #[ignore = "a fixture"]
    async fn passes(node: TestNode<()>) {
        let log = node.data_dir().with_extension("log");
        assert!(log.exists());
        tell(&format!("log: {}", log.display()));
    }

    fn shared(text: &str) {
        info!("{text}");
    }

    async fn shares(cx: NodeContext) -> Result<(), BoxError> {
        on_demand(cx, || async { shared("the node") }).await
    }

    #[port_test(service = shares)]
    #[ignore = "a fixture"]
    async fn body_comes_first(node: TestNode<()>) {
        shared("the body");
        demand(&node).await;
        assert_eq!(events(&node), [" INFO logs::fixture: the node"]);
    }

    async fn says_when(cx: NodeContext) -> Result<(), BoxError> {
        let generation = cx.generation();
        info!("start {generation}");
        on_demand(cx, move || async move { info!("demand {generation}") }).await
    }

    /// test-log sets its subscriber at the beginning of the body.
    #[test_log::test(port_test::port_test(service = says_when, timeout = "1s"))]
    #[ignore = "a fixture"]
    async fn under_test_log(node: TestNode<()>) -> Result<(), BoxError> {
        demand(&node).await;
        node.restart().await?;
        demand(&node).await;
        assert_eq!(events(&node), [" INFO logs::fixture: start 0"]);
        let text = node.wait_for_log("demand").await.unwrap_err().to_string();
        let end = "; there is none since the node's start \
                   (tracing events go to the subscriber that is set globally)";
        assert!(text.ends_with(end), "{text}");
        tell("it waited in vain");
        Ok(())
    }
}

/// What a child process that ran the fixture has said.
struct Ran {
    passed: bool,
    output: String,
    /// Where its directories are; they go with it.
    _place: Place,
}

fn run(name: &str, environment: &[(&str, &str)]) -> Ran {
    let place = Place::new("logs");
    let mut child = place.command([name]);
    child.arg("--nocapture").envs(environment.iter().copied());
    let (passed, output) = outcome(&mut child);
    Ran {
        passed,
        output,
        _place: place,
    }
}

impl Ran {
    #[track_caller]
    fn says(&self, text: &str) -> &Self {
        assert!(
            self.output.contains(text),
            "`{text}` is missing in:\n{}",
            self.output
        );
        self
    }
}

#[test]
fn the_message_of_a_death_has_the_last_lines_and_the_directory_the_log() {
    let ran = run("node_dies", &[]);
    assert!(!ran.passed, "{}", ran.output);
    ran.says("ended early: node died")
        .says("there are 2 lines since the node's start, the last of them:\n")
        .says("low on cheese");
    let mut lines = ran.output.lines();
    let kept = lines.find_map(|line| line.strip_prefix("kept until this test runs next: "));
    let log = PathBuf::from(kept.unwrap()).join("node.log");
    let text = std::fs::read_to_string(log).unwrap();
    assert!(
        text.contains("INFO logs::fixture: so far so good\n"),
        "{text}"
    );
    assert!(
        text.ends_with("WARN logs::fixture: low on cheese\n"),
        "{text}"
    );
}

#[test]
fn a_test_that_passes_leaves_no_log_and_says_nothing() {
    let ran = run("passes", &[]);
    assert!(
        ran.passed && !ran.output.contains("so far so good"),
        "{}",
        ran.output
    );
    let log = ran
        .output
        .lines()
        .find_map(|line| line.strip_prefix("log: "));
    assert!(!PathBuf::from(log.unwrap()).exists());
}

#[test]
fn logs_are_streamed_on_demand() {
    let ran = run("passes", &[("PORT_TEST_LOG", "1")]);
    assert!(ran.passed, "{}", ran.output);
    let streamed = |line: &str| line.starts_with("node | ") && line.ends_with("so far so good");
    assert!(ran.output.lines().any(streamed), "{}", ran.output);
}

#[test]
fn an_event_that_the_body_came_to_first_is_the_nodes_all_the_same() {
    let ran = run("body_comes_first", &[]);
    assert!(ran.passed, "{}", ran.output);
}

#[test]
fn a_global_subscriber_gets_what_it_would_without_us() {
    let ran = run("under_test_log", &[("RUST_LOG", "info")]);
    assert!(ran.passed, "{}", ran.output);
    for what in ["demand 0", "start 1", "demand 1", "it waited in vain"] {
        ran.says(what);
    }
}
