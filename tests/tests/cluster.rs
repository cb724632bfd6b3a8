//! Clusters that are built by hand, outside the attribute.

use std::io;
use std::time::Duration;

use port_test::{BoxError, Cluster, ErrorKind, NodeContext, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Answers each connection with the number of starts that its node has behind it.
async fn generations(cx: NodeContext) -> Result<(), BoxError> {
    let listener = cx.tcp_listener().await?;
    let generation = cx.generation();
    // Detached on purpose: a node's death must end these too.
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { stream.write_u32(generation).await });
        }
    });
    Ok(())
}

async fn ask(addr: std::net::SocketAddr) -> io::Result<u32> {
    TcpStream::connect(addr).await?.read_u32().await
}

#[tokio::test]
async fn nodes_are_ready_and_each_has_its_own_port() {
    let cluster = Cluster::builder(generations)
        .nodes(3)
        .start()
        .await
        .unwrap();
    assert_eq!(cluster.len(), 3);
    let mut ports: Vec<_> = cluster.iter().map(|node| node.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 3);
    for node in cluster.iter() {
        assert_eq!(ask(node.addr()).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_killed_node_refuses_and_comes_back_on_its_port() {
    let cluster = Cluster::builder(generations)
        .nodes(2)
        .start()
        .await
        .unwrap();
    let node = &cluster[1];
    let addr = node.addr();
    for generation in 1..20 {
        node.kill().await.unwrap();
        assert!(!node.is_running());
        let refused = TcpStream::connect(addr).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let taken = TcpListener::bind(addr).await.unwrap_err();
        assert_eq!(
            taken.kind(),
            io::ErrorKind::AddrInUse,
            "its port stays held"
        );
        node.restart().await.unwrap();
        assert_eq!(node.addr(), addr);
        assert_eq!(ask(addr).await.unwrap(), generation);
    }
}

#[tokio::test]
async fn a_node_that_does_not_start_is_named_with_its_cause() {
    let fails = |cx: NodeContext| async move {
        if cx.id() == 2 {
            Err("no quorum file")
        } else {
            cx.tcp_listener().await.map_err(|_| "no listener")
        }
    };
    let error = Cluster::builder(fails).nodes(3).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Start);
    assert_eq!(
        format!("{error:?}"),
        "node-2 of cluster 1 did not start: no quorum file"
    );
}

#[tokio::test]
async fn a_death_ends_waits_at_once() {
    let dies = |cx: NodeContext| async move {
        let listener = cx.tcp_listener().await?;
        cx.spawn(async move {
            let _ = listener.accept().await;
            panic!("out of cheese");
        });
        Ok::<_, BoxError>(())
    };
    let cluster = Cluster::builder(dies).start().await.unwrap();
    let _wake = TcpStream::connect(cluster[0].addr()).await.unwrap();
    let error = cluster
        .wait_for_node("a node of gold", async |_| false)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Died);
    assert!(error.to_string().contains("out of cheese"), "{error}");
    assert!(error.to_string().contains("a node of gold"), "{error}");
}

#[tokio::test]
async fn pause_keeps_connections_unanswered_until_resume() {
    let cluster = Cluster::builder(generations).start().await.unwrap();
    let node = &cluster[0];
    node.pause().await.unwrap();
    let mut stream = TcpStream::connect(node.addr()).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_millis(50), stream.read_u32()).await;
    assert!(answer.is_err(), "a paused node answers nothing");
    assert_eq!(
        node.pause().await.unwrap_err().kind(),
        ErrorKind::InvalidState
    );
    node.resume().await.unwrap();
    assert_eq!(stream.read_u32().await.unwrap(), 0);
}

#[tokio::test]
async fn a_paused_node_can_be_killed_and_restarted() {
    let cluster = Cluster::builder(generations).start().await.unwrap();
    cluster[0].pause().await.unwrap();
    cluster[0].restart().await.unwrap();
    assert_eq!(ask(cluster[0].addr()).await.unwrap(), 1);
}

#[tokio::test]
async fn eventually_returns_the_value_of_the_attempt_that_succeeds() {
    let mut attempts = 0;
    let value = eventually("the fourth attempt", || {
        attempts += 1;
        let attempt = attempts;
        async move {
            if attempt == 4 {
                Ok(attempt)
            } else {
                Err("not yet")
            }
        }
    });
    assert_eq!(value.await.unwrap(), 4);
}
