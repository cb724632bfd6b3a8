//! loom's atomics, with a flaw on request.

use std::cell::Cell;
use std::ops::Deref;

use loom::model::Builder;
pub(in crate::port) use loom::sync::atomic::Ordering;
use loom::thread;

/// The thread that a model begins in.
pub(super) const MAIN: &str = "main";

/// What can be broken under the code of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    /// A read-modify-write is a load and a store, and others can come between.
    Torn,
    /// The thread of this name has no fences.
    Unfenced(&'static str),
}

thread_local! {
    // Of std: all threads of a model run on the thread of its test.
    static FLAW: Cell<Flaw> = const { Cell::new(Flaw::None) };
}

/// Checks a model in every interleaving.
pub(super) fn check(model: fn()) {
    builder().check(model);
}

/// Checks a model in every interleaving in which threads are interrupted at most twice: loom's advice
/// for models that would take hours, since most errors need no more.
pub(super) fn check_in_part(model: fn()) {
    let mut builder = builder();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// Checks a model whose primitives have a flaw.
pub(super) fn check_with(flaw: Flaw, model: fn()) {
    /// A test that panics may share its thread with the next one.
    struct Mend;
    impl Drop for Mend {
        fn drop(&mut self) {
            FLAW.set(Flaw::None);
        }
    }
    let _mend = Mend;
    FLAW.set(flaw);
    check(model);
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    // A snapshot of the statistics loads 312 buckets, and the default is 1000 operations.
    builder.max_branches = 10_000;
    builder
}

pub(in crate::port) fn fence(order: Ordering) {
    match FLAW.get() {
        Flaw::Unfenced(name) if thread::current().name().unwrap_or(MAIN) == name => {}
        _ => loom::sync::atomic::fence(order),
    }
}

/// Passes everything on to loom's type, but for the read-modify-writes that a flaw tears.
macro_rules! atomic {
    ($name:ident, $value:ty) => {
        #[derive(Debug, Default)]
        pub(in crate::port) struct $name(loom::sync::atomic::$name);

        #[expect(dead_code, reason = "no type needs all of the operations")]
        impl $name {
            pub(in crate::port) fn new(value: $value) -> Self {
                $name(loom::sync::atomic::$name::new(value))
            }

            pub(in crate::port) fn fetch_add(&self, by: $value, order: Ordering) -> $value {
                self.torn(|old| Some(old.wrapping_add(by)))
                    .unwrap_or_else(|| Ok(self.0.fetch_add(by, order)))
                    .unwrap_or_else(|old| old)
            }

            pub(in crate::port) fn fetch_sub(&self, by: $value, order: Ordering) -> $value {
                self.torn(|old| Some(old.wrapping_sub(by)))
                    .unwrap_or_else(|| Ok(self.0.fetch_sub(by, order)))
                    .unwrap_or_else(|old| old)
            }

            pub(in crate::port) fn fetch_max(&self, with: $value, order: Ordering) -> $value {
                self.torn(|old| Some(old.max(with)))
                    .unwrap_or_else(|| Ok(self.0.fetch_max(with, order)))
                    .unwrap_or_else(|old| old)
            }

            pub(in crate::port) fn compare_exchange_weak(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.torn(|old| (old == from).then_some(to))
                    .unwrap_or_else(|| self.0.compare_exchange_weak(from, to, success, failure))
            }

            pub(in crate::port) fn compare_exchange(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.torn(|old| (old == from).then_some(to))
                    .unwrap_or_else(|| self.0.compare_exchange(from, to, success, failure))
            }

            /// What std calls `fetch_update`, torn; `None` without that flaw.
            fn torn(
                &self,
                new: impl FnOnce($value) -> Option<$value>,
            ) -> Option<Result<$value, $value>> {
                if std::thread::panicking() {
                    // A destructor, while a model fails: loom would panic again, and abort.
                    return Some(Err(0));
                }
                if FLAW.get() != Flaw::Torn {
                    return None;
                }
                let old = self.0.load(Ordering::Acquire);
                let Some(new) = new(old) else {
                    return Some(Err(old));
                };
                self.0.store(new, Ordering::Release);
                Some(Ok(old))
            }
        }

        impl Deref for $name {
            type Target = loom::sync::atomic::$name;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    };
}

atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);
atomic!(AtomicUsize, usize);
