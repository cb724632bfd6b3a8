//! What stands between the attribute's parentheses, split into options; nothing is judged here but
//! the shape `name = value`.

use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Expr, Ident, Token};

use crate::errors::Errors;

/// The options as they were written.
pub(crate) struct Args {
    /// In the order of the source, duplicates and unknown names included.
    pub(crate) options: Vec<Arg>,
    /// What is no option at all.
    pub(crate) errors: Errors,
}

/// One option.
pub(crate) struct Arg {
    pub(crate) name: Ident,
    /// Its mistake is none where the name is one already.
    pub(crate) value: syn::Result<Expr>,
}

/// Reads the options and keeps going after a mistake.
pub(crate) fn parse(tokens: TokenStream) -> Args {
    let mut args = Args {
        options: Vec::new(),
        errors: Errors::default(),
    };
    let read = |input: ParseStream<'_>| {
        while !input.is_empty() {
            arg(input, &mut args);
            if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                args.errors
                    .push(input.error("expected `,` before the next option"));
                skip(input);
            }
        }
        Ok(())
    };
    if let Err(error) = read.parse2(tokens) {
        args.errors.push(error);
    }
    args
}

/// Reads one option. After a mistake the input stands at the next comma.
fn arg(input: ParseStream<'_>, args: &mut Args) {
    // `crate` is a keyword, hence `parse_any`.
    let Ok(name) = input.call(Ident::parse_any) else {
        args.errors
            .push(input.error("expected an option, such as `nodes = 3`"));
        return skip_to_comma(input);
    };
    let value = value(input, &name);
    if value.is_err() {
        skip_to_comma(input);
    }
    args.options.push(Arg { name, value });
}

/// Reads `= value`.
fn value(input: ParseStream<'_>, name: &Ident) -> syn::Result<Expr> {
    if !input.peek(Token![=]) {
        return Err(Error::new(
            name.span(),
            format!("`{name}` needs a value: write `{name} = ...`"),
        ));
    }
    input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(Error::new(
            name.span(),
            format!("the value of `{name}` is missing"),
        ));
    }
    input.parse()
}

/// Moves to the next option.
fn skip(input: ParseStream<'_>) {
    skip_to_comma(input);
    // There is none at the end.
    let _ = input.parse::<Option<Token![,]>>();
}

/// Moves to the next comma or the end.
fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        // Cannot fail: the input is not empty.
        let _ = input.parse::<proc_macro2::TokenTree>();
    }
}
