//! How the property tests of the ports run. `PROPTEST_CASES` and `PROPTEST_RNG_SEED` change it.

use proptest::prelude::*;

/// No file keeps the seeds of failures: a failure prints its smallest input, and belongs into a test
/// with a name, which another version of proptest cannot make mean something else.
pub(super) fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Port numbers, the ends of the 16 bits more often than the rest.
pub(super) fn port() -> impl Strategy<Value = u16> {
    prop_oneof![
        1 => Just(1),
        1 => Just(u16::MAX),
        1 => 1..=1100u16,
        1 => 65_000..=u16::MAX,
        6 => 1..=u16::MAX,
    ]
}
