//! Rows of a table of text become JSON objects.

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator, Trim};

use super::FormatError;
use super::cells::{Cells, header};
use super::rows::{Piece, Position, RowReader};
use super::text::Text;
use crate::manifest::{BadRows, Csv};

/// A table of text, read row by row.
pub(super) struct CsvRows {
    csv: Csv,
    reader: Reader<Text>,
    record: ByteRecord,
    /// Nothing is known before the first row where no header names the columns.
    names: Option<Vec<String>>,
    cells: Cells,
    /// Where `reader` began.
    start: Position,
    row: u64,
}

/// What is read from the file at once.
const BUFFER_BYTES: usize = 64 << 10;

impl CsvRows {
    /// Begins at a position that [`RowReader::position`] told.
    pub(super) fn open(csv: &Csv, mut text: Text, at: Position) -> Result<CsvRows, FormatError> {
        text.skip_lines(csv.skip_lines)?;
        let start = Position { at: text.at(), line: u64::from(csv.skip_lines), row: 0 };
        let names = (!csv.columns.is_empty()).then(|| csv.columns.clone());
        let cells = Cells { null: csv.null.clone(), types: csv.types };
        let reader = builder(csv).from_reader(text);
        let record = ByteRecord::new();
        let mut rows = CsvRows { csv: csv.clone(), reader, record, names, cells, start, row: 0 };
        let first_counts = rows.names.is_none() && at.at > 0;
        if (csv.header || first_counts) && rows.next()? && rows.names.is_none() {
            rows.name_columns()?;
        }
        rows.go_to(at)?;
        Ok(rows)
    }

    /// The record just read names the columns, or shows how many there are.
    fn name_columns(&mut self) -> Result<(), FormatError> {
        if !self.csv.header {
            self.names = Some((1..=self.record.len()).map(|it| format!("column_{it}")).collect());
            return Ok(());
        }
        simdutf8::basic::from_utf8(self.record.as_slice()).map_err(|_| FormatError::NotUtf8)?;
        let fields = self.record.iter().map(|it| std::str::from_utf8(it).unwrap_or_default());
        let line = self.start.line + 1;
        self.names = Some(header(fields).map_err(|message| FormatError::Line { line, message })?);
        Ok(())
    }

    fn go_to(&mut self, at: Position) -> Result<(), FormatError> {
        if at.at <= self.position().at {
            return Ok(());
        }
        if self.reader.get_mut().seek(at.at)? {
            // What the reader holds of what came before is left behind with it.
            let text = self.reader.get_mut().moved();
            self.reader = builder(&self.csv).from_reader(text);
            self.start = at;
        } else {
            while self.position().at < at.at && self.next()? {}
        }
        self.row = at.row;
        Ok(())
    }

    fn next(&mut self) -> Result<bool, FormatError> {
        self.reader.get_mut().begin_row();
        let line = self.position().line + 1;
        self.reader.read_byte_record(&mut self.record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => FormatError::Io(error),
            other => FormatError::Line { line, message: csv_message(&other) },
        })
    }
}

fn csv_message(kind: &csv::ErrorKind) -> String {
    match kind {
        csv::ErrorKind::UnequalLengths { .. } => "a row has another number of fields".into(),
        _ => "it is no table of text".into(),
    }
}

impl RowReader for CsvRows {
    fn read(&mut self, piece: &mut Piece) -> Result<bool, FormatError> {
        let line = self.position().line + 1;
        if !self.next()? {
            return Ok(false);
        }
        self.row += 1;
        let text = simdutf8::basic::from_utf8(self.record.as_slice());
        text.map_err(|_| FormatError::NotUtf8)?;
        let length = self.record.len();
        if self.names.is_none() {
            self.name_columns()?;
        }
        let names = self.names.as_deref().unwrap_or_default();
        if length != names.len() {
            if self.csv.bad_rows == BadRows::Skip {
                piece.bad += 1;
                return Ok(true);
            }
            let message =
                format!("a row has {length} fields, and there are {} columns", names.len());
            return Err(FormatError::Line { line, message });
        }
        let fields = self.record.iter().map(|it| std::str::from_utf8(it).unwrap_or_default());
        piece.push(self.row, |json| self.cells.write(names, fields, json));
        Ok(true)
    }

