//! Cells of a page to one Arrow array, now that the column's type is known.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac as _};
use protocol::json;
use sha2::Sha256;

use crate::columns::{Cell, CellValue};
use crate::number;
use crate::policy::Salt;
use crate::run::NulCharacters;
use crate::temporal::Temporal;
use crate::value::{ColumnType, fits_decimal};

/// What was not taken as it came: the first row of each kind, from 0.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Altered {
    /// A date or time outside the years 0001 to 9999, which became NULL (F-181).
    pub(crate) out_of_range: Option<usize>,
    /// A text with U+0000, which was removed (Dec-62).
    pub(crate) nul: Option<usize>,
}

/// Builds the array of a column whose shape covers every cell.
pub(crate) fn build(
    cells: &[Cell],
    text: &str,
    column_type: ColumnType,
    nul_characters: NulCharacters,
) -> (ArrayRef, Altered) {
    let mut altered = Altered::default();
    let array = match column_type {
        ColumnType::LocalDate | ColumnType::LocalDateTime | ColumnType::Instant => {
            altered.out_of_range = cells.iter().position(is_out_of_range);
            of_type(cells, text, column_type)
        }
        ColumnType::String | ColumnType::Json if nul_characters == NulCharacters::Remove => {
            altered.nul = cells.iter().position(|cell| has_nul(*cell, text));
            match altered.nul {
                None => of_type(cells, text, column_type),
                Some(_) => without_nul(cells, text, column_type),
            }
        }
        _ => of_type(cells, text, column_type),
    };
    (array, altered)
}

/// Whether a string, not what is nested, has U+0000: only as an escape, so few cells are looked into.
fn has_nul(cell: Cell, text: &str) -> bool {
    cell.is_string(text)
        && cell.text(text).contains("\\u0000")
        && cell.unescaped(text).contains('\0')
}

fn without_nul(cells: &[Cell], text: &str, column_type: ColumnType) -> ArrayRef {
    strings(cells, text, |cell| {
        if !cell.is_string(text) {
            return match column_type {
                ColumnType::Json => json_text(cell, text),
                _ => string_text(cell, text),
            };
        }
        let value = cell.unescaped(text).replace('\0', "");
        Cow::Owned(match column_type {
            ColumnType::Json => json_string(&value),
            _ => value,
        })
    })
}

/// Values of no type but this one are null.
fn of_type(cells: &[Cell], text: &str, column_type: ColumnType) -> ArrayRef {
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
            let (values, nulls) = values(cells, |cell| match cell.value {
                CellValue::Temporal(Temporal::Date(days)) => Some(days),
                _ => None,
            });
            Arc::new(Date32Array::new(values, nulls))
        }
        ColumnType::LocalDateTime | ColumnType::Instant => {
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

fn is_out_of_range(cell: &Cell) -> bool {
    matches!(
        cell.value,
        CellValue::Temporal(
            Temporal::DateOutOfRange | Temporal::DateTimeOutOfRange | Temporal::InstantOutOfRange
        )
    )
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
        return Cow::Owned(json_string(&cell.unescaped(text)));
    }
    match cell.value {
        CellValue::Nested => nested_text(cell.text(text)),
        _ => string_text(cell, text),
    }
}

