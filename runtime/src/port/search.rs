//! Which ports are tried, in which order. Knows no sockets: what it tries is a function.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::cursor::Cursor;
use super::error::Miss;
use super::range::PortRange;

/// A find, and the number of ports it took.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) port: u16,
    pub(super) probes: u32,
}

/// Why there is no find.
#[derive(Debug)]
pub(super) enum Failed {
    /// Every port was tried.
    All(Miss),
    /// The operating system refused something that the next port will not cure.
    Refused { probed: u32, cause: io::Error },
}

/// A range and the place in it where the next search begins.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) range: PortRange,
    pub(super) cursor: Cursor,
    /// Held by a search for a block. Two at once would stand in each other's way, each with half
    /// of a block, and both could fail.
    blocks: Mutex<()>,
}

impl Space {
    /// A space whose searches go on where `cursor` is, a cursor of just as many places.
    pub(super) fn new(range: PortRange, cursor: Cursor) -> Self {
        Space {
            range,
            cursor,
            blocks: Mutex::new(()),
        }
    }

    /// The first port for which `probe` returns a value. Finds one if any port is free throughout
    /// the search, whatever other threads do to the cursor meanwhile.
    pub(super) fn first<T>(
        &self,
        mut probe: impl FnMut(u16) -> io::Result<T>,
    ) -> Result<Found<T>, Failed> {
        let length = self.range.len();
        let mut miss = Miss {
            probed: 0,
            denied: 0,
            last: None,
        };

        // First by steps of the shared cursor, so that threads try different ports.
        let mut steps = self.cursor.steps();
        let start = steps.step();
        let mut place = start;
        let mut unbroken = true;
        for _ in 0..length {
            if let Some(found) = self.try_place(place, &mut probe, &mut miss)? {
                return Ok(found);
            }
            if miss.probed == length {
                break;
            }
            let next = steps.step();
            unbroken &= next == (place + 1) % length;
            place = next;
        }
        if unbroken {
            return Err(Failed::All(miss));
        }

        // Other threads took some of the steps, and may have found those ports busy or free: only
        // a sweep of our own has seen every port.
        for offset in 0..length {
            let place = (start + offset) % length;
            if let Some(found) = self.try_place(place, &mut probe, &mut miss)? {
                return Ok(found);
            }
        }
        Err(Failed::All(miss))
    }

    /// Values for `count` consecutive port numbers.
    pub(super) fn block<T>(
        &self,
        count: u16,
        mut probe: impl FnMut(u16) -> io::Result<T>,
    ) -> Result<(Vec<Found<T>>, u32), Failed> {
        let length = self.range.len();
        let mut miss = Miss {
            probed: 0,
            denied: 0,
            last: None,
        };
        let mut run: Vec<Found<T>> = Vec::with_capacity(count.into());
        if count == 0 || u32::from(count) > length {
            return if count == 0 {
                Ok((run, 0))
            } else {
                Err(Failed::All(miss))
            };
        }

        // A panic of another search leaves nothing behind that could mislead this one.
        let _turn = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let start = self.cursor.take(count.into());
        // Beyond one round by a block less one port, for the blocks that lie across the start.
        // The run never meets itself: it is shorter than a round.
        for offset in 0..length + u32::from(count) - 1 {
            let place = (start + offset) % length;
            match self.try_place(place, &mut probe, &mut miss)? {
                Some(found) => {
                    // The end of the range, or a port that is left out of it, ends a run.
                    if run
                        .last()
                        .is_some_and(|last| last.port.checked_add(1) != Some(found.port))
                    {
                        run.clear();
                    }
                    run.push(found);
                }
                None => run.clear(),
            }
            if run.len() == usize::from(count) {
                return Ok((run, miss.probed));
            }
        }
        Err(Failed::All(miss))
    }

