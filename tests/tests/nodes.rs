//! What nodes do, and what can be done to them.

use std::io::ErrorKind::{AddrInUse, ConnectionRefused};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use port_test::{BoxError, Cluster, ErrorKind, Node, NodeContext, TestNode, eventually, port_test};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Answers each connection with what it has on disk, one byte more at each start.
struct Counter;

impl Node for Counter {
    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        let file = cx.data_dir().join("starts");
        let mut starts = std::fs::read(&file).unwrap_or_default();
        assert_eq!(starts.len(), cx.generation() as usize);
        starts.push(b'x');
        std::fs::write(&file, &starts)?;
        let listener = cx.tcp_listener().await?;
        cx.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let starts = starts.clone();
                tokio::spawn(async move { stream.write_all(&starts).await });
            }
        });
        Ok(Self)
    }
}

async fn ask(addr: SocketAddr) -> std::io::Result<String> {
    let mut text = String::new();
    TcpStream::connect(addr)
        .await?
        .read_to_string(&mut text)
        .await?;
    Ok(text)
}

#[port_test]
async fn a_restart_keeps_the_port_and_the_directory(
    node: TestNode<Counter>,
) -> Result<(), BoxError> {
    let (port, directory) = (node.port(), node.data_dir().to_owned());
    for starts in 1..10 {
        assert_eq!(ask(node.addr()).await?, "x".repeat(starts));
        node.restart().await?;
        assert_eq!((node.port(), node.data_dir()), (port, &*directory));
    }
    Ok(())
}

#[port_test]
async fn a_dead_node_refuses_and_its_port_is_nobody_elses(
    node: TestNode<Counter>,
) -> Result<(), BoxError> {
    let established = TcpStream::connect(node.addr()).await?;
    node.kill().await?;
    node.kill().await?;
    assert!(!node.is_running());
    assert_eq!(
        ask(node.addr()).await.unwrap_err().kind(),
        ConnectionRefused
    );
    for address in ["127.0.0.1", "0.0.0.0", "127.0.0.2", "[::1]", "[::]"] {
        if TcpListener::bind(format!("{address}:0")).await.is_err() {
            continue; // a machine without IPv6
        }
        let error = TcpListener::bind(format!("{address}:{}", node.port()))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), AddrInUse, "{address}");
    }
    // What is left of a connection keeps no node from coming back.
    drop(established);
    node.restart().await?;
    assert_eq!(ask(node.addr()).await?, "xx");
    Ok(())
}

#[port_test]
async fn a_handle_of_a_dead_node_cannot_be_had(node: TestNode<Counter>) -> Result<(), BoxError> {
    let _ = node.handle();
    node.kill().await?;
    let panic = tokio::spawn(async move { drop(node.handle()) })
        .await
        .unwrap_err()
        .into_panic();
    assert_eq!(
        panic.downcast_ref::<String>().unwrap(),
        "node is killed, so it has no handle now"
    );
    Ok(())
}

struct Database(AtomicBool);

impl Node for Database {
    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        // Bound by its number, as a server in another language would.
        let listener = std::net::TcpListener::bind(("127.0.0.1", cx.port()))?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        cx.spawn(async move {
            loop {
                let _ = listener.accept().await;
            }
        });
        Ok(Self(AtomicBool::new(true)))
    }
}

struct App {
    database: SocketAddr,
}

impl Node for App {
    const PORTS: &'static [&'static str] = &["api", "events/udp"];

    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        // `Rc` across an await: a start function need not be `Send`.
        let database = Rc::new(cx.peer("db"));
        database.ready().await?;
        TcpStream::connect(database.addr()).await?;
        let listener = cx.tcp_listener_of("api").await?;
        cx.spawn(async move {
            loop {
                let _ = listener.accept().await;
            }
        });
        Ok(Self {
            database: database.addr_of("main"),
        })
    }
}

#[port_test]
async fn nodes_of_different_types_wait_for_each_other(
    app: TestNode<App>,
    db: TestNode<Database>,
    client: TestNode<()>,
) {
    assert_eq!(app.handle().database, db.addr());
    assert!(db.handle().0.load(Ordering::Relaxed));
    assert_eq!([app.id(), db.id(), client.id()], [1, 2, 3]);
    assert!(client.is_running());
    assert_eq!(
        client.kill().await.unwrap_err().kind(),
        ErrorKind::InvalidState
    );
}

/// Learns its peers when the cluster forms, and asks for them when it is asked.
struct Member {
    cx: NodeContext,
    formed: Mutex<Vec<String>>,
}

impl Node for Member {
    const PORTS: &'static [&'static str] = &[];

    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        Ok(Self {
            cx,
            formed: Mutex::default(),
        })
    }

    async fn form(cluster: &Cluster<Self>) -> Result<(), BoxError> {
        let names: Vec<_> = cluster.iter().map(|node| node.name().to_owned()).collect();
        for node in cluster.iter() {
            *node.handle().formed.lock().unwrap() = names.clone();
        }
        Ok(())
    }
}

