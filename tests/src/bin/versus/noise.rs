//! Where the stranger goes that is in everybody's way.

use std::ops::RangeInclusive;
use std::time::Duration;

use port_test::BoxError;
use port_test_tests::noise;

use super::child;

/// The worker: `noise PACE_US RANGE`.
pub(crate) fn work(pace: Duration, range: &RangeInclusive<u16>) -> Result<(), BoxError> {
    Ok(noise::make(pace, everywhere(range), child::ready)?)
}

/// All ports of the range for ever, each far from those just before, so that the noise is spread
/// evenly wherever a contender looks.
fn everywhere(range: &RangeInclusive<u16>) -> impl Iterator<Item = u16> {
    let first = *range.start();
    let length = u32::from(range.end() - first) + 1;
    // The golden section of the range, moved on until it visits every place.
    let golden = (f64::from(length) * 0.618) as u32;
    let step = (golden.max(1)..).find(|step| gcd(*step, length) == 1);
    let step = step.unwrap_or(1);
    let mut place = 0;
    std::iter::repeat_with(move || {
        place = (place + step) % length;
        first + place as u16
    })
}

fn gcd(a: u32, b: u32) -> u32 {
    match b {
        0 => a,
        _ => gcd(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_is_everywhere() {
        for range in [1..=1, 10..=11, 8_000..=15_998, 1..=65_535, 10_000..=32_767] {
            let mut ports: Vec<u16> = everywhere(&range).take(range.len()).collect();
            let near = ports
                .windows(2)
                .filter(|pair| pair[0].abs_diff(pair[1]) < 100);
            assert!(range.len() < 1000 || near.count() == 0);
            ports.sort_unstable();
            assert!(ports.into_iter().eq(range));
        }
    }
}
