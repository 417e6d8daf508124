//! Arrow columns as SQLite's values, and stored values as wider ones.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use engine::{ColumnType, widen, widen_text};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Result};

/// Writes rows with columns of these types: `into` names a table, and their columns unless they are all that it
/// has. Answers how many.
pub(crate) fn insert(
    connection: &Connection,
    into: &str,
    columns: &[(String, ColumnType)],
    chunks: &[RecordBatch],
) -> Result<u64> {
    let values = (1..=columns.len()).map(|place| format!("?{place}")).collect::<Vec<_>>();
    let insert = format!("INSERT INTO {into} VALUES ({})", values.join(", "));
    let (mut statement, mut written) = (connection.prepare(&insert)?, 0);
    for chunk in chunks {
        let arrays = chunk.columns().iter().zip(columns);
        let arrays: Vec<_> = arrays.map(|(array, (_, kind))| stored(array, *kind)).collect();
        for row in 0..chunk.num_rows() {
            for (parameter, array) in (1..).zip(&arrays) {
                let value = ToSqlOutput::Borrowed(value(array, row));
                statement.raw_bind_parameter(parameter, value)?;
            }
            written += statement.raw_execute()? as u64;
        }
    }
    Ok(written)
}

/// Booleans, longs and doubles stay; all else is text.
pub(crate) fn stored(array: &ArrayRef, column_type: ColumnType) -> ArrayRef {
    match column_type {
        ColumnType::Boolean | ColumnType::Long | ColumnType::Double => Arc::clone(array),
        _ if is_moment(column_type) => {
            let texts = widen(array, column_type, ColumnType::String);
            let texts = texts.as_string::<i32>().iter().map(|text| text.map(moment));
            Arc::new(texts.collect::<StringArray>())
        }
        _ => widen(array, column_type, ColumnType::String),
    }
}

fn value(array: &ArrayRef, row: usize) -> ValueRef<'_> {
    if array.is_null(row) {
        ValueRef::Null
    } else if let Some(texts) = array.as_string_opt::<i32>() {
        ValueRef::Text(texts.value(row).as_bytes())
    } else if let Some(longs) = array.as_primitive_opt::<Int64Type>() {
        ValueRef::Integer(longs.value(row))
    } else if let Some(doubles) = array.as_primitive_opt::<Float64Type>() {
        ValueRef::Real(doubles.value(row))
    } else {
        ValueRef::Integer(array.as_boolean().value(row).into())
    }
}

/// A moment as it is stored: with all six digits after the second, so that the order of texts is that of
/// moments.
pub(crate) fn moment(text: &str) -> String {
    let (digits, zone) = text.strip_suffix('Z').map_or((text, ""), |digits| (digits, "Z"));
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    format!("{seconds}.{fraction:0<6}{zone}")
}

/// The text that the engine gives to a moment: no zeros at its end.
fn short_moment(text: &str) -> String {
    let (digits, zone) = text.strip_suffix('Z').map_or((text, ""), |digits| (digits, "Z"));
    format!("{}{zone}", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// Makes a function of SQL that does what [`engine::widen`] does to arrays, to one stored value.
pub(crate) fn register_widening(
    connection: &Connection,
    name: &str,
    from: ColumnType,
    to: ColumnType,
) -> Result<()> {
    let flags = FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_UTF8;
    connection.create_scalar_function(name, 1, flags, move |context| {
        Ok(match context.get_raw(0) {
            ValueRef::Null => Value::Null,
            value => widened(value, from, to)?,
        })
    })
}

fn widened(value: ValueRef<'_>, from: ColumnType, to: ColumnType) -> Result<Value> {
    let text = match value {
        #[allow(clippy::cast_precision_loss, reason = "the shape says that no value is rounded")]
        ValueRef::Integer(value) if to == ColumnType::Double => {
            return Ok(Value::Real(value as f64));
        }
        ValueRef::Integer(value) if from == ColumnType::Boolean => (value != 0).to_string(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => {
            let array: ArrayRef = Arc::new(Float64Array::from(vec![value]));
            let text = widen(&array, ColumnType::Double, ColumnType::String);
            text.as_string::<i32>().value(0).to_owned()
        }
        text if is_moment(from) => short_moment(text.as_str()?),
        text => text.as_str()?.to_owned(),
    };
    let text = widen_text(&text, from, to);
    Ok(Value::Text(if is_moment(to) { moment(&text) } else { text }))
}

fn is_moment(column_type: ColumnType) -> bool {
    matches!(column_type, ColumnType::LocalDateTime | ColumnType::Instant)
}
