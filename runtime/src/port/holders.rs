//! Who holds a port: for error messages and reports, never for a decision.
//!
//! The kernel tells of sockets through sock_diag(7): also of those that are bound and neither listen nor
//! are connected, which /proc/net/tcp does not list and which all guards are (since Linux 6.8; before,
//! only listeners and connections are seen). Whose they are is in /proc/PID/fd, for processes of the
//! same user.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::fs;

/// A process, and which of the ports that were asked for it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    pub(crate) name: String,
    /// Those of them that it listens on.
    pub(crate) listening: Vec<u16>,
    /// Init has adopted it, or its supervisor: somebody left it behind, if it is no daemon.
    pub(crate) orphan: bool,
    /// Ascending, each once.
    pub(crate) ports: Vec<u16>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orphan = if self.orphan {
            ", an orphan or a daemon"
        } else {
            ""
        };
        write!(f, "{} (pid {}{orphan})", self.name, self.pid)
    }
}

/// Who holds the ports that were asked for; empty where the system does not tell.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// The processes that we may look into, those with the most ports first.
    pub(crate) visible: Vec<Holder>,
    /// The ports of all others, by the user whose they are.
    pub(crate) hidden: Vec<(u32, Vec<u16>)>,
    /// Ports that nobody holds, but on which a connection has not quite ended: up to a minute after it was
    /// closed from this side (TIME_WAIT).
    pub(crate) closing: Vec<u16>,
}

/// The processes that hold ports for which `wanted` says yes, as far as we may look into them.
pub(crate) fn holders(wanted: &dyn Fn(u16) -> bool) -> Vec<Holder> {
    census(wanted).visible
}

/// Who holds the ports for which `wanted` says yes. A `dyn` function, and no sorting or map of std's that is
/// not needed, since all of it is compiled with every crate that uses this one, for a message that few see.
pub(crate) fn census(wanted: &dyn Fn(u16) -> bool) -> Census {
    let mut census = Census::default();
    let mut sockets = HashMap::new();
    for socket in diag::sockets().unwrap_or_default() {
        if !wanted(socket.port) {
            continue;
        }
        match socket.inode {
            // It belongs to nobody any more.
            0 => insert(&mut census.closing, socket.port),
            inode => {
                sockets.insert(inode, socket);
            }
        }
    }
    for pid in processes() {
        if let Some(holder) = holder(pid, &mut sockets) {
            let rank = |holder: &Holder| (Reverse(holder.ports.len()), holder.pid);
            let visible = &mut census.visible;
            let place = visible.partition_point(|other| rank(other) < rank(&holder));
            visible.insert(place, holder);
        }
    }
    let hidden = &mut census.hidden;
    for socket in sockets.values().filter(|socket| !socket.seen) {
        match hidden.iter_mut().find(|(user, _)| *user == socket.user) {
            Some((_, ports)) => insert(ports, socket.port),
            None => {
                // In the same order each time, whatever that of the map is.
                let place = hidden.partition_point(|(user, _)| *user < socket.user);
                hidden.insert(place, (socket.user, vec![socket.port]));
            }
        }
    }
    let mut held = vec![false; 1 << 16];
    for socket in sockets.values() {
        held[usize::from(socket.port)] = true;
    }
    census.closing.retain(|port| !held[usize::from(*port)]);
    census
}

/// What `pid` holds of `sockets`, which are marked as seen.
fn holder(pid: u32, sockets: &mut HashMap<u32, diag::Found>) -> Option<Holder> {
    let (mut ports, mut listening) = (Vec::new(), Vec::new());
    for inode in inodes(pid) {
        let Some(socket) = sockets.get_mut(&inode) else {
            continue;
        };
        socket.seen = true;
        insert(&mut ports, socket.port);
        if socket.listening {
            insert(&mut listening, socket.port);
        }
    }
    (!ports.is_empty()).then(|| Holder {
        pid,
        name: name(pid),
        listening,
        orphan: is_orphan(pid),
        ports,
    })
}

/// Keeps `ports` ascending, each once.
fn insert(ports: &mut Vec<u16>, port: u16) {
    if let Err(place) = ports.binary_search(&port) {
        ports.insert(place, port);
    }
}

impl Census {
    /// As one phrase, with the number of ports of each; only the first few processes.
    pub(crate) fn describe(&self) -> Option<String> {
        const FEW: usize = 5;
        let Census {
            visible,
            hidden,
            closing,
        } = self;
        let mut texts: Vec<_> = visible
            .iter()
            .take(FEW)
            .map(|holder| match holder.pid == std::process::id() {
                true => format!("this process (pid {}): {}", holder.pid, holder.ports.len()),
                false => format!("{holder}: {}", holder.ports.len()),
            })
            .collect();
        if visible.len() > FEW {
            texts.push(format!("and {} more", visible.len() - FEW));
        }
        for (user, ports) in hidden {
            let ports = ports.len();
            texts.push(format!(
                "processes of user {user}, hidden from this one: {ports}"
            ));
        }
        if !closing.is_empty() {
            texts.push(format!(
                "closed connections, for up to a minute after the server has closed them: {}",
                closing.len()
            ));
        }
        (!texts.is_empty()).then(|| texts.join(", "))
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The inodes of the sockets that a process has open; none of a process that we may not look into.
fn inodes(pid: u32) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    entries.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        target
            .to_str()?
            .strip_prefix("socket:[")?
            .strip_suffix(']')?
            .parse()
            .ok()
    })
}

fn name(pid: u32) -> String {
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    comm.trim_end().to_owned()
}

