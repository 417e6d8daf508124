use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, Decimal128Array, PrimitiveArray, TimestampMicrosecondArray};
use protocol::json;

use crate::number;
use crate::temporal;
use crate::value::ColumnType;

/// Carries a column's values to a wider type, each to the last digit.
///
/// Text forms (Dec-57): booleans `true` and `false`; numbers by their shortest digits, without trailing
/// zeros after the point and without exponent as long as a decimal of 38 digits (37 after the point)
/// could hold them, else as `1e300` or `1.5e-40`; dates and times in ISO 8601, the fraction of a second
/// without trailing zeros, instants with `Z`. In JSON, booleans and numbers are scalars and
/// everything else a string. A destination that widens a stored column writes the same.
///
/// # Panics
/// When `to` is not wider than `from`: evolution never narrows.
pub fn widen(array: &ArrayRef, from: ColumnType, to: ColumnType) -> ArrayRef {
    use ColumnType::{Decimal, Double, Json, LocalDate, LocalDateTime, Long, String};
    match (from, to) {
        _ if from == to => Arc::clone(array),
        (_, String) => texts(array, from, |text, out| out.push_str(text)),
        (ColumnType::Boolean | Long | Decimal { .. } | Double, Json) => {
            texts(array, from, |text, out| out.push_str(text))
        }
        (_, Json) => texts(array, from, json::quote),
        (Long, Double) => {
            let longs = array.as_primitive::<Int64Type>();
            #[allow(
                clippy::cast_precision_loss,
                reason = "the shape says that no value is rounded"
            )]
            Arc::new(longs.unary::<_, Float64Type>(|long| long as f64))
        }
        (Long, Decimal { scale }) => {
            let longs = array.as_primitive::<Int64Type>();
            decimals(longs, scale, |long| i128::from(long) * 10_i128.pow(scale.into()))
        }
        (Double, Decimal { scale }) => {
            let doubles = array.as_primitive::<Float64Type>();
            decimals(doubles, scale, |double| number::decimal(&number::double_text(double), scale))
        }
        (Decimal { scale: old }, Decimal { scale }) if old < scale => {
            let values = array.as_primitive::<Decimal128Type>();
            decimals(values, scale, |value| value * 10_i128.pow(u32::from(scale - old)))
        }
        (LocalDate, LocalDateTime) => {
            let dates = array.as_primitive::<Date32Type>();
            Arc::new(TimestampMicrosecondArray::from_unary(dates, |days| {
                i64::from(days) * 86_400_000_000
            }))
        }
        (from, to) => unreachable!("{to} is not wider than {from}"),
    }
}

/// [`widen`] of one value that is kept as its text, in the form that [`widen`] writes: from that form of
/// `from` to that of `to`.
pub fn widen_text(text: &str, from: ColumnType, to: ColumnType) -> String {
    use ColumnType::{Boolean, Decimal, Double, Json, LocalDateTime, Long};
    match (from, to) {
        (Boolean | Long | Decimal { .. } | Double, _) => text.to_owned(),
        (_, Json) => {
            let mut quoted = String::with_capacity(text.len() + 2);
            json::quote(text, &mut quoted);
            quoted
        }
        (ColumnType::LocalDate, LocalDateTime) => format!("{text}T00:00:00"),
        _ => text.to_owned(),
    }
}

fn decimals<T: arrow_array::ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    scale: u8,
    convert: impl Fn(T::Native) -> i128,
) -> ArrayRef {
    let decimals: Decimal128Array = values.unary(convert);
    Arc::new(decimals.with_data_type(ColumnType::Decimal { scale }.arrow()))
}

/// Every value as its text, written by `write`.
fn texts(array: &ArrayRef, from: ColumnType, write: impl Fn(&str, &mut String)) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(array.len(), array.len() * 8);
    let mut out = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
            continue;
        }
        out.clear();
        match from {
            ColumnType::String | ColumnType::Json => {
                write(array.as_string::<i32>().value(row), &mut out);
            }
            _ => write(&text_of(array, row, from), &mut out),
        }
        builder.append_value(&out);
    }
    Arc::new(builder.finish())
}

/// The text of one value that is not null and not a string.
fn text_of(array: &ArrayRef, row: usize, from: ColumnType) -> String {
    match from {
        ColumnType::Boolean => array.as_boolean().value(row).to_string(),
        ColumnType::Long => array.as_primitive::<Int64Type>().value(row).to_string(),
        ColumnType::Decimal { scale } => {
            number::decimal_text(array.as_primitive::<Decimal128Type>().value(row), scale)
        }
        ColumnType::Double => number::double_text(array.as_primitive::<Float64Type>().value(row)),
        ColumnType::LocalDate => temporal::date_text(array.as_primitive::<Date32Type>().value(row)),
        ColumnType::LocalDateTime => {
            temporal::date_time_text(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        ColumnType::Instant => {
            temporal::instant_text(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        ColumnType::String | ColumnType::Json => unreachable!("strings are their own text"),
    }
}
