//! Linux: a socket that is bound and never listens, and that can be opened for one's own server.
//!
//! Measured on Linux 6.18; what everything here rests on:
//!
//! - Without SO_REUSEADDR the guard is *exclusive*: it cannot be had while anything uses the port,
//!   and nothing can bind the port while it is held.
//! - Setting SO_REUSEADDR on the bound guard *opens* it: a server that sets the option too, as
//!   nearly all do, binds and listens over it, and then nobody else can. Clearing it closes the
//!   guard again. Both take effect at once, since the kernel compares each later bind with the
//!   guard's present option.
//! - On `[::]` without IPV6_V6ONLY one socket covers every address of both families. On 127.0.0.1
//!   it would leave `[::1]` and 127.0.0.2 to others.
//! - listen(2) checks the port once more, so the guard must be open until the server listens.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::OnceLock;

use socket2::{Domain, Socket, Type};

use super::BACKLOG;
use crate::port::transport::Transport;

/// What covers the most addresses on this machine.
#[derive(Debug, Clone, Copy)]
struct Family {
    wildcard: IpAddr,
    /// Whether new sockets are IPv6 only, by the sysctl net.ipv6.bindv6only, and must be told
    /// otherwise. Asked once, since it is a system call for each socket.
    clear_v6only: bool,
}

/// Decided once for the process. An error that says nothing about IPv6, like a full table of open
/// files, decides nothing.
fn family() -> io::Result<Family> {
    static FAMILY: OnceLock<Family> = OnceLock::new();
    if let Some(family) = FAMILY.get() {
        return Ok(*family);
    }
    let decided = match try_v6() {
        Ok(clear_v6only) => Family {
            wildcard: Ipv6Addr::UNSPECIFIED.into(),
            clear_v6only,
        },
        Err(error) if says_no_v6(&error) => Family {
            wildcard: Ipv4Addr::UNSPECIFIED.into(),
            clear_v6only: false,
        },
        Err(error) => return Err(error),
    };
    Ok(*FAMILY.get_or_init(|| decided))
}

/// Whether new IPv6 sockets must be told to cover IPv4. Binds nothing: that would need a free
/// ephemeral port, and the wildcard address can be bound even where IPv6 is administratively
/// disabled (measured).
fn try_v6() -> io::Result<bool> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None)?;
    let only_v6 = socket.only_v6()?;
    if only_v6 {
        socket.set_only_v6(false)?;
    }
    Ok(only_v6)
}

/// EAFNOSUPPORT without the kernel's module; EPERM or EACCES from a sandbox's filter.
fn says_no_v6(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EPERM | libc::EACCES)
    )
}

/// Whether guards protect a server on `address`, and one can be there: where IPv6 is administratively
/// disabled a guard could be bound, but no server on `::1`.
pub(crate) fn supports(address: IpAddr) -> io::Result<bool> {
    if address.is_ipv4() {
        return Ok(true);
    }
    if family()?.wildcard.is_ipv4() {
        return Ok(false);
    }
    match UdpSocket::bind((address, 0)) {
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Ok(false),
        // No ephemeral port is free.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(true),
        result => result.map(|_| true),
    }
}

/// Sockets that are not bound yet. A bind that failed leaves a socket as it was, so that the next
/// port costs one bind (1.2 µs) and not a new socket (6.5 µs).
#[derive(Debug)]
pub(crate) struct Probe {
    transport: Transport,
    tcp: Option<Socket>,
    udp: Option<Socket>,
}

impl Probe {
    pub(crate) fn new(transport: Transport, _address: IpAddr) -> Self {
        Probe {
            transport,
            tcp: None,
            udp: None,
        }
    }

    /// Guards `port`, exclusively. Fails with `AddrInUse` if anything uses it.
    pub(crate) fn claim(&mut self, port: u16) -> io::Result<Guard> {
        let family = family()?;
        // TCP first: most ports that are in use at all are in use there. If only UDP is busy, the
        // TCP socket is bound and lost.
        let tcp = match self.transport.has_tcp() {
            true => Some(family.bind_kept(&mut self.tcp, Type::STREAM, port)?),
            false => None,
        };
        let udp = match self.transport.has_udp() {
            true => Some(family.bind_kept(&mut self.udp, Type::DGRAM, port)?),
            false => None,
        };
        Ok(Guard {
            tcp,
            udp,
            open: false,
            question: None,
            lent: None,
        })
    }
}

impl Family {
    /// socket2 makes it close-on-exec in the same system call.
    fn socket(self, kind: Type) -> io::Result<Socket> {
        let domain = match self.wildcard {
            IpAddr::V4(_) => Domain::IPV4,
            IpAddr::V6(_) => Domain::IPV6,
        };
        let socket = Socket::new(domain, kind, None)?;
        if self.clear_v6only {
            socket.set_only_v6(false)?;
        }
        Ok(socket)
    }

    /// Binds the kept socket, or a new one; keeps it for the next port if that fails.
    fn bind_kept(self, kept: &mut Option<Socket>, kind: Type, port: u16) -> io::Result<Socket> {
        let socket = match kept.take() {
            Some(socket) => socket,
            None => self.socket(kind)?,
        };
        match socket.bind(&SocketAddr::new(self.wildcard, port).into()) {
            Ok(()) => Ok(socket),
            Err(error) => {
                *kept = Some(socket);
                Err(error)
            }
        }
    }

