//! JSON text walked in place: validated once, never turned into a tree.
//!
//! Nesting costs one byte of a growing stack, not a stack frame, so a value nested a million deep is
//! as safe as a flat one. `NaN` and `Infinity`, which Python's `json.dumps` writes by default
//! (Q-13), are recognised and reported apart, so that the caller can say where they stand.

/// Where a text stops being JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expected} at byte {at}")]
pub struct JsonError {
    /// Bytes from the start of the text.
    pub at: usize,
    /// What the grammar wanted there.
    pub expected: &'static str,
}

/// Checks that the text is exactly one JSON value.
///
/// # Errors
/// At the first byte that breaks the grammar, or at a `NaN` or `Infinity`.
pub fn validate(text: &[u8]) -> Result<(), JsonError> {
    let mut validator = Validator::default();
    let end = validator.value(text, skip_whitespace(text, 0))?;
    if let Some(at) = validator.non_finite {
        return Err(JsonError {
            at,
            expected: "expected a number that JSON can hold, not NaN or Infinity",
        });
    }
    match skip_whitespace(text, end) {
        at if at == text.len() => Ok(()),
        at => Err(JsonError { at, expected: "expected the end of the text" }),
    }
}

/// Walks values and keeps what the walk found out.
#[derive(Default)]
pub struct Validator {
    /// One byte for each open bracket: `{` or `[`.
    open: Vec<u8>,
    /// Where the first `NaN`, `Infinity` or `-Infinity` stood.
    pub non_finite: Option<usize>,
}

impl Validator {
    /// The end of the value that starts at `at` (on its first byte, not on white space).
    ///
    /// # Errors
    /// At the first byte that breaks the grammar.
    pub fn value(&mut self, text: &[u8], mut at: usize) -> Result<usize, JsonError> {
        self.open.clear();
        loop {
            at = match text.get(at) {
                Some(b'{') => {
                    let inside = skip_whitespace(text, at + 1);
                    if text.get(inside) == Some(&b'}') {
                        inside + 1
                    } else {
                        self.open.push(b'{');
                        at = key(text, inside)?;
                        continue;
                    }
                }
                Some(b'[') => {
                    let inside = skip_whitespace(text, at + 1);
                    if text.get(inside) == Some(&b']') {
                        inside + 1
                    } else {
                        self.open.push(b'[');
                        at = inside;
                        continue;
                    }
                }
                _ => self.scalar(text, at)?,
            };
            loop {
                let Some(open) = self.open.last() else { return Ok(at) };
                let next = skip_whitespace(text, at);
                match (text.get(next), open) {
                    (Some(b','), b'{') => {
                        at = key(text, skip_whitespace(text, next + 1))?;
                        break;
                    }
                    (Some(b','), _) => {
                        at = skip_whitespace(text, next + 1);
                        break;
                    }
                    (Some(b'}'), b'{') | (Some(b']'), b'[') => {
                        self.open.pop();
                        at = next + 1;
                    }
                    (_, b'{') => {
                        return Err(JsonError { at: next, expected: "expected `,` or `}`" });
                    }
                    _ => return Err(JsonError { at: next, expected: "expected `,` or `]`" }),
                }
            }
        }
    }

    fn scalar(&mut self, text: &[u8], at: usize) -> Result<usize, JsonError> {
        let word = |word: &'static [u8]| text[at..].starts_with(word).then_some(at + word.len());
        let end = match text.get(at) {
            Some(b'"') => return string(text, at),
            Some(b'-') if text.get(at + 1) == Some(&b'I') => {
                self.non_finite.get_or_insert(at);
                word(b"-Infinity")
            }
            Some(b'-' | b'0'..=b'9') => return number(text, at),
            Some(b't') => word(b"true"),
            Some(b'f') => word(b"false"),
            Some(b'n') => word(b"null"),
            Some(b'N') => {
                self.non_finite.get_or_insert(at);
                word(b"NaN")
            }
            Some(b'I') => {
                self.non_finite.get_or_insert(at);
                word(b"Infinity")
            }
            _ => None,
        };
        end.ok_or(JsonError { at, expected: "expected a value" })
    }
}

