//! The attribute's options, one by one.

use proc_macro2::Span;
use syn::{Expr, ExprLit, ExprPath, Ident, Lit, LitStr, Path};

use crate::args::{Arg, Args};
use crate::errors::Errors;
use crate::model::{Flavor, Nodes};
use crate::nearest::nearest;
use crate::{duration, nodes, ports};

/// Every option's name, in the order in which the documentation has them.
const NAMES: [&str; 7] = [
    "nodes",
    "service",
    "ports",
    "timeout",
    "flavor",
    "worker_threads",
    "crate",
];

const FLAVORS: [&str; 2] = ["current_thread", "multi_thread"];

/// The options, each of them legal by itself.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) nodes: Option<Nodes>,
    pub(crate) service: Option<Expr>,
    pub(crate) ports: Option<Vec<LitStr>>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) flavor: Option<Flavor>,
    pub(crate) krate: Option<Path>,
}

/// Reads the options.
pub(crate) fn read(args: Args, errors: &mut Errors) -> Options {
    let mut seen: Vec<Ident> = Vec::new();
    let mut threads = Threads::default();
    let mut options = Options::default();
    for Arg { name, value } in args.options {
        if seen.contains(&name) {
            errors.at(&name, format!("`{name}` is given twice: remove one"));
            continue;
        }
        seen.push(name.clone());
        let text = name.to_string();
        if !NAMES.contains(&text.as_str()) {
            errors.at(&name, unknown(&text));
            continue;
        }
        let Some(value) = errors.take(value) else {
            continue;
        };
        match text.as_str() {
            "nodes" => options.nodes = errors.take(nodes::parse(&value)),
            "service" => options.service = Some(value),
            "ports" => options.ports = errors.take(ports::parse(&value)),
            "timeout" => options.timeout_ms = errors.take(timeout(&value)),
            "flavor" => threads.flavor = Some(value),
            "worker_threads" => threads.workers = Some((name, value)),
            _ => options.krate = errors.take(krate(value)),
        }
    }
    options.flavor = errors.take(threads.flavor());
    options
}

fn unknown(name: &str) -> String {
    let all = NAMES.map(|name| format!("`{name}`")).join(", ");
    match nearest(name, &NAMES) {
        Some(meant) => {
            format!("unknown option `{name}`: did you mean `{meant}`? the options are {all}")
        }
        None => format!("unknown option `{name}`: the options are {all}"),
    }
}

fn timeout(value: &Expr) -> syn::Result<u64> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => duration::parse(text),
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) if number.suffix().is_empty() => Err(error(
            value,
            format!("a timeout has a unit: write `timeout = \"{number}s\"`"),
        )),
        _ => Err(error(
            value,
            "`timeout` takes a duration in quotes: write `timeout = \"30s\"`",
        )),
    }
}

fn krate(value: Expr) -> syn::Result<Path> {
    match value {
        Expr::Path(ExprPath {
            qself: None, path, ..
        }) => Ok(path),
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Err(error(
            &text,
            format!(
                "`crate` takes a path without quotes: write `crate = {}`",
                text.value()
            ),
        )),
        _ => Err(error(
            &value,
            "`crate` takes a path: write `crate = ::port_test`",
        )),
    }
}

/// The two options that only go together.
#[derive(Default)]
struct Threads {
    flavor: Option<Expr>,
    workers: Option<(Ident, Expr)>,
}

impl Threads {
    fn flavor(self) -> syn::Result<Flavor> {
        let mut errors = Errors::default();
        let many = match &self.flavor {
            Some(value) => errors.take(flavor(value)),
            None => Some(None),
        };
        let mut worker_threads = None;
        if let Some((name, value)) = self.workers {
            worker_threads = errors.take(workers(&value));
            // A flavor that is wrong has been told already.
            if matches!(many, Some(None)) {
                errors.at(name, "`worker_threads` goes with the other flavor: write `flavor = \"multi_thread\", worker_threads = ...`");
            }
        }
        errors.or(match many {
            Some(Some(span)) => Flavor::MultiThread {
                worker_threads,
                span,
            },
            _ => Flavor::CurrentThread,
        })
    }
}

/// Where it is the flavor with many threads.
fn flavor(value: &Expr) -> syn::Result<Option<Span>> {
    let (text, span) = match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => (text.value(), text.span()),
        _ => {
            return Err(error(
                value,
                "`flavor` takes a name in quotes: write \"current_thread\" or \"multi_thread\"",
            ));
        }
    };
    match text.as_str() {
        "current_thread" => Ok(None),
        "multi_thread" => Ok(Some(span)),
        _ => Err(error(
            value,
            match nearest(&text, &FLAVORS) {
                Some(meant) => format!("unknown flavor `{text}`: did you mean \"{meant}\"?"),
                None => {
                    format!("unknown flavor `{text}`: write \"current_thread\" or \"multi_thread\"")
                }
            },
        )),
    }
}

fn workers(value: &Expr) -> syn::Result<usize> {
    let number = match value {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) if number.suffix().is_empty() => number.base10_parse().ok(),
        _ => None,
    };
    match number {
        Some(0) => Err(error(
            value,
            "a runtime cannot have 0 worker threads: write at least `worker_threads = 1`",
        )),
        Some(number) => Ok(number),
        None => Err(error(
            value,
            "`worker_threads` takes a whole number: write `worker_threads = 2`",
        )),
    }
}

fn error(tokens: impl quote::ToTokens, message: impl std::fmt::Display) -> syn::Error {
    syn::Error::new_spanned(tokens, message)
}
