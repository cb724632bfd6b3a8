//! Who hands ports out.

use std::fmt;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::builder::AllocatorBuilder;
use super::error::{AllocError, AllocErrorKind, RangeError};
use super::events;
use super::guard::{Guard, Probe};
use super::lease::{Home, PortLease};
use super::search::{Failed, Found, Space};
use super::stats::{Counters, Stats};
use super::transport::Transport;
use super::waiters::{self, Waiters};

/// Leases ports that no other test, thread, process or user of the machine gets meanwhile.
///
/// There is nothing to set up and nothing to share: a lease is a socket, and the kernel gives each
/// port to one socket, also across processes that have never heard of each other. So any number
/// of allocators can use the same range; clones share a cursor, the statistics and the waiting.
///
/// # Platform notes
///
/// Leases are guarded as described at [`PortLease`]; fully so on Linux.
///
/// # Examples
///
/// ```
/// use port_test::PortAllocator;
///
/// let lease = PortAllocator::global().try_lease()?;
/// let server = lease.listen()?;
/// println!("a server on {}", server.local_addr()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PortAllocator {
    inner: Arc<Inner>,
}

struct Inner {
    space: Result<Space, RangeError>,
    settings: Settings,
    home: Arc<Home>,
}

/// What the builder decides beside the range.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) transport: Transport,
    pub(super) address: IpAddr,
    pub(super) attempts: u32,
    /// Only tests change it, to make sure that it was not the clock that ended a wait.
    pub(super) first_backoff: Duration,
    pub(super) max_backoff: Duration,
}

impl PortAllocator {
    pub(super) fn new(space: Result<Space, RangeError>, settings: Settings) -> Self {
        let home = Arc::new(Home {
            counters: Counters::new(),
            waiters: Waiters::default(),
        });
        PortAllocator {
            inner: Arc::new(Inner {
                space,
                settings,
                home,
            }),
        }
    }

