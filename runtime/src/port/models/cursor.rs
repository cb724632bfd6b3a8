//! No place is handed out twice until the circle is full.

use loom::sync::Arc;
use loom::thread;

use super::atomics::{AtomicU64, Flaw, check, check_with};
use crate::port::cursor::Cursor;

/// Runs `takes` at once, each in a thread of its own, and returns all the places that they were given,
/// and where the next would begin.
fn places(length: u32, start: u32, takes: Vec<&'static [u32]>) -> (Vec<u32>, u32) {
    let cursor = Arc::new(Cursor::new(length, start));
    let mut takes = takes.into_iter().map(|counts| {
        let cursor = Arc::clone(&cursor);
        move || -> Vec<u32> {
            let place = |count| match count {
                1 => cursor.steps().step(),
                count => cursor.take(count),
            };
            counts
                .iter()
                .map(|&count| (place(count), count))
                .flat_map(|(first, count)| (first..first + count).map(|n| n % length))
                .collect()
        }
    });
    let first = takes.next().expect("some");
    let threads: Vec<_> = takes.map(thread::spawn).collect();
    let mut places = first();
    for thread in threads {
        places.extend(thread.join().expect("no panic"));
    }
    places.sort_unstable();
    (places, cursor.take(1))
}

fn steps_differ() {
    // Begins at the last place, so that a thread crosses the end.
    let (places, next) = places(4, 3, vec![&[1, 1], &[1, 1]]);
    assert_eq!(places, [0, 1, 2, 3], "a place was handed out twice");
    assert_eq!(next, 3, "the circle is full");
}

fn blocks_differ() {
    let (places, next) = places(5, 2, vec![&[2], &[1], &[2]]);
    assert_eq!(places, [0, 1, 2, 3, 4], "a place was handed out twice");
    assert_eq!(next, 2, "the circle is full");
}

/// Two processes, each with a cursor of its own for the same range, at one word of a file that nobody has
/// used before.
fn processes_differ() {
    let word = Arc::new(AtomicU64::new(0));
    let twice = |start| {
        let word = Arc::clone(&word);
        move || [(); 2].map(|()| Cursor::new(4, start).advance(&word, 1))
    };
    let other = thread::spawn(twice(3));
    let first = twice(1)();
    let mut places: Vec<_> = first
        .into_iter()
        .chain(other.join().expect("no panic"))
        .collect();
    places.sort_unstable();
    let all = [0, 1, 2, 3].map(Some);
    assert_eq!(places, all, "a place was handed out twice");
}

#[test]
fn processes_never_share_a_step() {
    check(processes_differ);
}

#[test]
#[should_panic(expected = "a place was handed out twice")]
fn a_lost_update_between_processes_is_found() {
    check_with(Flaw::Torn, processes_differ);
}

#[test]
fn a_word_belongs_to_one_range() {
    check(|| {
        let word = Arc::new(AtomicU64::new(0));
        let of_range = |length| {
            let word = Arc::clone(&word);
            move || Cursor::new(length, 0).advance(&word, 1)
        };
        let other = thread::spawn(of_range(5));
        let places = [of_range(4)(), other.join().expect("no panic")];
        assert!(
            matches!(places, [Some(0), None] | [None, Some(0)]),
            "{places:?}"
        );
    });
}

#[test]
fn threads_never_share_a_step() {
    check(steps_differ);
}

#[test]
fn threads_never_share_a_place_of_a_block() {
    check(blocks_differ);
}

#[test]
fn the_longest_circle_wraps() {
    check(|| {
        let (places, next) = places(65_536, 65_534, vec![&[1, 1], &[1]]);
        assert_eq!(places, [0, 65_534, 65_535]);
        assert_eq!(next, 1);
    });
}

#[test]
fn a_circle_of_one_place_stays() {
    check(|| assert_eq!(places(1, 0, vec![&[1], &[1]]), (vec![0; 2], 0)));
}

#[test]
#[should_panic(expected = "a place was handed out twice")]
fn a_lost_update_of_a_step_is_found() {
    check_with(Flaw::Torn, steps_differ);
}

#[test]
#[should_panic(expected = "a place was handed out twice")]
fn a_lost_update_of_a_block_is_found() {
    check_with(Flaw::Torn, blocks_differ);
}
