//! A NATS server with JetStream as a node of a test. Copy the function; the tests are in
//! `tests/cluster.rs`.

use std::process::Command;

use port_test::{BoxError, Node, NodeContext};

/// One server of a NATS cluster, with its streams in the node's directory. It has the node's name.
pub struct Nats;

impl Node for Nats {
    const PORTS: &'static [&'static str] = &["client", "cluster"];

    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        let url = |addr| format!("nats://{addr}");
        let peers = cx.peers().into_iter();
        let routes: Vec<_> = peers.map(|peer| url(peer.addr_of("cluster"))).collect();
        let mut server = Command::new("nats-server");
        server
            .args(["--addr", "127.0.0.1", "--port", &cx.port().to_string()])
            .args(["--name", cx.name(), "--jetstream", "--store_dir", "."])
            .args(["--cluster_name", "port-test"])
            .args(["--cluster", &url(cx.addr_of("cluster"))])
            .args(["--routes", &routes.join(",")]);
        cx.spawn_process(&mut server).await?;
        cx.wait_for_log("Server is ready").await?;
        cx.wait_until_listening("cluster").await?;
        Ok(Self)
    }
}
