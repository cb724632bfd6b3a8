//! From what was written to a test that is legal, or to every mistake in it.

use crate::args::Args;
use crate::function;
use crate::model::{Flavor, Nodes, PortTest};
use crate::options;
use crate::signature::Signature;

/// # Errors
///
/// Every mistake, each at the token that is wrong.
pub(crate) fn validate(mut args: Args, function: &Signature) -> syn::Result<PortTest<'_>> {
    let mut errors = std::mem::take(&mut args.errors);
    let options = options::read(args, &mut errors);
    function::check(function, &mut errors);
    let arguments = function::arguments(function, &mut errors);
    let Signature {
        attributes,
        visibility,
        signature,
        body,
    } = function;
    errors.or(PortTest {
        krate: options.krate,
        name: &signature.ident,
        visibility,
        attributes,
        body,
        arguments,
        returns: function::returns(function),
        nodes: options.nodes.unwrap_or(Nodes::Counted),
        service: options.service,
        ports: options.ports,
        timeout_ms: options.timeout_ms,
        flavor: options.flavor.unwrap_or(Flavor::CurrentThread),
        should_panic: function::should_panic(function),
    })
}
