//! Which parts of a request let it in, and what they are called as secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;

/// A name without its writing style: `next_page`, `nextPage` and `Next-Page` are one.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a value of this name lets a request in.
pub(super) fn is_secret(name: &str) -> bool {
    const PAGING: [&str; 5] =
        ["pagetoken", "nexttoken", "nextpagetoken", "continuationtoken", "synctoken"];
    const WHOLE: [&str; 9] =
        ["key", "appid", "auth", "xauth", "sig", "signature", "sid", "cookie", "code"];
    const ENDS: [&str; 6] = ["apikey", "token", "secret", "password", "authorization", "accesskey"];
    const PARTS: [&str; 7] =
        ["session", "csrf", "xsrf", "jwt", "passwd", "credential", "securitytoken"];
    let name = plain(name);
    !PAGING.contains(&name.as_str())
        && (WHOLE.contains(&name.as_str())
            || name.ends_with("key")
            || ENDS.iter().any(|end| name.ends_with(end))
            || PARTS.iter().any(|part| name.contains(part)))
}

/// Whether a header's value looks as if it let the request in, whatever its name: one long word of letters
/// and digits, as tokens and keys are. A request's number looks so too: better asked for than told.
pub(super) fn looks_secret(value: &str) -> bool {
    const SHORTEST: usize = 20;
    let has = |what: fn(char) -> bool| value.contains(what);
    value.len() >= SHORTEST
        && !has(|c| c.is_whitespace() || matches!(c, '/' | ';' | ',' | '?'))
        && has(|c| c.is_ascii_digit())
        && has(|c| c.is_ascii_alphabetic())
}

/// The name of the secret in a header or a parameter: `X-Api-Key` is `api_key`.
pub(super) fn secret_name(name: &str) -> String {
    let mut out = String::new();
    let mut before_lower = false;
    for character in name.trim_start_matches("X-").trim_start_matches("x-").chars() {
        match character {
            c if c.is_ascii_alphanumeric() => {
                if c.is_ascii_uppercase() && before_lower {
                    out.push('_');
                }
                before_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
                out.push(c.to_ascii_lowercase());
            }
            _ => {
                out.push('_');
                before_lower = false;
            }
        }
    }
    let out = out.trim_matches('_').to_owned();
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        "key".to_owned()
    } else {
        out
    }
}

/// The `Authorization` that a name and a password in the address stand for.
pub(super) fn basic_of(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair =
        format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default()));
    Some(format!("Basic {}", STANDARD.encode(pair)))
}
