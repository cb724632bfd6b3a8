use proptest::prelude::*;

use super::*;
use crate::port::properties::config;

/// From nothing to 584 years, small ones as often as large ones, and the longest there is.
fn duration() -> impl Strategy<Value = Duration> {
    let any = (any::<u64>(), 0..64u32).prop_map(|(n, cut)| Duration::from_nanos(n >> cut));
    prop_oneof![1 => Just(Duration::ZERO), 1 => Just(Duration::MAX), 8 => any]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_delay_is_above_the_ceiling(first in duration(), ceiling in duration(), seed: u64) {
        let mut backoff = Backoff::seeded(first, ceiling, seed);
        let mut span = first.min(ceiling);
        for n in 0..150 {
            let delay = backoff.next_delay();
            prop_assert!(delay <= ceiling, "{n}: {delay:?}");
            prop_assert!(span / 2 <= delay && delay <= span, "{n}: {delay:?} of {span:?}");
            span = span.saturating_mul(2).min(ceiling);
        }
    }
}