    fn position(&self) -> Position {
        let inside = self.reader.position();
        Position {
            at: self.start.at + inside.byte(),
            line: self.start.line + inside.line() - 1,
            row: self.row,
        }
    }
}

fn builder(csv: &Csv) -> ReaderBuilder {
    let mut builder = ReaderBuilder::new();
    builder
        .delimiter(csv.delimiter())
        .has_headers(false)
        .flexible(true)
        .trim(if csv.trim { Trim::All } else { Trim::None })
        .terminator(Terminator::CRLF)
        .buffer_capacity(BUFFER_BYTES);
    if let Some(quote) = csv.quote.as_ref().and_then(|quote| quote.bytes().next()) {
        builder.quote(quote);
    }
    if let Some(comment) = csv.comment.as_ref().and_then(|comment| comment.bytes().next()) {
        builder.comment(Some(comment));
    }
    builder
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(options: &str, body: &[u8], expected: Expect) {
        let node = crate::yaml::parse(options).expect("YAML");
        let csv: Csv = crate::yaml::read(node, |_| None).expect("options");
        let open = |at| {
            let text = Text::of(body.to_vec(), csv.encoding.as_deref())?;
            CsvRows::open(&csv, text, at)
        };
        expected.assert_eq(&crate::format::rows::tests::told(&open));
    }

    #[test]
    fn values_are_typed_only_in_their_plain_form() {
        check(
            "{}",
            b"id,zip,price,ok,note\r\n1,00123,19.90,true,\"a \"\"b\"\"\nc\"\n-0,+1,1e3,False,\n",
            expect![[r#"
                {"id":1,"zip":"00123","price":19.90,"ok":true,"note":"a \"b\"\nc"}
                {"id":"-0","zip":"+1","price":"1e3","ok":"False","note":null}"#]],
        );
        check("types: false", b"a\n1\n", expect![[r#"{"a":"1"}"#]]);
    }

    #[test]
    fn dialects() {
        check(
            "{delimiter: ';', quote: \"'\", skip_lines: 1, comment: '#'}",
            b"made by x\na;b\n# no\n'x;y';2\n",
            expect![[r#"{"a":"x;y","b":2}"#]],
        );
        check("{header: false}", b"1,x\n", expect![[r#"{"column_1":1,"column_2":"x"}"#]]);
        check(
            "{header: false, columns: [id, name], 'null': [NA]}",
            b"1,NA\n2,\n",
            expect![[r#"
                {"id":1,"name":null}
                {"id":2,"name":""}"#]],
        );
        check(
            "{delimiter: tab, encoding: windows-1252}",
            b"a\tb\n\xe4\t\x80\n",
            expect![[r#"{"a":"ä","b":"€"}"#]],
        );
        check("{}", b"\xff\xfea\0\n\0\xe4\0\n\0", expect![[r#"{"a":"ä"}"#]]);
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_line() {
        check(
            "{}",
            b"a,b\n1,2\n3\n",
            expect!["line 3: a row has 1 fields, and there are 2 columns"],
        );
        check(
            "bad_rows: skip",
            b"a,b\n1,2\n3\n4,5,6\n",
            expect![[r#"
            2 bad
            {"a":1,"b":2}"#]],
        );
        check("{}", b"a,a\n1,2\n", expect!["line 1: the header names the column `a` twice"]);
        check("{}", b"a\n\xff\n", expect!["it is not UTF-8; say its encoding"]);
        check("{}", b"", expect![[r#""#]]);
    }
}
