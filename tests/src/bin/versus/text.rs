//! Numbers as people read them.

use super::stolen::Share;

/// `30,375`.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0`, or a percentage with two digits that count: a loss is never rounded to none.
pub(crate) fn share(share: Share) -> String {
    let percent = share.percent();
    match percent {
        _ if share.lost() == 0 => "0".to_owned(),
        _ if percent >= 99.95 => format!("{percent:.0} %"),
        _ if percent >= 9.95 => format!("{percent:.1} %"),
        _ if percent >= 0.95 => format!("{percent:.1} %"),
        _ if percent >= 0.095 => format!("{percent:.2} %"),
        _ => format!("{percent:.3} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (value, text) in [
            (0.4, "0"),
            (999.0, "999"),
            (1000.0, "1,000"),
            (1.5e6, "1,500,000"),
        ] {
            assert_eq!(grouped(value), text);
        }
    }

    #[test]
    fn a_loss_is_never_none() {
        let of = |stolen, rounds| {
            share(Share {
                rounds,
                stolen,
                refused: 0,
            })
        };
        assert_eq!(of(0, 12_000), "0");
        assert_eq!(of(1, 12_000), "0.008 %");
        assert_eq!(of(42, 12_000), "0.35 %");
        assert_eq!(of(33, 100), "33.0 %");
        assert_eq!(of(100, 100), "100 %");
        let refused = Share {
            rounds: 10,
            stolen: 0,
            refused: 1,
        };
        assert_eq!(share(refused), "10.0 %");
    }
}
