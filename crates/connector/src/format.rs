//! Answers that are not JSON become JSON once, so that everything after reads one thing.

#[cfg(feature = "columnar")]
mod arrow;
#[cfg(feature = "columnar")]
mod avro;
mod cells;
mod csv;
mod excel;
mod fixed_width;
mod json;
mod json_lines;
mod lookahead;
#[cfg(feature = "columnar")]
mod parquet;
mod rows;
mod text;
mod unpack;
mod whole;
mod xml;

use std::io;

use bytes::Bytes;

use self::csv::CsvRows;
use self::fixed_width::FixedWidthRows;
use self::json::JsonRows;
use self::json_lines::JsonLinesRows;
pub(crate) use self::rows::{Piece, Position, RowReader, fill};
pub(crate) use self::text::File;
use self::text::Text;
use self::whole::WholeRows;
use self::xml::XmlRows;

use crate::manifest::Format;
use crate::plan::TablePlan;
use crate::selector::{SelectError, Selection, Selector};

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
    #[error("{0}")]
    Io(#[from] io::Error),
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
    // These are packed in ways of their own.
    let body = match table.config.format {
        Format::Excel | Format::Parquet | Format::Avro => body,
        _ => unpack::unpack(body, bytes_max)?,
    };
    let empty =
        || Selection { values: vec![None; table.selector.values.len()], ..Selection::default() };
    let of_rows = |piece: Piece| Opened {
        json: piece.json.into(),
        selection: Selection { records: piece.ranges, non_finite: piece.non_finite, ..empty() },
        bad_rows: piece.bad,
    };
    let all = |mut reader: Box<dyn RowReader>| {
        let mut piece = Piece::default();
        fill(reader.as_mut(), &mut piece, usize::MAX)?;
        Ok(of_rows(piece))
    };
    // A few bytes of these may stand for very many.
    let all_within = |mut reader: Box<dyn RowReader>| {
        let mut piece = Piece::default();
        let most = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        if fill(reader.as_mut(), &mut piece, most)? {
            return Err(FormatError::Packed(format!(
                "its rows make more than {bytes_max} bytes (`requests.body_bytes`)"
            )));
        }
        Ok(of_rows(piece))
    };
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
        Format::Csv => {
            let text = Text::of(body, table.config.csv.encoding.as_deref())?;
            all(Box::new(CsvRows::open(&table.config.csv, text, Position::default())?))
        }
        Format::FixedWidth => {
            let layout = &table.config.fixed_width;
            let text = Text::of(body, layout.encoding.as_deref())?;
            all(Box::new(FixedWidthRows::open(layout, text, Position::default())?))
        }
        format @ (Format::Parquet | Format::Avro) => {
            all_within(columnar(format, Box::new(io::Cursor::new(body)), Position::default())?)
        }
        Format::Excel => Ok(of_rows(excel::read(&table.config.excel, &body, bytes_max)?)),
        Format::Xml => {
            let json: Bytes = xml::to_json(&without_mark(body))?.into();
            let selection = xml::select(&table.selector, &json)?;
            Ok(Opened { json, selection, bad_rows: 0 })
        }
    }
}

/// A file of Parquet or Avro, whose crates are left out of the small binary.
fn columnar(
    format: Format,
    file: Box<dyn File>,
    at: Position,
) -> Result<Box<dyn RowReader>, FormatError> {
    #[cfg(feature = "columnar")]
    return Ok(match format {
        Format::Parquet => Box::new(parquet::ParquetRows::open(file, at)?),
        _ => Box::new(avro::AvroRows::open(file, at)?),
    });
    #[cfg(not(feature = "columnar"))]
    {
        drop((file, at));
        Err(FormatError::Packed(format!(
            "hasmore-function is too small to read {format:?}; let `hasmore sync` or `hasmore serve` read it"
        )))
    }
}

/// Whether the rows of XML can be read one by one.
pub(crate) fn reads_xml(selector: &Selector) -> bool {
    xml::names(selector).is_some()
}

/// Whether a body that begins so is packed.
pub(crate) fn is_packed(body: &[u8]) -> bool {
    unpack::is_packed(body)
}

/// Opens a file at a position that its reader told before. A row may have `bytes_max` bytes, and so may the
/// whole file where its format can only be read as a whole.
///
/// # Errors
/// When it is not what the manifest says.
pub(crate) fn open_file(
    table: &TablePlan,
    file: Box<dyn File>,
    at: Position,
    bytes_max: u64,
) -> Result<Box<dyn RowReader>, FormatError> {
    let text = |encoding: Option<&str>, file| Text::open(file, encoding, bytes_max);
    Ok(match table.config.format {
        Format::Csv => {
            let csv = &table.config.csv;
            Box::new(CsvRows::open(csv, text(csv.encoding.as_deref(), file)?, at)?)
        }
        Format::FixedWidth => {
            let layout = &table.config.fixed_width;
            Box::new(FixedWidthRows::open(layout, text(layout.encoding.as_deref(), file)?, at)?)
        }
        Format::JsonLines => Box::new(JsonLinesRows::open(text(None, file)?, at)?),
        format @ (Format::Parquet | Format::Avro) => columnar(format, file, at)?,
        Format::Json => Box::new(JsonRows::open(&table.selector, file, at, bytes_max)?),
        Format::Xml => match xml::names(&table.selector) {
            Some(names) => Box::new(XmlRows::open(&table.selector, &names, text(None, file)?, at)?),
            None => Box::new(WholeRows::open(table, file, at, bytes_max)?),
        },
        Format::Excel => Box::new(WholeRows::open(table, file, at, bytes_max)?),
    })
}

/// Without the byte order mark that some put before UTF-8.
fn without_mark(body: Bytes) -> Bytes {
    if body.starts_with(b"\xef\xbb\xbf") { body.slice(3..) } else { body }
}
