//! Arrow columns as texts, for the commands whose purpose is to show rows.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, TimeUnit};
use engine::{ColumnType, Timestamp};

/// The first rows, as texts; `None` is NULL. A column that a chunk lacks is NULL there.
pub(crate) fn rows(
    chunks: &[RecordBatch],
    rows_max: usize,
    columns: &[String],
) -> Vec<Vec<Option<String>>> {
    let mut rows = Vec::new();
    for chunk in chunks {
        let taken = chunk.num_rows().min(rows_max - rows.len());
        let chunk = chunk.slice(0, taken);
        let texts: Vec<Vec<Option<String>>> =
            columns.iter().map(|column| column_texts(&chunk, column)).collect();
        rows.extend((0..taken).map(|row| texts.iter().map(|texts| texts[row].clone()).collect()));
    }
    rows
}

fn column_texts(chunk: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let Some(values) = chunk.column_by_name(column) else { return vec![None; chunk.num_rows()] };
    // Arrow's own display knows no names of zones, not even UTC.
    if let DataType::Timestamp(TimeUnit::Microsecond, Some(_)) = values.data_type() {
        let moments = values.as_primitive::<TimestampMicrosecondType>().iter();
        return moments.map(|moment| moment.map(|micros| Timestamp(micros).to_string())).collect();
    }
    let options = FormatOptions::new();
    let formatter = ArrayFormatter::try_new(values.as_ref(), &options)
        .expect("every other type of column can be shown");
    let text = |row: usize| (!values.is_null(row)).then(|| formatter.value(row).to_string());
    (0..chunk.num_rows()).map(text).collect()
}

/// Numbers stand at the right.
pub(crate) fn is_numeric(column_type: ColumnType) -> bool {
    matches!(column_type, ColumnType::Long | ColumnType::Double | ColumnType::Decimal { .. })
}
