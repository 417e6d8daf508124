//! Files whose rows are found only when all of the file is there.

use std::io::Read;

use bytes::Bytes;

use super::rows::{Piece, Position, RowReader};
use super::text::File;
use super::{FormatError, Opened, open};
use crate::plan::TablePlan;

/// The rows of a file that was read whole.
pub(super) struct WholeRows {
    json: Bytes,
    records: Vec<std::ops::Range<usize>>,
    non_finite: bool,
    /// Rows that were left out and are not told yet.
    bad: u64,
    row: u64,
}

impl WholeRows {
    /// Begins at a position that [`RowReader::position`] told.
    pub(super) fn open(
        table: &TablePlan,
        mut file: Box<dyn File>,
        at: Position,
        bytes_max: u64,
    ) -> Result<WholeRows, FormatError> {
        let mut body = Vec::new();
        file.as_mut().take(bytes_max + 1).read_to_end(&mut body)?;
        if body.len() as u64 > bytes_max {
            return Err(FormatError::Packed(format!(
                "it is larger than {bytes_max} bytes, and can only be read whole (`requests.body_bytes`)"
            )));
        }
        if body.iter().all(u8::is_ascii_whitespace) {
            let (json, records) = (Bytes::new(), Vec::new());
            return Ok(WholeRows { json, records, non_finite: false, bad: 0, row: 0 });
        }
        let Opened { json, selection, bad_rows } = open(table, body.into(), bytes_max)?;
        Ok(WholeRows {
            json,
            records: selection.records,
            non_finite: selection.non_finite,
            bad: if at.row == 0 { bad_rows } else { 0 },
            row: at.row,
        })
    }
}

impl RowReader for WholeRows {
    fn read(&mut self, piece: &mut Piece) -> Result<bool, FormatError> {
        piece.bad += std::mem::take(&mut self.bad);
        let place = usize::try_from(self.row).unwrap_or(usize::MAX);
        let Some(range) = self.records.get(place) else { return Ok(false) };
        let row = std::str::from_utf8(&self.json[range.clone()]);
        let row = row.map_err(|_| FormatError::NotUtf8)?;
        self.row += 1;
        piece.push(self.row, |json| json.push_str(row));
        piece.non_finite |= self.non_finite;
        Ok(true)
    }

    fn position(&self) -> Position {
        Position { at: self.row, line: 0, row: self.row }
    }
}