impl Member {
    fn peers(&self) -> Vec<String> {
        self.cx
            .peers()
            .iter()
            .map(|peer| peer.name().to_owned())
            .collect()
    }
}

#[port_test(nodes = 4)]
async fn all_nodes_of_a_type_form_one_cluster(
    first: TestNode<Member>,
    rest: Cluster<Member>,
    stranger: TestNode<()>,
) -> Result<(), BoxError> {
    assert_eq!(
        *first.handle().formed.lock().unwrap(),
        ["first", "node-2", "node-3"]
    );
    assert_eq!(
        rest.node("node-3").handle().peers(),
        ["first", "node-2", stranger.name()]
    );
    let added = rest.add_node().await?;
    assert_eq!((added.name(), rest.len(), rest[2].id()), ("node-5", 3, 5));
    assert_eq!(added.handle().peers().len(), 4);
    assert!(first.handle().peers().contains(&"node-5".to_owned()));
    assert!(
        added.handle().formed.lock().unwrap().is_empty(),
        "formed once only"
    );
    Ok(())
}

#[port_test(nodes = 3)]
async fn a_search_finds_a_node_though_another_hangs(
    cluster: Cluster<Member>,
) -> Result<(), BoxError> {
    cluster[1].kill().await?;
    let found = cluster.wait_for_node("the third", async |node| match node.id() {
        1 => std::future::pending().await,
        2 => panic!("a node that is down was asked"),
        id => id == 3,
    });
    assert_eq!(found.await?.id(), 3);
    Ok(())
}

#[port_test(nodes = 1)]
async fn a_search_sees_nodes_that_come_later(cluster: Cluster<Member>) -> Result<(), BoxError> {
    let (found, added) = tokio::join!(
        cluster.wait_for_node("the second", async |node| node.id() == 2),
        cluster.add_node(),
    );
    assert_eq!(found?.id(), added?.id());
    Ok(())
}

/// Counts up from the moment it is told to stop.
struct Graceful(std::sync::Arc<AtomicU32>);

impl Node for Graceful {
    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        let steps = std::sync::Arc::new(AtomicU32::new(0));
        let (listener, stopping, counted) =
            (cx.tcp_listener().await?, cx.stopping(), steps.clone());
        cx.spawn(async move {
            let _listener = listener;
            stopping.await;
            for _ in 0..100 {
                tokio::task::yield_now().await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self(steps))
    }
}

#[port_test]
async fn stop_lets_a_node_end_and_kill_does_not(node: TestNode<Graceful>) -> Result<(), BoxError> {
    let steps = node.handle().0.clone();
    node.stop().await?;
    assert_eq!(steps.load(Ordering::Relaxed), 100);
    node.restart().await?;
    let steps = node.handle().0.clone();
    node.kill().await?;
    assert_eq!(steps.load(Ordering::Relaxed), 0);
    Ok(())
}

#[port_test]
async fn a_paused_node_is_silent_until_it_goes_on(node: TestNode<Counter>) -> Result<(), BoxError> {
    node.pause().await?;
    assert!(!node.is_running());
    let mut stream = TcpStream::connect(node.addr()).await?;
    let answer = stream.read_u8();
    tokio::pin!(answer);
    tokio::select! {
        _ = &mut answer => panic!("a paused node answered"),
        () = tokio::time::sleep(std::time::Duration::from_millis(30)) => {}
    }
    assert_eq!(
        node.pause().await.unwrap_err().kind(),
        ErrorKind::InvalidState
    );
    node.resume().await?;
    assert_eq!(answer.await?, b'x');
    assert_eq!(
        node.resume().await.unwrap_err().kind(),
        ErrorKind::InvalidState
    );
    Ok(())
}

#[port_test]
async fn a_node_that_does_not_come_back_is_an_error_and_no_death(node: TestNode<Fickle>) {
    let error = node.restart().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Start);
    assert_eq!(format!("{error:?}"), "node did not start: not twice");
    let refused = TcpStream::connect(node.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), ConnectionRefused);
    let taken = TcpListener::bind(node.addr()).await.unwrap_err();
    assert_eq!(taken.kind(), AddrInUse);
    // The third time it does.
    node.restart().await.unwrap();
    assert!(node.is_running());
}

#[port_test]
async fn a_second_listener_is_refused_without_holding_up_the_node(
    bare: TestNode<()>,
) -> Result<(), BoxError> {
    let _first = bare.tcp_listener().await?;
    let second = bare.tcp_listener();
    tokio::pin!(second);
    // Other tasks run while it tries.
    tokio::select! {
        biased;
        _ = &mut second => panic!("it gave up before it had waited for a fork elsewhere"),
        () = tokio::task::yield_now() => {}
    }
    let error = second.await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("(pid {}) has it", std::process::id())),
        "{error}"
    );
    Ok(())
}

