//! Another program that is in everybody's way.

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Ports of each kind that the noise holds at any time.
const HELD: usize = 300;

/// Binds ephemeral ports as fast as it can, and the next of `ports` after each `pace`, with plain std
/// listeners, until stdin is closed. Calls `ready` once it holds as many of `ports` as it ever will.
///
/// # Errors
///
/// What keeps it from binding, other than that somebody has the port.
///
/// # Examples
///
/// `port_test_tests::noise::make(Duration::from_millis(20), (20_000..30_000).cycle(), || {})`
pub fn make(
    pace: Duration,
    ports: impl IntoIterator<Item = u16>,
    ready: impl FnOnce(),
) -> io::Result<()> {
    static OVER: AtomicBool = AtomicBool::new(false);
    thread::spawn(|| {
        // Ends when whoever wants it does, however that ends.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        OVER.store(true, Ordering::Relaxed);
    });
    let over = || OVER.load(Ordering::Relaxed);
    let mut explicit = VecDeque::new();
    let mut ephemeral = VecDeque::new();
    // Some of them are other programs'.
    let mut listeners = ports
        .into_iter()
        .map(|port| TcpListener::bind(("127.0.0.1", port)));
    while explicit.len() < HELD && !over() {
        explicit.extend(listeners.next().into_iter().flatten());
    }
    ready();
    let mut due = Instant::now() + pace;
    while !over() {
        if due <= Instant::now() {
            due = Instant::now() + pace;
            explicit.pop_front();
            explicit.extend(listeners.next().into_iter().flatten());
        }
        match TcpListener::bind("127.0.0.1:0") {
            Ok(listener) => ephemeral.push_back(listener),
            // Between its bind and its listen somebody who names the port was quicker.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
        if ephemeral.len() > HELD {
            ephemeral.pop_front();
        }
        // Two processors are shared by ten processes.
        thread::yield_now();
    }
    Ok(())
}
