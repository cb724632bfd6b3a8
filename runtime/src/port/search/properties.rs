use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::port::properties::config;

/// What a bind to a port says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Free,
    Busy,
    Denied,
    /// Not in the range at all.
    LeftOut,
}

/// Up to 24 neighbours, at either end of the 16 bits or between; one at least is in the range.
fn ports() -> impl Strategy<Value = Vec<(u16, Port)>> {
    let port = prop_oneof![
        3 => Just(Port::Free),
        4 => Just(Port::Busy),
        1 => Just(Port::Denied),
        1 => Just(Port::LeftOut),
    ];
    let first = prop_oneof![Just(1), Just(u16::MAX), 1..=u16::MAX];
    (first, vec(port, 1..24))
        .prop_map(|(first, ports)| {
            let first = first.min(u16::MAX - (ports.len() as u16 - 1));
            (first..=u16::MAX).zip(ports).collect::<Vec<_>>()
        })
        .prop_filter("an empty range", |ports| {
            ports.iter().any(|&(_, port)| port != Port::LeftOut)
        })
}

fn space(ports: &[(u16, Port)], start: u32) -> Space {
    let inside = ports.iter().filter(|&&(_, port)| port != Port::LeftOut);
    let range = PortRange::of_ports(inside.map(|&(number, _)| number));
    let cursor = Cursor::new(range.len(), start);
    Space::new(range, cursor)
}

fn bind(ports: &[(u16, Port)], number: u16) -> io::Result<()> {
    match ports.iter().find(|port| port.0 == number) {
        Some((_, Port::Free)) => Ok(()),
        Some((_, Port::Busy)) => Err(io::ErrorKind::AddrInUse.into()),
        Some((_, Port::Denied)) => Err(io::ErrorKind::PermissionDenied.into()),
        Some((_, Port::LeftOut)) | None => panic!("{number} is not in the range"),
    }
}

fn count(ports: &[(u16, Port)], kind: Port) -> u32 {
    ports.iter().filter(|port| port.1 == kind).count() as u32
}

/// A port that is held until it is dropped, like a socket.
#[derive(Debug)]
struct Held {
    port: u16,
    all: Rc<RefCell<HashSet<u16>>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.borrow_mut().remove(&self.port);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_search_finds_a_port_iff_one_is_free_and_tries_none_twice(ports in ports(), start: u32) {
        let space = space(&ports, start);
        let mut tried = Vec::new();
        let found = space.first(|port| {
            tried.push(port);
            bind(&ports, port)
        });
        let distinct: HashSet<u16> = tried.iter().copied().collect();
        prop_assert_eq!(distinct.len(), tried.len(), "tried twice: {:?}", tried);
        match found {
            Ok(found) => {
                prop_assert_eq!(Some(&found.port), tried.last());
                prop_assert_eq!(found.probes as usize, tried.len());
            }
            Err(Failed::All(miss)) => {
                prop_assert_eq!(count(&ports, Port::Free), 0);
                prop_assert_eq!(miss.probed, space.range.len());
                prop_assert_eq!(miss.denied, count(&ports, Port::Denied));
            }
            Err(failed) => prop_assert!(false, "{failed:?}"),
        }
    }

    #[test]
    fn others_who_step_hide_no_port(ports in ports(), start: u32, steps in vec(0..4u32, 1..9)) {
        let space = space(&ports, start);
        let probes = Cell::new(0);
        let found = space.first(|port| {
            let nth = probes.replace(probes.get() + 1);
            for _ in 0..steps[nth % steps.len()] {
                space.cursor.take(1);
            }
            bind(&ports, port)
        });
        prop_assert_eq!(found.is_ok(), count(&ports, Port::Free) > 0);
    }

    #[test]
    fn a_block_is_found_iff_there_is_one(ports in ports(), start: u32, wanted in 1..7u16) {
        let space = space(&ports, start);
        let held = Rc::new(RefCell::new(HashSet::new()));
        let found = space.block(wanted, |port| {
            bind(&ports, port)?;
            assert!(held.borrow_mut().insert(port), "{port} was tried while it was held");
            Ok(Held { port, all: Rc::clone(&held) })
        });
        let there_is = ports
            .windows(wanted.into())
            .any(|run| run.iter().all(|port| port.1 == Port::Free));
        match found {
            Ok((block, probed)) => {
                prop_assert_eq!(block.len(), usize::from(wanted));
                prop_assert_eq!(held.borrow().len(), block.len(), "others were kept");
                prop_assert!(block.windows(2).all(|pair| pair[0].port + 1 == pair[1].port));
                prop_assert!(block.iter().all(|found| found.port == found.value.port));
                prop_assert!(probed < space.range.len() + u32::from(wanted));
            }
            Err(Failed::All(_)) => {
                prop_assert!(!there_is, "there is one");
                prop_assert!(held.borrow().is_empty());
            }
            Err(failed) => prop_assert!(false, "{failed:?}"),
        }
    }

    #[test]
    fn searches_one_after_the_other_share_the_free_ports_out(ports in ports(), start: u32) {
        let space = space(&ports, start);
        let taken = RefCell::new(HashSet::new());
        let search = || space.first(|port| {
            bind(&ports, port)?;
            match taken.borrow_mut().insert(port) {
                true => Ok(()),
                false => Err(io::ErrorKind::AddrInUse.into()),
            }
        });
        for _ in 0..count(&ports, Port::Free) {
            prop_assert!(search().is_ok(), "{taken:?}");
        }
        prop_assert!(search().is_err());
    }
}
