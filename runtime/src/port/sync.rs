//! The one place that names what threads meet in: atomics, notifications and parking, so that a model
//! checker's can take their place.

#[cfg(not(all(test, port_test_loom)))]
mod primitives {
    pub(in crate::port) use std::sync::atomic::{
        AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(in crate::port) use std::thread::{Thread, current, park_timeout};
    pub(in crate::port) use tokio::sync::{Notify, futures::Notified};
}

#[cfg(all(test, port_test_loom))]
mod primitives {
    pub(in crate::port) use crate::port::models::atomics::{
        AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(in crate::port) use crate::port::models::notify::{Notified, Notify, park_timeout};
    pub(in crate::port) use loom::thread::{Thread, current};
}

pub(super) use primitives::*;
