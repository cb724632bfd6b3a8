//! The value of `ports`: `["raft", "quic/udp"]`.

use syn::{Expr, ExprLit, Lit, LitStr};

use crate::errors::Errors;
use crate::nearest::nearest;

const TRANSPORTS: [&str; 3] = ["tcp", "udp", "tcp+udp"];

/// The ports, each of them legal.
pub(crate) fn parse(value: &Expr) -> syn::Result<Vec<LitStr>> {
    let mut errors = Errors::default();
    let Expr::Array(array) = value else {
        errors.at(
            value,
            "`ports` takes a list of names: write `ports = [\"raft\", \"quic/udp\"]`",
        );
        return errors.or(Vec::new());
    };
    if array.elems.is_empty() {
        errors.at(
            array,
            "every node has a port: name one, as in `ports = [\"main\"]`, or leave `ports` out",
        );
    }
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for element in &array.elems {
        let Expr::Lit(ExprLit {
            lit: Lit::Str(literal),
            ..
        }) = element
        else {
            errors.at(
                element,
                "expected a port's name in quotes, as in \"raft\" or \"quic/udp\"",
            );
            continue;
        };
        match check(&literal.value()) {
            Err(message) => errors.at(literal, message),
            Ok(name) if names.contains(&name) => {
                errors.at(literal, format!("the port `{name}` is listed twice: give each port its own name, or write \"{name}/tcp+udp\" for both transports on one number"));
            }
            Ok(name) => {
                names.push(name);
                ports.push(literal.clone());
            }
        }
    }
    errors.or(ports)
}

/// The port's name, if the whole text is legal.
fn check(text: &str) -> Result<String, String> {
    let (name, transport) = match text.split_once('/') {
        Some((name, transport)) => (name, Some(transport)),
        None => (text, None),
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(legal) {
        return Err(format!(
            "`{name}` is no name for a port: use letters, digits, `-` and `_`, a letter or digit first"
        ));
    }
    match transport {
        Some(transport) if !TRANSPORTS.contains(&transport) => Err(unknown(name, transport)),
        _ => Ok(name.to_owned()),
    }
}

fn unknown(name: &str, transport: &str) -> String {
    let meant = nearest(transport, &TRANSPORTS).or(match transport {
        "udp+tcp" | "both" => Some("tcp+udp"),
        _ => None,
    });
    match meant {
        Some(meant) => format!("unknown transport `{transport}`: did you mean \"{name}/{meant}\"?"),
        None => format!(
            "unknown transport `{transport}`: write \"{name}\" for TCP, \"{name}/udp\" or \"{name}/tcp+udp\""
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn legal() {
        for (text, name) in [
            ("raft", "raft"),
            ("quic/udp", "quic"),
            ("x/tcp+udp", "x"),
            ("8-a_b/tcp", "8-a_b"),
        ] {
            assert_eq!(check(text).as_deref(), Ok(name));
        }
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (text, part) in [
            ("", "`` is no name"),
            ("/udp", "`` is no name"),
            ("-x", "`-x` is no name"),
            ("a b", "`a b` is no name"),
            ("ä", "`ä` is no name"),
            ("x/upd", "did you mean \"x/udp\"?"),
            ("x/UDP", "did you mean \"x/udp\"?"),
            ("x/udp+tcp", "did you mean \"x/tcp+udp\"?"),
            ("x/", "write \"x\" for TCP"),
            ("x/sctp", "write \"x\" for TCP"),
            ("x/serial", "write \"x\" for TCP"),
        ] {
            let message = check(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
