//! Leases made in advance.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::allocator::PortAllocator;
use super::error::AllocError;
use super::lease::PortLease;
use crate::sync::lock;

/// Leases that are made in advance, and again in the background when half of them are taken.
///
/// To take one costs a lock and no system call. That is for code that needs many ports at moments that
/// count, such as a benchmark; a test hardly notices the few microseconds of a
/// [`try_lease`](PortAllocator::try_lease). The leases of a pool are held: nobody else gets these ports,
/// each is an open file, and [`Stats`](crate::Stats) counts them.
///
/// Dropping the pool gives back what was not taken and ends its thread.
///
/// # Examples
///
/// ```
/// use port_test::PortAllocator;
///
/// let pool = PortAllocator::global().pool(16)?;
/// let lease = pool.take()?;
/// let server = lease.listen()?;
/// assert_eq!(pool.ready(), 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PortPool {
    shared: Arc<Shared>,
    /// `None` only while this is being dropped.
    refill: Option<JoinHandle<()>>,
}

struct Shared {
    ports: PortAllocator,
    size: usize,
    state: Mutex<State>,
    /// Notified when `wanted` or `over` becomes true.
    changed: Condvar,
}

struct State {
    /// The oldest first, so that ports are used in the order of the cursor.
    leases: VecDeque<PortLease>,
    /// Whether the thread is to fill the pool up. Not while it does nothing because the last lease failed:
    /// then the next take asks for another try.
    wanted: bool,
    over: bool,
}

