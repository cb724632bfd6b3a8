//! The attribute as a whole, on tokens.
//!
//! Each file in `snapshots/` holds what users write, a line, and what it expands to. Tokens are compared,
//! so it does not matter how a file is formatted. `UPDATE_SNAPSHOTS=1 cargo test -p port-test-macros`
//! writes them anew.

use std::path::Path;
use std::process::Command;
use std::str::FromStr as _;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::quote;

use crate::attribute;

const LINE: &str = "// expands to\n";

macro_rules! snapshots {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                snapshot(stringify!($name));
            }
        )*

        /// A file that no test reads would rot.
        #[test]
        fn every_snapshot_is_tested() {
            let files = std::fs::read_dir(folder()).unwrap().count();
            assert_eq!(files, [$(stringify!($name)),*].len());
        }
    };
}

snapshots! {
    single
    arguments
    options
    matrix
    service
    returns
    attributes
    fallback
    fallback_of_self
    fallback_of_an_item
}

/// Tests run in the package's directory, which need not be the one it was built in.
fn folder() -> &'static Path {
    Path::new("src/snapshots")
}

fn snapshot(name: &str) {
    let path = folder().join(name).with_extension("rs");
    let text = std::fs::read_to_string(&path).unwrap();
    let (input, expected) = text.split_once(LINE).expect("the line stands between both");
    let expanded = expand(input);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, format!("{input}{LINE}{expanded}")).unwrap();
        Command::new("rustfmt")
            .args(["--edition", "2024"])
            .arg(&path)
            .status()
            .unwrap();
        return;
    }
    let expected = TokenStream::from_str(expected).unwrap();
    assert_eq!(
        comparable(expanded),
        comparable(expected),
        "{} differs",
        path.display()
    );
}

/// A text that does not depend on white space, of which a string of tokens has some at random.
fn comparable(tokens: TokenStream) -> String {
    without_last_commas(tokens)
        .to_string()
        .replace(char::is_whitespace, "")
}

/// Applies the attribute that stands first to what follows it.
fn expand(input: &str) -> TokenStream {
    let mut tokens = TokenStream::from_str(input).unwrap().into_iter();
    let Some(TokenTree::Punct(_)) = tokens.next() else {
        panic!("an attribute stands first")
    };
    let Some(TokenTree::Group(attribute)) = tokens.next() else {
        panic!("an attribute stands first")
    };
    let mut inside = attribute.stream().into_iter().skip(1);
    let args = match inside.next() {
        Some(TokenTree::Group(args)) => args.stream(),
        _ => TokenStream::new(),
    };
    crate::attribute(args, tokens.collect())
}

/// rustfmt puts commas at the ends of lists, and takes them away.
fn without_last_commas(tokens: TokenStream) -> TokenStream {
    let mut kept: Vec<TokenTree> = tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Group(group) => {
                Group::new(group.delimiter(), without_last_commas(group.stream())).into()
            }
            token => token,
        })
        .collect();
    if matches!(kept.last(), Some(TokenTree::Punct(last)) if last.as_char() == ',') {
        kept.pop();
    }
    kept.into_iter().collect()
}

/// The texts of all errors in an expansion.
fn errors(tokens: TokenStream) -> Vec<String> {
    let mut errors = Vec::new();
    let mut after_name = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) if after_name && group.delimiter() == Delimiter::Brace => {
                errors.push(group.stream().to_string());
                after_name = false;
            }
            TokenTree::Ident(ident) if ident == "compile_error" => after_name = true,
            _ => {}
        }
    }
    errors
}

fn errors_of(args: TokenStream) -> Vec<String> {
    errors(attribute(
        args,
        quote!(
            async fn test() {}
        ),
    ))
}

/// The cases in `tests/tests/ui` show each message; here is what would be one case too many there.
#[test]
fn mistakes() {
    for (args, part) in [
        (
            quote!(nodes = 3, nodes = 4, nodes = 5),
            "`nodes` is given twice",
        ),
        (
            quote!(timeout("30s")),
            "`timeout` needs a value: write `timeout = ...`",
        ),
        (quote!(nodes = ), "the value of `nodes` is missing"),
        (
            quote!(nodes = , timeout = "1s"),
            "the value of `nodes` is missing",
        ),
        (quote!(nodes = 3 timeout = "1s"), "expected `,`"),
        (quote!(nodes = 1.5), "`nodes` takes a whole number"),
        (quote!(nodes = "three"), "`nodes` takes a whole number"),
        (quote!(nodes = N), "that is written out"),
        (quote!(nodes = [N]), "that is written out"),
        (
            quote!(nodes = 99999999999999999999999),
            "more than there are ports",
        ),
        (quote!(timeout = 1.5), "write `timeout = \\\"30s\\\"`"),
        (
            quote!(timeout = Duration::from_secs(1)),
            "write `timeout = \\\"30s\\\"`",
        ),
        (quote!(ports = [raft]), "expected a port's name in quotes"),
        (
            quote!(flavor = multi_thread),
            "`flavor` takes a name in quotes",
        ),
        (
            quote!(flavor = "threads"),
            "unknown flavor `threads`: write",
        ),
        (
            quote!(flavor = "multi_thread", worker_threads = "2"),
            "takes a whole number",
        ),
        (
            quote!(flavor = "current_thread", worker_threads = 2),
            "goes with the other flavor",
        ),
        (quote!(crate = 3), "`crate` takes a path"),
        (quote!(Nodes = 3), "did you mean `nodes`?"),
        (quote!(timeuot = "3s"), "did you mean `timeout`?"),
    ] {
        let errors = errors_of(args.clone());
        assert!(
            errors.iter().any(|error| error.contains(part)),
            "{args}: {errors:?}"
        );
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let args = quote!(
        nodes = 0,
        prots = ["a"],
        timeout = 3,
        ports = ["a", "a"],
        nodes = 2,
        7
    );
    assert_eq!(errors_of(args).len(), 6);
    let item = quote!(
        const unsafe extern "C" fn test<T>(self, a: impl X, a: u8, ...)
        where
            T: X,
        {
        }
    );
    assert_eq!(errors(attribute(quote!(), item)).len(), 10);
}

#[test]
fn one_mistake_is_told_once() {
    // Neither that the flavor is wrong, nor that the threads need another.
    assert_eq!(
        errors_of(quote!(flavor = "multi", worker_threads = 2)).len(),
        1
    );
    assert_eq!(errors_of(quote!(bogus)).len(), 1);
    // What another attribute expanded to is not `async` any more.
    let item = quote!(
        #[::core::prelude::v1::test]
        fn test() {}
    );
    assert_eq!(errors(attribute(quote!(), item)).len(), 1);
}

#[test]
fn half_written_options_end_in_errors() {
    let whole = "nodes = [1, 3], service = |cx| async { cx }, ports = [\"a/udp\"], timeout = \"3s\", crate = a::b";
    let tokens: Vec<TokenTree> = TokenStream::from_str(whole).unwrap().into_iter().collect();
    for end in 0..=tokens.len() {
        for start in 0..end {
            // It ends, and without a panic.
            errors_of(tokens[start..end].iter().cloned().collect());
        }
    }
}
