//! Leases of real sockets, in any order of what can be done to them, beside what must be true of them.
//!
//! Two kinds of claims are told apart. What the kernel guarantees at any time, like that nobody gets a
//! port that is leased, is checked once. What somebody else can keep from happening, like that a port
//! which was given back can be leased, is tried again: a child that another test is spawning has
//! copies of our sockets for some milliseconds, and another process may take a port of the range as
//! long as it is free. If it does not happen even then, the whole case is run again on other ports.

use proptest::collection::vec;
use proptest::prelude::*;
use socket2::{Domain, Socket, Type};

use super::*;
use crate::port::allocator::PortAllocator;
use crate::port::error::AllocErrorKind;
use crate::port::properties::config;

/// As many leases as fit, and a bit more is tried.
const PORTS: u16 = 4;

/// On how many ranges a case must fail before nobody else can be to blame.
const RANGES: usize = 3;

#[derive(Debug, Clone, Copy)]
enum Action {
    Lease,
    Drop,
    Open,
    Close,
    Listen,
    /// A server that knows the number alone, and sets `SO_REUSEADDR`.
    Serve,
    /// One that does not set it.
    ServePlainly,
    HangUp,
    /// The end of a server that has outlived its lease.
    HangUpOrphan,
    Ask,
}

/// What is done, and with which: of the leases, of the orphans, or of two allocators for one range.
fn step() -> impl Strategy<Value = (Action, usize)> {
    let action = prop_oneof![
        4 => Just(Action::Lease),
        2 => Just(Action::Drop),
        2 => Just(Action::Open),
        2 => Just(Action::Close),
        2 => Just(Action::Listen),
        3 => Just(Action::Serve),
        1 => Just(Action::ServePlainly),
        2 => Just(Action::HangUp),
        1 => Just(Action::HangUpOrphan),
        1 => Just(Action::Ask),
    ];
    (action, 0..usize::from(PORTS))
}

/// Why a case was ended.
#[derive(Debug)]
enum End {
    /// A guarantee is broken.
    Broken(String),
    /// It may have been somebody else.
    Doubtful(String),
}

fn broken<T>(what: impl fmt::Display) -> Result<T, End> {
    Err(End::Broken(what.to_string()))
}

fn doubtful<T>(what: impl fmt::Display) -> Result<T, End> {
    Err(End::Doubtful(what.to_string()))
}

struct Holding {
    lease: PortLease,
    open: bool,
    server: Option<TcpListener>,
}

impl Holding {
    fn serve(&mut self) -> Result<(), End> {
        let bind = || TcpListener::bind(self.lease.addr());
        if !self.open || self.server.is_some() {
            return refused(bind(), "a server that was not let in");
        }
        match again(FORK, bind) {
            Ok(server) => self.server = Some(server),
            Err(error) => return doubtful(format!("a server over an open lease: {error}")),
        }
        Ok(())
    }

    fn listen(&mut self) -> Result<(), End> {
        if self.server.is_some() {
            return refused(self.lease.try_listen(), "a second listener");
        }
        match self.lease.listen() {
            Ok(server) => self.server = Some(server),
            Err(error) => return doubtful(error),
        }
        Ok(())
    }

    fn serve_plainly(&self) -> Result<(), End> {
        let mut kinds = vec![Type::STREAM];
        kinds.extend(self.lease.transport.has_udp().then_some(Type::DGRAM));
        for kind in kinds {
            let bind = || {
                let socket = Socket::new(Domain::IPV4, kind, None)?;
                socket.bind(&self.lease.addr().into())
            };
            refused(bind(), "a server without SO_REUSEADDR")?;
        }
        Ok(())
    }

    fn set_open(&mut self, open: bool) -> Result<(), End> {
        self.open = open;
        let set = match open {
            true => self.lease.open(),
            false => self.lease.close(),
        };
        set.or_else(broken)
    }

    fn ask(&self) -> Result<(), End> {
        if self.server.is_some() {
            return match self.lease.is_listening() {
                Ok(true) => Ok(()),
                answer => broken(format!("is_listening: {answer:?}, with a server")),
            };
        }
        let ask = || match self.lease.is_listening()? {
            false => Ok(()),
            // What `again` waits for: the end of a copy of a listener.
            true => Err(io::ErrorKind::AddrInUse.into()),
        };
        again(FORK, ask)
            .or_else(|error| doubtful(format!("is_listening without a server: {error}")))
    }
}

/// Nobody but us can make such a bind succeed.
fn refused<T>(bind: io::Result<T>, who: &str) -> Result<(), End> {
    match bind {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(()),
        Err(error) => broken(format!("{who}: {error}")),
        Ok(_) => broken(format!("{who} got the port")),
    }
}