/// A key, its colon and the white space after it; the answer is where the value starts.
fn key(text: &[u8], at: usize) -> Result<usize, JsonError> {
    if text.get(at) != Some(&b'"') {
        return Err(JsonError { at, expected: "expected a key in quotes" });
    }
    let colon = skip_whitespace(text, string(text, at)?);
    if text.get(colon) != Some(&b':') {
        return Err(JsonError { at: colon, expected: "expected `:`" });
    }
    Ok(skip_whitespace(text, colon + 1))
}

/// The end of the string whose opening quote stands at `at`, with escapes checked.
fn string(text: &[u8], at: usize) -> Result<usize, JsonError> {
    let mut at = at + 1;
    loop {
        at = plain_end(text, at);
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match text.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                Some(b'u')
                    if text
                        .get(at + 2..at + 6)
                        .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) =>
                {
                    at += 6;
                }
                _ => return Err(JsonError { at, expected: "expected an escape that JSON knows" }),
            },
            Some(_) => {
                return Err(JsonError {
                    at,
                    expected: "expected control characters in a string to be escaped",
                });
            }
            None => {
                return Err(JsonError { at, expected: "expected the closing quote of a string" });
            }
        }
    }
}

fn number(text: &[u8], at: usize) -> Result<usize, JsonError> {
    let digits = |from: usize| text[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let some_digits = |from: usize| match digits(from) {
        0 => Err(JsonError { at: from, expected: "expected a digit" }),
        count => Ok(from + count),
    };
    let start = at + usize::from(text[at] == b'-');
    let mut end = if text.get(start) == Some(&b'0') { start + 1 } else { some_digits(start)? };
    if text.get(end) == Some(&b'.') {
        end = some_digits(end + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end = some_digits(end + 1 + sign)?;
    }
    Ok(end)
}

/// The first byte at or after `at` that is not JSON white space.
#[inline]
pub fn skip_whitespace(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

pub(crate) fn is_whitespace_char(c: char) -> bool {
    matches!(c, ' ' | '\n' | '\r' | '\t')
}

/// The end of the string whose opening quote stands at `at`, in text that is known to be valid,
/// and whether it holds an escape.
#[inline]
pub fn string_end(valid: &[u8], at: usize) -> (usize, bool) {
    let mut at = plain_end(valid, at + 1);
    let escaped = valid[at] == b'\\';
    while valid[at] == b'\\' {
        at = plain_end(valid, at + 2);
    }
    (at + 1, escaped)
}

/// The end of the value at `at` in text that is known to be valid: brackets are counted, no more.
#[inline]
pub fn value_end(valid: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    loop {
        match valid[at] {
            b'"' => at = string_end(valid, at).0,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            _ if depth == 0 => {
                let scalar =
                    |b: &u8| !matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
                return at + valid[at..].iter().take_while(|b| scalar(b)).count();
            }
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
}

/// The text of a JSON string literal, quotes included, that is known to be valid.
///
/// A lone surrogate becomes U+FFFD (Dec-62); `\u0000` stays a NUL.
pub fn unescape(literal: &str) -> String {
    let mut rest = &literal[1..literal.len() - 1];
    let mut text = String::with_capacity(rest.len());
    while let Some(slash) = memchr::memchr(b'\\', rest.as_bytes()) {
        text.push_str(&rest[..slash]);
        let escape = rest.as_bytes()[slash + 1];
        rest = &rest[slash + 2..];
        match escape {
            b'b' => text.push('\u{8}'),
            b'f' => text.push('\u{c}'),
            b'n' => text.push('\n'),
            b'r' => text.push('\r'),
            b't' => text.push('\t'),
            b'u' => rest = unescape_unicode(rest, &mut text),
            literal => text.push(char::from(literal)),
        }
    }
    text.push_str(rest);
    text
}

/// Reads what follows `\u`, with a second half if the first is a high surrogate; answers the rest.
fn unescape_unicode<'a>(rest: &'a str, text: &mut String) -> &'a str {
    let unit =
        |hex: &str| u32::from_str_radix(hex, 16).expect("four hexadecimal digits were checked");
    let first = unit(&rest[..4]);
    let rest = &rest[4..];
    if (0xD800..0xDC00).contains(&first)
        && let Some(hex) = rest.strip_prefix("\\u").and_then(|after| after.get(..4))
        && (0xDC00..0xE000).contains(&unit(hex))
    {
        let point = 0x1_0000 + ((first - 0xD800) << 10) + (unit(hex) - 0xDC00);
        text.push(char::from_u32(point).expect("a surrogate pair is a character"));
        return &rest[6..];
    }
    text.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}

/// Appends `text` as a JSON string literal.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let code = c as usize;
                out.push_str("\\u00");
                out.push(char::from(HEX[code >> 4]));
                out.push(char::from(HEX[code & 15]));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The first byte at or after `at` that is a quote, a backslash or a control character, eight at a time.
#[inline]
fn plain_end(text: &[u8], mut at: usize) -> usize {
    while let Some(eight) = text.get(at..at + 8) {
        let found =
            special_bytes(u64::from_le_bytes(eight.try_into().expect("eight bytes were taken")));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while text.get(at).is_some_and(|&b| b != b'"' && b != b'\\' && b >= b' ') {
        at += 1;
    }
    at
}

/// The high bit of each byte that is `"`, `\` or below 0x20. Bits above the lowest one may be wrong
/// (borrows travel upwards), so only the lowest is of use.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let quote = zero(word ^ (ONES * u64::from(b'"')));
    let backslash = zero(word ^ (ONES * u64::from(b'\\')));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn agrees_with_serde_json_on_examples() {
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        for text in [
            "{}",
            "[]",
            " { \"a\" : [ 1 , -0.5e+7, true, null ] } ",
            "\"\\ud83e\\udd80\"",
            "01",
            "1.",
            "-",
            "1e",
            "+1",
            "\"a\nb\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "{\"a\"}",
            "{\"a\":1,}",
            "[1,]",
            "[1 2]",
            "tru",
            "",
            "{} {}",
            "{a:1}",
            "\"open",
            "[[[",
            "]",
            "\"\u{1f}\"",
            "\"12345678\"",
            "\"1234567\\\"\"",
            &deep,
        ] {
            // serde_json's own limit of 128 levels does not hold for ignored values.
            let oracle = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            assert_eq!(validate(text.as_bytes()).is_ok(), oracle, "{text:.60}");
        }
    }

    #[test]
    fn q_13_nan_is_told_apart() {
        let mut validator = Validator::default();
        let text = br#"{"a": [1, -Infinity]}"#;
        assert_eq!(validator.value(text, 0), Ok(text.len()));
        assert_eq!(validator.non_finite, Some(10));
        assert!(validate(b"NaN").is_err());
    }

    #[test]
    fn a_lone_surrogate_becomes_the_replacement_character() {
        assert_eq!(
            unescape(r#""\ud800x\udc00\ud83e\udd80\u0000""#),
            "\u{fffd}x\u{fffd}\u{1f980}\0"
        );
    }

    fn any_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|b| b.to_string()),
            any::<i64>().prop_map(|n| n.to_string()),
            any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| format!("{f:e}")),
            ".*".prop_map(|s| serde_json::to_string(&s).expect("a string")),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6)
                    .prop_map(|v| format!("[{}]", v.join(" , "))),
                prop::collection::vec((".{0,12}", inner), 0..6).prop_map(|members| {
                    let member = |(k, v): &(String, String)| {
                        format!("{} : {v}", serde_json::to_string(k).expect("a string"))
                    };
                    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_walked_to_its_end(text in any_json()) {
            prop_assert!(validate(text.as_bytes()).is_ok());
            prop_assert_eq!(value_end(format!("{text},").as_bytes(), 0), text.len());
        }

        #[test]
        fn any_bytes_get_the_verdict_of_serde_json(bytes in prop::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b','), Just(b':'), Just(b'"'), Just(b'\\'), Just(b'1'), Just(b'-'), Just(b'.'), Just(b'e'), Just(b' '), any::<u8>()], 0..24)) {
            let oracle = std::str::from_utf8(&bytes).is_ok() && serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
            prop_assert_eq!(std::str::from_utf8(&bytes).is_ok() && validate(&bytes).is_ok(), oracle);
        }

        #[test]
        fn a_string_comes_back_from_its_literal(text in ".*") {
            let literal = serde_json::to_string(&text).expect("a string");
            prop_assert_eq!(unescape(&literal), text.clone());
            let mut ours = String::new();
            quote(&text, &mut ours);
            prop_assert_eq!(serde_json::from_str::<String>(&ours).expect("ours is JSON"), text);
        }
    }
}
