//! The named ports of one node, and the leases that hold them.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::pending::Pending;
use super::scope::Scope;
use super::start::Caller;
use crate::error::{Error, ErrorKind, chain};
use crate::port::{AllocErrorKind, PortAllocator, PortLease, Transport};
use crate::sync::lock;

/// A port as a node asks for it: `raft`, `quic/udp`, `both/tcp+udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortSpec {
    pub(crate) name: &'static str,
    pub(crate) transport: Transport,
}

impl PortSpec {
    /// Reads a node's ports.
    ///
    /// # Errors
    ///
    /// An empty or repeated name, or an unknown transport.
    pub(crate) fn parse_all(texts: &[&'static str]) -> Result<Vec<Self>, Error> {
        let mut specs: Vec<Self> = Vec::with_capacity(texts.len());
        for &text in texts {
            let (name, transport) = text.split_once('/').unwrap_or((text, "tcp"));
            let transport = match transport {
                "tcp" => Transport::Tcp,
                "udp" => Transport::Udp,
                "tcp+udp" => Transport::Both,
                _ => return Err(malformed(text, "the transport is tcp, udp or tcp+udp")),
            };
            if name.is_empty() {
                return Err(malformed(text, "a name stands before the slash"));
            }
            if specs.iter().any(|spec| spec.name == name) {
                return Err(malformed(text, "each name may stand there once"));
            }
            specs.push(Self { name, transport });
        }
        Ok(specs)
    }
}

fn malformed(text: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::Port,
        format!("the port `{text}` is malformed: {why}"),
    )
}

/// Addresses stay readable after the leases have been given back.
pub(crate) struct Ports {
    named: Vec<(PortSpec, SocketAddr)>,
    /// In the order of `named`; empty once the test is over.
    leases: Mutex<Vec<Arc<PortLease>>>,
    /// Whether the first port was taken for UDP: then nobody needs to listen on it.
    udp_taken: AtomicBool,
}

impl Ports {
    /// Leases a port for each of `specs`, waiting for free ones if need be.
    ///
    /// # Errors
    ///
    /// No port could be leased, a node died meanwhile, or time is up.
    pub(crate) async fn lease(
        specs: &[PortSpec],
        node: &str,
        scope: &Scope,
        caller: Caller,
    ) -> Result<Self, Error> {
        let allocator = PortAllocator::global();
        let mut named = Vec::with_capacity(specs.len());
        let mut leases = Vec::with_capacity(specs.len());
        for &spec in specs {
            let lease = match allocator.try_lease_as(spec.transport) {
                Err(error) if error.kind() == AllocErrorKind::Exhausted => {
                    let what = format!("a free port for `{}` of {node}", spec.name);
                    let leasing = allocator.lease_as(spec.transport);
                    let stats = || Some(allocator.stats().to_string());
                    scope
                        .wait(Pending::new(what, caller), leasing, stats)
                        .await?
                }
                leased => leased,
            };
            let lease = lease.map_err(|error| {
                let message = format!("no port could be leased for `{}` of {node}", spec.name);
                Error::new(ErrorKind::Port, message).caused_by(error)
            })?;
            named.push((spec, lease.addr()));
            leases.push(Arc::new(lease));
        }
        Ok(Self {
            named,
            leases: Mutex::new(leases),
            udp_taken: AtomicBool::new(false),
        })
    }

    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> + '_ {
        self.named.iter().map(|(spec, addr)| (spec.name, *addr))
    }

    /// The address of the first port.
    ///
    /// # Panics
    ///
    /// The node has no ports.
    #[track_caller]
    pub(crate) fn first(&self, node: &str) -> SocketAddr {
        match self.named.first() {
            Some((_, addr)) => *addr,
            None => panic!("{node} has no ports"),
        }
    }

    /// The address of the port called `name`.
    ///
    /// # Panics
    ///
    /// There is none of this name; the message has those that there are.
    #[track_caller]
    pub(crate) fn addr_of(&self, name: &str, node: &str) -> SocketAddr {
        self.named[self.index_of(name, node)].1
    }

    /// The index of the port called `name`, for the methods that act on one.
    ///
    /// # Panics
    ///
    /// As [`Self::addr_of`].
    #[track_caller]
    pub(crate) fn index_of(&self, name: &str, node: &str) -> usize {
        // No closure that panics: its place would be here and not at the caller.
        match self.named.iter().position(|(spec, _)| spec.name == name) {
            Some(index) => index,
            None => {
                let names: Vec<_> = self.named.iter().map(|(spec, _)| spec.name).collect();
                panic!(
                    "{node} has no port named `{name}`; it has: {}",
                    names.join(", ")
                )
            }
        }
    }

    /// Lets the node bind its ports.
    pub(crate) fn open(&self) -> io::Result<()> {
        self.udp_taken.store(false, Ordering::Relaxed);
        self.leases().iter().try_for_each(|lease| lease.open())
    }

    /// Gives one up until they are closed.
    pub(crate) fn release(&self, index: usize) -> io::Result<()> {
        self.lease_of(index)?.lend()
    }

    /// Keeps everybody from binding them.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.leases().iter().try_for_each(|lease| lease.close())
    }

    pub(crate) fn give_back(&self) {
        lock(&self.leases).clear();
    }

    /// The lease of one port.
    ///
    /// # Errors
    ///
    /// The test is over.
    pub(crate) fn lease_of(&self, index: usize) -> io::Result<Arc<PortLease>> {
        let over = || io::Error::other("the test is over, its ports are given back");
        self.leases().get(index).cloned().ok_or_else(over)
    }

    /// The port was taken for UDP.
    pub(crate) fn took_udp(&self, index: usize) {
        if index == 0 {
            // A hint for `must_listen` on the same thread; the leases' lock orders the rest.
            self.udp_taken.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_listening(&self, index: usize) -> io::Result<bool> {
        self.lease_of(index)?.is_listening()
    }

    /// Whether a node is only ready when somebody listens on its first port.
    pub(crate) fn must_listen(&self) -> bool {
        let tcp = self
            .named
            .first()
            .is_some_and(|(spec, _)| spec.transport != Transport::Udp);
        tcp && !self.udp_taken.load(Ordering::Relaxed)
    }

    /// An address on which somebody listens.
    pub(crate) fn anybody_listening(&self) -> io::Result<Option<SocketAddr>> {
        for (lease, (spec, addr)) in self.leases().iter().zip(&self.named) {
            if spec.transport != Transport::Udp && lease.is_listening()? {
                return Ok(Some(*addr));
            }
        }
        Ok(None)
    }

    /// Out of the lock, which is held for no system call.
    fn leases(&self) -> Vec<Arc<PortLease>> {
        lock(&self.leases).clone()
    }
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.named()).finish()
    }
}

/// An I/O error of a node's port, as an [`Error`].
pub(crate) fn io_error(node: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{node}: {}", chain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_tcp_unless_it_says_otherwise() {
        let specs = PortSpec::parse_all(&["raft", "admin/tcp", "quic/udp", "dns/tcp+udp"]).unwrap();
        let transports: Vec<_> = specs.iter().map(|spec| spec.transport).collect();
        assert_eq!(
            transports,
            [
                Transport::Tcp,
                Transport::Tcp,
                Transport::Udp,
                Transport::Both
            ]
        );
        assert_eq!(specs[2].name, "quic");
    }

    #[test]
    fn malformed_ports_are_named() {
        for (ports, word) in [
            (&["a/sctp"][..], "a/sctp"),
            (&["/udp"], "/udp"),
            (&["a", "a/udp"], "once"),
        ] {
            let error = PortSpec::parse_all(ports).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
