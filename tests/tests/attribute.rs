//! The whole grammar of the attribute, each part in a test that really runs.

use std::process::{ExitCode, Termination};

use port_test::{BoxError, Cluster, Node, NodeContext, TestNode, port_test};
use tokio::net::{TcpListener, TcpStream};

struct Web(#[expect(dead_code, reason = "held open")] TcpListener);

impl Node for Web {
    const PORTS: &'static [&'static str] = &["http", "admin"];

    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        Ok(Self(cx.tcp_listener_of("http").await?))
    }
}

async fn on_admin(cx: NodeContext) -> Result<TcpListener, std::io::Error> {
    TcpListener::bind(cx.addr_of("admin")).await
}

#[port_test]
async fn no_nodes() {
    tokio::task::yield_now().await;
}

#[port_test]
async fn an_argument_names_its_node(
    primary: TestNode<()>,
    _replica: TestNode<Web>,
    mut third: TestNode<()>,
) {
    assert_eq!(
        (primary.name(), _replica.name(), third.name()),
        ("primary", "replica", "third")
    );
    assert_eq!((primary.id(), _replica.id(), third.id()), (1, 2, 3));
    third = primary;
    assert_eq!(third.id(), 1);
}

#[port_test]
async fn an_argument_without_a_name_has_a_numbered_node(
    _: TestNode<()>,
    [a, b]: [TestNode<Web>; 2],
) {
    assert_eq!((a.name(), b.name()), ("node-2", "node-3"));
}

type Three = [TestNode<Web>; 3];
type Pair<H> = (TestNode<H>, TestNode<H>);

#[port_test(nodes = 3)]
async fn an_alias_is_what_it_stands_for(nodes: Three) {
    let [first, second, _] = nodes;
    let (first, second): Pair<Web> = (first, second);
    assert_ne!(first.port(), second.port());
}

#[port_test(nodes = 4)]
async fn a_vector_gets_the_rest(first: TestNode<()>, rest: Vec<TestNode<Web>>) {
    assert_eq!(first.id(), 1);
    assert_eq!(rest.iter().map(TestNode::id).collect::<Vec<_>>(), [2, 3, 4]);
}

#[port_test(nodes = 4)]
async fn arguments_can_be_references(
    first: &TestNode<()>,
    pair: &[TestNode<Web>; 2],
    rest: &Cluster<Web>,
) {
    assert_eq!(
        (first.id(), pair[1].id(), rest[0].id(), rest.len()),
        (1, 3, 4, 1)
    );
}

#[port_test(service = on_admin, ports = ["admin"])]
async fn a_service_starts_the_nodes(node: TestNode<TcpListener>) -> std::io::Result<()> {
    assert_eq!(node.handle().local_addr()?, node.addr_of("admin"));
    TcpStream::connect(node.addr()).await?;
    Ok(())
}

#[port_test(service = |cx: NodeContext| async move { cx.tcp_listener().await })]
async fn a_service_can_be_a_closure(node: TestNode<TcpListener>) -> std::io::Result<()> {
    TcpStream::connect(node.addr()).await?;
    Ok(())
}

#[port_test(ports = ["raft", "quic/udp", "dns/tcp+udp", "admin/tcp"])]
async fn ports_have_names_and_transports(node: TestNode<()>) -> Result<(), BoxError> {
    assert_eq!(node.addr(), node.addr_of("raft"));
    assert_eq!(
        node.url(),
        format!("http://127.0.0.1:{}", node.port_of("raft"))
    );
    let _raft = node.tcp_listener().await?;
    let _quic = node.udp_socket_of("quic").await?;
    let _dns = (
        node.tcp_listener_of("dns").await?,
        node.udp_socket_of("dns").await?,
    );
    let _admin = TcpListener::bind(node.addr_of("admin")).await?;
    assert!(
        node.udp_socket_of("admin").await.is_err(),
        "leased for TCP only"
    );
    Ok(())
}

#[port_test]
#[should_panic(expected = "has no port named `rafd`; it has: http, admin")]
async fn an_unknown_port_panics_with_those_that_exist(node: TestNode<Web>) {
    let _ = node.addr_of("rafd");
}

