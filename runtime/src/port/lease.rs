//! One leased port.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::guard::{Guard, Obstacle, obstacle};
use super::holders::{Census, census};
use super::stats::Counters;
use super::transport::Transport;
use super::waiters::Waiters;
use crate::error::chain;

/// How long a bind that fails is tried again. A child that another thread is spawning holds copies
/// of all our sockets between fork and exec: up to 5 ms, measured on a quiet machine, so also
/// those of a server that has just died. On a machine that is busy with hundreds of tests exec may
/// come late, and nobody waits this long unless the bind would have failed anyway.
pub(crate) const FORK: Duration = Duration::from_secs(1);

/// How long [`PortLease::release`] waits. Shorter, because connections that die away, for a minute,
/// are in its way as well and cannot be told from a fork.
const RELEASE: Duration = Duration::from_millis(100);

/// A port that nobody else gets until this is dropped.
///
/// A lease is a socket that is bound and never listens, so the kernel keeps the books: it takes
/// the port back when the lease is dropped, and also when the process ends in whatever way. A
/// connection to a leased port where nobody listens is refused, like one to a dead server.
///
/// A lease begins *exclusive*: nobody can bind the port. [`open`](Self::open) lets servers in that
/// set `SO_REUSEADDR`, as std, tokio, Go, Java, libuv and most servers do;
/// [`close`](Self::close) makes it exclusive again, and leaves a server that listens alone.
/// [`listen`](Self::listen) and [`udp_socket`](Self::udp_socket) need neither.
///
/// # Platform notes
///
/// On Linux the guard covers every address of both families (IPv4 alone where the kernel has no
/// IPv6), and only one server can listen over an open guard. While the guard is open and no
/// server listens yet, a stranger that binds exactly this number with `SO_REUSEADDR` can take it;
/// nothing is handed such a number by chance. So open a lease shortly before its server starts.
///
/// A server that sets neither `SO_REUSEADDR` nor binds through the lease cannot bind over a guard:
/// give it the port with [`release`](Self::release). One that sets only `SO_REUSEPORT` likewise.
///
/// A datagram to a port that is leased for UDP, where no server is bound, is swallowed: no ICMP
/// message says that nobody is there. A UDP server that binds by itself must set `SO_REUSEADDR`,
/// which `std` and tokio do not; [`udp_socket`](Self::udp_socket) does.
///
/// On other systems the guard is on one address, [`open`](Self::open) really gives the port up
/// until [`close`](Self::close), and between the two anybody can take it.
///
/// # Examples
///
/// ```
/// use port_test::PortAllocator;
/// use std::net::{TcpListener, TcpStream};
///
/// let lease = PortAllocator::global().try_lease()?;
/// assert!(TcpListener::bind(lease.addr()).is_err(), "the lease is exclusive");
///
/// lease.open()?;
/// let server = TcpListener::bind(lease.addr())?; // may as well be in a child process
/// TcpStream::connect(lease.addr())?;
///
/// drop(server);
/// lease.close()?;
/// assert!(TcpStream::connect(lease.addr()).is_err(), "nobody listens");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping a lease gives the port back"]
pub struct PortLease {
    // Declared, so dropped, before `held`: waiters are woken when the port is free.
    guard: Mutex<Guard>,
    addr: SocketAddr,
    transport: Transport,
    held: Held,
}

impl PortLease {
    pub(super) fn new(
        guard: Guard,
        addr: SocketAddr,
        transport: Transport,
        home: &Arc<Home>,
    ) -> Self {
        PortLease {
            guard: Mutex::new(guard),
            addr,
            transport,
            held: Held(Arc::clone(home)),
        }
    }

