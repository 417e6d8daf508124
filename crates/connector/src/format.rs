//! Answers that are not JSON become JSON once, so that everything after reads one thing.

mod csv;
mod excel;
mod fixed_width;
mod json_lines;
mod unpack;
mod xml;

use bytes::Bytes;

use crate::manifest::Format;
use crate::plan::TablePlan;
use crate::selector::{SelectError, Selection};

/// Why a body is not what the manifest says. A place is told, a value never.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormatError {
    #[error("{0}")]
    Select(#[from] SelectError),
    #[error("it is not UTF-8; say its encoding")]
    NotUtf8,
    #[error("line {line}: {message}")]
    Line { line: u64, message: String },
    #[error("byte {at}: {message}")]
    Byte { at: u64, message: String },
    #[error("{0}")]
    Packed(String),
}

/// The body as JSON, and where its rows are in it.
pub(crate) struct Opened {
    pub(crate) json: Bytes,
    pub(crate) selection: Selection,
    /// Rows that could not be read and are left out, as the manifest allows.
    pub(crate) bad_rows: u64,
}

/// Opens a body: unpacked, decoded, its rows found. It may unpack to `bytes_max` at most.
///
/// # Errors
/// When it is not what the manifest says.
pub(crate) fn open(table: &TablePlan, body: Bytes, bytes_max: u64) -> Result<Opened, FormatError> {
    // A workbook is a zip archive itself.
    let body = match table.config.format {
        Format::Excel => body,
        _ => unpack::unpack(body, bytes_max)?,
    };
    let of_rows = |rows: csv::Rows, empty: Selection| Opened {
        json: rows.json.into(),
        selection: Selection { records: rows.ranges, ..empty },
        bad_rows: rows.bad,
    };
    let empty =
        || Selection { values: vec![None; table.selector.values.len()], ..Selection::default() };
    match table.config.format {
        Format::Json => {
            let json = without_mark(body);
            simdutf8::basic::from_utf8(&json).map_err(|_| FormatError::NotUtf8)?;
            let selection = table.selector.select(&json)?;
            Ok(Opened { json, selection, bad_rows: 0 })
        }
        Format::JsonLines => {
            let json = without_mark(body);
            simdutf8::basic::from_utf8(&json).map_err(|_| FormatError::NotUtf8)?;
            let (records, non_finite) = json_lines::read(&json)?;
            let selection = Selection { records, non_finite, ..empty() };
            Ok(Opened { json, selection, bad_rows: 0 })
        }
        Format::Csv => Ok(of_rows(csv::read(&table.config.csv, &body)?, empty())),
        Format::FixedWidth => {
            Ok(of_rows(fixed_width::read(&table.config.fixed_width, &body)?, empty()))
        }
        Format::Excel => Ok(of_rows(excel::read(&table.config.excel, &body, bytes_max)?, empty())),
        Format::Xml => {
            let json: Bytes = xml::to_json(&without_mark(body))?.into();
            let selection = xml::select(&table.selector, &json)?;
            Ok(Opened { json, selection, bad_rows: 0 })
        }
    }
}

/// Without the byte order mark that some put before UTF-8.
fn without_mark(body: Bytes) -> Bytes {
    if body.starts_with(b"\xef\xbb\xbf") { body.slice(3..) } else { body }
}
