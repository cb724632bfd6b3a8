//! The environment variables, read once for each process.
//!
//! Nothing else in the crate reads variables, but std for the temporary directory, so that a test which changes a variable
//! while it runs cannot make two parts of the crate disagree.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

/// What the environment said when the process first asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// `PORT_TEST_RANGE`, not yet parsed: the error belongs to the allocator.
    pub(crate) range: Option<String>,
    /// `PORT_TEST_DEBUG`: print leases and statistics to stderr.
    pub(crate) debug: bool,
    /// `PORT_TEST_LOG`: stream the nodes' logs to stderr.
    pub(crate) log: bool,
    /// `PORT_TEST_KEEP`: when data directories stay.
    pub(crate) keep: Keep,
    /// `PORT_TEST_TIMEOUT_SCALE`: a finite, positive factor for every timeout.
    pub(crate) timeout_scale: f64,
    /// `CI`: services of the machine are none of our business there.
    pub(crate) ci: bool,
    /// `PORT_TEST_CURSOR`: where the file of the cursors may be, the best place first; empty if it is
    /// off. What is wrong with it concerns allocators that no test is around, too.
    pub(crate) cursor: Result<Vec<CursorPlace>, String>,
    /// The run and the attempt of a test that nextest has started.
    pub(crate) nextest: Option<Nextest>,
    /// See [`error`](Self::error).
    error: Option<String>,
}

/// A directory that a variable names, and where to go from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CursorPlace {
    pub(crate) base: PathBuf,
    pub(crate) below: &'static [&'static str],
}

/// `NEXTEST_RUN_ID` and `NEXTEST_ATTEMPT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nextest {
    pub(crate) run_id: String,
    pub(crate) attempt: String,
}

impl Config {
    /// What is wrong with the variables that are malformed, naming each. The defaults are in force
    /// for those; whoever runs a test must fail it with this text, since a misspelt setting is
    /// never ignored.
    pub(crate) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

/// When a test's directories are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// After every test.
    Always,
    /// After a test that failed.
    Failure,
    /// Not even then.
    Never,
}

/// The process's configuration.
pub(crate) fn get() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| read(|name| env::var_os(name)))
}

/// Takes the environment as a function, so that tests need not change the real one.
fn read(variable: impl Fn(&str) -> Option<OsString>) -> Config {
    // What is not UTF-8 cannot be a legal value either: the replacement characters make it
    // malformed, and the error can show it.
    let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
    let mut errors = Vec::new();

    let keep = match text("PORT_TEST_KEEP").as_deref() {
        None | Some("failure") => Keep::Failure,
        Some("always") => Keep::Always,
        Some("never") => Keep::Never,
        Some(other) => {
            errors.push(format!(
                "PORT_TEST_KEEP={other:?} is none of `always`, `failure` and `never`"
            ));
            Keep::Failure
        }
    };

    let timeout_scale = match text("PORT_TEST_TIMEOUT_SCALE") {
        None => 1.0,
        Some(value) => match value.trim().parse::<f64>() {
            Ok(scale) if scale.is_finite() && scale > 0.0 => scale,
            _ => {
                errors.push(format!(
                    "PORT_TEST_TIMEOUT_SCALE={value:?} is not a finite number above 0, like `2.5`"
                ));
                1.0
            }
        },
    };

    let cursor = match text("PORT_TEST_CURSOR").as_deref() {
        None | Some("on" | "1" | "true") => Ok(cursor_places(&variable)),
        Some("off" | "" | "0" | "false") => Ok(Vec::new()),
        Some(other) => Err(format!(
            "PORT_TEST_CURSOR={other:?} is neither `on` nor `off`"
        )),
    };
    errors.extend(cursor.clone().err());

    Config {
        cursor,
        range: text("PORT_TEST_RANGE"),
        debug: text("PORT_TEST_DEBUG").is_some_and(|value| is_on(&value)),
        log: text("PORT_TEST_LOG").is_some_and(|value| is_on(&value)),
        keep,
        timeout_scale,
        ci: text("CI").is_some_and(|value| is_on(&value)),
        nextest: text("NEXTEST_RUN_ID")
            .filter(|id| !id.is_empty())
            .map(|run_id| Nextest {
                run_id,
                attempt: text("NEXTEST_ATTEMPT").unwrap_or_else(|| "1".to_owned()),
            }),
        error: (!errors.is_empty()).then(|| errors.join("; ")),
    }
}

