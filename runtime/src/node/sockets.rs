//! A node's own sockets, for tokio.

use std::io;

use tokio::net::{TcpListener, UdpSocket};

use super::member::Member;
use super::ports::io_error;
use crate::error::Error;

pub(crate) async fn tcp_listener(member: &Member, index: usize) -> Result<TcpListener, Error> {
    let listen = || {
        let listener = member.ports.listen(index)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    listen().map_err(|error: io::Error| io_error(&member.label, &error))
}

pub(crate) async fn udp_socket(member: &Member, index: usize) -> Result<UdpSocket, Error> {
    let bind = || {
        let socket = member.ports.udp_socket(index)?;
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    };
    bind().map_err(|error: io::Error| io_error(&member.label, &error))
}