/// Whether init has adopted the process, or the supervisor that it has as a child process of a node.
fn is_orphan(pid: u32) -> bool {
    match parent(pid) {
        Some(1) => true,
        Some(parent_pid) => {
            name(parent_pid).starts_with("port-test-super") && parent(parent_pid) == Some(1)
        }
        None => false,
    }
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything; behind it come the state and the parent.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(target_os = "linux")]
mod diag {
    //! The questions and answers of sock_diag(7), by their layout in linux/inet_diag.h.

    use std::io::{self, Read as _};

    use socket2::{Domain, Protocol, Socket, Type};

    /// NETLINK_SOCK_DIAG.
    const SOCK_DIAG: i32 = 4;
    /// SOCK_DIAG_BY_FAMILY.
    const BY_FAMILY: u16 = 20;
    /// NLM_F_REQUEST | NLM_F_DUMP.
    const DUMP: u16 = 0x301;
    /// NLMSG_ERROR and NLMSG_DONE.
    const ENDS: [u16; 2] = [2, 3];
    const HEADER: usize = 16;
    /// struct inet_diag_req_v2.
    const REQUEST: usize = 56;
    /// TCP_LISTEN.
    const LISTEN: u8 = 10;
    /// In struct inet_diag_msg: the state, the local port, big endian, the user, and the inode.
    const STATE: usize = 1;
    const PORT: usize = 4;
    const USER: usize = 64;
    const INODE: usize = 68;

    pub(super) struct Found {
        pub(super) port: u16,
        /// 0 for what is left of a closed connection.
        pub(super) inode: u32,
        pub(super) user: u32,
        pub(super) listening: bool,
        /// Some process that has it was found.
        pub(super) seen: bool,
    }

    /// All TCP and UDP sockets of this network namespace.
    pub(super) fn sockets() -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            for protocol in [libc::IPPROTO_TCP, libc::IPPROTO_UDP] {
                let mut socket = Socket::new(
                    Domain::from(libc::AF_NETLINK),
                    Type::DGRAM,
                    Some(Protocol::from(SOCK_DIAG)),
                )?;
                socket.send(&request(family as u8, protocol as u8))?;
                read_dump(&mut socket, &mut found)?;
            }
        }
        Ok(found)
    }

    fn request(family: u8, protocol: u8) -> [u8; HEADER + REQUEST] {
        let mut bytes = [0; HEADER + REQUEST];
        bytes[0..4].copy_from_slice(&((HEADER + REQUEST) as u32).to_ne_bytes());
        bytes[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        bytes[6..8].copy_from_slice(&DUMP.to_ne_bytes());
        bytes[HEADER] = family;
        bytes[HEADER + 1] = protocol;
        // All states, TCPF_BOUND_INACTIVE among them.
        bytes[HEADER + 4..HEADER + 8].copy_from_slice(&u32::MAX.to_ne_bytes());
        bytes
    }

    fn read_dump(socket: &mut Socket, found: &mut Vec<Found>) -> io::Result<()> {
        // The kernel fills at most 32 KiB a message (NLMSG_GOODSIZE and what a dump may ask for).
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = socket.read(&mut buffer)?;
            let mut rest = &buffer[..length];
            while let Some(size) = word(rest, 0).map(|size| size as usize) {
                if size < HEADER || size > rest.len() {
                    break;
                }
                let kind = u16::from_ne_bytes([rest[4], rest[5]]);
                if ENDS.contains(&kind) {
                    return Ok(());
                }
                let message = &rest[HEADER..size];
                if let (Some(inode), Some(user), Some(port)) = (
                    word(message, INODE),
                    word(message, USER),
                    message.get(PORT..PORT + 2),
                ) {
                    found.push(Found {
                        port: u16::from_be_bytes([port[0], port[1]]),
                        inode,
                        user,
                        listening: message[STATE] == LISTEN,
                        seen: false,
                    });
                }
                // Messages are aligned to four bytes.
                rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
            }
            if length == 0 {
                return Ok(());
            }
        }
    }

    fn word(bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = bytes.get(at..at + 4)?;
        Some(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }
}

#[cfg(not(target_os = "linux"))]
mod diag {
    pub(super) struct Found {
        pub(super) port: u16,
        pub(super) inode: u32,
        pub(super) user: u32,
        pub(super) listening: bool,
        /// Some process that has it was found.
        pub(super) seen: bool,
    }

    pub(super) fn sockets() -> std::io::Result<Vec<Found>> {
        Ok(Vec::new())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::port::{PortAllocator, Transport};

    #[test]
    fn guards_and_listeners_are_found_with_their_process() {
        let ports = PortAllocator::builder()
            .transport(Transport::Both)
            .build()
            .unwrap();
        let (guard, listening) = (ports.try_lease().unwrap(), ports.try_lease().unwrap());
        let listener = listening.listen().unwrap();
        let asked = [guard.port(), listening.port()];
        let own = |port| {
            let found = holders(&|held| held == port);
            found
                .into_iter()
                .find(|holder| holder.pid == std::process::id())
        };
        for port in asked {
            let holder = own(port).expect("this process holds it");
            assert_eq!((&*holder.ports, holder.orphan), (&[port][..], false));
            assert_eq!(holder.listening.contains(&port), port == listening.port());
            let census = Census {
                visible: vec![holder],
                hidden: vec![(7, vec![1, 2])],
                closing: vec![3, 4, 5],
            };
            let text = census.describe().unwrap();
            assert!(text.contains("): 1, processes of user 7"), "{text}");
            assert!(
                text.contains("from this one: 2, closed connections, "),
                "{text}"
            );
            assert!(text.ends_with(": 3"), "{text}");
        }
        drop(listener);
    }
}
