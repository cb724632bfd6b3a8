//! A process that does with ports what a test cannot do itself:
//!
//! - `port-worker global` asks for a port, and prints what it got.
//! - `port-worker hold block COUNT` and `port-worker hold range FIRST LAST` hold consecutive ports with
//!   plain listeners, and print which. For each number on stdin they give ports back, by chance, until
//!   they hold so many, and print one of those. They end with stdin.
//! - `port-worker churn FIRST LAST ROUNDS` leases a port of the range, serves on it and gives it back, so
//!   often; then it takes all that are free, and says how many and what keeps it from more. It waits for a
//!   line on stdin before each of the two, and for the end of stdin.

use std::env;
use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use port_test::{AllocError, PortAllocator};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["global"] => match PortAllocator::global().try_lease() {
            Ok(lease) => println!("leased {}", lease.port()),
            Err(error) => println!("{:?}: {error}", error.kind()),
        },
        ["hold", "block", count] => hold(block(count.parse()?)?)?,
        ["hold", "range", first, last] => hold(all(first.parse()?, last.parse()?)?)?,
        ["churn", first, last, rounds] => {
            churn(&range(first.parse()?, last.parse()?)?, rounds.parse()?)?;
        }
        _ => return Err(format!("not understood: {args:?}").into()),
    }
    Ok(())
}

fn range(first: u16, last: u16) -> std::result::Result<PortAllocator, AllocError> {
    let ports = PortAllocator::builder().range(first..=last);
    // For a range that other processes make narrow.
    ports
        .attempts(1000)
        .max_backoff(Duration::from_millis(5))
        .build()
}

/// Listeners on consecutive ports. Below 10000 if there is room: no default range goes there, so no
/// other test takes what is given back.
fn block(count: u16) -> Result<Vec<TcpListener>> {
    raise_limit()?;
    let block = range(1024, 9999)?.lease_block(count);
    let block = block.or_else(|_| PortAllocator::global().lease_block(count))?;
    // A listener stays when its lease goes.
    Ok(block
        .into_iter()
        .map(|lease| lease.listen())
        .collect::<io::Result<_>>()?)
}

fn all(first: u16, last: u16) -> Result<Vec<TcpListener>> {
    raise_limit()?;
    let listeners = (first..=last).map(|port| TcpListener::bind(("127.0.0.1", port)));
    Ok(listeners.collect::<io::Result<_>>()?)
}

fn hold(mut listeners: Vec<TcpListener>) -> Result<()> {
    let port = |listener: &TcpListener| Ok::<_, io::Error>(listener.local_addr()?.port());
    let [first, last] = [listeners.first(), listeners.last()].map(|end| end.map(port));
    println!("{}-{}", first.ok_or("no port")??, last.ok_or("no port")??);
    // A shuffle: std seeds the hash from the operating system.
    let chance = RandomState::new();
    listeners.sort_by_cached_key(|listener| chance.hash_one(port(listener).ok()));
    for line in io::stdin().lines() {
        let count: usize = line?.parse()?;
        let given_back = listeners
            .drain(count..)
            .map(|listener| port(&listener))
            .next_back();
        println!("{}", given_back.ok_or("nothing to give back")??);
    }
    Ok(())
}

fn churn(ports: &PortAllocator, rounds: u32) -> Result<()> {
    let mut lines = io::stdin().lines();
    lines.next().ok_or("no start")??;
    for _ in 0..rounds {
        let lease = ports.blocking_lease()?;
        // Fails if anybody else has the port.
        lease.listen()?;
    }
    println!("{}", ports.stats());
    lines.next().ok_or("no end")??;
    let range = ports.range()?;
    let mut held = Vec::new();
    let ports = PortAllocator::builder().range(range).attempts(2).build()?;
    let error = loop {
        match ports.blocking_lease() {
            Ok(lease) => held.push(lease),
            Err(error) => break error,
        }
    };
    println!("{} held: {error}", held.len());
    // Until the end.
    lines.next().transpose()?;
    Ok(())
}

/// As many open files as the system lets this user have; often a thousand are what a process begins with.
fn raise_limit() -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit writes one `rlimit`, which lives.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: setrlimit reads one `rlimit`, which lives.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
