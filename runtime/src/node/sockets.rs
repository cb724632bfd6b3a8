//! A node's own sockets, for tokio.

use std::io;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, UdpSocket};

use super::member::Member;
use super::ports::io_error;
use crate::error::Error;
use crate::retry::Delays;

/// A node that closes its listener and listens again may find a copy of it in a child that another
/// thread has forked and that has not executed its program yet: up to 5 ms were measured. Whoever holds
/// the port longer than this is no such child.
const FORK: Duration = Duration::from_millis(200);

pub(crate) async fn tcp_listener(member: &Member, index: usize) -> Result<TcpListener, Error> {
    let deadline = Instant::now() + FORK;
    let mut delays = Delays::new();
    let listener = loop {
        match member.ports.listen(index) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                tokio::time::sleep(delays.next()).await;
            }
            other => break other,
        }
    };
    let into_tokio = |listener: std::net::TcpListener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    listener
        .and_then(into_tokio)
        .map_err(|error| io_error(&member.label, &error))
}

pub(crate) async fn udp_socket(member: &Member, index: usize) -> Result<UdpSocket, Error> {
    let socket = member.ports.udp_socket(index).and_then(|socket| {
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    });
    socket.map_err(|error| io_error(&member.label, &error))
}
