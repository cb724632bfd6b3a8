//! The item that the attribute stands on, as far as the attribute looks at it.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser as _};
use syn::{AttrStyle, Attribute, Error, Token, Visibility};

/// A function. Its body stays as it is, so that syntax which syn does not know does no harm.
pub(crate) struct Signature {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: syn::Signature,
    pub(crate) body: Group,
}

/// Reads a function.
///
/// # Errors
///
/// The item is no function, or one without a body.
pub(crate) fn parse(item: TokenStream) -> syn::Result<Signature> {
    function.parse2(item)
}

fn function(input: ParseStream<'_>) -> syn::Result<Signature> {
    let mut attributes = input.call(Attribute::parse_outer)?;
    let visibility = input.parse()?;
    if let Some(kind) = other_item(input) {
        return Err(input.error(format!(
            "`#[port_test]` makes a test of an `async fn`, but this is {kind}"
        )));
    }
    let signature: syn::Signature = input.parse()?;
    if input.peek(Token![;]) {
        return Err(Error::new_spanned(
            signature,
            "a test needs a body: put `#[port_test]` on a function of a module, `async fn name() { ... }`",
        ));
    }
    let body: Group = input.parse()?;
    let (inner, code) = split.parse2(body.stream())?;
    attributes.extend(inner);
    let mut rest = Group::new(Delimiter::Brace, code);
    rest.set_span(body.span());
    Ok(Signature {
        attributes,
        visibility,
        signature,
        body: rest,
    })
}

/// Takes the inner attributes off a body and makes them attributes of its function, which they are.
fn split(input: ParseStream<'_>) -> syn::Result<(Vec<Attribute>, TokenStream)> {
    let mut attributes = input.call(Attribute::parse_inner)?;
    for attribute in &mut attributes {
        attribute.style = AttrStyle::Outer;
    }
    Ok((attributes, input.parse()?))
}

/// What the item is, if its first word says that it is no function.
fn other_item(input: ParseStream<'_>) -> Option<&'static str> {
    let first = match input.fork().parse::<TokenTree>() {
        Ok(TokenTree::Ident(first)) => first.to_string(),
        _ => return Some("no function"),
    };
    Some(match first.as_str() {
        "struct" => "a struct",
        "enum" => "an enum",
        "union" => "a union",
        "trait" => "a trait",
        "impl" => "an impl block: put it on a function of a module",
        "mod" => "a module: put it on each test in it",
        "type" => "a type",
        "use" => "an import",
        "static" => "a static",
        "macro_rules" => "a macro",
        "const"
            if !input.peek2(Token![fn])
                && !input.peek2(Token![async])
                && !input.peek2(Token![unsafe])
                && !input.peek2(Token![extern]) =>
        {
            "a constant"
        }
        _ => return None,
    })
}
