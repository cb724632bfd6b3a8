//! The value of `timeout`: `"30s"`.

use syn::{Error, LitStr};

const UNITS: [(&str, f64); 3] = [("ms", 1.0), ("s", 1_000.0), ("m", 60_000.0)];

/// A day: longer is no test, and far from every overflow.
const LONGEST_MS: f64 = 24.0 * 60.0 * 60_000.0;

/// The number of milliseconds.
pub(crate) fn parse(literal: &LitStr) -> syn::Result<u64> {
    parse_text(&literal.value()).map_err(|message| Error::new(literal.span(), message))
}

fn parse_text(text: &str) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let bad = || {
        format!(
            "`{text}` is no duration: write a number and a unit, as in \"500ms\", \"1.5s\" or \"2m\""
        )
    };
    if unit.is_empty() && !number.is_empty() {
        return Err(format!(
            "`{text}` has no unit: write \"{text}s\" for seconds, or use \"ms\" or \"m\""
        ));
    }
    // `parse` takes "." and "5." as well, which nobody means.
    let plain = number.starts_with(|c: char| c.is_ascii_digit()) && !number.ends_with('.');
    let number: f64 = number.parse().ok().filter(|_| plain).ok_or_else(bad)?;
    let unit = unit.trim_start();
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!(
            "`{unit}` is no unit of time: use \"ms\", \"s\" or \"m\", as in \"500ms\", \"1.5s\" or \"2m\""
        ));
    };
    let milliseconds = (number * factor).round();
    if milliseconds < 1.0 {
        return Err(format!(
            "a timeout of `{text}` would fail every test: write at least \"1ms\""
        ));
    }
    if milliseconds > LONGEST_MS {
        return Err(format!(
            "a timeout of `{text}` is more than a day: write at most \"1440m\""
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number between 1 and the milliseconds of a day"
    )]
    Ok(milliseconds as u64)
}

#[cfg(test)]
mod tests {
    use super::parse_text;

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("1.5s", 1_500),
            ("500ms", 500),
            ("2m", 120_000),
            ("0.5m", 30_000),
            ("10 s", 10_000),
            ("1440m", 86_400_000),
        ] {
            assert_eq!(parse_text(text), Ok(milliseconds), "{text}");
        }
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (text, part) in [
            ("", "is no duration"),
            ("fast", "is no duration"),
            ("-1s", "is no duration"),
            (".5s", "is no duration"),
            ("5.s", "is no duration"),
            ("1.2.3s", "is no duration"),
            ("30", "write \"30s\""),
            ("30sec", "`sec` is no unit"),
            ("1h", "`h` is no unit"),
            ("0s", "would fail every test"),
            ("0.1ms", "would fail every test"),
            ("1441m", "more than a day"),
            ("99999999999999999999999999s", "more than a day"),
        ] {
            let message = parse_text(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
