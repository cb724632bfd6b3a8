//! What a lease costs, as ratios within one run: `cargo bench -p port-test --bench ports`.
//!
//! Every contender runs a short batch in every round, so that whatever else the machine does
//! meets all of them; the table has the medians over the rounds. Nanoseconds differ from machine
//! to machine, ratios hardly. Exits with 1 if a ratio misses its target.

use std::hint::black_box;
use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::Instant;

use port_test::{PortAllocator, PortLease, Transport};
use socket2::{Domain, Socket, Type};

const ROUNDS: usize = 400;
const BATCH: usize = 32;
const THREADS: [usize; 5] = [1, 2, 4, 8, 16];
const THREAD_ROUNDS: usize = 21;
const THREAD_WORK: usize = 4096;

fn main() -> ExitCode {
    let cost = costs();
    println!("one of each, median of {ROUNDS} rounds:\n");
    println!("| what | ns |\n|---|--:|");
    for (name, nanos) in NAMES.iter().zip(cost) {
        println!("| {name} | {nanos:.0} |");
    }
    let [tcp, udp, lease_drop, lease_open, both, lease, take, picker] = cost;

    println!("\n| ratio | measured | target | |\n|---|--:|--:|---|");
    let mut table = Table { missed: 0 };
    table.at_most(
        "lease and drop / socket, bind, close",
        lease_drop / tcp,
        1.2,
    );
    table.at_most(
        "lease, open, close, drop / socket, bind, close",
        lease_open / tcp,
        1.35,
    );
    table.at_most("both transports / the two limits", both / (tcp + udp), 1.2);
    table.at_least("portpicker / lease and drop", picker / lease_drop, 3.5);
    table.at_least("portpicker / lease alone", picker / lease, 6.0);

    table.at_most("taken from a pool / lease alone", take / lease, 0.1);

    let throughput = throughput();
    let [single, ..] = throughput.map(|(ours, _)| ours);
    for (threads, (ours, limit)) in THREADS.into_iter().zip(throughput) {
        let name = format!("{threads} threads / 1 thread, leases per second");
        table.at_least(&name, ours / single, 0.8);
        let name = format!("{threads} threads, lease and drop / limit, per second");
        // Threads show what they share, and 16 of them most of all; fewer are for the reader.
        match threads {
            16 => table.at_least(&name, ours / limit, 0.75),
            _ => table.row(&name, ours / limit, "", true),
        }
    }
    println!("\n1 thread: {single:.0} leases per second");
    match table.missed {
        0 => ExitCode::SUCCESS,
        missed => {
            eprintln!("{missed} targets missed");
            ExitCode::FAILURE
        }
    }
}

struct Table {
    missed: usize,
}

impl Table {
    fn at_most(&mut self, name: &str, ratio: f64, target: f64) {
        self.row(name, ratio, &format!("≤ {target:.2}"), ratio <= target);
    }

    fn at_least(&mut self, name: &str, ratio: f64, target: f64) {
        self.row(name, ratio, &format!("≥ {target:.2}"), ratio >= target);
    }

    fn row(&mut self, name: &str, ratio: f64, target: &str, met: bool) {
        let verdict = if met { "" } else { "missed" };
        self.missed += usize::from(!met);
        println!("| {name} | {ratio:.2} | {target} | {verdict} |");
    }
}

const NAMES: [&str; 8] = [
    "socket, bind, close: TCP",
    "socket, bind, close: UDP",
    "lease, drop: TCP",
    "lease, open, close, drop: TCP",
    "lease, drop: both",
    "lease alone: TCP",
    "taken from a pool: TCP",
    "portpicker",
];