    fn try_place<T>(
        &self,
        place: u32,
        probe: &mut impl FnMut(u16) -> io::Result<T>,
        miss: &mut Miss,
    ) -> Result<Option<Found<T>>, Failed> {
        let port = self.range.port(place);
        miss.probed += 1;
        match probe(port) {
            Ok(value) => Ok(Some(Found {
                value,
                port,
                probes: miss.probed,
            })),
            Err(cause) => {
                match cause.kind() {
                    io::ErrorKind::AddrInUse => {}
                    // A privileged port. The next may not be one.
                    io::ErrorKind::PermissionDenied => miss.denied += 1,
                    _ => {
                        return Err(Failed::Refused {
                            probed: miss.probed - 1,
                            cause,
                        });
                    }
                }
                miss.last = Some(cause);
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    fn space(first: u16, last: u16, start: u32) -> Space {
        let range = PortRange::of_builder(&(first..=last)).expect("well-formed");
        let cursor = Cursor::new(range.len(), start);
        Space::new(range, cursor)
    }

    fn busy() -> io::Error {
        io::ErrorKind::AddrInUse.into()
    }

    fn only(free: u16) -> impl FnMut(u16) -> io::Result<()> {
        move |port| if port == free { Ok(()) } else { Err(busy()) }
    }

    #[test]
    fn finds_the_only_free_port_from_any_start() {
        for (first, last) in [(7, 7), (1, 8), (65_530, 65_535)] {
            for free in first..=last {
                for start in 0..=u32::from(last - first) {
                    let found = space(first, last, start).first(only(free)).expect("found");
                    assert_eq!(found.port, free);
                }
            }
        }
        assert_eq!(
            space(1, 65_535, 1).first(only(1)).expect("found").probes,
            65_535
        );
    }

    #[test]
    fn tries_every_port_once_when_alone() {
        for start in 0..10 {
            let mut tried = Vec::new();
            let failed = space(100, 109, start)
                .first(|port| {
                    tried.push(port);
                    Err::<(), _>(busy())
                })
                .expect_err("all busy");
            assert!(matches!(
                failed,
                Failed::All(Miss {
                    probed: 10,
                    denied: 0,
                    ..
                })
            ));
            tried.sort_unstable();
            assert!(tried.into_iter().eq(100..=109));
        }
    }

    #[test]
    fn finds_the_only_free_port_though_others_take_the_steps() {
        // A thread that steps between each two of ours takes every second place, so our steps
        // alone would never see the odd ports of an even range.
        for free in 100..=109 {
            let space = space(100, 109, 0);
            let found = space
                .first(|port| {
                    space.cursor.take(1);
                    only(free)(port)
                })
                .expect("found");
            assert_eq!(found.port, free);
        }
    }

    #[test]
    fn privileged_ports_are_skipped() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let probe = |port| {
            if port < 1024 {
                Err(denied())
            } else {
                only(1025)(port)
            }
        };
        assert_eq!(space(1020, 1025, 0).first(probe).expect("found").port, 1025);
        let failed = space(1020, 1024, 0).first(probe).expect_err("none");
        assert!(matches!(
            failed,
            Failed::All(Miss {
                probed: 5,
                denied: 4,
                ..
            })
        ));
    }

    #[test]
    fn other_errors_end_the_search() {
        let failed = space(100, 109, 0)
            .first(|_| Err::<(), _>(io::ErrorKind::OutOfMemory.into()))
            .expect_err("refused");
        assert!(matches!(failed, Failed::Refused { probed: 0, .. }));
    }

    #[test]
    fn a_block_is_found_wherever_it_lies() {
        for from in 100..=107 {
            for start in 0..10 {
                let free = from..=from + 2;
                let (block, _) = space(100, 109, start)
                    .block(3, |port| {
                        if free.contains(&port) {
                            Ok(port)
                        } else {
                            Err(busy())
                        }
                    })
                    .expect("found");
                assert!(
                    block.iter().map(|found| found.value).eq(free),
                    "start {start}"
                );
            }
        }
    }

    #[test]
    fn a_block_does_not_wrap() {
        let ends = |port| if port == 104 { Err(busy()) } else { Ok(()) };
        for start in 0..9 {
            assert!(matches!(
                space(100, 108, start).block(5, ends),
                Err(Failed::All(_))
            ));
        }
        let whole = space(65_533, 65_535, 2)
            .block(3, |_| Ok(()))
            .expect("found");
        assert!(whole.0.iter().map(|found| found.port).eq(65_533..=65_535));
    }

    #[test]
    fn blocks_of_extreme_sizes() {
        assert!(
            space(100, 108, 0)
                .block(0, |_| Ok(()))
                .expect("nothing")
                .0
                .is_empty()
        );
        assert!(matches!(
            space(100, 108, 0).block(10, |_| Ok(())),
            Err(Failed::All(Miss { probed: 0, .. }))
        ));
    }

    #[test]
    fn threads_share_a_range_out_without_a_miss() {
        // As many ports as searches: each must find one, and a miss or a duplicate would show.
        const PORTS: usize = 64;
        for _ in 0..50 {
            let space = space(100, 100 + PORTS as u16 - 1, 60);
            let taken = [const { AtomicBool::new(false) }; PORTS];
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..PORTS / 4 {
                            let probe = |port| {
                                let taken = &taken[usize::from(port) - 100];
                                match taken.swap(true, Ordering::SeqCst) {
                                    false => Ok(()),
                                    true => Err(busy()),
                                }
                            };
                            space.first(probe).expect("there are enough");
                        }
                    });
                }
            });
            assert!(taken.iter().all(|taken| taken.load(Ordering::SeqCst)));
        }
    }

    #[test]
    fn searches_for_blocks_take_turns() {
        // Everything is free and the range ends with a block, so that each search is three probes;
        // nobody's come between.
        let space = space(100, 198, 0);
        let probes = Mutex::new(Vec::new());
        let probe = |_| {
            probes
                .lock()
                .expect("no panic")
                .push(thread::current().id());
            thread::yield_now();
            Ok(())
        };
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..100).for_each(|_| drop(space.block(3, probe).expect("free"))));
            }
        });
        let probes = probes.into_inner().expect("no panic");
        assert_eq!(probes.len(), 900);
        assert!(probes.chunks(3).all(|search| search == [search[0]; 3]));
    }
}
