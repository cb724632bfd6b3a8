//! How an allocator is configured.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::allocator::{PortAllocator, Settings};
use super::backoff;
use super::cursor::{Cursor, spread};
use super::error::{AllocError, RangeError};
use super::guard;
use super::range::{ENOUGH, PortRange};
use super::search::Space;
use super::transport::Transport;
use crate::config;

/// Configures a [`PortAllocator`]; made by [`PortAllocator::builder`].
///
/// # Examples
///
/// ```
/// use port_test::{PortAllocator, Transport};
/// use std::time::Duration;
///
/// let ports = PortAllocator::builder()
///     .range(20_000..=29_999)
///     .transport(Transport::Both)
///     .attempts(10)
///     .max_backoff(Duration::from_millis(50))
///     .build()?;
/// assert!((20_000..=29_999).contains(&ports.try_lease()?.port()));
/// # Ok::<(), port_test::AllocError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct AllocatorBuilder {
    range: Option<RangeInclusive<u16>>,
    start: Option<u16>,
    pub(super) settings: Settings,
}

impl AllocatorBuilder {
    pub(super) fn new() -> Self {
        AllocatorBuilder {
            range: None,
            start: None,
            settings: Settings {
                transport: Transport::Tcp,
                address: Ipv4Addr::LOCALHOST.into(),
                attempts: 100,
                first_backoff: backoff::FIRST,
                // A hundred of them are about 19 s: less than the minute that a test has, so that
                // the test fails with an error that speaks of ports.
                max_backoff: Duration::from_millis(250),
            },
        }
    }

    /// The ports to lease, both ends included. It is taken as it stands, with ports that the
    /// kernel or the services database has reserved.
    ///
    /// The default is `PORT_TEST_RANGE`, or else the largest range below the one from which the
    /// kernel takes ports by itself, less the reserved ports and, outside CI, the ports named in
    /// the services database.
    pub fn range(mut self, range: RangeInclusive<u16>) -> Self {
        self.range = Some(range);
        self
    }

    /// What to lease ports for. The default is TCP.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.settings.transport = transport;
        self
    }

    /// The address of the leases, a loopback one. The default is 127.0.0.1.
    ///
    /// It is where [`PortLease::listen`](crate::PortLease::listen) binds. On Linux the lease
    /// itself covers all addresses, whichever is asked for here.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.settings.address = address;
        self
    }

    /// The port where the first search begins.
    ///
    /// The default is where the last search of this user ended, in this process or another one or the
    /// run before, so that a port is used again as late as possible and a client that an old test has
    /// left behind does not reach a new one. A range of fewer than 1,000 ports that is given to [`range`](Self::range), and
    /// every range where there is no file to remember it (see `PORT_TEST_CURSOR`), begins at another
    /// port for each process and each allocator, spread over the range, so that two rarely meet.
    pub fn start_at(mut self, port: u16) -> Self {
        self.start = Some(port);
        self
    }

    /// How often [`lease`](PortAllocator::lease) and
    /// [`blocking_lease`](PortAllocator::blocking_lease) search the range before they give up.
    /// The default is 100; 0 is taken for 1. A search because a port was given back is not counted.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.settings.attempts = attempts.max(1);
        self
    }

    /// The longest pause between two of those searches. The default is 250 ms. The first is about
    /// a millisecond, and each is about twice the one before.
    pub fn max_backoff(mut self, ceiling: Duration) -> Self {
        self.settings.max_backoff = ceiling;
        self
    }

    /// Makes the allocator.
    ///
    /// # Errors
    ///
    /// - [`InvalidRange`](crate::AllocErrorKind::InvalidRange) if the range is empty or reversed
    ///   or has port 0, if `PORT_TEST_RANGE` is malformed and no range was given, or if
    ///   [`start_at`](Self::start_at) lies outside.
    /// - [`InvalidAddress`](crate::AllocErrorKind::InvalidAddress) if the address is none of
    ///   loopback, or `::1` on a machine where IPv6 is missing or disabled.
    /// - [`InvalidSetting`](crate::AllocErrorKind::InvalidSetting) if `PORT_TEST_CURSOR` is malformed.
    ///
    /// # Examples
    ///
    /// ```
    /// use port_test::{AllocErrorKind, PortAllocator};
    ///
    /// let public = "192.0.2.1".parse().expect("an address");
    /// let error = PortAllocator::builder().address(public).build().unwrap_err();
    /// assert_eq!(error.kind(), AllocErrorKind::InvalidAddress);
    /// ```
    pub fn build(self) -> Result<PortAllocator, AllocError> {
        let space = self.space().map_err(|error| AllocError::from(&error))?;
        let address = self.settings.address;
        if !address.is_loopback() {
            let message = format!("{address} is no loopback address; leases are for this machine");
            return Err(AllocError::address(message, None));
        }
        match guard::supports(address) {
            Ok(true) => Ok(PortAllocator::new(Ok(space), self.settings)),
            Ok(false) => {
                let message = format!("{address} cannot be leased: IPv6 is missing or disabled");
                Err(AllocError::address(message, None))
            }
            Err(cause) => Err(AllocError::refused(space.range.text(), 0, cause)),
        }
    }

    /// The allocator of the process. A malformed environment is no reason to panic here; each
    /// lease reports it.
    pub(super) fn build_global(self) -> PortAllocator {
        PortAllocator::new(self.space(), self.settings)
    }

    fn space(&self) -> Result<Space, RangeError> {
        let config = config::get();
        if let Err(problem) = &config.cursor {
            return Err(RangeError::setting(problem.clone()));
        }
        let range = match (&self.range, &config.range) {
            (Some(range), _) => PortRange::of_builder(range)?,
            (None, Some(text)) => PortRange::of_variable(text)?,
            (None, None) => PortRange::of_machine(config.ci)?,
        };
        let cursor = match self.start {
            Some(port) => {
                let start = range.place(port);
                let start = start.ok_or_else(|| RangeError::start(port, range.text()))?;
                Cursor::new(range.len(), start)
            }
            None => {
                static INSTANCES: AtomicU32 = AtomicU32::new(0);
                // Relaxed, without a partner: only different numbers are wanted.
                let instance = INSTANCES.fetch_add(1, Ordering::Relaxed);
                let start = spread(process::id(), instance, range.len());
                // A few ports are gone through by one test, and then it does not matter which is
                // next; they would only drive ranges out of the file that are used for long.
                match self.range.is_some() && range.len() < ENOUGH as u32 {
                    true => Cursor::new(range.len(), start),
                    false => Cursor::shared(&range, start),
                }
            }
        };
        Ok(Space::new(range, cursor))
    }
}
