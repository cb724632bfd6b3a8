//! The one place that names atomics, so that a model checker's can take their place.

pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
