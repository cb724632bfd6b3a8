//! Real Redis servers and a Sentinel as nodes of a test. Copy the two functions; the tests are in
//! `tests/cluster.rs`.

use std::process::Command;

use port_test::{BoxError, Node, NodeContext};

/// A Redis server that has every write on disk before it answers. The first node of a test is the
/// primary, the others replicate it.
pub struct Redis;

impl Node for Redis {
    const PORTS: &'static [&'static str] = &["redis"];

    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        let primary = cx.peers().into_iter().find(|peer| peer.id() == 1);
        let mut server = Command::new("redis-server");
        server
            .args(["--bind", "127.0.0.1", "--port", &cx.port().to_string()])
            .args(["--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", "always"])
            // A primary waits five seconds for more replicas before it sends the first its data.
            .args(["--repl-diskless-sync-delay", "0"]);
        if let Some(primary) = &primary {
            let port = primary.addr().port().to_string();
            server.args(["--replicaof", "127.0.0.1", &port]);
        }
        cx.spawn_process(&mut server).await?;
        // It listens before it has read its append-only file.
        cx.wait_for_log("Ready to accept connections").await?;
        if primary.is_some() && cx.generation() == 0 {
            let synced = "MASTER <-> REPLICA sync: Finished with success";
            cx.wait_for_log(synced).await?;
        }
        Ok(Self)
    }
}

/// A Sentinel that watches the first node under the name `main`, and decides alone: a quorum of one shows
/// that the servers survive a failover, not that Sentinels agree. For that, start three with `quorum 2`.
pub struct Sentinel;

impl Node for Sentinel {
    const PORTS: &'static [&'static str] = &["sentinel"];

    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        // Sentinel rewrites its configuration as it learns, so only the first start makes it.
        if cx.generation() == 0 {
            // It asks a primary for its replicas at once, and then every ten seconds.
            for server in cx.peers().iter().filter(|peer| peer.id() < cx.id()) {
                server.ready().await?;
            }
            let (port, primary) = (cx.port(), cx.peers()[0].addr().port());
            // It asks once a second whether a server lives: with `down-after` not well above that, it takes
            // the new primary for dead in its first second and fails over again, back to the old data.
            let config = format!(
                "bind 127.0.0.1\n\
                 port {port}\n\
                 sentinel monitor main 127.0.0.1 {primary} 1\n\
                 sentinel down-after-milliseconds main 3000\n\
                 sentinel failover-timeout main 5000\n"
            );
            std::fs::write(cx.data_dir().join("sentinel.conf"), config)?;
        }
        let mut sentinel = Command::new("redis-sentinel");
        cx.spawn_process(sentinel.arg("sentinel.conf")).await?;
        cx.wait_for_log("+monitor master main").await?;
        Ok(Self)
    }
}
