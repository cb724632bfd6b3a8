//! However a test ends: what it says, and what the kernel says is left of it.
//!
//! The fixtures are tests of this very binary, ignored unless they are asked for by name: each check
//! runs some of them in a child process, between two looks at that process's threads and sockets.

use port_test_tests::fixture::{Place, outcome};

mod fixture {
    use std::future::pending;
    use std::io::Write as _;

    use port_test::{BoxError, Cluster, Node, NodeContext, TestNode, eventually, port_test};
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    /// Says something that libtest does not capture.
    fn tell(text: &str) {
        std::io::stderr()
            .write_all(format!("{text}\n").as_bytes())
            .unwrap();
    }

    fn mark(node: &TestNode<impl Sized>) {
        std::fs::write(node.data_dir().join("data"), node.name()).unwrap();
        tell(&format!("directory: {}", node.data_dir().display()));
    }

    /// The threads and the sockets of this process, once the threads that are ending have ended.
    fn look() {
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let sockets = || {
            let fds = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            let targets = fds.filter_map(|fd| std::fs::read_link(fd.path()).ok());
            targets
                .filter(|target| target.to_string_lossy().starts_with("socket:"))
                .count()
        };
        // A thread is in the list for a moment after it can be joined.
        for _ in 0..1000 {
            // The one of libtest, and that of this test.
            if threads() == 2 {
                break;
            }
            std::thread::yield_now();
        }
        tell(&format!(
            "look: {} threads, {} sockets",
            threads(),
            sockets()
        ));
    }

    /// What the process has for good: the drivers of the first runtime.
    #[port_test]
    #[ignore = "a fixture"]
    async fn a0_warm_up(_bare: TestNode<()>, _node: TestNode<Listening>) {}

    #[test]
    #[ignore = "a fixture"]
    fn a1_look() {
        look();
    }

    #[test]
    #[ignore = "a fixture"]
    fn z_look() {
        look();
    }

