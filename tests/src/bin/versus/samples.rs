//! What is made of many measurements.

/// The middle and the tail of one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) p99: f64,
}

impl Spread {
    /// None of no samples.
    pub(crate) fn of(mut samples: Vec<f64>) -> Option<Self> {
        samples.sort_unstable_by(f64::total_cmp);
        Some(Spread {
            median: percentile(&samples, 50)?,
            p99: percentile(&samples, 99)?,
        })
    }
}

/// The nearest rank: the least sample that is not exceeded by `percent` of all.
fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        let expected = [(0, 1.0), (1, 1.0), (50, 50.0), (99, 99.0), (100, 100.0)];
        for (percent, value) in expected {
            assert_eq!(percentile(&hundred, percent), Some(value), "{percent}");
        }
        assert_eq!(percentile(&[7.0], 99), Some(7.0));
        assert_eq!(percentile(&[1.0, 2.0], 50), Some(1.0));
        assert_eq!(percentile(&[1.0, 2.0], 51), Some(2.0));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn a_spread_sorts() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]);
        let (median, p99) = (2.0, 3.0);
        assert_eq!(spread, Some(Spread { median, p99 }));
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
