//! From a legal test to tokens.
//!
//! They name nothing but `::core`, `::std` and the runtime's hidden module, so that no name of the
//! user's can get in the way; and none of ours gets into the user's code, which stands in a function
//! before all of our variables.
//!
//! The test is a `#[test]` under `--test` only, and a plain function otherwise: rustc drops a `#[test]`
//! without looking at it, and an example in documentation would then be wrong unnoticed.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, Type};

use crate::model::{Flavor, Nodes, PortTest, ShouldPanic};

/// Expands a test.
pub(crate) fn expand(test: &PortTest<'_>) -> TokenStream {
    match &test.nodes {
        Nodes::Matrix { numbers, .. } => matrix(test, numbers),
        Nodes::Given { number, .. } => single(test, &quote!(Given(#number))),
        Nodes::Counted => single(test, &quote!(Counted)),
    }
}

/// A function that is one test.
fn single(test: &PortTest<'_>, nodes: &TokenStream) -> TokenStream {
    let PortTest {
        attributes,
        visibility,
        name,
        ..
    } = test;
    let facts = facts(test, &name.unraw().to_string(), nodes);
    let body = body(test, &facts);
    quote! {
        #[cfg_attr(test, ::core::prelude::v1::test)]
        #[cfg_attr(not(test), allow(dead_code))]
        #(#attributes)*
        #visibility fn #name() { #body }
    }
}

/// A function that runs the test, where the user's names mean what they meant, and a module of the same
/// name with one test for each number.
fn matrix(test: &PortTest<'_>, numbers: &[(usize, Span)]) -> TokenStream {
    let private = private(test);
    let name = test.name;
    let (kept, moved): (Vec<_>, Vec<_>) = test
        .attributes
        .iter()
        .partition(|attribute| is_about_code(attribute));
    let conditions: Vec<_> = kept
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .collect();
    let facts = Ident::new("__test", Span::mixed_site());
    let body = body(test, &quote!(#facts));
    let cases = numbers.iter().map(|(number, span)| {
        let case = format_ident!("nodes_{number}", span = *span);
        let facts = self::facts(test, &case.to_string(), &quote!(Matrix(#number)));
        quote! {
            #[::core::prelude::v1::test]
            #(#moved)*
            fn #case() { super::#name(#facts); }
        }
    });
    quote! {
        #[cfg_attr(not(test), allow(dead_code))]
        #(#kept)*
        fn #name(#facts: &'static #private::Test) { #body }

        #[cfg(test)]
        #(#conditions)*
        mod #name { #(#cases)* }
    }
}

/// Whether an attribute is about the user's code and not about the test, of which a matrix has many.
fn is_about_code(attribute: &Attribute) -> bool {
    ["cfg", "doc", "allow", "expect", "warn", "deny", "forbid"]
        .iter()
        .any(|name| attribute.path().is_ident(name))
}

/// What the runtime has to know: a constant.
fn facts(test: &PortTest<'_>, name: &str, nodes: &TokenStream) -> TokenStream {
    let private = private(test);
    let ports = option(test.ports.as_ref().map(|ports| quote!(&[#(#ports),*])));
    let timeout = option(test.timeout_ms.map(|timeout| quote!(#timeout)));
    let flavor = match test.flavor {
        Flavor::CurrentThread => quote!(CurrentThread),
        Flavor::MultiThread { worker_threads } => {
            let count = option(worker_threads.map(|count| quote!(#count)));
            quote!(MultiThread { worker_threads: #count })
        }
    };
    let should_panic = match &test.should_panic {
        ShouldPanic::No => quote!(No),
        ShouldPanic::Yes => quote!(Yes),
        ShouldPanic::With(text) => quote!(With(#text)),
    };
    quote! {
        &#private::Test {
            name: ::core::concat!(::core::module_path!(), "::", #name),
            package: ::core::option_env!("CARGO_PKG_NAME"),
            file: ::core::file!(),
            line: ::core::line!(),
            nodes: #private::Nodes::#nodes,
            ports: #ports,
            timeout_ms: #timeout,
            flavor: #private::Flavor::#flavor,
            should_panic: #private::ShouldPanic::#should_panic,
        }
    }
}

/// The user's function, and a call of it by the runtime.
fn body(test: &PortTest<'_>, facts: &TokenStream) -> TokenStream {
    let private = private(test);
    let PortTest { name, function, .. } = test;
    let slots: Vec<_> = local(test, "slot");
    let taken: Vec<_> = local(test, "argument");
    let count = count(test);
    let service = Ident::new("__service", Span::mixed_site());
    let started = test.service.as_ref().map(|expression| {
        quote_spanned!(expression.span()=> let #service = #private::service(#expression);)
    });
    let planned = test.arguments.iter().zip(&slots).map(|(argument, slot)| {
        let (name, ty) = (&argument.name, argument.ty);
        match test.service {
            None => quote_spanned!(ty.span()=> #private::argument::<#ty>(&#slot, #name)),
            Some(_) => quote_spanned!(ty.span()=> #private::argument_by::<_, #ty>(&#slot, #name, &#service)),
        }
    });
    let call = quote!(#name(#(#taken.take()),*).await);
    let ended = ended(test, &call);
    quote! {
        #[allow(
            clippy::needless_pass_by_value,
            clippy::too_many_arguments,
            clippy::unnecessary_wraps,
            clippy::unused_async,
        )]
        #function
        #count
        #started
        #(let #slots = #private::Slot::new();)*
        #(let #taken = #planned;)*
        #private::run(#facts, &[#(&#slots),*], ::std::boxed::Box::pin(async { #ended }));
    }
}

/// The check that the number of nodes and the arguments agree, where the number stands.
fn count(test: &PortTest<'_>) -> Option<TokenStream> {
    let private = private(test);
    let (nodes, span) = match &test.nodes {
        Nodes::Counted if test.arguments.is_empty() => return None,
        Nodes::Counted => (vec![quote!(Counted)], test.name.span()),
        Nodes::Given { number, span } => (vec![quote!(Given(#number))], *span),
        Nodes::Matrix { numbers, span } => (
            numbers
                .iter()
                .map(|(number, _)| quote!(Matrix(#number)))
                .collect(),
            *span,
        ),
    };
    let counts = test.arguments.iter().map(|argument| {
        let ty = argument.ty;
        quote_spanned!(ty.span()=> <#ty as #private::Counted>::COUNT)
    });
    Some(quote_spanned! {span=>
        const _: () = #private::check_count(&[#(#private::Nodes::#nodes),*], &[#(#counts),*]);
    })
}

/// The end of the body: from what the test returned to what the runtime wants.
fn ended(test: &PortTest<'_>, call: &TokenStream) -> TokenStream {
    let private = private(test);
    let ty = match test.returns {
        None => return quote!(#call; ::core::result::Result::Ok(())),
        Some(Type::Never(_)) => return call.clone(),
        Some(ty) => ty,
    };
    let returned = Ident::new("__returned", Span::mixed_site());
    let outcome = quote_spanned!(ty.span()=> (&&&#private::Returned::new(#returned)).outcome());
    quote! {
        let #returned = #call;
        #[allow(unused_imports)]
        use #private::{ViaDebug as _, ViaResult as _, ViaTermination as _};
        #outcome
    }
}

/// The path of the runtime's hidden module.
fn private(test: &PortTest<'_>) -> TokenStream {
    match &test.krate {
        Some(path) => quote!(#path::__private),
        None => quote!(::port_test::__private),
    }
}

/// A variable for each argument, which the user's code cannot see.
fn local(test: &PortTest<'_>, name: &str) -> Vec<Ident> {
    (0..test.arguments.len())
        .map(|index| Ident::new(&format!("__{name}{index}"), Span::mixed_site()))
        .collect()
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
