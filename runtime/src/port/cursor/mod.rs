//! Where the next search begins: one number that all threads of an allocator move on and, for ranges
//! that are used again and again, all processes of a user and the next run.
//!
//! Knows no sockets and no port numbers, only places `0..length` in a circle.

mod word;

#[cfg(all(target_os = "linux", not(any(port_test_portable, port_test_loom))))]
mod file;
#[cfg(all(target_os = "linux", not(any(port_test_portable, port_test_loom))))]
use file::Slot;

#[cfg(not(all(target_os = "linux", not(any(port_test_portable, port_test_loom)))))]
mod no_file;
#[cfg(not(all(target_os = "linux", not(any(port_test_portable, port_test_loom)))))]
use no_file::Slot;

use super::range::PortRange;
use super::sync::{AtomicU64, Ordering};
use word::{EMPTY, Key};

/// At most so many places a search takes at once when the first was busy, and no more than one of so many of
/// the circle. Each time it asks whether the file is still there, a system call of a tenth of a failed bind, and
/// a whole range that is taken is 22,000 places. Those that it does not come to are left out until the next
/// round: of a small circle they would be all.
const AT_ONCE: u32 = 16;

/// A place in a circle of at most 65,536 places.
///
/// Everything is computed in `u32`, where `place + count` cannot overflow, so that a range of the
/// whole 16 bits and one that ends at 65535 need no special case.
///
/// All orderings are relaxed, without a partner: the number is a hint that spreads threads over the
/// range. It publishes no other memory, and the kernel decides who gets a port.
///
/// Aligned to two cache lines, because every lease writes it while other threads read the fields
/// that would lie beside it.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Cursor {
    own: AtomicU64,
    shared: Option<Slot>,
    key: Key,
    /// Where this cursor begins if nobody was there before.
    start: u32,
}

impl Cursor {
    /// A cursor that begins at `start`, wrapped into the circle.
    pub(super) fn new(length: u32, start: u32) -> Self {
        assert!(
            0 < length && length <= 1 << 16,
            "a cursor needs 1 to 65,536 places, not {length}"
        );
        Cursor {
            own: AtomicU64::new(EMPTY),
            shared: None,
            key: Key::nameless(length),
            start: start % length,
        }
    }

    /// The cursor that all processes of this user share for `range`; it begins at `start` if it was never
    /// used, or if there is none.
    pub(super) fn shared(range: &PortRange, start: u32) -> Self {
        let key = Key::of(range);
        Cursor {
            shared: Slot::of(key),
            key,
            ..Cursor::new(range.len(), start)
        }
    }

    /// Takes `count` places at once and returns the first. Threads that take at the same time get
    /// different places until the circle is full.
    pub(super) fn take(&self, count: u32) -> u32 {
        self.take_from(self.word(), count)
    }

    /// The steps of one search.
    pub(super) fn steps(&self) -> Steps<'_> {
        Steps {
            cursor: self,
            place: 0,
            left: 0,
            count: 1,
        }
    }

    fn word(&self) -> &AtomicU64 {
        self.shared
            .as_ref()
            .and_then(Slot::word)
            .unwrap_or(&self.own)
    }

    fn take_from(&self, word: &AtomicU64, count: u32) -> u32 {
        self.advance(word, count)
            .or_else(|| self.advance(&self.own, count))
            .expect("its own word is nobody else's")
    }

    /// Moves `word` on; `None` if another range has driven this one out of it.
    pub(super) fn advance(&self, word: &AtomicU64, count: u32) -> Option<u32> {
        let length = self.key.length();
        let mut now = word.load(Ordering::Relaxed);
        loop {
            let place = match now {
                EMPTY => self.start,
                _ => self.key.place_in(now)?,
            };
            let next = self.key.at((place + count % length) % length);
            match word.compare_exchange_weak(now, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(place),
                Err(other) => now = other,
            }
        }
    }
}

/// One place after another; those of other threads lie between them.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    cursor: &'a Cursor,
    place: u32,
    /// How many places from there on are this search's own.
    left: u32,
    /// How many it takes next: one for the first step, which nearly always is the last.
    count: u32,
}

impl Steps<'_> {
    /// The present place; moves on by one.
    pub(super) fn step(&mut self) -> u32 {
        let length = self.cursor.key.length();
        if self.left == 0 {
            self.left = self.count;
            self.place = self.cursor.take(self.left);
            self.count = (length / AT_ONCE).clamp(1, AT_ONCE);
        }
        let place = self.place;
        self.left -= 1;
        self.place = (place + 1) % length;
        place
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
                            cursor.take(1),
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
        assert_eq!(Cursor::new(10, 25).take(1), 5);
        assert_eq!(Cursor::new(1, u32::MAX).take(1), 0);
    }

    #[test]
    fn blocks_wrap_like_steps() {
        let cursor = Cursor::new(65_536, 65_534);
        assert_eq!(cursor.take(3), 65_534);
        assert_eq!(cursor.take(65_536), 1);
        assert_eq!(cursor.take(1), 1);
    }

    #[test]
    fn threads_never_share_a_step() {
        // Four threads take exactly one round together: a lost update would repeat a place.
        const LENGTH: u32 = 60_000;
        let cursor = Cursor::new(LENGTH, 12_345);
        let mut seen: Vec<u32> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| (0..LENGTH / 4).map(|_| cursor.take(1)).collect::<Vec<_>>())
                })
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