impl PortAllocator {
    /// Makes `size` leases, at least one, and keeps about as many ready for [`PortPool::take`].
    ///
    /// # Errors
    ///
    /// Those of [`try_lease`](Self::try_lease), if not all can be leased now, and
    /// [`Io`](crate::AllocErrorKind::Io) if no thread can be started.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = port_test::PortAllocator::global().pool(4)?;
    /// assert_ne!(pool.take()?.port(), pool.take()?.port());
    /// # Ok::<(), port_test::AllocError>(())
    /// ```
    pub fn pool(&self, size: usize) -> Result<PortPool, AllocError> {
        let size = size.max(1);
        let leases = (0..size).map(|_| self.try_lease());
        let state = State {
            leases: leases.collect::<Result<_, _>>()?,
            wanted: false,
            over: false,
        };
        let shared = Arc::new(Shared {
            ports: self.clone(),
            size,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let thread = thread::Builder::new().name("port-test-pool".to_owned());
        let refill = thread.spawn({
            let shared = Arc::clone(&shared);
            move || shared.refill()
        });
        match refill {
            Ok(refill) => Ok(PortPool {
                shared,
                refill: Some(refill),
            }),
            Err(cause) => Err(AllocError::no_thread(cause)),
        }
    }
}

impl PortPool {
    /// The next lease, exclusive as every new one is. Never waits: if none is ready, it is leased now.
    ///
    /// # Errors
    ///
    /// None while a lease is ready; else those of [`PortAllocator::try_lease`].
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = port_test::PortAllocator::global().pool(2)?;
    /// let held: Vec<_> = (0..20).map(|_| pool.take()).collect::<Result<_, _>>()?;
    /// # Ok::<(), port_test::AllocError>(())
    /// ```
    pub fn take(&self) -> Result<PortLease, AllocError> {
        let mut state = lock(&self.shared.state);
        let lease = state.leases.pop_front();
        // Once for each half of the pool: to wake a thread costs more than all else here.
        if !state.wanted && state.leases.len() <= self.shared.size / 2 {
            state.wanted = true;
            self.shared.changed.notify_one();
        }
        drop(state);
        lease.map_or_else(|| self.shared.ports.try_lease(), Ok)
    }

    /// How many leases are ready.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(port_test::PortAllocator::global().pool(3)?.ready(), 3);
    /// # Ok::<(), port_test::AllocError>(())
    /// ```
    #[must_use]
    pub fn ready(&self) -> usize {
        lock(&self.shared.state).leases.len()
    }
}

impl Shared {
    /// What the thread does until the pool is dropped.
    fn refill(&self) {
        let mut state = lock(&self.state);
        while !state.over {
            if !state.wanted {
                let woken = self.changed.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            drop(state);
            let lease = self.ports.try_lease();
            state = lock(&self.state);
            // Whoever takes from an empty pool leases by itself, and gets the error.
            let failed = lease.is_err();
            state.leases.extend(lease);
            state.wanted = !failed && state.leases.len() < self.size;
        }
    }
}

impl Drop for PortPool {
    fn drop(&mut self) {
        lock(&self.shared.state).over = true;
        self.shared.changed.notify_one();
        // It does not panic; if it did, its leases went with it.
        let _ = self.refill.take().map(JoinHandle::join);
    }
}

impl fmt::Debug for PortPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortPool")
            .field("size", &self.shared.size)
            .field("ready", &self.ready())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AllocErrorKind, Transport};
    use std::collections::HashSet;

    fn until(done: impl Fn() -> bool) {
        while !done() {
            thread::yield_now();
        }
    }

    /// An allocator of `count` ports that strangers leave alone, most of the time.
    fn small(count: u16) -> PortAllocator {
        let block = PortAllocator::global().lease_block(count).expect("room");
        let range = block[0].port()..=block[block.len() - 1].port();
        let ports = PortAllocator::builder().range(range);
        ports.build().expect("a range")
    }

    /// A pool of all ports of a range of `count`. Between `small` and the pool somebody else may take one,
    /// or a child that is being forked may hold one for a moment.
    fn whole(count: u16) -> (PortAllocator, PortPool) {
        loop {
            let ports = small(count);
            if let Ok(pool) = ports.pool(count.into()) {
                return (ports, pool);
            }
        }
    }

    #[test]
    fn it_fills_itself_up_when_half_is_taken() {
        let ports = PortAllocator::builder().build().expect("a range");
        let pool = ports.pool(8).expect("ports");
        let mut held = vec![pool.take().expect("ready")];
        held.extend((0..2).map(|_| pool.take().expect("ready")));
        assert_eq!((pool.ready(), ports.stats().held()), (5, 8));
        assert!(!lock(&pool.shared.state).wanted, "not yet half");
        for _ in 0..20 {
            held.push(pool.take().expect("ready or leased"));
            held.extend((pool.ready() < 5).then(|| pool.take().expect("ready")));
            until(|| pool.ready() >= 5);
        }
        let numbers: HashSet<u16> = held.iter().map(PortLease::port).collect();
        assert_eq!(numbers.len(), held.len());
        drop((pool, held));
        assert_eq!(ports.stats().held(), 0, "all are given back");
    }

    #[test]
    fn an_empty_pool_leases_or_says_why_not() {
        let (ports, pool) = whole(3);
        let mut held: Vec<PortLease> = (0..3).map(|_| pool.take().expect("ready")).collect();
        let error = pool.take().expect_err("all are taken");
        assert_eq!(error.kind(), AllocErrorKind::Exhausted);
        assert!(ports.pool(1).is_err());
        // The thread does not go on trying by itself.
        until(|| !lock(&pool.shared.state).wanted);
        let port = held.remove(0).port();
        // A fork elsewhere may hold it a little longer, or the refill may have it meanwhile.
        let again = loop {
            if let Ok(lease) = pool.take() {
                break lease;
            }
        };
        assert_eq!(again.port(), port);
    }

    #[test]
    fn many_threads_never_get_the_same() {
        let ports = PortAllocator::builder().transport(Transport::Both);
        let pool = ports.build().expect("a range").pool(16).expect("ports");
        let leases: Vec<PortLease> = thread::scope(|scope| {
            let take = || (0..25).map(|_| pool.take().expect("a port")).collect();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Vec<_>>| thread.join();
            threads
                .into_iter()
                .flat_map(|thread| join(thread).expect("no panic"))
                .collect()
        });
        let numbers: HashSet<u16> = leases.iter().map(PortLease::port).collect();
        assert_eq!(numbers.len(), 200);
    }

    #[test]
    fn a_lease_outlives_its_pool() {
        let pool = PortAllocator::global().pool(0).expect("a port");
        assert_eq!(pool.ready(), 1, "at least one");
        let lease = pool.take().expect("ready");
        drop(pool);
        lease.listen().expect("a listener");
    }
}
