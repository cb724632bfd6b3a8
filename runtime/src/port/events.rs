//! What an allocator tells: tracing events, and the same on stderr with `PORT_TEST_DEBUG`.

use std::time::Duration;

use super::transport::Transport;
use crate::config;

/// From so many probes on a lease is worth a warning. A probe costs a good microsecond, so that
/// many take longer than a millisecond, and then nine ports of ten or more were in use.
const MANY: u32 = 1000;

pub(super) fn leased(port: u16, transport: Transport, probes: u32, elapsed: Duration) {
    tracing::debug!(target: "port_test", port, %transport, probes, ?elapsed, "leased a port");
    if probes >= MANY {
        tracing::warn!(
            target: "port_test", port, %transport, probes, ?elapsed,
            "a lease took many probes: the range of ports is nearly full",
        );
    }
    if config::get().debug {
        // eprintln, which the test harness captures and shows beside its test.
        eprintln!("port-test: leased {port}/{transport}, {probes} probes, {elapsed:?}");
        if probes >= MANY {
            eprintln!("port-test: {probes} probes are many: the range of ports is nearly full");
        }
    }
}
