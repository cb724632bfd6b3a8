//! What the command line asks for.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Error, Parser, ValueExt};

use super::rows;

pub(crate) const HELP: &str = "\
port-test and its peers, side by side: what a port costs, and how often it is stolen.

  --short            fewer rounds, for CI
  --check[=LIBRARY]  end with 1 if port-test, or another library, loses a round
  --noise paced|full how often the noise names a port: every 20 ms (default), or as fast as it can
  --json FILE        write the figures
  --svg FILE         draw the picture
  --markdown FILE    put the tables between the file's markers, <!-- versus: full --> or
                     <!-- versus: summary -->, and <!-- versus: end -->; may be repeated

The tables of all rows go to stdout. docs/versus.md explains them.
";

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) help: bool,
    pub(crate) short: bool,
    /// The library that must not lose.
    pub(crate) check: Option<String>,
    /// The noise names ports as fast as it can.
    pub(crate) full_noise: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
    pub(crate) markdown: Vec<PathBuf>,
}

impl Options {
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        let mut options = Options::default();
        let mut parser = Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Short('h') | Arg::Long("help") => options.help = true,
                Arg::Long("short") => options.short = true,
                Arg::Long("check") => {
                    let library = parser.optional_value().map(ValueExt::string).transpose()?;
                    options.check = Some(library.unwrap_or(rows::OURS.to_owned()));
                }
                Arg::Long("noise") => {
                    options.full_noise = match parser.value()?.string()?.as_str() {
                        "full" => true,
                        "paced" => false,
                        other => return Err(format!("no such noise: {other}").into()),
                    }
                }
                Arg::Long("json") => options.json = Some(parser.value()?.into()),
                Arg::Long("svg") => options.svg = Some(parser.value()?.into()),
                Arg::Long("markdown") => options.markdown.push(parser.value()?.into()),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Options, Error> {
        Options::parse(args.split_whitespace().map(OsString::from))
    }

    #[test]
    fn all_options_are_understood() {
        assert_eq!(parse("").unwrap(), Options::default());
        let options =
            parse("--short --check --noise full --json a --svg b --markdown c --markdown d");
        let expected = Options {
            help: false,
            short: true,
            check: Some("port-test".to_owned()),
            full_noise: true,
            json: Some("a".into()),
            svg: Some("b".into()),
            markdown: vec!["c".into(), "d".into()],
        };
        assert_eq!(options.unwrap(), expected);
        let peer = parse("--check=portpicker --noise paced").unwrap();
        assert_eq!(peer.check.as_deref(), Some("portpicker"));
        assert!(!peer.full_noise);
    }

    #[test]
    fn nothing_else_is() {
        for args in [
            "--shorter",
            "portpicker",
            "--json",
            "--noise loud",
            "--short=1",
        ] {
            assert!(parse(args).is_err(), "{args}");
        }
    }
}
