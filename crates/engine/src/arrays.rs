//! Cells of a page to one Arrow array, now that the column's type is known.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use protocol::json;

use crate::columns::{Cell, CellValue};
use crate::number;
use crate::temporal::Temporal;
use crate::value::ColumnType;

/// Builds the array of a column whose shape covers every cell.
///
/// A date or time outside the years 0001 to 9999 becomes NULL (F-181); `out_of_range` is called for it
/// with its row, from 0.
pub(crate) fn build(
    cells: &[Cell],
    text: &str,
    column_type: ColumnType,
    out_of_range: &mut dyn FnMut(usize),
) -> ArrayRef {
    match column_type {
        ColumnType::Boolean => booleans(cells),
        ColumnType::Long => {
            let (values, nulls) = values(cells, |cell| match cell.value {
                CellValue::Long(long) => Some(long),
                CellValue::Number => number::read(cell.text(text)).1,
                _ => None,
            });
            Arc::new(Int64Array::new(values, nulls))
        }
        ColumnType::Double => {
            let (values, nulls) = values(cells, |cell| double(*cell, text));
            Arc::new(Float64Array::new(values, nulls))
        }
        ColumnType::Decimal { scale } => {
            let (values, nulls) = values(cells, |cell| match cell.value {
                CellValue::Long(_) | CellValue::Number => {
                    Some(number::decimal(cell.text(text), scale))
                }
                _ => None,
            });
            Arc::new(Decimal128Array::new(values, nulls).with_data_type(column_type.arrow()))
        }
        ColumnType::LocalDate => {
            note_out_of_range(cells, out_of_range);
            let (values, nulls) = values(cells, |cell| match cell.value {
                CellValue::Temporal(Temporal::Date(days)) => Some(days),
                _ => None,
            });
            Arc::new(Date32Array::new(values, nulls))
        }
        ColumnType::LocalDateTime | ColumnType::Instant => {
            note_out_of_range(cells, out_of_range);
            let (values, nulls) = values(cells, |cell| match cell.value {
                CellValue::Temporal(Temporal::Date(days)) => Some(i64::from(days) * 86_400_000_000),
                CellValue::Temporal(Temporal::DateTime(micros) | Temporal::Instant(micros)) => {
                    Some(micros)
                }
                _ => None,
            });
            Arc::new(
                TimestampMicrosecondArray::new(values, nulls).with_data_type(column_type.arrow()),
            )
        }
        ColumnType::String => strings(cells, text, |cell| string_text(cell, text)),
        ColumnType::Json => strings(cells, text, |cell| json_text(cell, text)),
    }
}

fn double(cell: Cell, text: &str) -> Option<f64> {
    match cell.value {
        #[allow(clippy::cast_precision_loss, reason = "the shape says that no value is rounded")]
        CellValue::Long(long) => Some(long as f64),
        CellValue::Number => Some(number::double(cell.text(text))),
        _ => None,
    }
}

fn note_out_of_range(cells: &[Cell], out_of_range: &mut dyn FnMut(usize)) {
    for (row, cell) in cells.iter().enumerate() {
        if let CellValue::Temporal(
            Temporal::DateOutOfRange | Temporal::DateTimeOutOfRange | Temporal::InstantOutOfRange,
        ) = cell.value
        {
            out_of_range(row);
        }
    }
}

fn booleans(cells: &[Cell]) -> ArrayRef {
    let mut builder = BooleanBuilder::with_capacity(cells.len());
    for cell in cells {
        builder.append_option(match cell.value {
            CellValue::Boolean(value) => Some(value),
            _ => None,
        });
    }
    Arc::new(builder.finish())
}

/// Values and their nulls; what `read` has no value for is null.
fn values<T: Copy + Default + arrow_buffer::ArrowNativeType>(
    cells: &[Cell],
    read: impl Fn(&Cell) -> Option<T>,
) -> (ScalarBuffer<T>, Option<NullBuffer>) {
    let mut missing = 0_usize;
    let values: Vec<T> = cells
        .iter()
        .map(|cell| {
            let value = read(cell);
            missing += usize::from(value.is_none());
            value.unwrap_or_default()
        })
        .collect();
    let nulls = (missing > 0).then(|| {
        NullBuffer::new(BooleanBuffer::collect_bool(cells.len(), |row| read(&cells[row]).is_some()))
    });
    (values.into(), nulls)
}

/// Texts laid end to end; a cell without value is null.
fn strings<'t>(cells: &[Cell], text: &'t str, read: impl Fn(Cell) -> Cow<'t, str>) -> ArrayRef {
    let length: usize = cells.iter().map(|cell| (cell.end - cell.start) as usize).sum();
    let mut builder = StringBuilder::with_capacity(cells.len(), length.min(text.len()));
    for cell in cells {
        if has_value(*cell) {
            builder.append_value(read(*cell));
        } else {
            builder.append_null();
        }
    }
    Arc::new(builder.finish())
}

fn has_value(cell: Cell) -> bool {
    !matches!(cell.value, CellValue::Null | CellValue::NonFinite)
}

/// The value in a string column: strings as they are, anything else by its text form.
fn string_text(cell: Cell, text: &str) -> Cow<'_, str> {
    if cell.is_string(text) {
        return cell.unescaped(text);
    }
    match cell.value {
        CellValue::Long(long) => Cow::Owned(long.to_string()),
        CellValue::Number => Cow::Owned(number::text(cell.text(text))),
        _ => Cow::Borrowed(cell.text(text)),
    }
}

/// The value in a JSON column: valid JSON, and no lone surrogate (Dec-62).
fn json_text(cell: Cell, text: &str) -> Cow<'_, str> {
    if cell.is_string(text) {
        let value = cell.unescaped(text);
        let mut literal = String::with_capacity(value.len() + 2);
        json::quote(&value, &mut literal);
        return Cow::Owned(literal);
    }
    match cell.value {
        CellValue::Nested => nested_text(cell.text(text)),
        _ => string_text(cell, text),
    }
}

/// An object or array as it was written, but for lone surrogates.
pub(crate) fn nested_text(nested: &str) -> Cow<'_, str> {
    // Surrogates are written `\ud8..` to `\udf..`; few texts hold any.
    let escapes = memchr::memchr(b'\\', nested.as_bytes()).is_some();
    if !escapes || !nested.contains("\\ud") && !nested.contains("\\uD") {
        return Cow::Borrowed(nested);
    }
    let bytes = nested.as_bytes();
    let mut out = String::with_capacity(nested.len());
    let (mut at, mut copied) = (0, 0);
    while let Some(quote) = memchr::memchr(b'"', &bytes[at..]) {
        let start = at + quote;
        let (end, has_escape) = json::string_end(bytes, start);
        if has_escape {
            out.push_str(&nested[copied..start]);
            json::quote(&json::unescape(&nested[start..end]), &mut out);
            copied = end;
        }
        at = end;
    }
    out.push_str(&nested[copied..]);
    Cow::Owned(out)
}
