//! What a test costs around its body, and a node around its service, beside the same by hand.
//!
//! `cargo bench -p port-test --bench nodes`. All contenders run in turn, round by round, so that noise
//! of the machine hits them alike; only the ratios count.

mod measure;

use std::net::SocketAddr;
use std::thread::JoinHandle;

use measure::{Table, Target};
use port_test::__private::{self as expanded, Flavor, Nodes, ShouldPanic, Slot, Test};
use port_test::{BoxError, Cluster, NodeContext, PortAllocator, TestNode};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

fn main() {
    let mut table = Table::new(1500);
    let runtime = runtime();
    empty_tests(&mut table);
    start_and_end(&mut table, &runtime);
    kill_and_restart(&mut table, &runtime);
    table.finish();
}

/// What `#[tokio::test]` makes for each test.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn empty_tests(table: &mut Table) {
    table.compare(
        "empty test with three bare nodes",
        Target {
            most: 3.0,
            of: "empty #[tokio::test] + three leases",
        },
        &mut port_test_with_three_bare_nodes,
        &mut || {
            runtime().block_on(async {});
            let leases = [(); 3].map(|()| PortAllocator::global().try_lease().unwrap());
            drop(leases);
        },
    );
}

/// What the attribute makes of `async fn empty(nodes: [TestNode<()>; 3]) {}`; outside of test builds the
/// compiler drops the real one.
fn port_test_with_three_bare_nodes() {
    let slot = Slot::new();
    let nodes = expanded::argument::<[TestNode<()>; 3]>(&slot, "nodes");
    expanded::run(
        &Test {
            name: "nodes::empty",
            package: Some("port-test"),
            file: file!(),
            line: line!(),
            nodes: Nodes::Counted,
            ports: None,
            timeout_ms: None,
            flavor: Flavor::CurrentThread,
            should_panic: ShouldPanic::No,
        },
        &[&slot],
        Box::pin(async {
            drop(nodes.take());
            Ok(())
        }),
    );
}

async fn bind(cx: NodeContext) -> Result<TcpListener, BoxError> {
    Ok(cx.tcp_listener().await?)
}

fn start_and_end(table: &mut Table, runtime: &Runtime) {
    table.compare(
        "three nodes, from start to gone",
        Target {
            most: 1.5,
            of: "by hand: thread, runtime, bind, join",
        },
        &mut || {
            runtime.block_on(async {
                let cluster = Cluster::builder(bind).nodes(3).start().await.unwrap();
                drop(cluster);
            });
        },
        &mut || {
            let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
            let nodes = runtime.block_on(async {
                let mut nodes = [(); 3].map(|()| ByHand::start(anywhere));
                for node in &mut nodes {
                    node.ready().await;
                }
                nodes
            });
            nodes.into_iter().for_each(ByHand::end);
        },
    );
}

fn kill_and_restart(table: &mut Table, runtime: &Runtime) {
    let cluster = runtime.block_on(Cluster::builder(bind).start()).unwrap();
    let lease = PortAllocator::global().try_lease().unwrap();
    lease.open().unwrap();
    let mut by_hand = Some(ByHand::start(lease.addr()));
    runtime.block_on(by_hand.as_mut().unwrap().ready());
    table.compare(
        "kill and restart of one node",
        Target {
            most: 1.5,
            of: "by hand: join, thread, runtime, bind",
        },
        &mut || runtime.block_on(cluster[0].restart()).unwrap(),
        &mut || {
            by_hand.take().unwrap().end();
            let mut node = ByHand::start(lease.addr());
            runtime.block_on(node.ready());
            by_hand = Some(node);
        },
    );
    by_hand.take().unwrap().end();
}

/// A node without this crate: a thread with a runtime that binds, says so, and waits to be ended.
struct ByHand {
    thread: JoinHandle<()>,
    ready: Option<oneshot::Receiver<()>>,
    end: oneshot::Sender<()>,
}

impl ByHand {
    fn start(addr: SocketAddr) -> Self {
        let (ready, is_ready) = oneshot::channel();
        let (end, is_ended) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime().block_on(async {
                let _listener = TcpListener::bind(addr).await.unwrap();
                ready.send(()).unwrap();
                let _ = is_ended.await;
            });
        });
        Self {
            thread,
            ready: Some(is_ready),
            end,
        }
    }

    async fn ready(&mut self) {
        self.ready.take().unwrap().await.unwrap();
    }

    fn end(self) {
        self.end.send(()).unwrap();
        self.thread.join().unwrap();
    }
}
