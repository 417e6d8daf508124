//! `${NAME}`, `file:path` and places in stores: where a value is, instead of the value.

use std::path::Path;

use transport::SecretAddress;

/// Whether a secret is referred to, not written out.
pub(crate) fn is_reference(text: &str) -> bool {
    text.starts_with("file:")
        || SecretAddress::parse(text).is_some()
        || pieces(text).is_ok_and(|pieces| pieces.iter().any(|p| matches!(p, Piece::Variable(_))))
}

/// What is wrong with the references in a text, without looking any up.
pub(crate) fn check(text: &str) -> Result<(), String> {
    pieces(text).map(|_| ())
}

/// The names of the environment variables that a text refers to.
pub(crate) fn variables(text: &str) -> Vec<String> {
    let names = |piece: Piece<'_>| match piece {
        Piece::Variable(name) => Some(name.to_owned()),
        Piece::Text(_) => None,
    };
    pieces(text).map(|pieces| pieces.into_iter().filter_map(names).collect()).unwrap_or_default()
}

/// The text with its variables looked up.
///
/// # Errors
/// Names the variable that is not set; never a value.
pub(crate) fn expand(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut out = String::new();
    for piece in pieces(text)? {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Variable(name) => out.push_str(
                &variable(name)
                    .ok_or_else(|| format!("the environment variable {name} is not set"))?,
            ),
        }
    }
    Ok(out)
}

/// A secret's value: the content of a file (without its last line end), or a text with variables.
///
/// # Errors
/// Names the variable or the file that is missing; never a value.
pub(crate) fn secret(
    text: &str,
    folder: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let Some(path) = text.strip_prefix("file:") else { return expand(text, variable) };
    let path = expand(path, variable)?;
    let content = std::fs::read_to_string(folder.join(&path))
        .map_err(|error| format!("the file {path} cannot be read: {error}"))?;
    let content = content.strip_suffix('\n').unwrap_or(&content);
    Ok(content.strip_suffix('\r').unwrap_or(content).to_owned())
}

enum Piece<'text> {
    Text(&'text str),
    Variable(&'text str),
}

/// `$${` is a plain `${`.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            pieces.push(Piece::Text(&rest[..at - 1]));
            pieces.push(Piece::Text("${"));
            rest = &rest[at + 2..];
            continue;
        }
        pieces.push(Piece::Text(&rest[..at]));
        let after = &rest[at + 2..];
        let end = after.find('}').ok_or("a ${ has no closing }")?;
        let name = &after[..end];
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || !name.chars().all(allowed)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err("between ${ and } stands the name of an environment variable".into());
        }
        pieces.push(Piece::Variable(name));
        rest = &after[end + 1..];
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// The namespace of a connection that gives none: its name, made to fit (F-150).
pub(crate) fn namespace_of(name: &str) -> String {
    const BYTES_MAX: usize = 63;
    let mut out = String::new();
    for character in name.chars() {
        match character {
            'a'..='z' | '0'..='9' => out.push(character),
            'A'..='Z' => {
                if out.ends_with(|last: char| last.is_ascii_lowercase() || last.is_ascii_digit()) {
                    out.push('_');
                }
                out.push(character.to_ascii_lowercase());
            }
            _ if out.ends_with('_') => {}
            _ => out.push('_'),
        }
    }
    if out.is_empty() || out.starts_with(|first: char| first.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out.truncate(BYTES_MAX);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_expand(text: &str, expected: Result<&str, &str>) {
        let variable = |name: &str| (name == "TOKEN").then(|| "t0ken".to_owned());
        let found = expand(text, &variable);
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn variables_are_looked_up() {
        check_expand("${TOKEN}", Ok("t0ken"));
        check_expand("Bearer ${TOKEN}!", Ok("Bearer t0ken!"));
        check_expand("$${TOKEN}", Ok("${TOKEN}"));
        check_expand("$TOKEN {TOKEN}", Ok("$TOKEN {TOKEN}"));
        check_expand("${OTHER}", Err("the environment variable OTHER is not set"));
        check_expand("${TOKEN", Err("a ${ has no closing }"));
        let wanted = "between ${ and } stands the name of an environment variable";
        check_expand("${a b}", Err(wanted));
        check_expand("${}", Err(wanted));
    }

    #[test]
    fn f_150_a_name_becomes_a_namespace() {
        let check = |name: &str, expected: &str| assert_eq!(namespace_of(name), expected);
        check("orders", "orders");
        check("My Orders-2", "my_orders_2");
        check("tflLineStatus", "tfl_line_status");
        check("9x", "_9x");
        check("😀", "_");
        check("", "_");
        check(&"a".repeat(99), &"a".repeat(63));
    }
}
