//! Which transports a lease guards.

use std::fmt;

/// The transport, or transports, that a port is leased for.
///
/// TCP and UDP have separate port numbers: a lease for one says nothing about the other.
///
/// # Examples
///
/// ```
/// use port_test::{PortAllocator, Transport};
///
/// let dns = PortAllocator::builder().transport(Transport::Both).build()?;
/// let lease = dns.try_lease()?;
/// assert_eq!(lease.transport(), Transport::Both);
/// # Ok::<(), port_test::AllocError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Transport {
    /// TCP alone.
    #[default]
    Tcp,
    /// UDP alone.
    Udp,
    /// TCP and UDP on one number.
    Both,
}

impl Transport {
    pub(super) fn has_tcp(self) -> bool {
        self != Transport::Udp
    }

    pub(super) fn has_udp(self) -> bool {
        self != Transport::Tcp
    }
}

/// `tcp`, `udp` or `tcp+udp`.
impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Both => "tcp+udp",
        })
    }
}
