//! Rows read from a file piece by piece, so that memory does not grow with it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::FormatError;

/// Where a reading stands in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Bytes of the unpacked text, or rows where a file has no text.
    pub(crate) at: u64,
    /// Lines before it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) line: u64,
    /// Rows before it, those that were left out among them.
    pub(crate) row: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Some rows that follow each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Piece {
    pub(crate) json: String,
    /// Where each row stands in `json`.
    pub(crate) ranges: Vec<Range<usize>>,
    /// The number of each row in its file; the first is 1.
    pub(crate) numbers: Vec<u64>,
    /// Rows left out because they do not fit.
    pub(crate) bad: u64,
    /// Whether a bare NaN stands somewhere.
    pub(crate) non_finite: bool,
}

impl Piece {
    /// Adds a row that is written as JSON.
    pub(super) fn push(&mut self, number: u64, write: impl FnOnce(&mut String)) {
        let start = self.json.len();
        write(&mut self.json);
        self.ranges.push(start..self.json.len());
        self.numbers.push(number);
    }
}

/// Reads rows one after the other.
pub(crate) trait RowReader: Send {
    /// Adds the next row to `piece`, or nothing where it is left out. False: there is none any more.
    ///
    /// # Errors
    /// When what comes next is not what the manifest says.
    fn read(&mut self, piece: &mut Piece) -> Result<bool, FormatError>;

    /// Where the next row begins: a reader that is opened there goes on with it.
    fn position(&self) -> Position;
}

/// Reads rows until they make `bytes` of JSON, or until the end. Whether more may follow.
///
/// # Errors
/// As [`RowReader::read`].
pub(crate) fn fill(
    reader: &mut dyn RowReader,
    piece: &mut Piece,
    bytes: usize,
) -> Result<bool, FormatError> {
    while piece.json.len() < bytes {
        if !reader.read(piece)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The rows of a file as lines, or the first error. Opened anew at every row, it has the same rows.
    pub(in crate::format) fn told<R: RowReader>(
        open: &dyn Fn(Position) -> Result<R, FormatError>,
    ) -> String {
        let whole = || {
            let mut piece = Piece::default();
            let mut reader = open(Position::default())?;
            fill(&mut reader, &mut piece, usize::MAX)?;
            Ok(piece)
        };
        let by_row = || {
            let (mut piece, mut at) = (Piece::default(), Position::default());
            loop {
                let mut reader = open(at)?;
                if !reader.read(&mut piece)? {
                    return Ok(piece);
                }
                at = reader.position();
            }
        };
        let tell = |found: Result<Piece, FormatError>| match found {
            Ok(piece) => {
                let bad =
                    if piece.bad > 0 { format!("{} bad\n", piece.bad) } else { String::new() };
                let rows: Vec<&str> =
                    piece.ranges.iter().map(|range| &piece.json[range.clone()]).collect();
                assert_eq!(rows.len(), piece.numbers.len());
                format!("{bad}{}", rows.join("\n"))
            }
            Err(error) => error.to_string(),
        };
        let found = tell(whole());
        assert_eq!(found, tell(by_row()), "read row by row");
        found
    }
}
