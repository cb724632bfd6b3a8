//! Where the next search begins: one number that all threads of an allocator move on.
//!
//! Knows no sockets and no port numbers, only places `0..length` in a circle.

use super::sync::{AtomicU32, Ordering};

/// A place in a circle of `length` places.
///
/// Invariant: `0 < length <= 65,536` and `place < length`. Everything is computed in `u32`, where
/// `place + count` cannot overflow, so that a range of the whole 16 bits and one that ends at
/// 65535 need no special case.
///
/// Aligned to two cache lines, because every lease writes it while other threads read the fields
/// that would lie beside it.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Cursor {
    place: AtomicU32,
    length: u32,
}

impl Cursor {
    /// A cursor that begins at `start`, wrapped into the circle.
    pub(super) fn new(length: u32, start: u32) -> Self {
        assert!(
            0 < length && length <= 1 << 16,
            "a cursor needs 1 to 65,536 places, not {length}"
        );
        Cursor {
            place: AtomicU32::new(start % length),
            length,
        }
    }

    /// Takes the present place and moves on by one. Threads that step at the same time get
    /// different places until the circle is full.
    pub(super) fn step(&self) -> u32 {
        self.take(1)
    }

    /// Takes `count` places at once and returns the first.
    pub(super) fn take(&self, count: u32) -> u32 {
        let count = count % self.length;
        // Relaxed, here and below, without a partner: the number is a hint that spreads threads
        // over the range. It publishes no other memory, and the kernel decides who gets a port.
        let mut place = self.place.load(Ordering::Relaxed);
        loop {
            match self.place.compare_exchange_weak(
                place,
                (place + count) % self.length,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return place,
                Err(now) => place = now,
            }
        }
    }
}

/// Where process `pid` begins with its `instance`-th allocator in a circle of `length` places.
///
/// Fibonacci hashing: successive inputs land as far from each other as is possible, and test
/// runners start processes with neighbouring ids. The result is a multiplication away from the
/// top bits, which are the good ones, and has no bias towards low places as `%` would.
pub(super) fn spread(pid: u32, instance: u32, length: u32) -> u32 {
    // 2^32 divided by the golden ratio, made odd.
    const GOLDEN: u32 = 0x9E37_79B9;
    // Allocators of one process must not follow the path of its neighbours: another odd number.
    const INSTANCE: u32 = 0x85EB_CA6B;
    let hash = pid
        .wrapping_mul(GOLDEN)
        .wrapping_add(instance.wrapping_mul(INSTANCE));
    ((u64::from(hash) * u64::from(length)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn visits_every_place_once_per_round_whatever_the_length() {
        for length in [1, 2, 3, 1000, 65_535, 65_536] {
            for start in [0, length / 2, length - 1] {
                let cursor = Cursor::new(length, start);
                for round in 0..2 {
                    for step in 0..length {
                        assert_eq!(
                            cursor.step(),
                            (start + step) % length,
                            "length {length}, start {start}, round {round}, step {step}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_start_beyond_the_end_wraps() {
        assert_eq!(Cursor::new(10, 25).step(), 5);
        assert_eq!(Cursor::new(1, u32::MAX).step(), 0);
    }

    #[test]
    fn blocks_wrap_like_steps() {
        let cursor = Cursor::new(65_536, 65_534);
        assert_eq!(cursor.take(3), 65_534);
        assert_eq!(cursor.take(65_536), 1);
        assert_eq!(cursor.step(), 1);
    }

    #[test]
    fn threads_never_share_a_step() {
        // Four threads take exactly one round together: a lost update would repeat a place.
        const LENGTH: u32 = 60_000;
        let cursor = Cursor::new(LENGTH, 12_345);
        let mut seen: Vec<u32> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..LENGTH / 4).map(|_| cursor.step()).collect::<Vec<_>>()))
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().expect("no panic"))
                .collect()
        });
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..LENGTH));
    }

    #[test]
    fn neighbouring_processes_start_far_apart() {
        const LENGTH: u32 = 22_768;
        for first in [1, 1000, u32::MAX - 7] {
            let mut starts: Vec<u32> = (0..8)
                .map(|n| spread(first.wrapping_add(n), 0, LENGTH))
                .collect();
            starts.sort_unstable();
            let nearest = starts.windows(2).map(|pair| pair[1] - pair[0]).min();
            // Eight perfect places would be LENGTH / 8 = 2,846 apart.
            assert!(nearest >= Some(LENGTH / 16), "{starts:?}");
        }
    }

    #[test]
    fn spread_stays_inside() {
        for length in [1, 2, 65_536] {
            for pid in [0, 1, 4711, u32::MAX] {
                assert!(spread(pid, pid, length) < length);
            }
        }
    }
}
