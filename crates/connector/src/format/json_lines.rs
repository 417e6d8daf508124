//! JSON values one after the other: a line each, or simply next to each other.

use std::ops::Range;

use protocol::json::{self, Validator};

use super::FormatError;
use super::lookahead::{Lookahead, READ_BYTES};
use super::rows::{Piece, Position, RowReader};
use super::text::Text;

/// Objects one after the other in a file, read one by one.
pub(super) struct JsonLinesRows {
    text: Lookahead,
    row: u64,
}

impl JsonLinesRows {
    /// Begins at a position that [`RowReader::position`] told.
    pub(super) fn open(mut text: Text, at: Position) -> Result<JsonLinesRows, FormatError> {
        text.go_to(at.at)?;
        Ok(JsonLinesRows { text: Lookahead::new(text, at.line, READ_BYTES), row: at.row })
    }
}

impl RowReader for JsonLinesRows {
    fn read(&mut self, piece: &mut Piece) -> Result<bool, FormatError> {
        // A sequence may have commas (or the record separators of RFC 7464) between its values.
        while matches!(self.text.byte()?, Some(b',' | 0x1e)) {
            self.text.pass(1)?;
        }
        let line = self.text.line + 1;
        match self.text.byte()? {
            None => return Ok(false),
            Some(b'{') => {}
            Some(_) => {
                return Err(FormatError::Line { line, message: "expected an object".to_owned() });
            }
        }
        let length = self.text.value()?.map_err(|error| {
            let lines = memchr::memchr_iter(b'\n', self.text.bytes(error.at)).count() as u64;
            FormatError::Line { line: line + lines, message: error.expected.to_owned() }
        })?;
        let object = simdutf8::basic::from_utf8(self.text.bytes(length));
        let object = object.map_err(|_| FormatError::NotUtf8)?;
        self.row += 1;
        piece.push(self.row, |json| json.push_str(object));
        piece.non_finite |= self.text.take_non_finite();
        self.text.pass(length)?;
        Ok(true)
    }

    fn position(&self) -> Position {
        Position { at: self.text.at, line: self.text.line, row: self.row }
    }
}

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

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(body: &[u8], expected: Expect) {
        let open = |at| JsonLinesRows::open(Text::of(body.to_vec(), None)?, at);
        expected.assert_eq(&crate::format::rows::tests::told(&open));
    }

    #[test]
    fn objects_one_after_the_other() {
        check(
            b"\xef\xbb\xbf{\"a\": 1}\r\n\n{\"b\": {\"c\": [2]}}{\"d\": \"}\"},\x1e{}",
            expect![[r#"
                {"a": 1}
                {"b": {"c": [2]}}
                {"d": "}"}
                {}"#]],
        );
        check(b"{\"a\": 1}\n[2]\n", expect!["line 2: expected an object"]);
        check(b"{\"a\": 1}\n{\"a\":\n", expect!["line 3: expected a value"]);
        check(b"{\"a\": \"\xff\"}", expect!["it is not UTF-8; say its encoding"]);
    }

    /// Cut off anywhere, also where nothing is read at once but a byte, it is the same.
    #[test]
    fn an_object_may_be_larger_than_what_is_read_at_once() {
        let long = "x".repeat(3 * READ_BYTES);
        let body = format!("{{\"a\": \"{long}\"}}\n{{\"b\": 2}}\n");
        let mut piece = Piece::default();
        let text = Text::of(body, None).expect("a text");
        let mut rows = JsonLinesRows::open(text, Position::default()).expect("rows");
        while rows.read(&mut piece).expect("rows") {}
        let lengths: Vec<usize> = piece.ranges.iter().map(ExactSizeIterator::len).collect();
        assert_eq!(lengths, [long.len() + 9, 8]);
        assert_eq!(rows.position().line, 2);
    }
}
