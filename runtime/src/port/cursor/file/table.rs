//! The cursors of many ranges in one page of memory. Knows no files.

use crate::port::cursor::word::{EMPTY, Key};
use crate::port::sync::{AtomicU64, Ordering};

/// A page of 4 kB.
const SLOTS: usize = 512;

/// How many slots a range may choose from.
const CHOICE: usize = 8;

/// One word for each range that was used lately. All zeros is a table without a cursor; anything else
/// that was not written here is a table too, of cursors that nobody looks for.
pub(super) type Table = [AtomicU64; SLOTS];

/// The word for `key`: its own, or one that is free, or else the one whose cursor it drives out. Those who
/// lose a word find another's key in it and go on with a cursor of their own.
pub(super) fn slot(table: &Table, key: Key) -> &AtomicU64 {
    let choice = || (0..CHOICE).map(|n| &table[(first(key) + n) % SLOTS]);
    // Relaxed, here and below, without a partner: see `Cursor`.
    let load = |slot: &&AtomicU64| slot.load(Ordering::Relaxed);
    let own = choice().find(|slot| key.place_in(load(slot)).is_some());
    own.or_else(|| choice().find(|slot| load(slot) == EMPTY))
        .unwrap_or_else(|| {
            let slot = &table[first(key)];
            slot.store(EMPTY, Ordering::Relaxed);
            slot
        })
}

/// The first slot that `key` may choose: the top bits of Fibonacci hashing.
fn first(key: Key) -> usize {
    (key.at(0).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::range::PortRange;
    use std::array;
    use std::ptr;

    fn key(first: u16) -> Key {
        Key::of(&PortRange::of_builder(&(first..=first + 9)).expect("a range"))
    }

    #[test]
    fn ranges_keep_their_words() {
        let table: Table = array::from_fn(|_| AtomicU64::new(EMPTY));
        for n in 0..64 {
            let key = key(1000 + n);
            let own = slot(&table, key);
            assert_eq!(own.load(Ordering::Relaxed), EMPTY);
            own.store(key.at(3), Ordering::Relaxed);
        }
        for n in 0..64 {
            let found = slot(&table, key(1000 + n)).load(Ordering::Relaxed);
            assert_eq!(key(1000 + n).place_in(found), Some(3));
        }
    }

    #[test]
    fn a_full_table_gives_up_another_range() {
        for garbage in [u64::MAX, 1, 0xDEAD_BEEF_0000_FFFF] {
            let table: Table = array::from_fn(|_| AtomicU64::new(garbage));
            let own = slot(&table, key(1000));
            assert_eq!(own.load(Ordering::Relaxed), EMPTY);
            own.store(key(1000).at(3), Ordering::Relaxed);
            assert!(ptr::eq(slot(&table, key(1000)), own));
        }
    }
}
