//! Arrow columns as SQLite's values, and stored values as wider ones.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::FieldRef;
use engine::{ColumnType, TableBatch, widen};
use protocol::json;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Result, Statement};

/// Rows whose columns are bound to the parameters of statements, the first to `?1`.
pub(crate) struct Rows {
    columns: Vec<ArrayRef>,
    count: usize,
}

impl Rows {
    pub(crate) fn of(rows: &RecordBatch, table: &TableBatch) -> Rows {
        let column = |(field, array): (&FieldRef, &ArrayRef)| {
            let known = table.columns().iter().find(|column| column.0 == *field.name());
            stored(array, known.expect("rows have columns of their table").1)
        };
        let columns = rows.schema_ref().fields().iter().zip(rows.columns()).map(column);
        Rows { columns: columns.collect(), count: rows.num_rows() }
    }

    pub(crate) fn numbers(&self) -> std::ops::Range<usize> {
        0..self.count
    }

    /// Runs a statement for one row; answers how many rows it wrote.
    pub(crate) fn execute(&self, statement: &mut Statement<'_>, row: usize) -> Result<u64> {
        for parameter in 1..=statement.parameter_count() {
            let value = value(&self.columns[parameter - 1], row);
            statement.raw_bind_parameter(parameter, ToSqlOutput::Borrowed(value))?;
        }
        Ok(statement.raw_execute()? as u64)
    }
}

/// Booleans, longs and doubles stay; all else is text.
fn stored(array: &ArrayRef, column_type: ColumnType) -> ArrayRef {
    match column_type {
        ColumnType::Boolean | ColumnType::Long | ColumnType::Double => Arc::clone(array),
        ColumnType::LocalDateTime | ColumnType::Instant => {
            let texts = widen(array, column_type, ColumnType::String);
            let texts = texts.as_string::<i32>();
            Arc::new(texts.iter().map(|text| text.map(moment)).collect::<StringArray>())
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
        ValueRef::Integer(value) if from == ColumnType::Boolean => (value != 0).to_string(),
        #[allow(clippy::cast_precision_loss, reason = "the shape says that no value is rounded")]
        ValueRef::Integer(value) if to == ColumnType::Double => {
            return Ok(Value::Real(value as f64));
        }
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => {
            let array: ArrayRef = Arc::new(Float64Array::from(vec![value]));
            let text = widen(&array, ColumnType::Double, ColumnType::String);
            text.as_string::<i32>().value(0).to_owned()
        }
        value => match from {
            ColumnType::LocalDateTime | ColumnType::Instant => short_moment(value.as_str()?),
            ColumnType::LocalDate if to == ColumnType::LocalDateTime => {
                format!("{}T00:00:00.000000", value.as_str()?)
            }
            _ => value.as_str()?.to_owned(),
        },
    };
    let is_scalar = matches!(
        from,
        ColumnType::Boolean | ColumnType::Long | ColumnType::Decimal { .. } | ColumnType::Double
    );
    if to == ColumnType::Json && !is_scalar {
        let mut quoted = String::with_capacity(text.len() + 2);
        json::quote(&text, &mut quoted);
        return Ok(Value::Text(quoted));
    }
    Ok(Value::Text(text))
}
