//! Everywhere but Linux: a bound socket that is given up just before its server binds.
//!
//! Other kernels do not compare a bind with the present options of the sockets that are there, so
//! no socket can hold a port and let one's own server in. What is then not guaranteed:
//!
//! - [`open`](Guard::open) drops the guard. Until the server has bound, anybody can take the port.
//!   [`listen`](Guard::listen) has no such gap: the guard itself becomes the listener.
//! - [`close`](Guard::close) binds the guard again, and fails while a server holds the port.
//! - The guard covers one address, not all.
//! - Whether somebody listens cannot be asked; whether somebody is bound can.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Socket, Type};

use super::BACKLOG;
use crate::port::transport::Transport;

/// Whether guards protect a server on `address`: always, since each is bound on its own address.
pub(crate) fn supports(_address: IpAddr) -> io::Result<bool> {
    Ok(true)
}

/// Binds new sockets to one port after another.
#[derive(Debug)]
pub(crate) struct Probe {
    transport: Transport,
    address: IpAddr,
}

impl Probe {
    pub(crate) fn new(transport: Transport, address: IpAddr) -> Self {
        Probe { transport, address }
    }

    /// Guards `port`. Fails with `AddrInUse` if anything uses it on this address.
    pub(crate) fn claim(&mut self, port: u16) -> io::Result<Guard> {
        let mut guard = Guard {
            transport: self.transport,
            addr: SocketAddr::new(self.address, port),
            tcp: None,
            udp: None,
        };
        guard.hold(false)?;
        Ok(guard)
    }
}

/// Sockets that hold one port, as far as they are not given up for a server.
#[derive(Debug)]
pub(crate) struct Guard {
    transport: Transport,
    addr: SocketAddr,
    tcp: Option<Socket>,
    udp: Option<Socket>,
}

impl Guard {
    pub(crate) fn open(&mut self) -> io::Result<()> {
        self.tcp = None;
        self.udp = None;
        Ok(())
    }

    pub(crate) fn close(&mut self) -> io::Result<()> {
        // What is left of the dead server's connections must not keep its guard out.
        self.hold(true)
    }

    /// Opening gives the port up already.
    pub(crate) fn lend(&mut self) -> io::Result<()> {
        self.open()
    }

    pub(crate) fn is_lent(&self) -> bool {
        false
    }

    pub(crate) fn take_back(&mut self, _addr: SocketAddr) -> io::Result<bool> {
        self.close().map(|()| true)
    }

    fn hold(&mut self, remains: bool) -> io::Result<()> {
        if self.transport.has_tcp() && self.tcp.is_none() {
            let socket = bind(Type::STREAM, self.addr, remains)?;
            // The option has done its part, and on Linux it would let others in.
            set_reuse(&socket, false)?;
            self.tcp = Some(socket);
        }
        if self.transport.has_udp() && self.udp.is_none() {
            self.udp = Some(bind(Type::DGRAM, self.addr, false)?);
        }
        Ok(())
    }

    /// Makes the guard a listener; without a guard, binds one.
    pub(crate) fn listen(&mut self, addr: SocketAddr) -> io::Result<TcpListener> {
        let socket = match self.tcp.take() {
            Some(socket) => {
                // Inherited by its connections, whose remains the next bind must overcome.
                set_reuse(&socket, true)?;
                socket
            }
            None => bind(Type::STREAM, addr, true)?,
        };
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    }

    /// Hands the guard over; without a guard, binds a socket.
    pub(crate) fn udp_socket(&mut self, addr: SocketAddr) -> io::Result<UdpSocket> {
        match self.udp.take() {
            Some(socket) => Ok(socket.into()),
            None => bind(Type::DGRAM, addr, false).map(Into::into),
        }
    }

    /// Whether somebody is bound to `addr`, who is not this guard.
    pub(crate) fn is_listening(&mut self, addr: SocketAddr) -> io::Result<bool> {
        Ok(self.tcp.is_none() && !can_bind(Type::STREAM, addr, true)?)
    }

    /// Gives the port back.
    pub(crate) fn release(mut self) -> io::Result<()> {
        self.open()
    }
}

/// What stands in the way of a released port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Nothing: a bind without SO_REUSEADDR succeeds.
    None,
    /// Somebody has it.
    Taken,
    /// What is left of connections.
    Remains,
}

/// Looks at a port that is not guarded any more.
pub(crate) fn obstacle(transport: Transport, addr: SocketAddr) -> io::Result<Obstacle> {
    let tcp = !transport.has_tcp() || can_bind(Type::STREAM, addr, false)?;
    let udp = !transport.has_udp() || can_bind(Type::DGRAM, addr, false)?;
    Ok(if tcp && udp {
        Obstacle::None
    } else if !tcp && !can_bind(Type::STREAM, addr, true)? {
        Obstacle::Taken
    } else {
        Obstacle::Remains
    })
}

fn can_bind(kind: Type, addr: SocketAddr, remains: bool) -> io::Result<bool> {
    match bind(kind, addr, remains) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(false),
        Err(error) => Err(error),
    }
}

/// Binds a socket; with `remains`, also where connections of a former server have not died away.
fn bind(kind: Type, addr: SocketAddr, remains: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), kind, None)?;
    if remains {
        set_reuse(&socket, true)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Not on Windows: there the option means to take the port away from others, and old connections
/// are not in the way.
fn set_reuse(socket: &Socket, reuse: bool) -> io::Result<()> {
    if cfg!(unix) {
        socket.set_reuse_address(reuse)?;
    }
    Ok(())
}
