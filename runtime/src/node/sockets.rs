//! A node's own sockets, for tokio.

use std::io;
use std::time::Instant;

use tokio::net::{TcpListener, UdpSocket};

use super::member::Member;
use super::ports::io_error;
use crate::error::Error;
use crate::port::{FORK, PortLease};
use crate::retry::Delays;

pub(crate) async fn tcp_listener(member: &Member, index: usize) -> Result<TcpListener, Error> {
    let listener = listener(member, index).await?;
    let into_tokio = || {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    into_tokio().map_err(|error| io_error(&member.label, &error))
}

/// A listener that blocks, as programs expect theirs.
pub(crate) async fn listener(
    member: &Member,
    index: usize,
) -> Result<std::net::TcpListener, Error> {
    bind(member, index, "listen on", PortLease::try_listen).await
}

pub(crate) async fn udp_socket(member: &Member, index: usize) -> Result<UdpSocket, Error> {
    let socket = bind(
        member,
        index,
        "bind a UDP socket to",
        PortLease::try_udp_socket,
    )
    .await?;
    member.ports.took_udp(index);
    let into_tokio = || {
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    };
    into_tokio().map_err(|error| io_error(&member.label, &error))
}

/// As [`PortLease::listen`] and [`PortLease::udp_socket`], but the node's other tasks go on meanwhile.
async fn bind<T>(
    member: &Member,
    index: usize,
    what: &str,
    attempt: impl Fn(&PortLease) -> io::Result<T>,
) -> Result<T, Error> {
    let failed = |error: io::Error| io_error(&member.label, &error);
    let lease = member.ports.lease_of(index).map_err(failed)?;
    let deadline = Instant::now() + FORK;
    let mut delays = Delays::new();
    loop {
        match attempt(&lease) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                tokio::time::sleep(delays.next()).await;
            }
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return Err(failed(error)),
            Err(error) => return Err(failed(lease.explain(what, error))),
        }
    }
}