    /// The allocator of this process: TCP ports on 127.0.0.1, from `PORT_TEST_RANGE` or else from
    /// the default range that [`AllocatorBuilder::range`] describes.
    ///
    /// The environment is read when this is first called. If it is malformed, this succeeds and
    /// every lease fails with [`InvalidRange`](AllocErrorKind::InvalidRange).
    ///
    /// # Examples
    ///
    /// ```
    /// let lease = port_test::PortAllocator::global().try_lease()?;
    /// assert_ne!(lease.port(), 0);
    /// # Ok::<(), port_test::AllocError>(())
    /// ```
    #[must_use]
    pub fn global() -> &'static PortAllocator {
        static GLOBAL: OnceLock<PortAllocator> = OnceLock::new();
        GLOBAL.get_or_init(|| AllocatorBuilder::new().build_global())
    }

    /// Configures an allocator of one's own.
    ///
    /// # Examples
    ///
    /// ```
    /// let ports = port_test::PortAllocator::builder().range(20_000..=29_999).build()?;
    /// # Ok::<(), port_test::AllocError>(())
    /// ```
    pub fn builder() -> AllocatorBuilder {
        AllocatorBuilder::new()
    }

    /// Leases a port, exclusively. Searches the whole range once, never waits, and finds a port if
    /// one is free throughout.
    ///
    /// # Errors
    ///
    /// - [`Exhausted`](AllocErrorKind::Exhausted) if every port is in use. Just after a drop this
    ///   may be too early: a child that another thread is spawning holds copies of our sockets for
    ///   some milliseconds.
    /// - [`InvalidRange`](AllocErrorKind::InvalidRange),
    ///   [`TooManyOpenFiles`](AllocErrorKind::TooManyOpenFiles),
    ///   [`PermissionDenied`](AllocErrorKind::PermissionDenied) and
    ///   [`Io`](AllocErrorKind::Io), as they say.
    ///
    /// # Examples
    ///
    /// ```
    /// use port_test::{AllocErrorKind, PortAllocator};
    ///
    /// let lease = PortAllocator::global().try_lease()?;
    /// let only = lease.port()..=lease.port();
    /// let error = PortAllocator::builder().range(only).build()?.try_lease().unwrap_err();
    /// assert_eq!(error.kind(), AllocErrorKind::Exhausted);
    /// # Ok::<(), port_test::AllocError>(())
    /// ```
    pub fn try_lease(&self) -> Result<PortLease, AllocError> {
        self.try_lease_as(self.inner.settings.transport)
    }

    /// Leases a port, exclusively; if every port is in use, waits for one to be given back.
    ///
    /// A drop in this process ends the wait at once. Those in other processes are found by
    /// searching again, after pauses that grow from a millisecond to
    /// [`max_backoff`](AllocatorBuilder::max_backoff), [`attempts`](AllocatorBuilder::attempts)
    /// times: by default for about 19 s.
    ///
    /// # Errors
    ///
    /// [`Exhausted`](AllocErrorKind::Exhausted) after the last attempt; any other error of
    /// [`try_lease`](Self::try_lease) at once.
    ///
    /// # Panics
    ///
    /// If it has to wait and is not in a tokio runtime whose time is enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the wait and leases nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use port_test::PortAllocator;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let lease = PortAllocator::global().lease().await?;
    /// let listener = lease.listen()?;
    /// listener.set_nonblocking(true)?;
    /// let listener = tokio::net::TcpListener::from_std(listener)?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn lease(&self) -> Result<PortLease, AllocError> {
        self.lease_as(self.inner.settings.transport).await
    }

    /// Like [`lease`](Self::lease), for code that is not async: blocks the thread while it waits.
    ///
    /// # Errors
    ///
    /// Those of [`lease`](Self::lease).
    ///
    /// # Examples
    ///
    /// ```
    /// let lease = port_test::PortAllocator::global().blocking_lease()?;
    /// # Ok::<(), port_test::AllocError>(())
    /// ```
    pub fn blocking_lease(&self) -> Result<PortLease, AllocError> {
        let transport = self.inner.settings.transport;
        let lease = pin!(self.lease_by(transport, Pause::Thread));
        match lease.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => unreachable!("a pause of the thread blocks and never yields"),
        }
    }

    /// Leases `count` ports with consecutive numbers, ascending. Searches the whole range once and
    /// never waits for a port; calls on clones of one allocator take turns.
    ///
    /// # Errors
    ///
    /// Those of [`try_lease`](Self::try_lease); [`Exhausted`](AllocErrorKind::Exhausted) means
    /// that no run of free ports was long enough.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = port_test::PortAllocator::global().lease_block(3)?;
    /// assert_eq!(block[2].port(), block[0].port() + 2);
    /// # Ok::<(), port_test::AllocError>(())
    /// ```
    pub fn lease_block(&self, count: u16) -> Result<Vec<PortLease>, AllocError> {
        let started = Instant::now();
        let Inner { settings, home, .. } = &*self.inner;
        let space = self.space()?;
        let transport = settings.transport;
        let mut probe = Probe::new(transport, settings.address);
        let found = space.block(count, |port| probe.claim(port));
        let (block, probed) = found.map_err(|failed| match failed {
            Failed::All(miss) if miss.probed == 0 || miss.denied < miss.probed => {
                home.counters.failed(miss.probed);
                AllocError::no_block(space.range.text(), count, miss.probed, miss.last)
            }
            failed => self.failure(space, failed),
        })?;
        let elapsed = started.elapsed();
        // The probes are counted once, with the first port of the block.
        let mut probes = probed.saturating_sub(count.into()) + 1;
        let leases = block
            .into_iter()
            .map(|found| self.leased(found, transport, mem::replace(&mut probes, 1), elapsed));
        Ok(leases.collect())
    }

    /// A bare port number, for code that can keep nothing else: its lease, opened, is held until
    /// the process ends. Waits like [`lease`](Self::lease).
    ///
    /// # Errors
    ///
    /// Those of [`lease`](Self::lease), and [`Io`](AllocErrorKind::Io) if the lease cannot be
    /// opened.
    ///
    /// # Panics
    ///
    /// If it has to wait and is not in a tokio runtime whose time is enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the wait and leases nothing.
    ///
    /// # Platform notes
    ///
    /// See [`PortLease::open`]: on Linux only a stranger that binds exactly this number could take
    /// it before your server; on other systems the port is merely one that was free.
    ///
    /// # Examples
    ///
    /// ```
    /// use port_test::PortAllocator;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let port = PortAllocator::global().next_available_port().await?;
    /// let server = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_available_port(&self) -> Result<u16, AllocError> {
        let lease = self.lease().await?;
        if let Err(cause) = lease.open() {
            return Err(AllocError::refused(lease.port().to_string(), 0, cause));
        }
        let port = lease.port();
        mem::forget(lease);
        Ok(port)
    }

    /// What this allocator, with its clones, has done so far.
    ///
    /// # Examples
    ///
    /// ```
    /// println!("{}", port_test::PortAllocator::global().stats());
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.home.counters.snapshot()
    }

    /// The first and the last port that may be leased. A default range may leave out ports between
    /// them.
    ///
    /// # Errors
    ///
    /// [`InvalidRange`](AllocErrorKind::InvalidRange) from the [`global`](Self::global) allocator
    /// if `PORT_TEST_RANGE` is malformed.
    ///
    /// # Examples
    ///
    /// ```
    /// let ports = port_test::PortAllocator::builder().range(20_000..=20_009).build()?;
    /// assert_eq!(ports.range()?, 20_000..=20_009);
    /// # Ok::<(), port_test::AllocError>(())
    /// ```
    pub fn range(&self) -> Result<RangeInclusive<u16>, AllocError> {
        let range = &self.space()?.range;
        Ok(range.first()..=range.last())
    }

    /// [`try_lease`](Self::try_lease), for a transport of the caller's choice.
    pub(crate) fn try_lease_as(&self, transport: Transport) -> Result<PortLease, AllocError> {
        self.search(transport, Instant::now())
    }

    /// [`lease`](Self::lease), for a transport of the caller's choice.
    pub(crate) async fn lease_as(&self, transport: Transport) -> Result<PortLease, AllocError> {
        self.lease_by(transport, Pause::Task).await
    }

    async fn lease_by(&self, transport: Transport, pause: Pause) -> Result<PortLease, AllocError> {
        let started = Instant::now();
        let Settings {
            attempts,
            first_backoff,
            max_backoff,
            ..
        } = self.inner.settings;
        let first = self.search(transport, started);
        if !is_exhausted(&first) || attempts == 1 {
            return first;
        }
        let waiting = self.inner.home.waiters.enter();
        let mut backoff = Backoff::new(first_backoff, max_backoff);
        let mut attempt = 1;
        loop {
            let (began, delay) = (Instant::now(), backoff.next_delay());
            loop {
                // Made before the search: see `Waiters`.
                let notified = pin!(waiting.notified());
                let result = self.search(transport, started);
                if !is_exhausted(&result) {
                    return result;
                }
                if attempt == attempts {
                    let range = &self.space()?.range;
                    return result.map_err(|error| error.after(attempts, range));
                }
                // A wake that others were quicker to use costs no attempt, and the delay goes on.
                let left = delay.saturating_sub(began.elapsed());
                let woken = match pause {
                    Pause::Thread => waiters::block(notified, left),
                    Pause::Task => tokio::time::timeout(left, notified).await.is_ok(),
                };
                if !woken || began.elapsed() >= delay {
                    break;
                }
            }
            attempt += 1;
        }
    }

    fn space(&self) -> Result<&Space, AllocError> {
        self.inner.space.as_ref().map_err(AllocError::from)
    }

    /// One search of the whole range.
    fn search(&self, transport: Transport, started: Instant) -> Result<PortLease, AllocError> {
        let space = self.space()?;
        let mut probe = Probe::new(transport, self.inner.settings.address);
        match space.first(|port| probe.claim(port)) {
            Ok(found) => {
                let (probes, elapsed) = (found.probes, started.elapsed());
                Ok(self.leased(found, transport, probes, elapsed))
            }
            Err(failed) => Err(self.failure(space, failed)),
        }
    }

    fn leased(
        &self,
        found: Found<Guard>,
        transport: Transport,
        probes: u32,
        elapsed: Duration,
    ) -> PortLease {
        let Inner { settings, home, .. } = &*self.inner;
        home.counters.leased(probes, elapsed);
        events::leased(found.port, transport, probes, elapsed);
        let addr = SocketAddr::new(settings.address, found.port);
        PortLease::new(found.value, addr, transport, home)
    }

    fn failure(&self, space: &Space, failed: Failed) -> AllocError {
        let range = space.range.text();
        let (probed, error) = match failed {
            Failed::All(miss) => (miss.probed, AllocError::none_free(range, miss)),
            Failed::Refused { probed, cause } => {
                (probed, AllocError::refused(range, probed, cause))
            }
        };
        self.inner.home.counters.failed(probed);
        error
    }
}

