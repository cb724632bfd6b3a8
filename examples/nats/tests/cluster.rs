//! A NATS cluster of three with a stream of three replicas.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_nats::ConnectOptions;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, Info};
use async_nats::jetstream::{self, Context};
use example_nats::Nats;
use port_test::{Cluster, TestNode, eventually, port_test};

#[port_test(nodes = 3, timeout = "120s")]
#[ignore = "needs nats-server"]
async fn every_node_takes_messages(cluster: Cluster<Nats>) -> Result<()> {
    make_stream(&cluster).await?;
    for (i, node) in cluster.iter().enumerate() {
        publish(node, i * 10..(i + 1) * 10).await?;
    }
    for node in &cluster {
        eventually("all messages", || has_messages(node, 30)).await?;
    }
    Ok(())
}

#[port_test(nodes = 3, timeout = "120s")]
#[ignore = "needs nats-server"]
async fn a_killed_leader_catches_up(cluster: Cluster<Nats>) -> Result<()> {
    make_stream(&cluster).await?;
    publish(&cluster[0], 0..100).await?;
    let leader = eventually("a leader", || leader(&cluster[0])).await?;
    let (victim, other) = (cluster.node(&leader), other_than(&leader, &cluster));

    victim.kill().await?;
    publish(other, 100..200).await?;

    victim.restart().await?;
    eventually("it to catch up", || has_caught_up(other, victim)).await?;

    // Two of three must agree, so from here on nothing goes without the one that was away.
    other.kill().await?;
    publish(victim, 200..300).await?;
    eventually("all messages", || has_messages(victim, 300)).await?;
    Ok(())
}

fn other_than<'a>(name: &str, cluster: &'a Cluster<Nats>) -> &'a TestNode<Nats> {
    let mut others = cluster.iter().filter(|node| node.name() != name);
    others.next().expect("there are three")
}

/// To this node and no other: left alone, the client goes to the next one when a node dies.
async fn connect(node: &TestNode<Nats>) -> Result<Context> {
    let options = ConnectOptions::new().ignore_discovered_servers();
    let mut context = jetstream::new(options.connect(node.addr().to_string()).await?);
    context.set_timeout(Duration::from_secs(2));
    Ok(context)
}

/// Possible once the three have found each other and elected the leader of their JetStream.
async fn make_stream(cluster: &Cluster<Nats>) -> Result<()> {
    let config = Config {
        name: "orders".to_owned(),
        num_replicas: 3,
        ..Config::default()
    };
    let context = connect(&cluster[0]).await?;
    eventually("a stream", || context.create_stream(&config)).await?;
    Ok(())
}

/// Each message until it is acknowledged, which means by two of three. An acknowledgement may be lost, so
/// each has an id, by which the stream knows it again.
async fn publish(node: &TestNode<Nats>, numbers: Range<usize>) -> Result<()> {
    let context = connect(node).await?;
    for number in numbers {
        let id = number.to_string();
        let send = async || {
            let message = PublishMessage::build().message_id(&id);
            anyhow::Ok(context.send_publish("orders", message).await?.await?)
        };
        eventually("an acknowledgement", send).await?;
    }
    Ok(())
}

async fn info(node: &TestNode<Nats>) -> Result<Info> {
    let stream = connect(node).await?.get_stream("orders").await?;
    Ok(stream.cached_info().clone())
}

async fn leader(node: &TestNode<Nats>) -> Result<String> {
    let cluster = info(node).await?.cluster.context("not clustered")?;
    cluster.leader.context("no leader")
}

async fn has_messages(node: &TestNode<Nats>, count: u64) -> Result<()> {
    let found = info(node).await?.state.messages;
    ensure!(found == count, "{found} messages");
    Ok(())
}

async fn has_caught_up(asked: &TestNode<Nats>, node: &TestNode<Nats>) -> Result<()> {
    let cluster = info(asked).await?.cluster.context("not clustered")?;
    let replica = cluster.replicas.iter().find(|r| r.name == node.name());
    let replica = replica.with_context(|| format!("{} leads", node.name()))?;
    let current = replica.current && !replica.offline && replica.lag.unwrap_or(0) == 0;
    ensure!(current, "{replica:?}");
    Ok(())
}