/// The median cost of each contender, in nanoseconds.
fn costs() -> [f64; NAMES.len()] {
    let range = PortAllocator::builder().range(20_000..=29_999);
    let tcp = range.clone().build().expect("a range");
    let both = range.transport(Transport::Both).build().expect("a range");
    // A batch is half of it, so the last of each wakes the thread that fills it up.
    let pool = tcp.pool(2 * BATCH).expect("ports");
    let mut takes = Vec::with_capacity(BATCH);
    let mut held: Vec<PortLease> = Vec::with_capacity(BATCH);
    let mut samples: [Vec<f64>; NAMES.len()] = Default::default();

    for round in 0..ROUNDS + 20 {
        for n in 0..NAMES.len() {
            // Another order in each round: nobody always follows the same neighbour.
            let contender = (n + round) % NAMES.len();
            let began = Instant::now();
            for _ in 0..BATCH {
                match contender {
                    0 => drop(limit(Type::STREAM)),
                    1 => drop(limit(Type::DGRAM)),
                    2 => drop(tcp.try_lease().expect("a port")),
                    3 => {
                        let lease = tcp.try_lease().expect("a port");
                        lease.open().expect("opened");
                        lease.close().expect("closed");
                    }
                    4 => drop(both.try_lease().expect("a port")),
                    5 => held.push(tcp.try_lease().expect("a port")),
                    6 => {
                        // Each by itself, with what it takes to look at the clock: one of each batch wakes
                        // the thread that fills the pool up, and where there are fewer processors than
                        // threads has to wait until that has done so.
                        let began = Instant::now();
                        held.push(pool.take().expect("ready"));
                        takes.push(began.elapsed().as_nanos() as f64);
                    }
                    _ => drop(black_box(portpicker::pick_unused_port())),
                }
            }
            let nanos = match contender {
                6 => median(mem::take(&mut takes)),
                _ => began.elapsed().as_nanos() as f64 / BATCH as f64,
            };
            held.clear();
            while pool.ready() < 2 * BATCH {
                thread::yield_now();
            }
            // The first rounds only warm up.
            if round >= 20 {
                samples[contender].push(nanos);
            }
        }
    }
    samples.map(median)
}

/// The least that can hold a port as well as a lease does, on a number that is known to be free:
/// in the middle of the range, so that the kernel's tables look alike for both.
fn limit(kind: Type) -> Socket {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 20_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 10_000;
        match bind(kind, port) {
            Ok(socket) => return socket,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => panic!("the limit cannot be measured: {error}"),
        }
    }
}

fn bind(kind: Type, port: u16) -> io::Result<Socket> {
    static V6: OnceLock<bool> = OnceLock::new();
    let v6 = *V6.get_or_init(|| Socket::new(Domain::IPV6, Type::STREAM, None).is_ok());
    let (domain, addr) = match v6 {
        true => (
            Domain::IPV6,
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        ),
        false => (
            Domain::IPV4,
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        ),
    };
    let socket = Socket::new(domain, kind, None)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Leases and limits per second, all threads together, for each number of threads.
fn throughput() -> [(f64, f64); THREADS.len()] {
    let ports = PortAllocator::builder()
        .range(20_000..=29_999)
        .build()
        .expect("a range");
    let lease = || drop(ports.try_lease().expect("a port"));
    let raw = || drop(limit(Type::STREAM));
    let mut samples: [(Vec<f64>, Vec<f64>); THREADS.len()] = Default::default();
    for round in 0..THREAD_ROUNDS {
        for (samples, threads) in samples.iter_mut().zip(THREADS) {
            // In turn, so that neither always follows the other.
            if round % 2 == 0 {
                samples.0.push(per_second(threads, &lease));
                samples.1.push(per_second(threads, &raw));
            } else {
                samples.1.push(per_second(threads, &raw));
                samples.0.push(per_second(threads, &lease));
            }
        }
    }
    samples.map(|(ours, limit)| (median(ours), median(limit)))
}

/// A fixed amount of work, shared out; timed as a whole, since threads that wait for a processor
/// would each report a rate that they do not have at the same time.
fn per_second(threads: usize, action: &(impl Fn() + Sync)) -> f64 {
    let barrier = Barrier::new(threads + 1);
    let work = || {
        barrier.wait();
        for _ in 0..THREAD_WORK / threads {
            action();
        }
    };
    let began = thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
        let began = Instant::now();
        barrier.wait();
        began
    });
    THREAD_WORK as f64 / began.elapsed().as_secs_f64()
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples[samples.len() / 2]
}
