//! A port that is free throughout a search is found, whatever others do to the cursor meanwhile.

use std::array;
use std::io;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::atomics::{check, check_in_part};
use crate::port::cursor::Cursor;
use crate::port::range::PortRange;
use crate::port::search::Space;

const FIRST: u16 = 65_533;

/// The last three port numbers, and which of them are taken.
struct Ports {
    space: Space,
    taken: [AtomicBool; 3],
}

impl Ports {
    fn new(taken: [bool; 3], start: u32) -> Arc<Self> {
        let range = PortRange::of_builder(&(FIRST..=u16::MAX)).expect("well-formed");
        let cursor = Cursor::new(range.len(), start);
        Arc::new(Ports {
            space: Space::new(range, cursor),
            taken: array::from_fn(|n| AtomicBool::new(taken[n])),
        })
    }

    fn lease(&self) -> u16 {
        let probe =
            |port: u16| match self.taken[usize::from(port - FIRST)].swap(true, Ordering::Relaxed) {
                false => Ok(()),
                true => Err(io::ErrorKind::AddrInUse.into()),
            };
        self.space.first(probe).expect("there are enough").port
    }
}

#[test]
fn as_many_searches_as_ports_all_find_one() {
    check_in_part(|| {
        let ports = Ports::new([false; 3], 2);
        let others = [(); 2].map(|()| {
            let ports = Arc::clone(&ports);
            thread::spawn(move || ports.lease())
        });
        let mut leased = vec![ports.lease()];
        leased.extend(others.map(|other| other.join().expect("no panic")));
        leased.sort_unstable();
        assert_eq!(leased, [FIRST, FIRST + 1, FIRST + 2]);
    });
}

#[test]
fn the_only_free_port_is_found_though_others_take_the_steps() {
    check(|| {
        let ports = Ports::new([true, false, true], 0);
        let stepper = {
            let ports = Arc::clone(&ports);
            thread::spawn(move || [(); 2].map(|()| ports.space.cursor.take(1)))
        };
        assert_eq!(ports.lease(), FIRST + 1);
        stepper.join().expect("no panic");
    });
}