    /// The port number.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Where a server of this lease binds and its clients connect: the port on 127.0.0.1, or on
    /// the address that the allocator was built with.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What the port is leased for.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Lets a server bind the port. Does nothing if it is open.
    ///
    /// # Errors
    ///
    /// None is known on Linux; what `setsockopt` reports.
    ///
    /// # Platform notes
    ///
    /// On Linux the lease goes on holding the port, against everybody who does not set
    /// `SO_REUSEADDR`. On other systems it gives the port up: see [`PortLease`].
    ///
    /// # Examples
    ///
    /// ```
    /// use port_test::PortAllocator;
    ///
    /// let lease = PortAllocator::global().try_lease()?;
    /// lease.open()?;
    /// // Any server that is told nothing but the number:
    /// let server = std::net::TcpListener::bind(("127.0.0.1", lease.port()))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(&self) -> io::Result<()> {
        self.with_guard(Guard::open)
            .map_err(|e| self.explain("open", e))
    }

    /// Keeps everybody from binding the port, and leaves a server that has bound it alone. Does
    /// nothing if it is closed.
    ///
    /// # Errors
    ///
    /// None is known on Linux; what `setsockopt` reports.
    ///
    /// # Platform notes
    ///
    /// On other systems than Linux this binds the port again: it fails with
    /// [`AddrInUse`](io::ErrorKind::AddrInUse), after trying for a second, while anybody has it.
    ///
    /// # Examples
    ///
    /// ```
    /// use port_test::PortAllocator;
    ///
    /// let lease = PortAllocator::global().try_lease()?;
    /// lease.open()?;
    /// lease.close()?;
    /// assert!(std::net::TcpListener::bind(lease.addr()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) -> io::Result<()> {
        let closed = match self.with_guard(|guard| Ok(guard.is_lent()))? {
            false => self.with_guard_again(Guard::close),
            true => self.take_back(),
        };
        closed.map_err(|e| self.explain("close", e))
    }

    /// Guards a port again that was lent. What is left of connections may keep the guard out, but then
    /// it keeps out everybody.
    fn take_back(&self) -> io::Result<()> {
        let taken_back = again(RELEASE, || {
            match self.with_guard(|guard| guard.take_back(self.addr))? {
                true => Ok(()),
                false => Err(io::ErrorKind::AddrInUse.into()),
            }
        });
        match taken_back {
            Ok(()) => Ok(()),
            Err(_) => self
                .with_guard(|guard| guard.take_back(self.addr))
                .map(drop),
        }
    }

    /// Gives the port up until [`close`](Self::close), as [`release`](Self::release) does for good.
    pub(crate) fn lend(&self) -> io::Result<()> {
        self.with_guard(Guard::lend)
            .map_err(|e| self.explain("release", e))?;
        // As in `release`: a fork may hold a copy of the guard. Whatever stands there is the server's
        // to report.
        let _ = again(RELEASE, || nothing_left(self.transport, self.addr));
        Ok(())
    }

    /// A listener of one's own on [`addr`](Self::addr), whether the lease is open or not: an
    /// exclusive lease is open for the moment of the bind. Its backlog is 1024 connections.
    ///
    /// For tokio, call `set_nonblocking(true)` on it and then `TcpListener::from_std`.
    ///
    /// # Errors
    ///
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse) if somebody listens on the port. It is tried
    ///   again for a second before, since a child that another thread is just spawning holds the
    ///   sockets of a server that died for some milliseconds; the calling thread sleeps between.
    /// - [`Unsupported`](io::ErrorKind::Unsupported) if the port is leased for UDP alone.
    /// - What else the operating system reports, like too many open files.
    ///
    /// # Platform notes
    ///
    /// On other systems than Linux an exclusive lease hands its own socket over, and holds the
    /// port no longer until [`close`](Self::close).
    ///
    /// # Examples
    ///
    /// ```
    /// use port_test::PortAllocator;
    ///
    /// let lease = PortAllocator::global().try_lease()?;
    /// let first = lease.listen()?;
    /// drop(first);
    /// let restarted = lease.listen()?; // at once, on the same port
    /// assert_eq!(restarted.local_addr()?, lease.addr());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn listen(&self) -> io::Result<TcpListener> {
        self.demand(self.transport.has_tcp(), "listen on", "TCP")?;
        self.with_guard_again(|guard| guard.listen(self.addr))
            .map_err(|e| self.explain("listen on", e))
    }

    /// A UDP socket of one's own on [`addr`](Self::addr), whether the lease is open or not.
    ///
    /// # Errors
    ///
    /// - [`Unsupported`](io::ErrorKind::Unsupported) if the port is leased for TCP alone.
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse) if a server has bound the port that did not set
    ///   `SO_REUSEADDR`, after trying for a second as [`listen`](Self::listen) does.
    /// - What else the operating system reports.
    ///
    /// # Platform notes
    ///
    /// On Linux several such sockets can be bound, and the newest gets the datagrams. On other
    /// systems the lease hands its own socket over, as with [`listen`](Self::listen).
    ///
    /// # Examples
    ///
    /// ```
    /// use port_test::{PortAllocator, Transport};
    ///
    /// let ports = PortAllocator::builder().transport(Transport::Udp).build()?;
    /// let (a, b) = (ports.try_lease()?, ports.try_lease()?);
    /// let (from, to) = (a.udp_socket()?, b.udp_socket()?);
    /// from.send_to(b"hello", b.addr())?;
    /// let mut buffer = [0; 16];
    /// let (length, sender) = to.recv_from(&mut buffer)?;
    /// assert_eq!((&buffer[..length], sender), (&b"hello"[..], a.addr()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn udp_socket(&self) -> io::Result<UdpSocket> {
        self.demand(self.transport.has_udp(), "bind a UDP socket to", "UDP")?;
        self.with_guard_again(|guard| guard.udp_socket(self.addr))
            .map_err(|e| self.explain("bind a UDP socket to", e))
    }

    /// [`listen`](Self::listen), tried once.
    pub(crate) fn try_listen(&self) -> io::Result<TcpListener> {
        self.demand(self.transport.has_tcp(), "listen on", "TCP")?;
        self.with_guard(|guard| guard.listen(self.addr))
    }

    /// [`udp_socket`](Self::udp_socket), tried once.
    pub(crate) fn try_udp_socket(&self) -> io::Result<UdpSocket> {
        self.demand(self.transport.has_udp(), "bind a UDP socket to", "UDP")?;
        self.with_guard(|guard| guard.udp_socket(self.addr))
    }

    /// Whether a server listens on the port, asked of the kernel: no connection reaches it.
    ///
    /// # Errors
    ///
    /// - [`Unsupported`](io::ErrorKind::Unsupported) if the port is leased for UDP alone, where
    ///   there is no such thing as listening.
    /// - What the operating system reports, like too many open files.
    ///
    /// # Platform notes
    ///
    /// On Linux an exclusive lease is open for the moment of the question. A listener that was
    /// just closed may be reported for some more milliseconds, while a child that another thread
    /// is spawning holds a copy. Elsewhere, a server that has bound and does not listen counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use port_test::PortAllocator;
    ///
    /// let lease = PortAllocator::global().try_lease()?;
    /// assert!(!lease.is_listening()?);
    /// let server = lease.listen()?;
    /// assert!(lease.is_listening()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_listening(&self) -> io::Result<bool> {
        self.demand(self.transport.has_tcp(), "ask for a listener on", "TCP")?;
        self.with_guard(|guard| guard.is_listening(self.addr))
            .map_err(|e| self.explain("ask for a listener on", e))
    }

    /// Gives the port back and returns its number, for a server that sets no `SO_REUSEADDR`.
    /// From here on anybody can take it: this is the race that a lease is there to avoid.
    ///
    /// Returns when the port can be bound without that option. Sleeps up to 100 ms when it cannot
    /// at once: a child that another thread is spawning may hold a copy of the lease. Returns also
    /// after that time, and as soon as somebody has the port.
    ///
    /// # Platform notes
    ///
    /// On Linux, connections of a former server keep such a bind from succeeding for up to a
    /// minute (`TIME_WAIT`), which this does not wait for.
    ///
    /// # Examples
    ///
    /// ```
    /// use port_test::PortAllocator;
    ///
    /// let port = PortAllocator::global().try_lease()?.release();
    /// let server = std::net::TcpListener::bind(("127.0.0.1", port))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn release(self) -> u16 {
        let PortLease {
            guard,
            addr,
            transport,
            held,
        } = self;
        // An error leaves the guard as it was; it is dropped all the same.
        let _ = guard
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .release();
        // Waiters first, or they would wait for us to look.
        drop(held);
        // An error, like a full table of open files, tells nothing about the port: not worth
        // keeping it from the caller.
        let _ = again(RELEASE, || nothing_left(transport, addr));
        addr.port()
    }

    fn with_guard<T>(&self, action: impl FnOnce(&mut Guard) -> io::Result<T>) -> io::Result<T> {
        // A panic cannot leave the guard half open: nothing under this lock panics.
        action(&mut self.guard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Unlocked between the attempts, so that `open` in another thread need not wait.
    fn with_guard_again<T>(
        &self,
        mut action: impl FnMut(&mut Guard) -> io::Result<T>,
    ) -> io::Result<T> {
        again(FORK, || self.with_guard(&mut action))
    }

    fn demand(&self, present: bool, what: &str, wanted: &str) -> io::Result<()> {
        if present {
            return Ok(());
        }
        let (addr, transport) = (self.addr, self.transport);
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("failed to {what} {addr}: it is leased for {transport}, not for {wanted}"),
        ))
    }

    /// Who has the port, beside the guard.
    fn rival(&self) -> String {
        let (port, own) = (self.port(), std::process::id());
        let Census {
            visible, hidden, ..
        } = census(&|held| held == port);
        let rival = visible
            .iter()
            .find(|holder| !holder.listening.is_empty() || holder.pid != own);
        match (rival, hidden.first()) {
            (Some(rival), _) => format!("{rival} has it"),
            // If not even this process is visible, it may be the one.
            (None, Some((user, _))) if !visible.is_empty() => {
                format!("a process of user {user} has it")
            }
            (None, _) => "another server has it".to_owned(),
        }
    }

    /// Says what was tried. Keeps the kind, on which callers decide.
    pub(crate) fn explain(&self, what: &str, error: io::Error) -> io::Error {
        let (addr, transport) = (self.addr, self.transport);
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => format!(": {}", self.rival()),
            _ => format!(": {}", chain(&error)),
        };
        io::Error::new(
            error.kind(),
            format!("failed to {what} {addr} ({transport}){why}"),
        )
    }
}

