//! A process of the stress test: one that leases and serves, or one that is in everybody's way.
//!
//! `stress-worker lease ROUNDS late|early START|-` waits for a byte on stdin, then prints the
//! number of ports that it leased and could not bind.
//! `stress-worker noise PACE_US START|-` goes on until its stdin is closed.

use std::env;
use std::error::Error;
use std::io::{self, Read};
use std::iter;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use port_test::{PortAllocator, PortLease};
use port_test_tests::noise;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["lease", rounds, style @ ("late" | "early"), start] => {
            let ports = allocator(start)?;
            let stolen = lease(&ports, rounds.parse()?, style == "early")?;
            eprintln!("{}", ports.stats());
            println!("{stolen}");
            Ok(())
        }
        ["noise", pace, start] => {
            let pace = Duration::from_micros(pace.parse()?);
            noise(&allocator(start)?, start.parse().ok(), pace)
        }
        _ => Err(format!("not understood: {args:?}").into()),
    }
}

fn allocator(start: &str) -> Result<PortAllocator, Box<dyn Error>> {
    let ports = PortAllocator::builder();
    Ok(match start {
        "-" => ports,
        start => ports.start_at(start.parse()?),
    }
    .build()?)
}

fn lease(ports: &PortAllocator, rounds: u32, early: bool) -> Result<u32, Box<dyn Error>> {
    let mut stolen = 0;
    // All begin together.
    io::stdin().read_exact(&mut [0])?;
    for round in 0..rounds {
        let mut leases: Vec<PortLease> = Vec::new();
        for _ in 0..3 {
            leases.push(ports.blocking_lease()?);
        }
        if early {
            leases.iter().try_for_each(PortLease::open)?;
        }
        thread::sleep(Duration::from_millis(1));
        let mut servers = Vec::new();
        for lease in &leases {
            lease.open()?;
            // A server that knows nothing of leases.
            match TcpListener::bind(("127.0.0.1", lease.port())) {
                Ok(server) => servers.push(server),
                Err(error) => {
                    stolen += 1;
                    eprintln!("round {round}: port {}: {error}", lease.port());
                }
            }
        }
    }
    Ok(stolen)
}

/// Another program, in the leases' range.
fn noise(ports: &PortAllocator, start: Option<u16>, pace: Duration) -> Result<(), Box<dyn Error>> {
    let range = ports.range()?;
    let length = range.len() as u16;
    // In the way of cursors that begin at `start`, or anywhere; a port in seven, so that most of
    // its neighbours are left.
    let mut place = start.map_or(0, |port| port - range.start());
    let next = || {
        place = (place + 7) % length;
        range.start() + place
    };
    Ok(noise::make(pace, iter::repeat_with(next), || {})?)
}
