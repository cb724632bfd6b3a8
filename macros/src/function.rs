//! What a function must be to be a test.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::{Attribute, Expr, ExprLit, FnArg, Lit, Meta, Pat, PatType, ReturnType, Safety, Type};

use crate::errors::Errors;
use crate::model::{Argument, ShouldPanic};
use crate::signature::Signature;

/// Whether this attribute makes a test as well.
pub(crate) fn is_test_attribute(attribute: &Attribute) -> bool {
    let last = attribute.path().segments.last();
    last.is_some_and(|last| last.ident == "test" || last.ident == "port_test")
}

/// Checks everything about the function but its arguments.
pub(crate) fn check(function: &Signature, errors: &mut Errors) {
    let signature = &function.signature;
    let mut twice = false;
    for attribute in function
        .attributes
        .iter()
        .filter(|attribute| is_test_attribute(attribute))
    {
        twice = true;
        errors.at(attribute, second_attribute(attribute));
    }
    // Another attribute's expansion is what is not `async` then.
    if signature.asyncness.is_none() && !twice {
        errors.at(
            signature.fn_token,
            "a test with nodes is asynchronous: write `async fn`",
        );
    }
    if let Some(constness) = &signature.constness {
        errors.at(constness, "a test cannot be `const`: remove it");
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        errors.at(
            unsafety,
            "a test cannot be `unsafe`: remove it, and put an `unsafe` block in the body",
        );
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi, "a test cannot be `extern`: remove it");
    }
    if !signature.generics.params.is_empty() {
        errors.at(&signature.generics, "a test cannot be generic: write the types out, and call a generic function from one test for each");
    }
    if let Some(clause) = &signature.generics.where_clause {
        errors.at(clause, "a test cannot have a `where` clause: remove it");
    }
    if let Some(word) = find_impl(signature.output.to_token_stream()) {
        errors.at(
            word,
            "a test says what it returns: write the type that is meant instead of `impl`",
        );
    }
    if let Some(variadic) = &signature.variadic {
        errors.at(
            variadic,
            "a test cannot be variadic: take a `Vec<TestNode<..>>` or a `Cluster<..>`",
        );
    }
}

fn second_attribute(attribute: &Attribute) -> String {
    let path = attribute.path();
    let text = path.to_token_stream().to_string().replace(' ', "");
    let has = |name: &str| path.segments.iter().any(|segment| segment.ident == name);
    if has("test_log") {
        "two attributes that make a test: write `#[test_log::test(port_test::port_test)]` instead of both".to_owned()
    } else if path
        .segments
        .last()
        .is_some_and(|last| last.ident == "port_test")
    {
        "`#[port_test]` stands here twice: remove one".to_owned()
    } else {
        format!("`#[port_test]` already makes this a test: remove `#[{text}]`")
    }
}

/// The arguments, if each of them can be told to the runtime. What their types are is not looked
/// at: aliases and generics are as good as the types they stand for.
pub(crate) fn arguments<'a>(function: &'a Signature, errors: &mut Errors) -> Vec<Argument<'a>> {
    let mut arguments: Vec<Argument<'a>> = Vec::new();
    for input in &function.signature.inputs {
        let argument = match input {
            FnArg::Receiver(receiver) => {
                errors.at(receiver, "a test cannot take `self`: make it a function outside the impl block that takes what it needs as arguments");
                continue;
            }
            FnArg::Typed(argument) => argument,
        };
        for attribute in &argument.attrs {
            if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
                errors.at(
                    attribute,
                    "an argument cannot depend on `cfg`: put the attribute on the test",
                );
            }
        }
        if let Some(word) = find_impl(argument.ty.to_token_stream()) {
            errors.at(
                word,
                "a test cannot be generic: write the type that is meant instead of `impl`",
            );
        }
        let name = name(argument);
        if !name.is_empty() && arguments.iter().any(|other| other.name == name) {
            errors.at(&argument.pat, format!("two arguments are named `{name}`, less leading underscores, and so would their nodes be: rename one"));
        }
        arguments.push(Argument {
            name,
            attributes: &argument.attrs,
            pattern: &argument.pat,
            ty: &argument.ty,
        });
    }
    arguments
}

/// The argument's name as a node's name.
fn name(argument: &PatType) -> String {
    match &*argument.pat {
        Pat::Ident(pat) => pat
            .ident
            .unraw()
            .to_string()
            .trim_start_matches('_')
            .to_owned(),
        _ => String::new(),
    }
}

/// The first `impl` in a type.
fn find_impl(ty: TokenStream) -> Option<TokenTree> {
    ty.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == "impl" => Some(ident.into()),
        TokenTree::Group(group) => find_impl(group.stream()),
        _ => None,
    })
}

/// What the test returns, unless it is `()` or `!`.
pub(crate) fn returns(function: &Signature) -> Option<&Type> {
    match &function.signature.output {
        ReturnType::Type(_, ty) => match &**ty {
            Type::Tuple(tuple) if tuple.elems.is_empty() => None,
            Type::Never(_) => None,
            ty => Some(ty),
        },
        ReturnType::Default => None,
    }
}

/// What `#[should_panic]` says. A form that rustc refuses is left to rustc.
pub(crate) fn should_panic(function: &Signature) -> ShouldPanic {
    let mut attributes = function.attributes.iter();
    let Some(attribute) = attributes.find(|attribute| attribute.path().is_ident("should_panic"))
    else {
        return ShouldPanic::No;
    };
    let expected = match &attribute.meta {
        Meta::Path(_) => None,
        Meta::NameValue(pair) => text(&pair.value),
        Meta::List(list) => list
            .parse_args::<syn::MetaNameValue>()
            .ok()
            .filter(|pair| pair.path.is_ident("expected"))
            .and_then(|pair| text(&pair.value)),
    };
    expected.map_or(ShouldPanic::Yes, ShouldPanic::With)
}

fn text(value: &Expr) -> Option<syn::LitStr> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.clone()),
        _ => None,
    }
}