/// What an allocator is for and what it has done, not its thousands of ports and counters.
impl fmt::Debug for PortAllocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortAllocator")
            .field("range", &self.range())
            .field("settings", &self.inner.settings)
            .field("stats", &self.stats())
            .finish()
    }
}

/// What waits: a thread, or an async task.
#[derive(Debug, Clone, Copy)]
enum Pause {
    Thread,
    Task,
}

/// The one result that waiting can change.
fn is_exhausted(result: &Result<PortLease, AllocError>) -> bool {
    matches!(result, Err(error) if error.kind() == AllocErrorKind::Exhausted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::error::Error;
    use std::net::{Ipv6Addr, UdpSocket};
    use std::thread;

    const ALL: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Both];

    /// Leases that make up a range of `count` ports, which others leave alone as long as the
    /// leases live, and an allocator for exactly that range.
    fn small(count: u16, transport: Transport) -> (Vec<PortLease>, AllocatorBuilder) {
        let ports = PortAllocator::builder().transport(Transport::Both);
        let block = ports.build().and_then(|ports| ports.lease_block(count));
        let block = block.expect("a few ports in a row are free");
        let range = block[0].port()..=block[block.len() - 1].port();
        (
            block,
            PortAllocator::builder().range(range).transport(transport),
        )
    }

    fn runtime() -> tokio::runtime::Runtime {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().build().expect("a runtime")
    }

    fn kind<T>(result: Result<T, AllocError>) -> Option<AllocErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[test]
    fn exhaustion_is_found_by_one_search_and_says_so() {
        for transport in ALL {
            let (_block, ports) = small(5, transport);
            let ports = ports.build().expect("a range");
            let error = ports.try_lease().expect_err("all are taken");
            assert_eq!(error.kind(), AllocErrorKind::Exhausted);
            assert_eq!(error.probed(), 5);
            let range = ports.range().expect("a range");
            assert_eq!(error.range(), format!("{}-{}", range.start(), range.end()));
            assert!(error.source().is_some());
            let stats = ports.stats();
            assert_eq!(
                (stats.failures(), stats.busy_probes(), stats.held()),
                (1, 5, 0)
            );
        }
    }

    #[test]
    fn the_only_free_port_is_found() {
        for transport in ALL {
            for free in [0, 3, 6] {
                let (mut block, ports) = small(7, transport);
                let ports = ports.build().expect("a range");
                let port = block.remove(free).release();
                // Waiting, because of forks elsewhere; strangers keep out of the gap.
                let lease = ports.blocking_lease().expect("found");
                assert_eq!((lease.port(), lease.transport()), (port, transport));
                assert_eq!(kind(ports.try_lease()), Some(AllocErrorKind::Exhausted));
            }
        }
    }

    #[test]
    fn both_skips_a_number_that_is_busy_for_either() {
        let (block, ports) = small(3, Transport::Both);
        let ports = ports.build().expect("a range");
        let [a, b, c] = [0, 1, 2].map(|n: usize| block[n].port());
        drop(block);
        let one = |port, transport| {
            let ports = PortAllocator::builder()
                .range(port..=port)
                .transport(transport);
            ports
                .build()
                .and_then(|ports| ports.blocking_lease())
                .expect("free again")
        };
        let (tcp, udp) = (one(a, Transport::Tcp), one(b, Transport::Udp));
        assert_eq!(ports.blocking_lease().expect("the third").port(), c);
        drop((tcp, udp));
    }

    #[test]
    fn threads_share_a_range_out_without_duplicates() {
        const PORTS: usize = 40;
        for transport in ALL {
            let (block, ports) = small(PORTS as u16, transport);
            let ports = ports.attempts(1000).build().expect("a range");
            drop(block);
            let leases: Vec<PortLease> = thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|_| {
                        let take = || ports.blocking_lease().expect("there are enough");
                        scope.spawn(move || (0..PORTS / 8).map(|_| take()).collect::<Vec<_>>())
                    })
                    .collect();
                threads
                    .into_iter()
                    .flat_map(|t| t.join().expect("no panic"))
                    .collect()
            });
            let numbers: HashSet<u16> = leases.iter().map(PortLease::port).collect();
            assert_eq!(numbers.len(), PORTS);
            let stats = ports.stats();
            assert_eq!(
                (stats.successes(), stats.held()),
                (PORTS as u64, PORTS as u64)
            );
            drop(leases);
            assert_eq!(ports.stats().held(), 0);
        }
    }

    /// An allocator of one port, which is taken, whose pauses are an hour long: if a wake-up were
    /// lost, the test would hang.
    fn patient() -> (PortLease, PortAllocator) {
        const HOUR: Duration = Duration::from_secs(3600);
        loop {
            let (block, ports) = small(1, Transport::Tcp);
            drop(block);
            let mut ports = ports.attempts(2).max_backoff(HOUR);
            ports.settings.first_backoff = HOUR;
            let ports = ports.build().expect("a range");
            // A fork or a stranger may have it: then with another port.
            if let Ok(lease) = ports.try_lease() {
                return (lease, ports);
            }
        }
    }

    /// Gives the port back until `waiter` has got it. More than once, because a fork elsewhere may
    /// hold a copy of the lease at the moment of the wake-up.
    fn give_up(lease: PortLease, ports: &PortAllocator, finished: impl Fn() -> bool) {
        drop(lease);
        while !finished() {
            drop(ports.try_lease());
            thread::yield_now();
        }
    }

    #[test]
    fn waiting_ends_by_a_drop_and_not_by_the_clock() {
        for round in 0..20 {
            let (lease, ports) = patient();
            let port = lease.port();
            let leased = thread::scope(|scope| {
                let waiter = scope.spawn(|| match round % 2 {
                    0 => ports.blocking_lease(),
                    _ => runtime().block_on(ports.lease()),
                });
                while ports.inner.home.waiters.count() == 0 {
                    thread::yield_now();
                }
                give_up(lease, &ports, || waiter.is_finished());
                waiter.join().expect("no panic")
            });
            assert_eq!(leased.expect("woken").port(), port);
            assert_eq!(ports.inner.home.waiters.count(), 0);
        }
    }

    #[test]
    fn wakes_that_others_use_cost_no_attempt() {
        let (lease, ports) = patient();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| ports.blocking_lease());
            // The second attempt would be the last.
            while ports.stats().failures() < 20 {
                ports.inner.home.waiters.wake();
                assert!(!waiter.is_finished());
                thread::yield_now();
            }
            give_up(lease, &ports, || waiter.is_finished());
            drop(waiter.join().expect("no panic").expect("woken"));
        });
    }

    #[test]
    fn waiting_gives_up_after_its_attempts() {
        let (_block, ports) = small(2, Transport::Tcp);
        let ports = ports.attempts(3).max_backoff(Duration::from_millis(2));
        let ports = ports.build().expect("a range");
        for error in [
            ports.blocking_lease().expect_err("all are taken"),
            runtime()
                .block_on(ports.lease())
                .expect_err("all are taken"),
        ] {
            assert_eq!(error.kind(), AllocErrorKind::Exhausted);
            assert!(
                error.to_string().starts_with("after 3 attempts: "),
                "{error}"
            );
            if cfg!(target_os = "linux") {
                // This process holds all of them.
                let own = format!("(pid {}): ", std::process::id());
                assert!(error.to_string().contains(&own), "{error}");
            }
        }
        // Each call looks once before it begins to wait.
        assert_eq!(ports.stats().failures(), 8);
        assert_eq!(ports.inner.home.waiters.count(), 0);
    }

    #[test]
    fn a_cancelled_wait_leaves_nothing() {
        let (_block, ports) = small(1, Transport::Tcp);
        let ports = ports.build().expect("a range");
        runtime().block_on(async {
            let wait = tokio::time::timeout(Duration::from_millis(3), ports.lease());
            wait.await.expect_err("still taken");
        });
        assert_eq!(ports.inner.home.waiters.count(), 0);
        assert_eq!(ports.stats().held(), 0);
    }

    #[test]
    fn blocks_are_consecutive_and_never_cut_in_two() {
        let ports = PortAllocator::builder().transport(Transport::Both);
        let ports = ports.build().expect("a range");
        let blocks: Vec<Vec<PortLease>> = thread::scope(|scope| {
            let take = || ports.lease_block(7).expect("there is room");
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            threads
                .into_iter()
                .map(|t| t.join().expect("no panic"))
                .collect()
        });
        for block in &blocks {
            assert_eq!(block.len(), 7);
            assert!(
                block
                    .windows(2)
                    .all(|pair| pair[0].port() + 1 == pair[1].port())
            );
        }
        assert_eq!(ports.stats().held(), 56);
        assert!(ports.lease_block(0).expect("nothing").is_empty());
    }

    #[test]
    fn a_block_that_does_not_fit_says_so() {
        let (block, ports) = small(5, Transport::Tcp);
        let ports = ports.build().expect("a range");
        for count in [2, 6] {
            let error = ports.lease_block(count).expect_err("no room");
            assert_eq!(error.kind(), AllocErrorKind::Exhausted);
            assert!(
                error
                    .to_string()
                    .contains(&format!("no {count} consecutive")),
                "{error}"
            );
        }
        drop(block);
    }

    #[cfg(all(target_os = "linux", not(port_test_portable)))]
    #[test]
    fn a_bare_number_stays_held() {
        let ports = PortAllocator::builder().build().expect("a range");
        let port = runtime()
            .block_on(ports.next_available_port())
            .expect("a port");
        let only = PortAllocator::builder()
            .range(port..=port)
            .build()
            .expect("a range");
        assert_eq!(kind(only.try_lease()), Some(AllocErrorKind::Exhausted));
        drop(std::net::TcpListener::bind(("127.0.0.1", port)).expect("open"));
        assert_eq!(kind(only.try_lease()), Some(AllocErrorKind::Exhausted));
    }

    #[test]
    fn addresses_are_loopback_ones() {
        for address in ["127.0.0.3", "::1"] {
            let address: IpAddr = address.parse().expect("an address");
            if UdpSocket::bind((address, 0)).is_err() {
                // A machine without IPv6.
                continue;
            }
            let ports = PortAllocator::builder()
                .address(address)
                .build()
                .expect("loopback");
            let lease = ports.try_lease().expect("a port");
            let listener = lease.listen().expect("a listener");
            assert_eq!(listener.local_addr().expect("bound"), lease.addr());
            assert_eq!(lease.addr().ip(), address);
        }
        let any = PortAllocator::builder()
            .address(Ipv6Addr::UNSPECIFIED.into())
            .build();
        assert_eq!(kind(any), Some(AllocErrorKind::InvalidAddress));
    }

    #[test]
    fn a_malformed_range_is_reported_by_every_call_and_panics_nowhere() {
        let error = RangeError::in_variable("9-1", "reversed".to_owned());
        let settings = AllocatorBuilder::new().settings;
        let ports = PortAllocator::new(Err(error), settings);
        for kind in [
            kind(ports.try_lease()),
            kind(ports.blocking_lease()),
            kind(ports.lease_block(1)),
            kind(ports.range()),
            kind(runtime().block_on(ports.lease())),
            kind(runtime().block_on(ports.next_available_port())),
        ] {
            assert_eq!(kind, Some(AllocErrorKind::InvalidRange));
        }
        let text = ports.try_lease().expect_err("malformed").to_string();
        assert!(text.contains("PORT_TEST_RANGE=\"9-1\""), "{text}");
    }

    #[test]
    fn the_start_is_where_the_first_search_begins() {
        let (block, ports) = small(3, Transport::Both);
        let ports = ports.start_at(block[1].port());
        let outside = ports
            .clone()
            .start_at(block[2].port().wrapping_add(1).max(1));
        assert_eq!(kind(outside.build()), Some(AllocErrorKind::InvalidRange));
        let ports = ports.build().expect("a range");
        let space = ports.space().expect("a range");
        assert_eq!(space.cursor.take(1), 1);
        drop(block);
    }

    #[test]
    fn debug_is_short() {
        let text = format!("{:?}", PortAllocator::global());
        assert!(text.len() < 500, "{text}");
        assert!(
            text.contains("range") && text.contains("successes"),
            "{text}"
        );
    }

    #[test]
    fn futures_can_move_between_threads() {
        fn check<T: Send>(_: T) {}
        let ports = PortAllocator::global();
        check(ports.lease());
        check(ports.next_available_port());
        check(ports.lease_as(Transport::Both));
    }
}
