//! The attribute of `port-test`. Its documentation is where users meet it: `port_test::port_test`.
//!
//! One file for each pass, and a type between them: tokens → `args` and `signature` →
//! `validate` → `model` → `expand`. A mistake anywhere ends in `fallback`.

use proc_macro2::TokenStream;

mod args;
mod duration;
mod errors;
mod expand;
mod fallback;
mod function;
mod model;
mod nearest;
mod nodes;
mod options;
mod ports;
mod signature;
#[cfg(test)]
mod tests;
mod validate;

/// Gives an asynchronous test its nodes. The documentation is at `port_test::port_test`.
#[proc_macro_attribute]
pub fn port_test(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    attribute(args.into(), item.into()).into()
}

/// The attribute on `proc_macro2`, so that tests can call it.
fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let signature = match signature::parse(item.clone()) {
        Ok(signature) => signature,
        Err(error) => return fallback::item(item, &error),
    };
    match validate::validate(args::parse(args), &signature) {
        Ok(test) => expand::expand(&test),
        Err(error) => fallback::function(&signature, &error),
    }
}
