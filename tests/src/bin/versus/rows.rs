//! The rows: the limit, what is done by hand, this library; and its peers, if they are built.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use port_test::{BoxError, PortPool};
use socket2::{Domain, Socket, Type};
use tokio::runtime::{Builder, Runtime};

use super::contender::{Contender, Held, Looks, Part};

pub(crate) const OURS: &str = "port-test";

/// Whether the peers' libraries are in this program.
pub(crate) const PEERS: bool = cfg!(feature = "peers");

/// The rows of this library that run beside all others: a server that is told a number, one that is handed a
/// listener, and one that is told a number of which nothing else is kept.
pub(crate) const BESIDE: [&str; 3] = [LEASE.call, LEASE_AND_LISTEN.call, NEXT_AVAILABLE_PORT.call];

/// The limit comes first.
pub(crate) fn rows() -> Vec<Contender> {
    #[cfg(feature = "peers")]
    let peers = super::peers::rows();
    #[cfg(not(feature = "peers"))]
    let peers = Vec::new();
    let ours = [
        LIMIT,
        LEASE,
        NEXT_AVAILABLE_PORT,
        LEASE_AND_LISTEN,
        POOL,
        BY_HAND,
        WINDOW,
    ];
    ours.into_iter().chain(peers).collect()
}

/// The least that can hold a port as well as a lease does, on a number that is mostly free.
const LIMIT: Contender = Contender {
    library: "the limit",
    call: "socket, bind",
    keeps: "a socket, closed just before the bind",
    looks: Looks::Told,
    take: |scene| {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let length = u32::from(scene.range.end() - scene.range.start()) + 1;
        loop {
            let place = NEXT.fetch_add(1, Ordering::Relaxed) % length;
            match bind(scene.range.start() + place as u16) {
                Ok(socket) => return Ok(Held::Socket(socket)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error.into()),
            }
        }
    },
    part: Part::SUMMARY,
};

const LEASE: Contender = Contender {
    library: OURS,
    call: "lease()",
    keeps: "a guard, opened just before the bind",
    looks: Looks::Told,
    take: |scene| Ok(Held::Lease(scene.ports.blocking_lease()?)),
    part: Part::SUMMARY,
};

const NEXT_AVAILABLE_PORT: Contender = Contender {
    library: OURS,
    call: "next_available_port()",
    keeps: "a number, guarded to the end of the process",
    looks: Looks::Told,
    take: |scene| {
        let port = runtime()?.block_on(scene.ports.next_available_port())?;
        Ok(Held::Number(port))
    },
    part: Part {
        returns: false,
        // Its guard is open from the start, since nobody will say when the server comes: a
        // stranger that names the number in that millisecond can have it.
        promises: false,
        ..Part::ALL
    },
};

const LEASE_AND_LISTEN: Contender = Contender {
    library: OURS,
    call: "lease(), listen()",
    keeps: "a guard, and a listener that is handed over",
    looks: Looks::Told,
    take: |scene| {
        let lease = scene.ports.blocking_lease()?;
        let listener = lease.listen()?;
        Ok(Held::Listener(lease, listener))
    },
    part: Part::ALL,
};

/// Filled up again in the background, for as long as it is not taken from faster than that.
const POOL: Contender = Contender {
    library: OURS,
    call: "pool.take()",
    keeps: "a guard, opened just before the bind",
    looks: Looks::Told,
    take: |scene| {
        static POOL: OnceLock<PortPool> = OnceLock::new();
        let pool = match POOL.get() {
            Some(pool) => pool,
            None => {
                let pool = scene.ports.pool(64)?;
                POOL.get_or_init(|| pool)
            }
        };
        Ok(Held::Lease(pool.take()?))
    },
    part: Part::ALL,
};

const BY_HAND: Contender = Contender {
    library: "by hand",
    call: "bind port 0, close, bind it later",
    keeps: "a number",
    looks: Looks::Ephemeral,
    take: |_| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(Held::Number(listener.local_addr()?.port()))
    },
    part: Part::ALL,
};

/// What projects do that deal out windows of ports: nobody is asked.
const WINDOW: Contender = Contender {
    library: "by hand",
    call: "a window for each process",
    keeps: "a number",
    looks: Looks::Told,
    take: |scene| {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let length = u32::from(scene.window.end() - scene.window.start()) + 1;
        let place = NEXT.fetch_add(1, Ordering::Relaxed) % length;
        Ok(Held::Number(scene.window.start() + place as u16))
    },
    part: Part::ALL,
};

fn bind(port: u16) -> io::Result<Socket> {
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
    let socket = Socket::new(domain, Type::STREAM, None)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// What an asynchronous test has around the call anyway.
fn runtime() -> Result<&'static Runtime, BoxError> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    match RUNTIME.get() {
        Some(runtime) => Ok(runtime),
        None => {
            let runtime = Builder::new_current_thread().enable_time().build()?;
            Ok(RUNTIME.get_or_init(|| runtime))
        }
    }
}