struct World {
    allocators: [PortAllocator; 2],
    held: Vec<Holding>,
    orphans: Vec<TcpListener>,
}

impl World {
    /// On ports of its own, as far as one can have such: above what Linux hands out by itself, and
    /// so above the default range, and guarded until just now.
    fn new(transport: Transport) -> Self {
        let high = PortAllocator::builder()
            .range(61_000..=u16::MAX)
            .transport(Transport::Both);
        let block = high.build().and_then(|ports| ports.lease_block(PORTS));
        let block = block.expect("a few ports in a row are free");
        let range = block[0].port()..=block[block.len() - 1].port();
        let allocators = [(); 2].map(|()| {
            let ports = PortAllocator::builder()
                .range(range.clone())
                .transport(transport)
                // For about as long as `FORK`.
                .attempts(12);
            ports.build().expect("a range")
        });
        World {
            allocators,
            held: Vec::new(),
            orphans: Vec::new(),
        }
    }

    fn act(&mut self, action: Action, n: usize) -> Result<(), End> {
        match action {
            Action::Lease => return self.lease(n % self.allocators.len()),
            Action::HangUpOrphan if n < self.orphans.len() => {
                self.orphans.swap_remove(n);
            }
            // The server stays.
            Action::Drop if n < self.held.len() => {
                self.orphans.extend(self.held.swap_remove(n).server);
            }
            _ => {}
        }
        let Some(holding) = self.held.get_mut(n) else {
            return Ok(());
        };
        match action {
            Action::Open => holding.set_open(true),
            Action::Close => holding.set_open(false),
            Action::Listen => holding.listen(),
            Action::Serve => holding.serve(),
            Action::ServePlainly => holding.serve_plainly(),
            Action::Ask => holding.ask(),
            Action::HangUp => {
                holding.server = None;
                Ok(())
            }
            Action::Lease | Action::Drop | Action::HangUpOrphan => Ok(()),
        }
    }

    fn lease(&mut self, by: usize) -> Result<(), End> {
        let ports = &self.allocators[by];
        let range = ports.range().or_else(broken)?;
        let orphans = self.orphans.iter().map(|server| server.local_addr());
        let mut used = orphans.collect::<io::Result<Vec<_>>>().or_else(broken)?;
        used.extend(self.held.iter().map(|holding| holding.lease.addr()));

        let full = used.len() == usize::from(PORTS);
        let lease = match ports.try_lease() {
            Err(error) if full && error.kind() == AllocErrorKind::Exhausted => {
                return match error.probed() == u32::from(PORTS) {
                    true => Ok(()),
                    false => broken(format!("not all were tried: {error}")),
                };
            }
            Err(error) if error.kind() == AllocErrorKind::Exhausted => {
                ports.blocking_lease().or_else(doubtful)?
            }
            result => result.or_else(broken)?,
        };
        if used.contains(&lease.addr()) || !range.contains(&lease.port()) {
            return broken(format!("{} was leased beside {used:?}", lease.addr()));
        }
        self.held.push(Holding {
            lease,
            open: false,
            server: None,
        });
        Ok(())
    }

    /// In the end everything is given back, and everything can be leased again.
    fn end(&mut self) -> Result<(), End> {
        self.held.clear();
        self.orphans.clear();
        // One more, for which there is none.
        for n in 0..=usize::from(PORTS) {
            self.lease(n % self.allocators.len())?;
        }
        let held: u64 = self
            .allocators
            .iter()
            .map(|ports| ports.stats().held())
            .sum();
        match held == u64::from(PORTS) && self.held.len() == usize::from(PORTS) {
            true => Ok(()),
            false => broken(format!("{held} held of {PORTS}")),
        }
    }
}

fn run(transport: Transport, steps: &[(Action, usize)]) -> Result<(), End> {
    let mut world = World::new(transport);
    for &(action, n) in steps {
        world.act(action, n)?;
    }
    world.end()
}

proptest! {
    // A case that fails may have waited for seconds.
    #![proptest_config(ProptestConfig { max_shrink_iters: 64, ..config() })]

    #[test]
    fn whatever_is_done_leases_are_exclusive_and_come_back(
        both: bool,
        steps in vec(step(), 1..60),
    ) {
        let transport = if both { Transport::Both } else { Transport::Tcp };
        let mut doubts = Vec::new();
        while doubts.len() < RANGES {
            match run(transport, &steps) {
                Ok(()) => return Ok(()),
                Err(End::Broken(what)) => return Err(TestCaseError::fail(what)),
                Err(End::Doubtful(what)) => doubts.push(what),
            }
        }
        prop_assert!(false, "on each of {RANGES} ranges: {doubts:?}");
    }
}
