//! JSON values one after the other: a line each, or simply next to each other.

use std::ops::Range;

use protocol::json::{self, Validator};

use super::FormatError;

/// The range of each value, and whether a bare NaN stands somewhere.
pub(super) fn read(body: &[u8]) -> Result<(Vec<Range<usize>>, bool), FormatError> {
    let mut validator = Validator::default();
    let mut ranges = Vec::new();
    let mut at = json::skip_whitespace(body, 0);
    while at < body.len() {
        let wrong = |at: usize, message: &str| FormatError::Line {
            line: 1 + memchr::memchr_iter(b'\n', &body[..at]).count() as u64,
            message: message.to_owned(),
        };
        if body[at] != b'{' {
            return Err(wrong(at, "expected an object"));
        }
        let end = validator.value(body, at).map_err(|error| wrong(error.at, error.expected))?;
        ranges.push(at..end);
        at = json::skip_whitespace(body, end);
        // A sequence may have commas (or the record separators of RFC 7464) between its values.
        while matches!(body.get(at), Some(b',' | 0x1e)) {
            at = json::skip_whitespace(body, at + 1);
        }
    }
    Ok((ranges, validator.non_finite.is_some()))
}
