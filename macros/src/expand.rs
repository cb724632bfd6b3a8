//! From a legal test to tokens.
//!
//! They name nothing but `::core`, `::std` and the runtime's hidden module, so that no name of the
//! user's can get in the way; and our variables are hygienic, so that the user's code cannot see them.
//!
//! The test is a `#[test]` under `--test` only, and a plain function otherwise: rustc drops a `#[test]`
//! without looking at it, and an example in documentation would then be wrong unnoticed.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};

use syn::Attribute;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;

use crate::model::{Argument, Flavor, Nodes, PortTest, ShouldPanic};

/// Expands a test.
pub(crate) fn expand(test: &PortTest<'_>) -> TokenStream {
    match &test.nodes {
        Nodes::Matrix { numbers, .. } => matrix(test, numbers),
        Nodes::Given { number, .. } => single(test, Some(quote!(Given(#number)))),
        Nodes::Counted => single(test, None),
    }
}

/// A function that is one test.
fn single(test: &PortTest<'_>, nodes: Option<TokenStream>) -> TokenStream {
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
        #[allow(clippy::items_after_statements)]
        #(#attributes)*
        #visibility fn #name() { #body }
    }
}

/// A function that runs the test, where the user's names mean what they meant, and a module of the same
/// name with one test for each number.
fn matrix(test: &PortTest<'_>, numbers: &[(usize, Span)]) -> TokenStream {
    let private = private(test, Span::call_site());
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
        let facts = self::facts(test, &case.to_string(), Some(quote!(Matrix(#number))));
        quote! {
            #[::core::prelude::v1::test]
            #(#moved)*
            fn #case() { super::#name(#facts); }
        }
    });
    quote! {
        #[cfg_attr(not(test), allow(dead_code))]
        #[allow(clippy::items_after_statements)]
        #(#kept)*
        fn #name(#facts: &#private::Test) { #body }

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

/// Where it is asked for a runtime that tokio was compiled without.
const NEEDS_FEATURE: &str = "this flavor needs tokio's feature `rt-multi-thread`: enable it in `Cargo.toml`, \
    for `tokio` or for `port-test`";

/// What the runtime has to know, as far as the attribute says it.
fn facts(test: &PortTest<'_>, name: &str, nodes: Option<TokenStream>) -> TokenStream {
    let private = private(test, Span::call_site());
    let nodes = nodes.map(|nodes| quote!(.nodes(#private::Nodes::#nodes)));
    let ports = test
        .ports
        .as_ref()
        .map(|ports| quote!(.ports(&[#(#ports),*])));
    let timeout = test.timeout_ms.map(|timeout| quote!(.timeout_ms(#timeout)));
    let flavor = match test.flavor {
        Flavor::CurrentThread => None,
        Flavor::MultiThread {
            worker_threads,
            span,
        } => {
            let count = match worker_threads {
                Some(count) => quote!(::core::option::Option::Some(#count)),
                None => quote!(::core::option::Option::None),
            };
            let flavor = quote!(#private::Flavor::MultiThread { worker_threads: #count });
            // Only the runtime crate knows which features its tokio has, and only when it is compiled.
            let check = quote_spanned!(span=> const _: () = ::core::assert!(#private::MULTI_THREAD, #NEEDS_FEATURE););
            Some(quote!(.flavor({ #check #flavor })))
        }
    };
    let should_panic = match &test.should_panic {
        ShouldPanic::No => None,
        ShouldPanic::Yes => Some(quote!(.should_panic(#private::ShouldPanic::Yes))),
        ShouldPanic::With(text) => Some(quote!(.should_panic(#private::ShouldPanic::With(#text)))),
    };
    quote! {
        &#private::Test::new(
            ::core::concat!(::core::module_path!(), "::", #name),
            ::core::option_env!("CARGO_PKG_NAME"),
        ) #nodes #ports #timeout #flavor #should_panic
    }
}

/// Plans the arguments, and hands the user's body to the runtime.
fn body(test: &PortTest<'_>, facts: &TokenStream) -> TokenStream {
    let private = private(test, Span::call_site());
    let (slots, arguments) = (local(test, "slot"), local(test, "argument"));
    let future = future(test, &arguments);
    if test.arguments.is_empty() && test.returns.is_none() {
        let count = count(test);
        return quote!(#count #private::run_alone(#facts, #future););
    }
    let service = Ident::new("__service", Span::mixed_site());
    let started = test.service.as_ref().map(|expression| {
        let private = self::private(test, expression.span());
        quote_spanned!(expression.span()=> let #service = #private::service(#expression);)
    });
    let planned = test.arguments.iter().zip(&slots).map(|(argument, slot)| {
        let (name, ty) = (&argument.name, argument.ty);
        let private = self::private(test, ty.span());
        match (&test.service, &test.nodes) {
            (None, Nodes::Counted) => quote_spanned!(ty.span()=> #private::counted::<#ty>(&#slot, #name)),
            (None, _) => quote_spanned!(ty.span()=> #private::argument::<#ty>(&#slot, #name)),
            (Some(_), _) => quote_spanned!(ty.span()=> #private::argument_by::<_, #ty>(&#slot, #name, &#service)),
        }
    });
    let count = count(test);
    let body = judged(test, &future);
    quote! {
        #count
        #started
        #(let #slots = #private::Slot::new();)*
        #(let #arguments = #planned;)*
        #private::run(#facts, &[#(&#slots),*], #body);
    }
}

/// The user's body as one future: a second one around it would double what a test costs to compile.
fn future(test: &PortTest<'_>, arguments: &[Ident]) -> TokenStream {
    // No types here: an item in the body could have the name of one.
    let taken = test
        .arguments
        .iter()
        .zip(arguments)
        .map(|(argument, value)| {
            let Argument {
                attributes,
                pattern,
                ..
            } = argument;
            quote!(#(#attributes)* let #pattern = #value.take();)
        });
    // Tells what the block returns, so that the compiler reports what returns something else.
    let told = match test.returns {
        None => quote_spanned!(test.name.span()=> if false { return; }),
        Some(ty) => {
            let private = private(test, ty.span());
            quote_spanned!(ty.span()=> if false { return #private::never::<#ty>(); })
        }
    };
    let code = test.body.stream();
    let mut body = Group::new(Delimiter::Brace, quote!(#told #(#taken)* #code));
    body.set_span(test.body.span());
    quote!(::std::boxed::Box::new(async #body))
}

/// The future with the judgement on what it returns.
fn judged(test: &PortTest<'_>, future: &TokenStream) -> TokenStream {
    let Some(ty) = test.returns else {
        let private = private(test, Span::call_site());
        return quote!(#private::body(#future));
    };
    let private = private(test, ty.span());
    let body = quote_spanned!(ty.span()=> (&&&#private::Returns::<#ty>::new()).body);
    quote! {{
        #[allow(unused_imports)]
        use #private::{ViaDebug as _, ViaResult as _, ViaTermination as _};
        #body(#future)
    }}
}

/// The check that the number of nodes and the arguments agree, reported where the number stands.
fn count(test: &PortTest<'_>) -> Option<TokenStream> {
    let (variant, numbers, span) = match &test.nodes {
        // Nothing to count, or the arguments are asked for what they know.
        Nodes::Counted if test.arguments.is_empty() || test.service.is_none() => return None,
        Nodes::Counted => (quote!(Counted), Vec::new(), test.name.span()),
        Nodes::Given { number, span } => (quote!(Given), vec![*number], *span),
        Nodes::Matrix { numbers, span } => {
            let numbers = numbers.iter().map(|(number, _)| *number).collect();
            (quote!(Matrix), numbers, *span)
        }
    };
    let private = private(test, span);
    let nodes = if numbers.is_empty() {
        quote!(#private::Nodes::#variant)
    } else {
        quote!(#(#private::Nodes::#variant(#numbers)),*)
    };
    let types = test.arguments.iter().map(|argument| argument.ty);
    Some(quote_spanned! {span=>
        const _: () = {
            #[allow(unused_imports)]
            use #private::Uncounted as _;
            #private::check_count(&[#nodes], &[#(#private::CountOf::<#types>::COUNT),*]);
        };
    })
}

/// The path of the runtime's hidden module, for tokens that are reported at `span`.
fn private(test: &PortTest<'_>, span: Span) -> TokenStream {
    let path = test.krate.as_ref().map(|path| {
        let tokens = path.to_token_stream().into_iter().map(|mut token| {
            token.set_span(token.span().located_at(span));
            token
        });
        tokens.collect::<TokenStream>()
    });
    let path = path.unwrap_or_else(|| quote_spanned!(span=> ::port_test));
    quote_spanned!(span=> #path::__private)
}

/// A variable for each argument, which the user's code cannot see.
fn local(test: &PortTest<'_>, name: &str) -> Vec<Ident> {
    (0..test.arguments.len())
        .map(|index| Ident::new(&format!("__{name}{index}"), Span::mixed_site()))
        .collect()
}