/// Directories that are the user's alone. The first is in memory and is emptied when the user logs out; the
/// others are the XDG base directory specification's cache. A relative path is none, by the same specification.
fn cursor_places(variable: impl Fn(&str) -> Option<OsString>) -> Vec<CursorPlace> {
    let places = [
        ("XDG_RUNTIME_DIR", &["port-test"][..]),
        ("XDG_CACHE_HOME", &["port-test"]),
        ("HOME", &[".cache", "port-test"]),
    ];
    let place = |(name, below)| {
        let base = PathBuf::from(variable(name)?);
        base.is_absolute().then_some(CursorPlace { base, below })
    };
    places.into_iter().filter_map(place).collect()
}

/// How CI systems and people switch a flag off: by an empty text, `0` or `false`.
fn is_on(value: &str) -> bool {
    !matches!(value, "" | "0" | "false")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Config {
        read(|name| {
            let pair = pairs.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(pair.1))
        })
    }

    #[test]
    fn an_empty_environment_means_the_defaults() {
        assert_eq!(
            with(&[]),
            Config {
                range: None,
                debug: false,
                log: false,
                keep: Keep::Failure,
                timeout_scale: 1.0,
                ci: false,
                cursor: Ok(Vec::new()),
                nextest: None,
                error: None,
            }
        );
    }

    #[test]
    fn every_variable_is_read() {
        assert_eq!(
            with(&[
                ("PORT_TEST_RANGE", "20000-20010"),
                ("PORT_TEST_DEBUG", "1"),
                ("PORT_TEST_LOG", "1"),
                ("PORT_TEST_KEEP", "always"),
                ("PORT_TEST_TIMEOUT_SCALE", "2.5"),
                ("CI", "true"),
                ("XDG_RUNTIME_DIR", "/run/user/1000"),
                ("XDG_CACHE_HOME", "a/relative/path"),
                ("HOME", "/home/somebody"),
            ]),
            Config {
                range: Some("20000-20010".to_owned()),
                debug: true,
                log: true,
                keep: Keep::Always,
                timeout_scale: 2.5,
                ci: true,
                cursor: Ok(vec![
                    CursorPlace {
                        base: "/run/user/1000".into(),
                        below: &["port-test"],
                    },
                    CursorPlace {
                        base: "/home/somebody".into(),
                        below: &[".cache", "port-test"],
                    },
                ]),
                nextest: None,
                error: None,
            }
        );
    }

    #[test]
    fn flags_can_be_off() {
        for off in ["", "0", "false"] {
            let config = with(&[("CI", off), ("PORT_TEST_DEBUG", off)]);
            assert!(!config.ci && !config.debug, "{off:?}");
        }
        for off in ["off", "", "0", "false"] {
            let config = with(&[("HOME", "/home/somebody"), ("PORT_TEST_CURSOR", off)]);
            assert_eq!((config.cursor, config.error), (Ok(vec![]), None), "{off:?}");
        }
    }

    #[test]
    fn malformed_values_are_reported_with_their_variable() {
        for scale in ["0", "-1", "inf", "NaN", "fast", ""] {
            let config = with(&[("PORT_TEST_TIMEOUT_SCALE", scale)]);
            assert_eq!(config.timeout_scale, 1.0);
            let error = config.error().expect("malformed");
            assert!(error.contains("PORT_TEST_TIMEOUT_SCALE") && error.contains(scale));
        }
        let config = with(&[
            ("PORT_TEST_KEEP", "sometimes"),
            ("PORT_TEST_TIMEOUT_SCALE", "x"),
            ("PORT_TEST_CURSOR", "maybe"),
        ]);
        let error = config.error().expect("malformed");
        for part in [
            "PORT_TEST_KEEP",
            "sometimes",
            "; PORT_TEST_TIMEOUT_SCALE",
            "; PORT_TEST_CURSOR=\"maybe\"",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
