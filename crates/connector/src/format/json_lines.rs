//! JSON values one after the other: a line each, or simply next to each other.

use std::io::Read;
use std::ops::Range;

use protocol::json::{self, Validator};

use super::FormatError;
use super::rows::{Piece, Position, RowReader};
use super::text::Text;

/// Objects one after the other in a file, read one by one.
pub(super) struct JsonLinesRows {
    text: Text,
    buffer: Vec<u8>,
    /// Where in `buffer` the next object may begin.
    begin: usize,
    is_end: bool,
    validator: Validator,
    position: Position,
}

/// What is read from the file at once.
const BUFFER_BYTES: usize = 64 << 10;

impl JsonLinesRows {
    /// Begins at a position that [`RowReader::position`] told.
    pub(super) fn open(mut text: Text, at: Position) -> Result<JsonLinesRows, FormatError> {
        text.go_to(at.at)?;
        Ok(JsonLinesRows {
            text,
            buffer: Vec::new(),
            begin: 0,
            is_end: false,
            validator: Validator::default(),
            position: at,
        })
    }

    /// Reads more of the file, at least as much as there is, so that a long object is not looked at too
    /// often. Whether there was more.
    fn read_more(&mut self) -> Result<bool, FormatError> {
        self.buffer.drain(..self.begin);
        self.begin = 0;
        let more = self.buffer.len().max(BUFFER_BYTES) as u64;
        let length = self.text.by_ref().take(more).read_to_end(&mut self.buffer)?;
        self.is_end |= length == 0;
        Ok(length > 0)
    }

    /// What was read up to here is done with.
    fn pass(&mut self, end: usize) {
        let passed = &self.buffer[self.begin..end];
        self.position.at += passed.len() as u64;
        self.position.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.begin = end;
    }

    /// Passes what may stand between objects. Whether one begins.
    fn find_object(&mut self) -> Result<bool, FormatError> {
        loop {
            let mut at = json::skip_whitespace(&self.buffer, self.begin);
            // A sequence may have commas (or the record separators of RFC 7464) between its values.
            while matches!(self.buffer.get(at), Some(b',' | 0x1e)) {
                at = json::skip_whitespace(&self.buffer, at + 1);
            }
            self.pass(at);
            if self.begin < self.buffer.len() {
                return Ok(true);
            }
            if !self.read_more()? {
                return Ok(false);
            }
        }
    }
}

impl RowReader for JsonLinesRows {
    fn read(&mut self, piece: &mut Piece) -> Result<bool, FormatError> {
        self.text.begin_row();
        if !self.find_object()? {
            return Ok(false);
        }
        let line = self.position.line + 1;
        let wrong = |line, message: &str| FormatError::Line { line, message: message.to_owned() };
        if self.buffer[self.begin] != b'{' {
            return Err(wrong(line, "expected an object"));
        }
        let end = loop {
            match self.validator.value(&self.buffer, self.begin) {
                Ok(end) => break end,
                // It may only be cut off.
                Err(_) if self.read_more()? => {}
                Err(error) => {
                    let before = &self.buffer[self.begin..error.at.min(self.buffer.len())];
                    let lines = memchr::memchr_iter(b'\n', before).count() as u64;
                    return Err(wrong(line + lines, error.expected));
                }
            }
        };
        let object = simdutf8::basic::from_utf8(&self.buffer[self.begin..end]);
        let object = object.map_err(|_| FormatError::NotUtf8)?;
        self.position.row += 1;
        piece.push(self.position.row, |json| json.push_str(object));
        piece.non_finite |= self.validator.non_finite.take().is_some();
        self.pass(end);
        Ok(true)
    }

    fn position(&self) -> Position {
        self.position
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
        let long = "x".repeat(3 * BUFFER_BYTES);
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
