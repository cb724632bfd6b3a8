use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::port::properties::config;

/// Small ones as often as large ones.
fn nanos() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(n, cut)| n >> cut)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn longer_times_lie_in_later_buckets(a in nanos(), b in nanos(), step in 0..1000u64) {
        for (low, high) in [(a.min(b), a.max(b)), (a, a.saturating_add(step))] {
            prop_assert!(bucket(low) <= bucket(high));
            prop_assert!(middle(bucket(low)) <= middle(bucket(high)));
        }
        prop_assert!(bucket(a) < BUCKETS);
        prop_assert_eq!(bucket(middle(bucket(a))), bucket(a), "the middle lies outside");
        if a < 1 << TOP {
            prop_assert!(middle(bucket(a)).abs_diff(a) * 16 <= a);
        }
    }

    #[test]
    fn quantiles_ascend_and_stay_inside(times in vec(nanos().prop_map(|n| n >> 22), 1..40), longest: bool) {
        let histogram = Histogram::new();
        times.iter().for_each(|&time| histogram.record(Duration::from_nanos(time)));
        let [none, p50, p99, all] = histogram.quantiles([0.0, 0.5, 0.99, 1.0]).map(Option::unwrap);
        prop_assert!(none <= p50 && p50 <= p99 && p99 <= all);
        let near = |time: &u64| Duration::from_nanos(middle(bucket(*time)));
        prop_assert_eq!(Some(none), times.iter().min().map(near));
        prop_assert_eq!(Some(all), times.iter().max().map(near));
        if longest {
            histogram.record(Duration::MAX);
            prop_assert!(histogram.quantiles([1.0])[0] >= Some(all));
        }
    }
}
