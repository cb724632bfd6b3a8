//! The tests of the service, on real nodes. Copy [`KvNode`] first: it is all that port-test needs.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::time::Instant;

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use kv_grpc::Kv;
use kv_grpc::proto::kv_client::KvClient;
use kv_grpc::proto::{GetRequest, PutRequest};
use port_test::{BoxError, Cluster, Node, NodeContext, TestNode, eventually, port_test};
use tokio::net::TcpStream;

/// One node under test: what `main` would do, with ports, peers and a directory from port-test.
struct KvNode {
    kv: Kv,
}

impl Node for KvNode {
    const PORTS: &'static [&'static str] = &["grpc", "admin"];

    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        let grpc = cx.tcp_listener_of("grpc").await?;
        let admin = cx.tcp_listener_of("admin").await?;
        let peers = {
            let cx = cx.clone();
            move || cx.peers().iter().map(|peer| peer.addr_of("grpc")).collect()
        };
        let kv = Kv::open(cx.data_dir(), cx.id(), peers)?;
        cx.spawn(kv.clone().serve_grpc(grpc, cx.stopping()));
        cx.spawn(kv.clone().serve_admin(admin, cx.stopping()));
        kv.catch_up().await?;
        Ok(Self { kv })
    }
}

#[port_test(nodes = 3)]
async fn a_write_on_one_node_is_read_on_the_others(cluster: Cluster<KvNode>) -> Result<()> {
    say(&cluster.to_string());
    put(&cluster[0], "color", "blue").await?;
    for node in &cluster {
        eventually("the write to arrive", || get(node, "color", "blue")).await?;
    }
    Ok(())
}

#[port_test]
async fn a_killed_node_refuses_and_comes_back_with_its_data(
    survivor: TestNode<KvNode>,
    victim: TestNode<KvNode>,
) -> Result<()> {
    let ports = (victim.port_of("grpc"), victim.port_of("admin"));
    put(&victim, "before", "1").await?;
    victim.kill().await?;
    let refused = TcpStream::connect(victim.addr()).await.unwrap_err();
    ensure!(refused.kind() == ErrorKind::ConnectionRefused);
    ensure!(get(&victim, "before", "1").await.is_err());
    put(&survivor, "meanwhile", "2").await?;

    victim.restart().await?;
    ensure!(ports == (victim.port_of("grpc"), victim.port_of("admin")));
    get(&victim, "before", "1").await?;
    get(&victim, "meanwhile", "2").await
}

#[port_test]
async fn a_node_alone_replays_its_own_log(node: TestNode<KvNode>) -> Result<()> {
    put(&node, "k", "v").await?;
    node.kill().await?;
    node.restart().await?;
    get(&node, "k", "v").await
}

#[port_test(nodes = 2)]
async fn a_node_added_while_running_catches_up(cluster: Cluster<KvNode>) -> Result<()> {
    for i in 0..100 {
        put(&cluster[i % 2], &format!("key-{i}"), "v").await?;
    }
    let new = cluster.add_node().await?;
    ensure!(new.handle().kv.store().keys() == 100);

    put(&new, "late", "v").await?;
    eventually("an old node to learn of it", || {
        get(&cluster[0], "late", "v")
    })
    .await?;
    Ok(())
}

#[port_test(nodes = [1, 3, 5])]
async fn every_node_takes_writes(cluster: Cluster<KvNode>) -> Result<()> {
    say(&cluster.to_string());
    for node in &cluster {
        put(node, node.name(), "was here").await?;
    }
    for (reader, writer) in cluster
        .iter()
        .flat_map(|r| cluster.iter().map(move |w| (r, w)))
    {
        let read = || get(reader, writer.name(), "was here");
        eventually("all writes to arrive", read).await?;
    }
    Ok(())
}

#[port_test]
async fn twenty_clusters_at_once() -> Result<()> {
    let begun = Instant::now();
    let clusters = (0..20).map(async |i| {
        let cluster = Cluster::<KvNode>::node_builder().nodes(3).start().await?;
        put(&cluster[0], "owner", &i.to_string()).await?;
        anyhow::Ok(cluster)
    });
    let clusters = try_join_all(clusters).await?;

    let mut ports = BTreeSet::new();
    for (i, node) in clusters
        .iter()
        .enumerate()
        .flat_map(|(i, c)| c.iter().map(move |n| (i, n)))
    {
        let owner = i.to_string();
        eventually("the write to arrive", || get(node, "owner", &owner)).await?;
        ports.extend([node.port_of("grpc"), node.port_of("admin")]);
    }
    ensure!(ports.len() == 20 * 3 * 2);
    say(&format!(
        "20 clusters of 3 nodes on 120 ports, written and read in {:.1?}",
        begun.elapsed()
    ));
    Ok(())
}

#[port_test(nodes = 3)]
async fn health_and_metrics(cluster: Cluster<KvNode>) -> Result<()> {
    put(&cluster[0], "a", "1").await?;
    put(&cluster[0], "a", "2").await?;
    ensure!(http_get(&cluster[0], "/health").await? == "ok");
    let metrics = http_get(&cluster[0], "/metrics").await?;
    ensure!(metrics.contains("\nkv_keys 1\n"), "{metrics}");
    ensure!(metrics.contains("\nkv_puts_total 2\n"), "{metrics}");
    Ok(())
}

#[port_test]
async fn a_graceful_stop_compacts_the_log(node: TestNode<KvNode>) -> Result<()> {
    let log = node.data_dir().join("kv.log");
    for i in 0..20 {
        put(&node, "k", &i.to_string()).await?;
    }
    node.kill().await?;
    let killed = std::fs::metadata(&log)?.len();
    node.restart().await?;
    node.stop().await?;
    ensure!(std::fs::metadata(&log)?.len() < killed / 2);
    node.restart().await?;
    get(&node, "k", "19").await
}

/// One line for people, past the capture of `cargo test`.
fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("kv-grpc: {line}\n").as_bytes());
}

async fn put(node: &TestNode<KvNode>, key: &str, value: &str) -> Result<()> {
    let mut client = KvClient::connect(node.url()).await?;
    let (key, value) = (key.to_owned(), value.to_owned());
    client.put(PutRequest { key, value }).await?;
    Ok(())
}

/// Succeeds once the node knows that value.
async fn get(node: &TestNode<KvNode>, key: &str, value: &str) -> Result<()> {
    let mut client = KvClient::connect(node.url()).await?;
    let request = GetRequest {
        key: key.to_owned(),
    };
    let found = client.get(request).await?.into_inner().value;
    ensure!(found == value, "{key} is {found} on {}", node.name());
    Ok(())
}

async fn http_get(node: &TestNode<KvNode>, path: &str) -> Result<String> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<&[u8]>>();
    let url = node.url_of("admin") + path;
    let response = client.get(url.parse()?).await?;
    ensure!(response.status() == 200, "{path}: {}", response.status());
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec())?)
}