#[port_test(nodes = [1, 3])]
async fn matrix(cluster: Cluster<Web>) {
    // Paths mean what they mean outside.
    let expected = if self::thread_name().ends_with("nodes_1") {
        1
    } else {
        3
    };
    assert_eq!(cluster.len(), expected);
}

fn thread_name() -> String {
    // libtest names the thread after the test, unless it runs it on the main thread.
    match std::thread::current().name() {
        Some("main") | None => std::env::args().collect::<Vec<_>>().join(" "),
        Some(name) => name.to_owned(),
    }
}

#[port_test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_run_on_other_threads() {
    let here = std::thread::current().id();
    let there = tokio::spawn(async { std::thread::current().id() })
        .await
        .unwrap();
    assert_ne!(here, there);
}

#[port_test(flavor = "current_thread", timeout = "90s")]
async fn tasks_run_on_the_thread_of_the_test() {
    let here = std::thread::current().id();
    let there = tokio::spawn(async { std::thread::current().id() })
        .await
        .unwrap();
    assert_eq!(here, there);
}

#[port_test(timeout = "200ms")]
#[should_panic(expected = "took longer than")]
async fn the_time_limit_holds() {
    std::future::pending().await
}

/// Documented.
#[port_test(timeout = "1.5m")]
#[expect(unused_variables, reason = "shows that other attributes pass through")]
#[cfg(not(any()))]
pub(crate) async fn other_attributes_pass_through(node: TestNode<()>) {
    let unused = 1;
}

#[port_test]
#[cfg(any())]
async fn cfg_removes_the_whole_test(node: DoesNotExist) {}

#[port_test]
#[ignore = "shows that it is ignored"]
async fn ignored() {
    unreachable!();
}

#[port_test]
async fn returns_a_result_with_a_value() -> Result<u32, &'static str> {
    Ok(1)
}

#[port_test]
#[should_panic(expected = "no luck")]
async fn returns_an_error_with_debug_only() -> Result<(), Silent> {
    Err(Silent)
}

struct Silent;

impl std::fmt::Debug for Silent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no luck")
    }
}

#[port_test]
async fn returns_anyhow() -> anyhow::Result<()> {
    anyhow::ensure!(1 + 1 == 2);
    Ok(())
}

#[port_test]
async fn returns_success() -> ExitCode {
    ExitCode::SUCCESS
}

#[port_test]
#[should_panic(expected = "exit")]
async fn returns_failure() -> ExitCode {
    ExitCode::FAILURE
}

#[port_test]
#[should_panic(expected = "exit")]
async fn returns_failure_in_ok() -> Result<ExitCode, String> {
    Ok(ExitCode::from(3))
}

struct Own;

impl Termination for Own {
    fn report(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

#[port_test]
async fn returns_a_type_of_its_own() -> Own {
    Own
}

use port_test as renamed;

#[renamed::port_test(crate = renamed)]
async fn the_crate_can_have_another_name(node: renamed::TestNode<()>) {
    assert_eq!(node.name(), "node");
}

/// Names of the user's that generated code must not mistake for others.
mod shadows {
    #![allow(dead_code, non_camel_case_types, reason = "they only have to be there")]

    use port_test::port_test;

    struct Option;
    struct Some;
    struct None;
    struct Result;
    struct Ok;
    struct Err;
    struct Box;
    struct Vec;
    struct String;
    struct u32;
    mod core {}
    mod std {}
    mod tokio {}

    #[port_test(nodes = 2)]
    async fn hygiene(
        cluster: port_test::Cluster<()>,
    ) -> ::core::result::Result<(), ::std::string::String> {
        match cluster.len() {
            2 => ::core::result::Result::Ok(()),
            _ => ::core::result::Result::Err(::std::string::String::new()),
        }
    }
}

mod nested_under_test_log {
    use port_test::TestNode;

    #[test_log::test(port_test::port_test(nodes = 2))]
    async fn inside_its_parentheses(nodes: [TestNode<()>; 2]) -> Result<(), String> {
        (nodes[0].port() != nodes[1].port())
            .then_some(())
            .ok_or_else(|| "one port twice".to_owned())
    }

    #[test_log::test(port_test::port_test)]
    async fn without_options(_node: TestNode<()>) {}
}