#[port_test(nodes = 1)]
async fn a_node_that_cannot_be_added_is_nobodys_peer(
    cluster: Cluster<Loner>,
) -> Result<(), BoxError> {
    let error = cluster.add_node().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Start);
    assert_eq!(cluster.len(), 1);
    assert!(cluster[0].handle().0.peers().is_empty());
    // Given up half-way, it is not a peer either.
    let cancelled =
        tokio::time::timeout(std::time::Duration::from_millis(1), cluster.add_node()).await;
    assert!(cancelled.is_err());
    assert!(cluster[0].handle().0.peers().is_empty());
    Ok(())
}

/// Starts only as the first node of its cluster; the second is refused, others hang.
struct Loner(NodeContext);

impl Node for Loner {
    const PORTS: &'static [&'static str] = &[];

    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        match cx.id() {
            1 => Ok(Self(cx)),
            2 => Err("there is one already".into()),
            _ => std::future::pending().await,
        }
    }
}

struct Fickle(#[expect(dead_code, reason = "held open")] TcpListener);

impl Node for Fickle {
    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        if cx.generation() == 1 {
            return Err("not twice".into());
        }
        Ok(Self(cx.tcp_listener().await?))
    }
}

/// Echoes datagrams; nobody listens on its first port.
struct Udp;

impl Node for Udp {
    const PORTS: &'static [&'static str] = &["echo/tcp+udp"];

    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        let socket = cx.udp_socket().await?;
        cx.spawn(async move {
            let mut buffer = [0; 64];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await?;
                socket.send_to(&buffer[..length], from).await?;
            }
            #[expect(unreachable_code, reason = "says what the task returns")]
            std::io::Result::Ok(())
        });
        Ok(Self)
    }
}

#[port_test]
async fn a_udp_node_is_ready_without_a_listener(node: TestNode<Udp>) -> Result<(), BoxError> {
    for restarted in [false, true] {
        if restarted {
            node.restart().await?;
        }
        let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await?;
        client.connect(node.addr()).await?;
        client.send(b"hello").await?;
        let mut buffer = [0; 64];
        let length = client.recv(&mut buffer).await?;
        assert_eq!(&buffer[..length], b"hello");
    }
    Ok(())
}

/// Listens only after its start has returned.
struct Late;

impl Node for Late {
    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        let context = cx.clone();
        cx.spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let _listener = context.tcp_listener().await?;
            context.wait_until_listening("main").await?;
            std::future::pending::<Result<(), port_test::Error>>().await
        });
        Ok(Self)
    }
}

#[port_test]
async fn a_node_is_ready_when_somebody_listens(node: TestNode<Late>) -> Result<(), BoxError> {
    TcpStream::connect(node.addr()).await?;
    Ok(())
}

#[port_test]
async fn clusters_built_in_a_test_are_the_tests_own(
    outer: TestNode<Member>,
) -> Result<(), BoxError> {
    let build = || Cluster::<Member>::node_builder().nodes(2).start();
    let (one, two) = tokio::join!(build(), build());
    let (one, two) = (one?, two?);
    assert_eq!(one[0].name(), two[0].name());
    assert_ne!(one[0].data_dir(), two[0].data_dir());
    assert_eq!(
        one[0].handle().peers(),
        ["node-2"],
        "not those of other clusters"
    );
    assert_eq!(outer.handle().peers(), [""; 0]);
    assert_eq!(
        *two[1].handle().formed.lock().unwrap(),
        ["node-1", "node-2"]
    );
    Ok(())
}

/// A child that another thread forks holds a copy of each socket until it executes its program, so a
/// port may seem taken for some milliseconds after its node went down.
#[port_test(flavor = "multi_thread")]
async fn restarts_withstand_forks_elsewhere(node: TestNode<Counter>) -> Result<(), BoxError> {
    let done = std::sync::Arc::new(AtomicBool::new(false));
    let forks = [(); 2].map(|()| {
        let done = done.clone();
        tokio::task::spawn_blocking(move || {
            while !done.load(Ordering::Relaxed) {
                std::process::Command::new("true").status().unwrap();
            }
        })
    });
    for starts in 2..200 {
        node.restart().await?;
        assert_eq!(ask(node.addr()).await?.len(), starts);
    }
    done.store(true, Ordering::Relaxed);
    for fork in forks {
        fork.await?;
    }
    Ok(())
}

#[port_test(nodes = 20)]
async fn many_things_at_once_are_done_one_after_another(
    cluster: Cluster<Counter>,
) -> Result<(), BoxError> {
    let mut tasks = tokio::task::JoinSet::new();
    for node in &cluster {
        let node = node.clone();
        tasks.spawn(async move {
            let (killed, restarted) = tokio::join!(node.kill(), node.restart());
            killed?;
            restarted?;
            eventually("an answer", || ask(node.addr())).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        assert_eq!(done??, "xx");
    }
    Ok(())
}
