//! Lines whose fields stand at fixed places become JSON objects.

use std::io::{BufRead, BufReader};

use super::FormatError;
use super::cells::Cells;
use super::rows::{Piece, Position, RowReader};
use super::text::Text;
use crate::manifest::{BadRows, FixedWidth};

/// Lines of fields at fixed places, read one by one.
pub(super) struct FixedWidthRows {
    names: Vec<String>,
    widths: Vec<usize>,
    bad_rows: BadRows,
    cells: Cells,
    reader: BufReader<Text>,
    line: Vec<u8>,
    position: Position,
}

impl FixedWidthRows {
    /// Begins at a position that [`RowReader::position`] told.
    pub(super) fn open(
        layout: &FixedWidth,
        mut text: Text,
        at: Position,
    ) -> Result<FixedWidthRows, FormatError> {
        let position = if at.at == 0 {
            text.skip_lines(layout.skip_lines)?;
            Position { at: text.at(), line: u64::from(layout.skip_lines), row: 0 }
        } else {
            text.go_to(at.at)?;
            at
        };
        Ok(FixedWidthRows {
            names: layout.columns.keys().cloned().collect(),
            widths: layout.columns.values().map(|width| *width as usize).collect(),
            bad_rows: layout.bad_rows,
            cells: Cells { null: layout.null.clone(), types: layout.types },
            reader: BufReader::new(text),
            line: Vec::new(),
            position,
        })
    }
}

impl RowReader for FixedWidthRows {
    fn read(&mut self, piece: &mut Piece) -> Result<bool, FormatError> {
        self.line.clear();
        self.reader.get_mut().begin_row();
        let length = self.reader.read_until(b'\n', &mut self.line)?;
        if length == 0 {
            return Ok(false);
        }
        self.position.at += length as u64;
        self.position.line += 1;
        let line = simdutf8::basic::from_utf8(&self.line).map_err(|_| FormatError::NotUtf8)?;
        // Spaces at the end of a line are often left out, and so are last fields that are empty.
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(true);
        }
        self.position.row += 1;
        let length = line.chars().count();
        let width: usize = self.widths.iter().sum();
        if length > width {
            if self.bad_rows == BadRows::Skip {
                piece.bad += 1;
                return Ok(true);
            }
            let message = format!("a row has {length} characters, and its columns {width}");
            return Err(FormatError::Line { line: self.position.line, message });
        }
        let mut rest = line;
        let fields = self.widths.iter().map(|width| {
            let end = rest.char_indices().nth(*width).map_or(rest.len(), |(at, _)| at);
            let (field, after) = rest.split_at(end);
            rest = after;
            field.trim()
        });
        piece.push(self.position.row, |json| self.cells.write(&self.names, fields, json));
        Ok(true)
    }

    fn position(&self) -> Position {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(options: &str, body: &[u8], expected: Expect) {
        let node = crate::yaml::parse(options).expect("YAML");
        let layout: FixedWidth = crate::yaml::read(node, |_| None).expect("options");
        let open = |at| {
            let text = Text::of(body.to_vec(), layout.encoding.as_deref())?;
            FixedWidthRows::open(&layout, text, at)
        };
        expected.assert_eq(&crate::format::rows::tests::told(&open));
    }

    #[test]
    fn fields_are_cut_where_their_columns_end() {
        check(
            "{columns: {id: 4, name: 6, amount: 8, zip: 5}, skip_lines: 1}",
            "REPORT 2024\r\n0001Ägidia   19.9001234\r\n   2Bo\r\n\r\n".as_bytes(),
            expect![[r#"
                {"id":"0001","name":"Ägidia","amount":19.90,"zip":"01234"}
                {"id":2,"name":"Bo","amount":null,"zip":null}"#]],
        );
        check(
            "{columns: {a: 1, b: 1}, encoding: windows-1252, types: false, 'null': ['-']}",
            b"\xe41\n-2\n",
            expect![[r#"
                {"a":"ä","b":"1"}
                {"a":null,"b":"2"}"#]],
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_told_or_counted() {
        check(
            "{columns: {a: 2}}",
            b"12\n123\n",
            expect!["line 2: a row has 3 characters, and its columns 2"],
        );
        check(
            "{columns: {a: 2}, bad_rows: skip}",
            b"12\n123\n3\n",
            expect![[r#"
                1 bad
                {"a":12}
                {"a":3}"#]],
        );
    }
}
