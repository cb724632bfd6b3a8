//! Times a server as a node against the same server started by hand, in turns.

use std::fs;
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use port_test::{BoxError, Cluster, NodeContext, PortAllocator};

/// How to start the server on a port.
pub(crate) type Server = fn(u16) -> Command;

/// From spawn until it accepts connections, and from SIGTERM until it is gone.
type Times = [Duration; 2];

const ROUNDS: usize = 21;

/// Prints the medians and their ratios.
pub(crate) async fn compare(name: &str, server: Server) -> Result<(), BoxError> {
    let (mut node, mut hand) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        node.push(as_node(server).await?);
        hand.push(by_hand(server).await?);
    }
    let mut table = String::new();
    for (i, what) in ["spawn to ready", "stop to gone"].into_iter().enumerate() {
        let [node, hand] = [&node, &hand].map(|times| median(times, i));
        let ratio = node.as_secs_f64() / hand.as_secs_f64();
        table += &format!("{name}, {what}: node {node:.2?}, by hand {hand:.2?}: {ratio:.2}\n");
    }
    // Past the capture of `cargo test`.
    Ok(io::stderr().write_all(table.as_bytes())?)
}

fn median(times: &[Times], index: usize) -> Duration {
    let mut times: Vec<_> = times.iter().map(|times| times[index]).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Leases, thread, runtime and supervision included.
async fn as_node(server: Server) -> Result<Times, BoxError> {
    let start = move |cx: NodeContext| async move {
        cx.spawn_process(&mut server(cx.port())).await?;
        Ok::<_, BoxError>(())
    };
    let begun = Instant::now();
    let cluster = Cluster::builder(start).start().await?;
    let ready = begun.elapsed();
    let asked = Instant::now();
    cluster[0].stop().await?;
    Ok([ready, asked.elapsed()])
}

async fn by_hand(server: Server) -> Result<Times, BoxError> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("by-hand");
    fs::create_dir_all(&directory)?;
    let lease = PortAllocator::global().lease().await?;
    lease.open()?;
    let log = fs::File::create(directory.join("log"))?;
    let mut server = server(lease.port());
    server.current_dir(&directory);
    server.stdout(log.try_clone()?).stderr(log);

    let begun = Instant::now();
    let mut child = server.spawn()?;
    while TcpStream::connect(lease.addr()).is_err() {
        thread::sleep(Duration::from_micros(100));
    }
    let ready = begun.elapsed();

    let asked = Instant::now();
    // SAFETY: it passes two numbers; the child is not waited for, so its id is not another's.
    unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) };
    child.wait()?;
    let gone = asked.elapsed();
    fs::remove_dir_all(directory)?;
    Ok([ready, gone])
}
