//! What a misuse expands to: its errors, and the user's code as it stands, so that editors keep
//! working and nothing else is reported.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Safety};

use crate::function::is_test_attribute;
use crate::signature::Signature;

/// For an item that is no function that could be a test.
pub(crate) fn item(item: TokenStream, error: &Error) -> TokenStream {
    let errors = error.to_compile_error();
    quote!(#item #errors)
}

/// For a function.
pub(crate) fn function(function: &Signature, error: &Error) -> TokenStream {
    let errors = error.to_compile_error();
    let Signature {
        attributes,
        visibility,
        signature,
        body,
    } = function;
    let attributes = attributes
        .iter()
        .filter(|attribute| !is_test_attribute(attribute));
    // rustc has its own word on these three, which have been reported already.
    let mut signature = signature.clone();
    signature.constness = None;
    signature.variadic = None;
    if let Safety::Unsafe(_) = signature.safety {
        signature.safety = Safety::Default;
    }
    // So it has on a `self` outside an impl, and nobody can tell whether this is one.
    let hidden = signature
        .receiver()
        .is_some()
        .then(|| quote!(#[cfg(any())]));
    quote! {
        #hidden
        #[allow(dead_code)]
        #(#attributes)*
        #visibility #signature #body
        #errors
    }
}