    /// Whether a new socket can be bound to `port` now.
    fn can_bind(self, kind: Type, port: u16, reuse: bool) -> io::Result<bool> {
        let socket = self.socket(kind)?;
        if reuse {
            socket.set_reuse_address(true)?;
        }
        match socket.bind(&SocketAddr::new(self.wildcard, port).into()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Sockets that hold one port.
#[derive(Debug)]
pub(crate) struct Guard {
    tcp: Option<Socket>,
    udp: Option<Socket>,
    open: bool,
    /// What the last question whether somebody listens was asked with, if somebody did: not bound, and
    /// good for the next one, which comes when the server goes down.
    question: Option<Socket>,
    /// What it held before it was lent.
    lent: Option<Transport>,
}

impl Guard {
    pub(crate) fn open(&mut self) -> io::Result<()> {
        self.set_open(true)
    }

    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.set_open(false)
    }

    /// Gives the port up until it is taken back. Opened first, as for `release`.
    pub(crate) fn lend(&mut self) -> io::Result<()> {
        self.open()?;
        let transport = match (self.tcp.take(), self.udp.take()) {
            (Some(_), Some(_)) => Transport::Both,
            (Some(_), None) => Transport::Tcp,
            (None, Some(_)) => Transport::Udp,
            (None, None) => return Ok(()),
        };
        self.lent = Some(transport);
        Ok(())
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.lent.is_some()
    }

    /// Holds the port again, exclusively; `false` if what is left of connections is in the way. Fails
    /// with `AddrInUse` if somebody listens.
    pub(crate) fn take_back(&mut self, addr: SocketAddr) -> io::Result<bool> {
        let Some(transport) = self.lent else {
            return self.close().map(|()| true);
        };
        match Probe::new(transport, addr.ip()).claim(addr.port()) {
            Ok(guard) => {
                *self = guard;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && !listens(addr.port())? => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn set_open(&mut self, open: bool) -> io::Result<()> {
        if self.open != open {
            for socket in self.tcp.iter().chain(&self.udp) {
                socket.set_reuse_address(open)?;
            }
            self.open = open;
        }
        Ok(())
    }

    /// Runs `action` with the guard open, and leaves the guard as it was.
    fn while_open<T>(&mut self, action: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.open {
            return action();
        }
        self.open()?;
        let result = action();
        self.close()?;
        result
    }

    /// A listener over the guard.
    pub(crate) fn listen(&mut self, addr: SocketAddr) -> io::Result<TcpListener> {
        self.while_open(|| {
            let socket = bind_over(Type::STREAM, addr)?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        })
    }

    /// A UDP socket over the guard.
    pub(crate) fn udp_socket(&mut self, addr: SocketAddr) -> io::Result<UdpSocket> {
        self.while_open(|| bind_over(Type::DGRAM, addr).map(Into::into))
    }

    /// Whether somebody listens, on any address. Measured: over an open guard, another bind with
    /// SO_REUSEADDR fails only for a listener. Asks the kernel alone; a server sees no connection.
    pub(crate) fn is_listening(&mut self, addr: SocketAddr) -> io::Result<bool> {
        if self.is_lent() {
            return listens(addr.port());
        }
        let family = family()?;
        let socket = match self.question.take() {
            Some(socket) => socket,
            None => {
                let socket = family.socket(Type::STREAM)?;
                socket.set_reuse_address(true)?;
                socket
            }
        };
        let addr = SocketAddr::new(family.wildcard, addr.port()).into();
        match self.while_open(|| socket.bind(&addr)) {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                self.question = Some(socket);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the port back. Opened first: a child that another thread is spawning may keep copies
    /// of the sockets for a while, and the option lies in what they share.
    pub(crate) fn release(mut self) -> io::Result<()> {
        self.open()
    }
}

/// Whether somebody listens, on any address, by the kernel's own list. Slower than a bind, but that would
/// be in the way of a server without SO_REUSEADDR, and what such a one leaves behind in the way of it.
fn listens(port: u16) -> io::Result<bool> {
    // `sl local_address rem_address st ...`: in hexadecimal; 0A is LISTEN.
    let port = format!(":{port:04X}");
    let listens = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        words.next().is_some_and(|local| local.ends_with(&port)) && words.nth(1) == Some("0A")
    };
    for table in ["tcp", "tcp6"] {
        match std::fs::read_to_string(format!("/proc/thread-self/net/{table}")) {
            Ok(text) if text.lines().any(listens) => return Ok(true),
            Ok(_) => {}
            // Without IPv6 there is no second one.
            Err(error) if error.kind() == io::ErrorKind::NotFound && table == "tcp6" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn bind_over(kind: Type, addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), kind, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// What stands in the way of a released port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Nothing: a bind without SO_REUSEADDR succeeds.
    None,
    /// Somebody has it: a listener, or another's guard.
    Taken,
    /// A copy of a socket, or what is left of connections.
    Remains,
}

/// Looks at a port that is not guarded any more.
pub(crate) fn obstacle(transport: Transport, addr: SocketAddr) -> io::Result<Obstacle> {
    let (family, port) = (family()?, addr.port());
    let tcp = !transport.has_tcp() || family.can_bind(Type::STREAM, port, false)?;
    let udp = !transport.has_udp() || family.can_bind(Type::DGRAM, port, false)?;
    Ok(if tcp && udp {
        Obstacle::None
    } else if !tcp && !family.can_bind(Type::STREAM, port, true)? {
        Obstacle::Taken
    } else {
        Obstacle::Remains
    })
}