fn nothing_left(transport: Transport, addr: SocketAddr) -> io::Result<()> {
    match obstacle(transport, addr)? {
        Obstacle::None | Obstacle::Taken => Ok(()),
        Obstacle::Remains => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// Tries again while the address is in use, with pauses that double from half a millisecond.
fn again<T>(limit: Duration, mut action: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let began = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        match action() {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && began.elapsed() < limit => {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            result => return result,
        }
    }
}

impl fmt::Debug for PortLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortLease")
            .field("addr", &self.addr)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// What the leases of an allocator share with it.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) counters: Counters,
    pub(super) waiters: Waiters,
}

/// Tells the allocator when it is dropped.
struct Held(Arc<Home>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.counters.given_back();
        self.0.waiters.wake();
    }
}

#[cfg(all(test, target_os = "linux", not(port_test_portable)))]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::allocator::PortAllocator;
    use socket2::{Domain, Socket, Type};
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpStream;

    fn lease(transport: Transport) -> PortLease {
        let ports = PortAllocator::builder().transport(transport);
        let ports = ports.build().expect("a range");
        ports.blocking_lease().expect("a free port")
    }

    fn bind(kind: Type, addr: impl Into<SocketAddr>, reuse: bool) -> io::Result<Socket> {
        let addr = addr.into();
        let socket = Socket::new(Domain::for_address(addr), kind, None)?;
        socket.set_reuse_address(reuse)?;
        socket.bind(&addr.into())?;
        Ok(socket)
    }

    /// Waits for the end of a listener that was dropped: a child that another test is spawning may
    /// hold a copy.
    fn until_gone(lease: &PortLease) {
        while lease.is_listening().expect("an answer") {
            thread::yield_now();
        }
    }

    /// Sends a byte through, and leaves connections on both sides that die away slowly.
    fn serve_once(listener: &TcpListener) {
        let mut client = TcpStream::connect(listener.local_addr().expect("bound")).expect("up");
        let (mut server, _) = listener.accept().expect("a connection");
        server.write_all(b"x").expect("sent");
        client.read_exact(&mut [0]).expect("received");
        // The server's side closes first, and is the one that stays in TIME_WAIT.
        drop(server);
        assert_eq!(client.read(&mut [0]).expect("the end"), 0);
    }

    #[test]
    fn a_server_restarts_at_once_on_what_it_left_behind() {
        let lease = lease(Transport::Tcp);
        for _ in 0..20 {
            // Open, and in the next round exclusive.
            for open in [true, false] {
                if open {
                    lease.open().expect("opened");
                } else {
                    lease.close().expect("closed");
                }
                let server = lease.listen().expect("the port is ours");
                assert_eq!(server.local_addr().expect("bound"), lease.addr());
                serve_once(&server);
            }
        }
    }

    #[test]
    fn is_listening_sees_servers_and_is_not_seen() {
        let lease = lease(Transport::Tcp);
        assert!(!lease.is_listening().expect("an answer"));
        let server = lease.listen().expect("a listener");
        server.set_nonblocking(true).expect("set");
        assert!(lease.is_listening().expect("an answer"));
        assert_eq!(
            server.accept().expect_err("nobody").kind(),
            ErrorKind::WouldBlock
        );
        drop(server);
        until_gone(&lease);
    }

    #[test]
    fn datagrams_reach_the_socket_and_not_the_guard() {
        let (a, b) = (lease(Transport::Udp), lease(Transport::Both));
        for _ in 0..10 {
            let (from, to) = (a.udp_socket().expect("udp"), b.udp_socket().expect("udp"));
            from.send_to(b"x", b.addr()).expect("sent");
            let mut buffer = [0; 8];
            assert_eq!(to.recv_from(&mut buffer).expect("received"), (1, a.addr()));
        }
    }

    #[test]
    fn the_wrong_transport_is_unsupported() {
        let (tcp, udp) = (lease(Transport::Tcp), lease(Transport::Udp));
        for error in [
            tcp.udp_socket().expect_err("no udp"),
            udp.listen().expect_err("no tcp"),
            udp.is_listening().expect_err("no tcp"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("it is leased for"), "{error}");
        }
    }

    #[test]
    fn a_conflict_is_explained() {
        let lease = lease(Transport::Tcp);
        let _server = lease.listen().expect("a listener");
        let error = lease.listen().expect_err("a second one");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let text = error.to_string();
        let start = format!("failed to listen on {} (tcp): ", lease.addr());
        assert!(
            text.starts_with(&start) && text.ends_with(" has it"),
            "{text}"
        );
        if cfg!(target_os = "linux") {
            assert!(
                text.contains(&format!("(pid {})", std::process::id())),
                "{text}"
            );
        }
    }

    #[test]
    fn release_makes_room_for_servers_without_the_option() {
        // More than once: a stranger may take the port, and a fork may copy the probe.
        for _ in 0..10 {
            let lease = lease(Transport::Both);
            let addr = lease.addr();
            assert_eq!(lease.release(), addr.port());
            let tcp = bind(Type::STREAM, addr, false);
            if tcp.and(bind(Type::DGRAM, addr, false)).is_ok() {
                return;
            }
        }
        panic!("ten released ports could not be bound");
    }

    #[test]
    fn release_does_not_wait_for_a_server() {
        let lease = lease(Transport::Tcp);
        let server = lease.listen().expect("a listener");
        assert_eq!(lease.release(), server.local_addr().expect("bound").port());
        serve_once(&server);
    }

    #[test]
    fn leases_go_anywhere() {
        fn check<T: Send + Sync + fmt::Debug>(_: &T) {}
        let lease = lease(Transport::Tcp);
        check(&lease);
        assert!(format!("{lease:?}").contains(&lease.addr().to_string()));
    }

    /// What only Linux's guards can do.
    #[cfg(all(target_os = "linux", not(port_test_portable)))]
    mod linux {
        use super::*;
        use std::net::{Ipv4Addr, Ipv6Addr};

        fn assert_busy<T>(result: io::Result<T>, what: &str) {
            match result {
                Ok(_) => panic!("{what} succeeded"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "{what}: {error}"),
            }
        }

        #[test]
        fn exclusive_means_all_addresses_and_everybody() {
            let lease = lease(Transport::Both);
            let port = lease.port();
            let mut addresses = vec![
                SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), port)),
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            ];
            if bind(Type::STREAM, (Ipv6Addr::LOCALHOST, 0), false).is_ok() {
                addresses.push((Ipv6Addr::LOCALHOST, port).into());
                addresses.push((Ipv6Addr::UNSPECIFIED, port).into());
            }
            for addr in addresses {
                for kind in [Type::STREAM, Type::DGRAM] {
                    for reuse in [false, true] {
                        assert_busy(bind(kind, addr, reuse), &format!("{addr} {kind:?} {reuse}"));
                    }
                }
            }
        }

        #[test]
        fn open_lets_in_whoever_sets_the_option_and_close_nobody() {
            let lease = lease(Transport::Tcp);
            lease.open().expect("opened");
            lease.open().expect("opened already");
            assert_busy(
                bind(Type::STREAM, lease.addr(), false),
                "a bind without the option",
            );
            let server = TcpListener::bind(lease.addr()).expect("a plain std listener");
            assert_busy(TcpListener::bind(lease.addr()), "a second server");

            lease.close().expect("closed");
            serve_once(&server);
            drop(server);
            until_gone(&lease);
            assert_busy(TcpListener::bind(lease.addr()), "a server after the close");
            let refused = TcpStream::connect(lease.addr()).expect_err("nobody listens");
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }

        #[test]
        fn a_server_outlives_its_lease() {
            let lease = lease(Transport::Tcp);
            let server = lease.listen().expect("a listener");
            drop(lease);
            serve_once(&server);
        }

        #[test]
        fn listening_leaves_the_lease_as_it_was() {
            let lease = lease(Transport::Both);
            drop((
                lease.listen().expect("tcp"),
                lease.udp_socket().expect("udp"),
            ));
            until_gone(&lease);
            assert_busy(
                bind(Type::STREAM, lease.addr(), true),
                "a bind over the exclusive lease",
            );
            assert_busy(
                bind(Type::DGRAM, lease.addr(), true),
                "a bind over the exclusive lease",
            );

            lease.open().expect("opened");
            drop((
                lease.listen().expect("tcp"),
                lease.udp_socket().expect("udp"),
            ));
            // The listener may live on in a child that another test is spawning.
            again(FORK, || bind(Type::STREAM, lease.addr(), true)).expect("still open");
            bind(Type::DGRAM, lease.addr(), true).expect("still open");
        }

        #[test]
        fn is_listening_sees_servers_on_other_addresses() {
            let lease = lease(Transport::Tcp);
            lease.open().expect("opened");
            let mut addresses = vec!["0.0.0.0", "127.0.0.2"];
            if bind(Type::STREAM, (Ipv6Addr::LOCALHOST, 0), false).is_ok() {
                addresses.extend(["::", "::1"]);
            }
            for address in addresses {
                let bind = || TcpListener::bind((address, lease.port()));
                let server = again(FORK, bind).expect(address);
                assert!(lease.is_listening().expect("an answer"), "{address}");
                drop(server);
            }
        }
    }
}
