//! Redis, killed, paused, replicated and failed over.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use example_redis::{Redis, Sentinel};
use futures_util::future::try_join_all;
use port_test::{Cluster, TestNode, eventually, port_test};
use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelServerType};
use redis::{AsyncCommands, AsyncConnectionConfig, Client};

#[port_test]
#[ignore = "needs redis-server"]
async fn a_primary_survives_sigkill_with_its_data(primary: TestNode<Redis>) -> Result<()> {
    for i in 0..100 {
        set(&primary, &format!("key-{i}"), "v").await?;
    }
    primary.kill().await?;
    ensure!(get(&primary, "key-0", "v").await.is_err());

    primary.restart().await?;
    for i in 0..100 {
        get(&primary, &format!("key-{i}"), "v").await?;
    }
    Ok(())
}

#[port_test]
#[ignore = "needs redis-server"]
async fn a_replica_follows_its_primary(
    primary: TestNode<Redis>,
    replica: TestNode<Redis>,
) -> Result<()> {
    set(&primary, "color", "blue").await?;
    eventually("the write to arrive", || get(&replica, "color", "blue")).await?;
    ensure!(set(&replica, "color", "red").await.is_err());

    replica.kill().await?;
    set(&primary, "color", "green").await?;
    replica.restart().await?;
    eventually("the missed write", || get(&replica, "color", "green")).await?;
    Ok(())
}

#[port_test(timeout = "120s")]
#[ignore = "needs redis-server"]
async fn sentinel_fails_over_when_the_primary_is_killed(
    primary: TestNode<Redis>,
    replica: TestNode<Redis>,
    sentinel: TestNode<Sentinel>,
) -> Result<()> {
    sentinel.wait_for_log("+slave slave").await?;
    set(&primary, "before", "1").await?;
    eventually("the write to arrive", || get(&replica, "before", "1")).await?;

    primary.kill().await?;
    eventually("a failover", || set_by(&sentinel, "after", "2")).await?;
    get(&replica, "before", "1").await?;
    get(&replica, "after", "2").await?;

    primary.restart().await?;
    eventually("it to follow", || get(&primary, "after", "2")).await?;
    Ok(())
}

#[port_test(timeout = "120s")]
#[ignore = "needs redis-server"]
async fn sentinel_fails_over_when_the_primary_is_paused(
    primary: TestNode<Redis>,
    replica: TestNode<Redis>,
    sentinel: TestNode<Sentinel>,
) -> Result<()> {
    sentinel.wait_for_log("+slave slave").await?;
    primary.pause().await?;
    eventually("a failover", || set_by(&sentinel, "color", "blue")).await?;
    set(&replica, "color", "green").await?;

    // It still takes itself for the primary, until the Sentinel tells it some ten seconds later.
    primary.resume().await?;
    eventually("it to follow", || get(&primary, "color", "green")).await?;
    ensure!(set(&primary, "color", "red").await.is_err());
    Ok(())
}

#[port_test(timeout = "120s")]
#[ignore = "needs redis-server"]
async fn twenty_clusters_at_once() -> Result<()> {
    let begun = Instant::now();
    let clusters = (0..20).map(async |i| {
        let cluster = Cluster::<Redis>::node_builder().nodes(3).start().await?;
        set(&cluster[0], "owner", &i.to_string()).await?;
        anyhow::Ok(cluster)
    });
    let clusters = try_join_all(clusters).await?;
    for (i, cluster) in clusters.iter().enumerate() {
        for node in cluster {
            let owner = i.to_string();
            eventually("the write to arrive", || get(node, "owner", &owner)).await?;
        }
    }
    let line = format!("redis: 20 clusters of 3 in {:.1?}\n", begun.elapsed());
    // Past the capture of `cargo test`.
    let _ = std::io::stderr().write_all(line.as_bytes());
    Ok(())
}

/// A new connection each time: one that is kept may be to a dead run of the node. By default it gives up
/// after half a second, which a busy machine may need.
async fn connect(node: &TestNode<Redis>) -> Result<MultiplexedConnection> {
    let client = Client::open(format!("redis://{}", node.addr()))?;
    let patient = Some(Duration::from_secs(10));
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(patient)
        .set_response_timeout(patient);
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    Ok(connection.await?)
}

async fn set(node: &TestNode<Redis>, key: &str, value: &str) -> Result<()> {
    Ok(connect(node).await?.set(key, value).await?)
}

/// Succeeds once the node has that value.
async fn get(node: &TestNode<Redis>, key: &str, value: &str) -> Result<()> {
    let found: Option<String> = connect(node).await?.get(key).await?;
    let name = node.name();
    ensure!(
        found.as_deref() == Some(value),
        "{key} is {found:?} on {name}"
    );
    Ok(())
}

/// Writes to whichever node the Sentinel says is the primary.
async fn set_by(sentinel: &TestNode<Sentinel>, key: &str, value: &str) -> Result<()> {
    let sentinels = vec![format!("redis://{}", sentinel.addr())];
    let primary = SentinelServerType::Master;
    let mut client = SentinelClient::build(sentinels, "main".to_owned(), None, primary)?;
    let mut connection = client.get_async_connection().await?;
    Ok(connection.set(key, value).await?)
}
