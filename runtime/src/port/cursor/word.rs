//! A cursor's state as one number, so that a single compare-and-swap moves it.

use crate::port::range::PortRange;

/// What a word is before anybody has moved it. No cursor of a range looks like this, since no range
/// begins at port 0.
pub(super) const EMPTY: u64 = 0;

/// Which range a word is the cursor of: its first port, its last, and how many it has, less one. The
/// default range leaves out reserved ports, so the third does not follow from the other two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Key {
    pub(super) fn of(range: &PortRange) -> Self {
        let ends = u64::from(range.first()) << 32 | u64::from(range.last()) << 16;
        Key(ends | u64::from(range.len() - 1))
    }

    /// For a circle that is no range's.
    pub(super) fn nameless(length: u32) -> Self {
        Key(u64::from(length - 1))
    }

    pub(super) fn length(self) -> u32 {
        (self.0 & 0xFFFF) as u32 + 1
    }

    /// The word of this cursor at `place`, which is less than the length and so has 16 bits.
    pub(super) fn at(self, place: u32) -> u64 {
        self.0 << 16 | u64::from(place)
    }

    /// The place that `word` says, if it is a word of this cursor. What has been damaged says some place,
    /// never one outside.
    pub(super) fn place_in(self, word: u64) -> Option<u32> {
        (word >> 16 == self.0).then(|| (word & 0xFFFF) as u32 % self.length())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_they_were_made_of() {
        for (range, length) in [(1..=65_535, 65_535), (65_535..=65_535, 1), (7..=8, 2)] {
            let key = Key::of(&PortRange::of_builder(&range).expect("a range"));
            assert_eq!(key.length(), length);
            for place in [0, length - 1] {
                assert_ne!(key.at(place), EMPTY);
                assert_eq!(key.place_in(key.at(place)), Some(place));
            }
            assert_eq!(key.place_in(EMPTY), None);
            // A damaged place.
            assert!(key.place_in(key.at(0) | 0xFFFF).expect("its own") < length);
        }
        assert_eq!(Key::nameless(65_536).length(), 65_536);
    }

    #[test]
    fn ranges_do_not_take_each_others_words() {
        let key = |range| Key::of(&PortRange::of_builder(&range).expect("a range"));
        let word = key(20_000..=29_999).at(5);
        for other in [20_000..=29_998, 20_001..=29_999, 20_001..=30_000] {
            assert_eq!(key(other).place_in(word), None);
        }
    }
}
