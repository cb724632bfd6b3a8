//! Models of what threads do to each other here, checked by [loom] in every interleaving and with
//! every value that a load may see.
//!
//! They run the product's own code: under `--cfg port_test_loom`, `sync` takes its primitives from
//! [`atomics`] and [`notify`], which can be told to have a flaw. So those of lost updates and lost
//! wake-ups have a twin that must fail, in which the same code runs on a flawed primitive. The loop around
//! `Waiters` in `PortAllocator::lease` binds sockets, and is written again in `waiters`.
//!
//! What loom cannot say (its README, "Unsupported features"): it takes an access with `SeqCst` for
//! `AcqRel`, so it may report what cannot happen; nothing here has such an access. It does not try
//! load buffering, so an error that needs it stays unseen; nothing here decides on such a value.
//! It does model `fence(SeqCst)`, on which the waiters depend. A `compare_exchange_weak` never
//! fails without a reason in it.
//!
//! Other tests of this crate cannot run in this build: loom's atomics work inside models alone.
//!
//! [loom]: https://docs.rs/loom

pub(super) mod atomics;
mod cursor;
pub(super) mod notify;
mod search;
mod stats;
mod waiters;