    struct Listening(#[expect(dead_code, reason = "held open")] TcpListener);

    impl Node for Listening {
        async fn start(cx: NodeContext) -> Result<Self, BoxError> {
            Ok(Self(cx.tcp_listener().await?))
        }
    }

    /// Starts, then dies of `Self::work` as soon as somebody connects.
    async fn mortal<T: port_test::TaskOutput>(
        cx: NodeContext,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(), BoxError> {
        let listener = cx.tcp_listener().await?;
        cx.spawn(async move {
            let _ = listener.accept().await;
            work()
        });
        Ok(())
    }

    #[port_test(nodes = 3)]
    #[ignore = "a fixture"]
    async fn returns_ok(bare: TestNode<()>, cluster: Cluster<Listening>) {
        let _listener = bare.tcp_listener().await.unwrap();
        mark(&bare);
        mark(&cluster[0]);
    }

    #[port_test(nodes = 3)]
    #[ignore = "a fixture"]
    async fn returns_err(
        bare: TestNode<()>,
        _nodes: [TestNode<Listening>; 2],
    ) -> Result<(), BoxError> {
        mark(&bare);
        Err("the disk is on fire".into())
    }

    #[port_test]
    #[ignore = "a fixture"]
    async fn panics(bare: TestNode<()>, _node: TestNode<Listening>) {
        let _listener = bare.tcp_listener().await.unwrap();
        mark(&bare);
        assert_eq!(1 + 1, 3, "arithmetic");
    }

    #[port_test]
    #[ignore = "a fixture"]
    #[should_panic(expected = "as it should")]
    async fn panics_as_it_should(node: TestNode<Listening>) {
        mark(&node);
        panic!("as it should");
    }

    #[port_test]
    #[ignore = "a fixture"]
    #[should_panic(expected = "as it should")]
    async fn panics_otherwise(node: TestNode<Listening>) {
        mark(&node);
        panic!("in another way");
    }

    #[port_test(timeout = "400ms")]
    #[ignore = "a fixture"]
    async fn times_out(node: TestNode<Listening>, paused: TestNode<Listening>) {
        mark(&node);
        paused.pause().await.unwrap();
        let never = eventually("what never comes", async || Err::<(), _>("not today"));
        let _ = never.await;
        pending().await
    }

    #[port_test(timeout = "400ms")]
    #[ignore = "a fixture"]
    async fn waits_in_vain(node: TestNode<Listening>) -> Result<(), port_test::Error> {
        mark(&node);
        eventually("what never comes", async || Err::<(), _>("not today")).await
    }

    struct Chicken;
    struct Egg;

    impl Node for Chicken {
        async fn start(cx: NodeContext) -> Result<Self, BoxError> {
            cx.peer("egg").ready().await?;
            Ok(Self)
        }
    }

    impl Node for Egg {
        async fn start(cx: NodeContext) -> Result<Self, BoxError> {
            cx.peer("chicken").ready().await?;
            Ok(Self)
        }
    }

    #[port_test(timeout = "400ms")]
    #[ignore = "a fixture"]
    async fn waits_in_a_circle(chicken: TestNode<Chicken>, egg: TestNode<Egg>) {
        unreachable!("{chicken:?} {egg:?}");
    }

    #[port_test(timeout = "400ms")]
    #[ignore = "a fixture"]
    async fn exhausts_the_range(_nodes: [TestNode<()>; 3]) {
        unreachable!();
    }

    /// Ends well as soon as its only client is gone.
    async fn attached(cx: NodeContext) -> Result<(), BoxError> {
        let listener = cx.tcp_listener().await?;
        cx.spawn(async move {
            let (mut client, _) = listener.accept().await?;
            client.read_u8().await
        });
        Ok(())
    }

    #[port_test(service = attached)]
    #[ignore = "a fixture"]
    async fn ends_with_its_client(node: TestNode<()>) {
        mark(&node);
        let client = tokio::net::TcpStream::connect(node.addr()).await.unwrap();
        tokio::spawn(async move {
            let _client = client;
            pending::<()>().await;
        });
    }

    #[port_test(service = attached)]
    #[ignore = "a fixture"]
    #[should_panic(expected = "as it should")]
    async fn panics_with_its_client(node: TestNode<()>) {
        mark(&node);
        let client = tokio::net::TcpStream::connect(node.addr()).await.unwrap();
        tokio::spawn(async move {
            let _client = client;
            pending::<()>().await;
        });
        panic!("as it should");
    }

    /// Panics when somebody connects; the body sees it and returns `Ok` as fast as it can.
    #[port_test(service = panicking)]
    #[ignore = "a fixture"]
    async fn node_panics_just_before_the_end(node: TestNode<()>) {
        mark(&node);
        let mut client = tokio::net::TcpStream::connect(node.addr()).await.unwrap();
        let _ = client.read_u8().await;
    }

    #[port_test(service = panicking)]
    #[ignore = "a fixture"]
    async fn node_panics_just_before_its_kill(node: TestNode<()>) {
        mark(&node);
        let mut client = tokio::net::TcpStream::connect(node.addr()).await.unwrap();
        let _ = client.read_u8().await;
        let _ = node.kill().await;
    }

    #[port_test(flavor = "multi_thread", nodes = 1)]
    #[ignore = "a fixture"]
    async fn adds_nodes_to_the_last(cluster: Cluster<Listening>) {
        mark(&cluster[0]);
        for _ in 0..2 {
            let cluster = cluster.clone();
            tokio::spawn(async move { while cluster.add_node().await.is_ok() {} });
        }
        for _ in 0..2 {
            let node = cluster[0].clone();
            tokio::spawn(async move { while node.restart().await.is_ok() {} });
        }
        tokio::task::yield_now().await;
    }

    #[port_test(service = stubborn)]
    #[ignore = "a fixture"]
    async fn one_of_two_clusters_hangs(node: TestNode<TcpListener>) {
        mark(&node);
        Cluster::<Listening>::node_builder()
            .nodes(2)
            .start()
            .await
            .unwrap();
    }

    async fn stubborn_or_failing(cx: NodeContext) -> Result<TcpListener, BoxError> {
        match cx.id() {
            1 => stubborn(cx).await,
            _ => {
                cx.peer("node-1").ready().await?;
                Err("no quorum file".into())
            }
        }
    }

    #[port_test]
    #[ignore = "a fixture"]
    async fn a_built_cluster_fails_and_hangs(bare: TestNode<()>) {
        mark(&bare);
        let built = Cluster::builder(stubborn_or_failing).nodes(2).start().await;
        tell(&format!("built: {:?}", built.unwrap_err()));
    }

    #[port_test]
    #[ignore = "a fixture"]
    async fn bare_listener_leaks(bare: TestNode<()>) {
        mark(&bare);
        std::mem::forget(std::net::TcpListener::bind(bare.addr()).unwrap());
    }

    #[port_test(timeout = "200ms")]
    #[ignore = "a fixture"]
    #[should_panic]
    async fn times_out_instead_of_panicking(bare: TestNode<()>) {
        mark(&bare);
        pending().await
    }

    /// A task of the node waits for what never comes.
    async fn waiting(cx: NodeContext) -> Result<TcpListener, BoxError> {
        let listener = cx.tcp_listener_of("main").await?;
        let context = cx.clone();
        cx.spawn(async move { context.wait_until_listening("other").await });
        Ok(listener)
    }

    #[port_test(service = waiting, ports = ["main", "other"], timeout = "400ms")]
    #[ignore = "a fixture"]
    async fn times_out_while_a_node_waits(node: TestNode<TcpListener>) {
        mark(&node);
        pending().await
    }

    #[port_test(timeout = "100ms")]
    #[ignore = "a fixture"]
    async fn blocks_past_its_time(bare: TestNode<()>) {
        mark(&bare);
        std::thread::sleep(std::time::Duration::from_millis(200));
    }

    async fn second_fails(cx: NodeContext) -> Result<TcpListener, BoxError> {
        tell(&format!("directory: {}", cx.data_dir().display()));
        if cx.id() == 2 {
            return Err("no quorum file".into());
        }
        Ok(cx.tcp_listener().await?)
    }

    #[port_test(nodes = 3, service = second_fails)]
    #[ignore = "a fixture"]
    async fn start_fails(_cluster: Cluster<TcpListener>) {
        unreachable!();
    }

    async fn second_panics(cx: NodeContext) -> Result<TcpListener, BoxError> {
        assert!(cx.id() != 2, "no quorum at all");
        Ok(cx.tcp_listener().await?)
    }

    #[port_test(nodes = 3, service = second_panics)]
    #[ignore = "a fixture"]
    async fn start_panics(_cluster: Cluster<TcpListener>) {
        unreachable!();
    }

    async fn second_hangs(cx: NodeContext) -> Result<TcpListener, BoxError> {
        if cx.id() == 2 {
            pending::<()>().await;
        }
        Ok(cx.tcp_listener().await?)
    }

    #[port_test(nodes = 3, service = second_hangs, timeout = "400ms")]
    #[ignore = "a fixture"]
    async fn start_hangs(_cluster: Cluster<TcpListener>) {
        unreachable!();
    }

    async fn silent(_: NodeContext) -> Result<(), BoxError> {
        Ok(())
    }

    #[port_test(nodes = 1, service = silent, timeout = "400ms")]
    #[ignore = "a fixture"]
    async fn nobody_listens(_cluster: Cluster<()>) {
        unreachable!();
    }

    async fn panicking(cx: NodeContext) -> Result<(), BoxError> {
        mortal(cx, || panic!("out of cheese")).await
    }

    #[port_test(service = panicking)]
    #[ignore = "a fixture"]
    async fn node_panics(node: TestNode<()>, _other: TestNode<()>) {
        mark(&node);
        let _wake = tokio::net::TcpStream::connect(node.addr()).await.unwrap();
        let never = eventually("a sign of life", async || Err::<(), _>("none"));
        let error = never.await.unwrap_err();
        tell(&format!("the wait ended: {error}"));
    }

    async fn returning(cx: NodeContext) -> Result<(), BoxError> {
        mortal(cx, || ()).await
    }

    #[port_test(service = returning)]
    #[ignore = "a fixture"]
    async fn node_returns_early(node: TestNode<()>) {
        mark(&node);
        let _wake = tokio::net::TcpStream::connect(node.addr()).await.unwrap();
        let never = eventually("a sign of life", async || Err::<(), _>("none"));
        let _ = never.await;
    }

    async fn stubborn(cx: NodeContext) -> Result<TcpListener, BoxError> {
        tokio::task::spawn_blocking(|| {
            loop {
                std::thread::park();
            }
        });
        Ok(cx.tcp_listener().await?)
    }

    #[port_test(service = stubborn)]
    #[ignore = "a fixture"]
    async fn teardown_hangs(node: TestNode<TcpListener>) {
        mark(&node);
    }

    struct Grenade(#[expect(dead_code, reason = "held open")] TcpListener);

    impl Drop for Grenade {
        fn drop(&mut self) {
            panic!("the pin was lost");
        }
    }

    async fn grenade(cx: NodeContext) -> Result<Grenade, BoxError> {
        Ok(Grenade(cx.tcp_listener().await?))
    }

    #[port_test(service = grenade)]
    #[ignore = "a fixture"]
    async fn teardown_panics(node: TestNode<Grenade>, _other: TestNode<Grenade>) {
        mark(&node);
    }

    async fn leaky(cx: NodeContext) -> Result<(), BoxError> {
        std::mem::forget(std::net::TcpListener::bind(cx.addr())?);
        Ok(())
    }

    #[port_test(service = leaky)]
    #[ignore = "a fixture"]
    async fn listener_leaks(node: TestNode<()>) {
        mark(&node);
    }

    #[port_test]
    #[ignore = "a fixture"]
    async fn exits(bare: TestNode<()>, _node: TestNode<Listening>) {
        tell(&format!("port: {}", bare.port()));
        mark(&bare);
        std::process::exit(7);
    }
}

/// What a child process that ran fixtures has left.
struct Left {
    passed: bool,
    output: String,
    /// Where its directories are; they go with it.
    place: Place,
}

/// Runs the fixture `name` in a process of its own, between two looks.
#[track_caller]
fn run(name: &str) -> Left {
    run_in(Place::new("endings"), name)
}

#[track_caller]
fn run_in(place: Place, name: &str) -> Left {
    let left = run_there(place, name, &[]);
    let looks: Vec<_> = left
        .output
        .lines()
        .filter(|line| line.starts_with("look: "))
        .collect();
    assert_eq!(looks.len(), 2, "{}", left.output);
    assert_eq!(
        looks[0], looks[1],
        "threads or sockets are left:\n{}",
        left.output
    );
    left
}

fn run_with(name: &str, environment: &[(&str, &str)]) -> Left {
    run_there(Place::new("endings"), name, environment)
}

/// Runs the fixture `name` between two that look at the process.
fn run_there(place: Place, name: &str, environment: &[(&str, &str)]) -> Left {
    let mut child = place.command(["a0_warm_up", "a1_look", name, "z_look"]);
    child
        .arg("--test-threads=1")
        .envs(environment.iter().copied());
    let (passed, output) = outcome(&mut child);
    Left {
        passed,
        output,
        place,
    }
}

impl Left {
    #[track_caller]
    fn says(&self, text: &str) -> &Self {
        assert!(
            self.output.contains(text),
            "`{text}` is missing in:\n{}",
            self.output
        );
        self
    }

    #[track_caller]
    fn failed(&self) -> &Self {
        assert!(!self.passed, "it passed:\n{}", self.output);
        self
    }

    /// Whether the directories that the fixture told of are there; it told of one at least.
    #[track_caller]
    fn directories(&self) -> bool {
        let told = self
            .output
            .lines()
            .filter_map(|line| line.strip_prefix("directory: "));
        let there: Vec<_> = told
            .map(|path| std::path::Path::new(path).exists())
            .collect();
        assert!(
            !there.is_empty(),
            "no directory was told of:\n{}",
            self.output
        );
        assert!(there.iter().all(|one| *one == there[0]), "{}", self.output);
        there[0]
    }
}

#[test]
fn ok_passes_and_leaves_nothing() {
    let left = run("returns_ok");
    assert!(left.passed, "{}", left.output);
    assert!(!left.directories());
}

#[test]
fn err_fails_with_the_error_and_keeps_the_directory() {
    let left = run("returns_err");
    left.failed()
        .says("the disk is on fire")
        .says("kept until this test runs next: /");
    assert!(left.directories());
}

#[test]
fn a_panic_fails_with_its_message_and_location_and_keeps_the_directory_until_the_next_run() {
    let left = run("panics");
    let line = include_str!("endings.rs")
        .lines()
        .position(|line| line.contains("\"arithmetic\")"))
        .unwrap()
        + 1;
    left.failed()
        .says("arithmetic")
        .says(&format!("endings.rs:{line}:"));
    assert!(left.directories());
    let Left { place, output, .. } = left;
    let next = run_in(place, "panics");
    assert!(next.directories());
    let first = Left { output, ..next };
    assert!(
        !first.directories(),
        "the next run removes what the last one kept"
    );
}

#[test]
fn a_panic_that_should_be_passes_and_leaves_nothing() {
    let left = run("panics_as_it_should");
    assert!(left.passed, "{}", left.output);
    assert!(!left.directories());
}

#[test]
fn a_panic_that_should_be_another_fails_and_keeps_the_directory() {
    let left = run("panics_otherwise");
    left.failed().says("in another way");
    assert!(left.directories());
}

#[test]
fn a_timeout_tells_the_states_of_the_nodes() {
    let left = run("times_out");
    left.failed()
        .says("took longer than 400ms")
        .says("node: running")
        .says("paused: paused");
    assert!(left.directories());
}

#[test]
fn a_wait_in_vain_tells_why_where_and_the_last_error() {
    let left = run("waits_in_vain");
    left.failed()
        .says("what never comes")
        .says("endings.rs:")
        .says("not today");
    assert!(left.directories());
}

#[test]
fn an_exhausted_range_is_named_and_what_was_done_about_it() {
    // Whichever port this is, the three nodes cannot all have it.
    let left = run_with("exhausts_the_range", &[("PORT_TEST_RANGE", "28000-28001")]);
    left.failed()
        .says("a free port for `main` of node-")
        .says("attempts");
}

#[test]
fn a_node_that_ends_because_the_test_is_over_did_not_die() {
    let left = run("ends_with_its_client");
    assert!(left.passed, "{}", left.output);
    assert!(!left.directories());
}

#[test]
fn a_node_that_ends_because_the_test_panicked_did_not_die() {
    let left = run("panics_with_its_client");
    assert!(left.passed, "{}", left.output);
}

#[test]
fn a_death_is_not_lost_to_the_end_of_the_test_or_to_a_kill() {
    // Each is a race that the death must always win, since it came first.
    for fixture in [
        "node_panics_just_before_the_end",
        "node_panics_just_before_its_kill",
    ] {
        for _ in 0..20 {
            run(fixture)
                .failed()
                .says("node died")
                .says("out of cheese");
        }
    }
}

#[test]
fn nodes_that_are_started_to_the_last_are_gone_all_the_same() {
    for _ in 0..20 {
        let left = run("adds_nodes_to_the_last");
        assert!(left.passed, "{}", left.output);
        assert!(!left.directories());
    }
}

#[test]
fn a_cluster_that_hangs_does_not_make_another_look_so() {
    let left = run_with(
        "one_of_two_clusters_hangs",
        &[("PORT_TEST_TIMEOUT_SCALE", "0.1")],
    );
    left.failed().says("node did not go down in time");
    assert!(
        !left.output.contains("of cluster 1 did not go down"),
        "{}",
        left.output
    );
}

#[test]
fn a_cluster_that_failed_to_start_is_watched_to_its_end() {
    let left = run_with(
        "a_built_cluster_fails_and_hangs",
        &[("PORT_TEST_TIMEOUT_SCALE", "0.1")],
    );
    left.failed()
        .says("built: node-2 of cluster 1 did not start: no quorum file");
    left.says("node-1 of cluster 1 did not go down in time");
}

#[test]
fn a_listener_that_outlives_the_body_fails_the_test() {
    let left = run_with("bare_listener_leaks", &[("PORT_TEST_TIMEOUT_SCALE", "0.1")]);
    left.failed()
        .says("bare went down, but the test itself still listens");
}

#[test]
fn a_body_that_blocks_past_its_time_fails_when_it_returns() {
    run("blocks_past_its_time")
        .failed()
        .says("took longer than 100ms")
        .says("blocked its thread");
}

#[test]
fn a_timeout_is_no_panic_that_should_be() {
    let left = run("times_out_instead_of_panicking");
    left.failed().says("took longer than 200ms");
    assert!(left.directories());
}

#[test]
fn a_timeout_tells_who_waits_for_what() {
    let left = run("times_out_while_a_node_waits");
    left.failed()
        .says("node has waited")
        .says("a listener on its port `other`")
        .says("endings.rs:");
}

#[test]
fn nodes_that_wait_for_each_other_are_named() {
    let left = run("waits_in_a_circle");
    left.failed();
    let circles = ["chicken -> egg -> chicken", "egg -> chicken -> egg"];
    assert!(
        circles.iter().any(|circle| left.output.contains(circle)),
        "{}",
        left.output
    );
}

#[test]
fn a_node_that_fails_to_start_is_named_with_its_cause() {
    let left = run("start_fails");
    left.failed().says("node-2 did not start: no quorum file");
    assert!(left.directories());
}

#[test]
fn a_node_that_panics_at_its_start_is_named_with_its_cause() {
    run("start_panics")
        .failed()
        .says("node-2 did not start")
        .says("no quorum at all");
}

#[test]
fn a_node_that_hangs_at_its_start_is_named() {
    run("start_hangs")
        .failed()
        .says("node-2 is starting")
        .says("node-1: running");
}

#[test]
fn a_node_on_whose_port_nobody_listens_is_named() {
    run("nobody_listens")
        .failed()
        .says("nobody listens on its first port");
}

#[test]
fn the_panic_of_a_node_ends_waits_and_fails_the_test() {
    let left = run("node_panics");
    left.failed()
        .says("the wait ended")
        .says("a sign of life")
        .says("node died")
        .says("out of cheese");
    assert!(left.directories());
}

#[test]
fn the_early_return_of_a_node_fails_a_test_that_returns_ok() {
    let left = run("node_returns_early");
    left.failed().says("node died").says("ended early");
    assert!(left.directories());
}

#[test]
fn a_teardown_that_hangs_fails_and_names_what_hangs() {
    // A tenth of the ten seconds.
    let left = run_with("teardown_hangs", &[("PORT_TEST_TIMEOUT_SCALE", "0.1")]);
    left.failed()
        .says("node did not go down in time")
        .says("blocking tasks");
    assert!(left.directories());
}

#[test]
fn a_teardown_that_panics_fails_and_takes_the_others_down() {
    let left = run("teardown_panics");
    left.failed()
        .says("node went down, but")
        .says("other went down, but")
        .says("the pin was lost");
    assert!(left.directories());
}

#[test]
fn a_listener_that_outlives_its_node_fails_the_test() {
    let left = run_with("listener_leaks", &[("PORT_TEST_TIMEOUT_SCALE", "0.1")]);
    left.failed().says("the test itself still listens on");
}

#[test]
fn nothing_is_kept_if_nothing_shall_be() {
    let left = run_with("panics", &[("PORT_TEST_KEEP", "never")]);
    left.failed();
    assert!(!left.directories());
    let left = run_with("returns_ok", &[("PORT_TEST_KEEP", "always")]);
    assert!(left.passed && left.directories());
}

#[test]
fn a_malformed_variable_fails_the_test_by_name() {
    run_with("returns_ok", &[("PORT_TEST_KEEP", "perhaps")])
        .failed()
        .says("PORT_TEST_KEEP");
    run_with("returns_ok", &[("PORT_TEST_TIMEOUT_SCALE", "fast")])
        .failed()
        .says("PORT_TEST_TIMEOUT_SCALE");
    run_with("returns_ok", &[("PORT_TEST_RANGE", "9-1")])
        .failed()
        .says("PORT_TEST_RANGE");
}

#[test]
fn the_end_of_the_process_gives_the_ports_back() {
    let left = run_with("exits", &[]);
    left.failed();
    let port = left
        .output
        .lines()
        .find_map(|line| line.strip_prefix("port: "))
        .unwrap();
    let port: u16 = port.parse().unwrap();
    // Another process may have leased it meanwhile; it is not held by a dead one.
    let range = port..=port;
    let allocator = port_test::PortAllocator::builder()
        .range(range)
        .build()
        .unwrap();
    drop(allocator.blocking_lease().unwrap());
}
