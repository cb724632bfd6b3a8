//! Another program that is in everybody's way.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::TcpListener;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use port_test::BoxError;

use super::child;

/// Ports of each kind that the noise holds at any time.
const HELD: usize = 300;

/// The worker: `noise PACE_US RANGE`. Binds ephemeral ports as fast as it can, and an explicit one of
/// the range after each `pace`, with plain std listeners, until its stdin is closed.
pub(crate) fn work(pace: Duration, range: &RangeInclusive<u16>) -> Result<(), BoxError> {
    static OVER: AtomicBool = AtomicBool::new(false);
    thread::spawn(|| {
        // Ends when the measurement does, however it does.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        OVER.store(true, Ordering::Relaxed);
    });
    let mut explicit = VecDeque::new();
    let mut ephemeral = VecDeque::new();
    let mut ports = everywhere(range);
    let mut bind_next = || {
        ports
            .next()
            .map(|port| TcpListener::bind(("127.0.0.1", port)))
    };
    while explicit.len() < HELD {
        // Some of them are other programs'.
        explicit.extend(bind_next().into_iter().flatten());
    }
    child::ready();
    let mut due = Instant::now() + pace;
    while !OVER.load(Ordering::Relaxed) {
        if due <= Instant::now() {
            due = Instant::now() + pace;
            explicit.pop_front();
            // Mostly free, sometimes a contender's.
            explicit.extend(bind_next().into_iter().flatten());
        }
        match TcpListener::bind("127.0.0.1:0") {
            Ok(listener) => ephemeral.push_back(listener),
            // Between its bind and its listen somebody who names the port was quicker.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error.into()),
        }
        if ephemeral.len() > HELD {
            ephemeral.pop_front();
        }
        // Two processors are shared by ten processes.
        thread::yield_now();
    }
    Ok(())
}

/// All ports of the range for ever, each far from those just before, so that the noise is spread
/// evenly wherever a contender looks.
fn everywhere(range: &RangeInclusive<u16>) -> impl Iterator<Item = u16> {
    let first = *range.start();
    let length = u32::from(range.end() - first) + 1;
    // The golden section of the range, moved on until it visits every place.
    let golden = (f64::from(length) * 0.618) as u32;
    let step = (golden.max(1)..).find(|step| gcd(*step, length) == 1);
    let step = step.unwrap_or(1);
    let mut place = 0;
    std::iter::repeat_with(move || {
        place = (place + step) % length;
        first + place as u16
    })
}

fn gcd(a: u32, b: u32) -> u32 {
    match b {
        0 => a,
        _ => gcd(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_is_everywhere() {
        for range in [1..=1, 10..=11, 8_000..=15_998, 1..=65_535, 10_000..=32_767] {
            let mut ports: Vec<u16> = everywhere(&range).take(range.len()).collect();
            let near = ports
                .windows(2)
                .filter(|pair| pair[0].abs_diff(pair[1]) < 100);
            assert!(range.len() < 1000 || near.count() == 0);
            ports.sort_unstable();
            assert!(ports.into_iter().eq(range));
        }
    }
}
