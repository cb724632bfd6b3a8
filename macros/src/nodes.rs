//! The value of `nodes`: `3`, or `[1, 3, 5]` for a test that runs once for each.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::{Error, Expr, ExprLit, Lit};

use crate::errors::Errors;
use crate::model::Nodes;

/// As many as there are ports: more can never start.
const MOST: usize = 65_535;

/// The number or the numbers, each of them legal.
pub(crate) fn parse(value: &Expr) -> syn::Result<Nodes> {
    let span = value.span();
    match value {
        Expr::Array(array) => {
            let numbers = matrix(array)?;
            Ok(Nodes::Matrix { numbers, span })
        }
        _ => {
            let number = number(value)?;
            Ok(Nodes::Given { number, span })
        }
    }
}

fn matrix(array: &syn::ExprArray) -> syn::Result<Vec<(usize, Span)>> {
    let mut errors = Errors::default();
    if array.elems.is_empty() {
        errors.at(array, "an empty list of node counts makes no test: write `nodes = [1, 3]`, or `nodes = 3` for one test");
    }
    let mut numbers = Vec::new();
    for element in &array.elems {
        let Some(number) = errors.take(number(element)) else {
            continue;
        };
        if numbers.iter().any(|(earlier, _)| *earlier == number) {
            errors.at(
                element,
                format!("{number} is listed twice: each number makes one test"),
            );
        } else {
            numbers.push((number, element.span()));
        }
    }
    errors.or(numbers)
}

fn number(value: &Expr) -> syn::Result<usize> {
    let error = |message: String| Err(Error::new_spanned(value, message));
    if let Expr::Unary(_) = value {
        return error(
            "a test cannot have a negative number of nodes: write `nodes = 3`".to_owned(),
        );
    }
    let Expr::Lit(ExprLit { lit, .. }) = value else {
        return error("`nodes` takes a number that is written out, or a list of them: write `nodes = 3` or `nodes = [1, 3]`".to_owned());
    };
    let Lit::Int(literal) = lit else {
        return error(match lit {
            Lit::Str(text) if text.value().parse::<usize>().is_ok() => {
                format!("`nodes` takes a number without quotes: write `nodes = {}`", text.value())
            }
            _ => "`nodes` takes a whole number, or a list of them: write `nodes = 3` or `nodes = [1, 3]`".to_owned(),
        });
    };
    if !literal.suffix().is_empty() {
        return error(format!(
            "a number here has no suffix: write `{}`",
            literal.base10_digits()
        ));
    }
    match literal.base10_parse() {
        Ok(0) => error("a test cannot have 0 nodes: write at least `nodes = 1`, or leave `nodes` out of a test that takes none".to_owned()),
        Ok(number) if number <= MOST => Ok(number),
        _ => error(format!("{literal} nodes are more than there are ports: write at most {MOST}")),
    }
}
