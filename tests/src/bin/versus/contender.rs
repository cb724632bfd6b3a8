//! What is compared: a way to get a port.

use std::io;
use std::net::TcpListener;
use std::ops::RangeInclusive;

use port_test::{BoxError, PortAllocator, PortLease};
use socket2::Socket;

/// One row of the tables.
pub(crate) struct Contender {
    pub(crate) library: &'static str,
    /// What is called.
    pub(crate) call: &'static str,
    /// What the caller has after it.
    pub(crate) keeps: &'static str,
    pub(crate) looks: Looks,
    pub(crate) take: fn(&'static Scene) -> Result<Held, BoxError>,
    pub(crate) part: Part,
}

/// What a contender takes part in, beside the cost of one allocation.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    /// The allocation can be given back, so that it can be repeated for ever.
    pub(crate) returns: bool,
    /// `--check` looks at it.
    pub(crate) promises: bool,
    /// The row of its library in the summary.
    pub(crate) stands_for_all: bool,
}

impl Part {
    /// In everything, and one of several rows of its library.
    pub(crate) const ALL: Part = Part {
        returns: true,
        promises: true,
        stands_for_all: false,
    };
    /// In everything, and in the summary.
    pub(crate) const SUMMARY: Part = Part {
        stands_for_all: true,
        ..Part::ALL
    };
}

/// Which ports a contender looks at.
#[derive(Clone)]
pub(crate) enum Looks {
    /// Those it is told.
    Told,
    /// Those its library has chosen for everybody.
    #[cfg(feature = "peers")]
    Fixed(RangeInclusive<u16>),
    /// Those that the kernel hands out for port 0.
    Ephemeral,
}

/// What a process of contenders knows.
pub(crate) struct Scene {
    /// The range of those that can be told one.
    pub(crate) range: RangeInclusive<u16>,
    pub(crate) ports: PortAllocator,
    /// A share of the range for each worker, as projects have that deal out windows of ports.
    pub(crate) window: RangeInclusive<u16>,
}

impl Scene {
    /// Of the `worker`-th of `workers` processes. In `lockstep` they all begin at the same port.
    pub(crate) fn new(
        range: RangeInclusive<u16>,
        (worker, workers): (u16, u16),
        lockstep: bool,
    ) -> Result<Self, BoxError> {
        let ports = PortAllocator::builder().range(range.clone());
        let ports = match lockstep {
            true => ports.start_at(*range.start()),
            false => ports,
        };
        let size = (range.end() - range.start()) / workers;
        let first = range.start() + worker * size;
        Ok(Scene {
            ports: ports.build()?,
            range,
            window: first..=first + size - 1,
        })
    }
}

/// What the caller holds after an allocation. Dropping it gives it back.
pub(crate) enum Held {
    /// A number, and nothing that keeps others from it.
    Number(u16),
    /// A bound socket.
    Socket(Socket),
    Lease(PortLease),
    Listener(PortLease, TcpListener),
    #[cfg(feature = "peers")]
    Peer(super::peers::Kept),
}

/// A server that is up, and what stays with the test meanwhile. The server is closed first.
pub(crate) struct Server {
    _listener: TcpListener,
    _held: Option<Held>,
}

impl Held {
    /// A server on the port. It knows the number and nothing else, but that of
    /// [`Held::Listener`], which is handed what it listens on.
    pub(crate) fn serve(self) -> io::Result<Server> {
        let (port, held) = match self {
            Held::Number(port) => (port, None),
            Held::Lease(lease) => {
                lease.open()?;
                (lease.port(), Some(Held::Lease(lease)))
            }
            Held::Listener(lease, listener) => {
                return Ok(Server {
                    _listener: listener,
                    _held: Some(Held::Lease(lease)),
                });
            }
            // Closed here, as are the peers' listeners: it would keep the server out.
            Held::Socket(socket) => (local_port(&socket)?, None),
            #[cfg(feature = "peers")]
            Held::Peer(kept) => (kept.port(), kept.make_way().map(Held::Peer)),
        };
        Ok(Server {
            _listener: TcpListener::bind(("127.0.0.1", port))?,
            _held: held,
        })
    }
}

fn local_port(socket: &Socket) -> io::Result<u16> {
    let addr = socket.local_addr()?.as_socket();
    Ok(addr.ok_or(io::ErrorKind::Unsupported)?.port())
}
