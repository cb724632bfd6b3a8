//! The sockets that hold a port; one file for each kind of operating system, chosen here.
//!
//! Both files offer the same: a [`Probe`] binds sockets to one port after another until one is
//! free, and that makes a [`Guard`].

#[cfg(all(target_os = "linux", not(port_test_portable)))]
mod linux;
#[cfg(all(target_os = "linux", not(port_test_portable)))]
pub(super) use linux::{Guard, Obstacle, Probe, obstacle, supports};

#[cfg(not(all(target_os = "linux", not(port_test_portable))))]
mod portable;
#[cfg(not(all(target_os = "linux", not(port_test_portable))))]
pub(super) use portable::{Guard, Obstacle, Probe, obstacle, supports};

/// How many connections wait to be accepted from a lease's listener. tokio's and Go's default
/// order of magnitude; the kernel caps it by `net.core.somaxconn`.
const BACKLOG: i32 = 1024;
