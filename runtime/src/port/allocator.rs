//! Who hands ports out.

use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
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
#[derive(Debug, Clone)]
pub struct PortAllocator {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    space: Result<Space, RangeError>,
    settings: Settings,
    home: Arc<Home>,
    /// Held by a search for a block. Two at once would stand in each other's way, each with half
    /// of a block, and both could fail.
    blocks: Mutex<()>,
}

/// What the builder decides beside the range.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) transport: Transport,
    pub(super) address: IpAddr,
    pub(super) attempts: u32,
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
                blocks: Mutex::new(()),
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
        let Inner {
            settings,
            home,
            blocks,
            ..
        } = &*self.inner;
        let space = self.space()?;
        let transport = settings.transport;
        let mut probe = Probe::new(transport, settings.address);
        let turn = blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let found = space.block(count, |port| probe.claim(port));
        drop(turn);
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
        let first = self.search(transport, started);
        if !is_exhausted(&first) {
            return first;
        }
        let Settings {
            attempts,
            max_backoff,
            ..
        } = self.inner.settings;
        let waiting = self.inner.home.waiters.enter();
        let mut backoff = Backoff::new(max_backoff);
        let mut attempt = 1;
        loop {
            let (began, delay) = (Instant::now(), backoff.next_delay());
            loop {
                let mut notified = pin!(waiting.notified());
                // Before the search: see `Waiters`.
                notified.as_mut().enable();
                let result = self.search(transport, started);
                if !is_exhausted(&result) {
                    return result;
                }
                if attempt == attempts {
                    return result.map_err(|error| error.after(attempts));
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