fn json_string(value: &str) -> String {
    let mut literal = String::with_capacity(value.len() + 2);
    json::quote(value, &mut literal);
    literal
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

/// Digests of the values' texts: equal values give equal digests, and null stays null (F-197, Dec-65).
pub(crate) fn hashed(cells: &[Cell], text: &str, column_type: ColumnType, salt: &Salt) -> ArrayRef {
    let salted = Hmac::<Sha256>::new_from_slice(salt.0.as_bytes()).expect("a key has any length");
    strings(cells, text, |cell| {
        let mut digest = salted.clone();
        digest.update(string_text(cell, text).as_bytes());
        let digest = BASE64_STANDARD.encode(digest.finalize().into_bytes());
        Cow::Owned(match column_type {
            ColumnType::Json => json_string(&digest),
            _ => digest,
        })
    })
}

/// Builds the array of a column whose type the user chose; answers how many values became NULL because
/// they cannot be of that type (F-184). The matrix is the published one: booleans and numbers take one
/// another and texts, dates and times take one another and texts, texts and JSON take everything.
pub(crate) fn locked(cells: &[Cell], text: &str, column_type: ColumnType) -> (ArrayRef, u64) {
    let array: ArrayRef = match column_type {
        ColumnType::Boolean => Arc::new(
            cells.iter().map(|cell| as_boolean(*cell, text)).collect::<arrow_array::BooleanArray>(),
        ),
        ColumnType::Long => {
            Arc::new(cells.iter().map(|cell| as_long(*cell, text)).collect::<Int64Array>())
        }
        ColumnType::Double => {
            Arc::new(cells.iter().map(|cell| as_double(*cell, text)).collect::<Float64Array>())
        }
        ColumnType::Decimal { scale } => Arc::new(
            cells
                .iter()
                .map(|cell| as_decimal(*cell, text, scale))
                .collect::<Decimal128Array>()
                .with_data_type(column_type.arrow()),
        ),
        ColumnType::LocalDate => Arc::new(
            cells
                .iter()
                .map(|cell| {
                    let days = as_micros(*cell, text)?.div_euclid(DAY_MICROS);
                    Some(i32::try_from(days).expect("a date in range has few days"))
                })
                .collect::<Date32Array>(),
        ),
        ColumnType::LocalDateTime | ColumnType::Instant => Arc::new(
            cells
                .iter()
                .map(|cell| as_micros(*cell, text))
                .collect::<TimestampMicrosecondArray>()
                .with_data_type(column_type.arrow()),
        ),
        ColumnType::String | ColumnType::Json => of_type(cells, text, column_type),
    };
    let values = cells.iter().filter(|cell| has_value(**cell)).count();
    (Arc::clone(&array), (values - (array.len() - array.null_count())) as u64)
}

const DAY_MICROS: i64 = 86_400_000_000;

fn as_boolean(cell: Cell, text: &str) -> Option<bool> {
    if let CellValue::Boolean(value) = cell.value {
        return Some(value);
    }
    if cell.is_string(text) {
        match cell.unescaped(text).trim() {
            "true" | "t" => return Some(true),
            "false" | "f" => return Some(false),
            _ => {}
        }
    }
    match as_long(cell, text)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn as_long(cell: Cell, text: &str) -> Option<i64> {
    i64::try_from(as_decimal(cell, text, 0)?).ok()
}

fn as_double(cell: Cell, text: &str) -> Option<f64> {
    Some(number::double(&as_number(cell, text)?)).filter(|double| double.is_finite())
}

fn as_decimal(cell: Cell, text: &str, scale: u8) -> Option<i128> {
    let literal = as_number(cell, text)?;
    let shape = number::read(&literal).0;
    let fits =
        shape.scale <= u16::from(scale) && fits_decimal(shape.integer_digits, u16::from(scale));
    fits.then(|| number::decimal(&literal, scale))
}

/// The value as the literal of a number.
pub(crate) fn as_number(cell: Cell, text: &str) -> Option<Cow<'_, str>> {
    if let CellValue::Boolean(value) = cell.value {
        return Some(Cow::Borrowed(if value { "1" } else { "0" }));
    }
    if !cell.is_string(text) {
        let is_number = matches!(cell.value, CellValue::Long(_) | CellValue::Number);
        return is_number.then(|| Cow::Borrowed(cell.text(text)));
    }
    let value = cell.unescaped(text);
    let unsigned = value.trim().trim_start_matches('+');
    let (sign, digits) = match unsigned.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unsigned),
    };
    let bare = digits.trim_start_matches('0');
    let zero = if bare.starts_with(|first: char| first.is_ascii_digit()) { "" } else { "0" };
    let literal = format!("{sign}{zero}{bare}");
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit())
        && json::validate(literal.as_bytes()).is_ok();
    is_number.then_some(Cow::Owned(literal))
}

/// The value as microseconds since 1970: a date is its midnight, a moment is in UTC.
fn as_micros(cell: Cell, text: &str) -> Option<i64> {
    let read = match cell.value {
        CellValue::Temporal(temporal) => temporal,
        _ if cell.is_string(text) => crate::temporal::read(cell.unescaped(text).trim().as_bytes())?,
        _ => return None,
    };
    match read {
        Temporal::Date(days) => Some(i64::from(days) * DAY_MICROS),
        Temporal::DateTime(micros) | Temporal::Instant(micros) => Some(micros),
        Temporal::DateOutOfRange | Temporal::DateTimeOutOfRange | Temporal::InstantOutOfRange => {
            None
        }
    }
}
