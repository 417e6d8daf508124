//! A text of JSON values that are looked at one by one, in a buffer as large as the largest of them.

use std::io::{self, Read};

use protocol::json::{self, JsonError, Validator};

use super::FormatError;
use super::text::Text;

/// What comes next of a text.
pub(super) struct Lookahead {
    text: Text,
    buffer: Vec<u8>,
    /// Where in `buffer` it comes.
    begin: usize,
    is_end: bool,
    validator: Validator,
    /// What is read from the file at once.
    read_bytes: usize,
    /// Bytes of the text before it.
    pub(super) at: u64,
    /// Line breaks before it.
    pub(super) line: u64,
}

/// What is read from the file at once.
pub(super) const READ_BYTES: usize = 64 << 10;

/// An error so near to the end of what was read may be none once there is more: of a word such as
/// `-Infinity` the beginning is told, of anything else the place where it ends.
const CUT_BYTES_MAX: usize = 10;

impl Lookahead {
    /// From where the text is on, with so many line breaks before it.
    pub(super) fn new(text: Text, line: u64, read_bytes: usize) -> Lookahead {
        let (at, validator) = (text.at(), Validator::default());
        let buffer = Vec::new();
        Lookahead { text, buffer, begin: 0, is_end: false, validator, read_bytes, at, line }
    }

    /// Reads more of the file, at least as much as there is, so that a long value is not looked at too
    /// often. Whether there was more.
    fn read_more(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.begin);
        self.begin = 0;
        let more = self.buffer.len().max(self.read_bytes) as u64;
        let length = self.text.by_ref().take(more).read_to_end(&mut self.buffer)?;
        self.is_end |= length == 0;
        Ok(length > 0)
    }

    /// Passes white space. The byte after it; none at the end.
    pub(super) fn byte(&mut self) -> Result<Option<u8>, FormatError> {
        loop {
            self.pass(json::skip_whitespace(&self.buffer, self.begin) - self.begin)?;
            let byte = self.buffer.get(self.begin).copied();
            if byte.is_some() || !self.read_more()? {
                return Ok(byte);
            }
        }
    }

    /// How long the value is that begins here, if all of it was read already.
    pub(super) fn value_read(&mut self) -> Option<Result<usize, JsonError>> {
        let value = self.validator.value(&self.buffer, self.begin);
        let (length, is_cut) = match &value {
            Ok(end) => (end - self.begin, *end == self.buffer.len()),
            Err(error) => (0, error.at + CUT_BYTES_MAX > self.buffer.len()),
        };
        if is_cut && !self.is_end {
            return None;
        }
        Some(
            value.map(|_| length).map_err(|error| JsonError { at: error.at - self.begin, ..error }),
        )
    }

    /// How long the value is that begins here. An error is as far from here as it says.
    pub(super) fn value(&mut self) -> Result<Result<usize, JsonError>, FormatError> {
        loop {
            if let Some(value) = self.value_read() {
                return Ok(value);
            }
            self.read_more()?;
        }
    }

    /// So many bytes that come next, which were looked at.
    pub(super) fn bytes(&self, length: usize) -> &[u8] {
        &self.buffer[self.begin..self.begin + length]
    }

    /// So many bytes are done with.
    ///
    /// # Errors
    /// When they are no UTF-8.
    pub(super) fn pass(&mut self, length: usize) -> Result<(), FormatError> {
        let passed = &self.buffer[self.begin..self.begin + length];
        simdutf8::basic::from_utf8(passed).map_err(|_| FormatError::NotUtf8)?;
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.at += length as u64;
        self.begin += length;
        self.text.begin_row();
        Ok(())
    }

    /// Whether a bare NaN stood in a value since this was asked last.
    pub(super) fn take_non_finite(&mut self) -> bool {
        self.validator.non_finite.take().is_some()
    }
}
