//! Arrow columns as a table that SQL can read.
//!
//! A table function yields the rows that are [`Stage`]d: `INSERT INTO … SELECT … FROM` it and joins with
//! it need no staging table. Texts are not copied on the way in: DuckDB reads them where Arrow keeps
//! them and copies what it stores. DuckDB's appender copies every text twice more, and a first landing
//! of 100,000 rows of 600 bytes takes about twice the CPU through it.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{Array, RecordBatch, StringArray};
use duckdb::Connection;
use duckdb::core::{DataChunkHandle, FlatVector, LogicalTypeHandle, LogicalTypeId};
use duckdb::vtab::{BindInfo, InitInfo, TableFunctionInfo, VTab};
use engine::ColumnType;

/// The name of the table function.
pub(crate) const FUNCTION: &str = "hasmore_rows";
/// As a statement calls it.
pub(crate) const CALL: &str = "hasmore_rows()";
/// The column that holds each row's place among all rows of its batch, from 0.
pub(crate) const POSITION: &str = "position";
/// The column that holds the row id of the held row that an incoming row goes with.
pub(crate) const ROW_ID: &str = "row_id";

/// Rows to be read by one statement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    /// The types of the chunks' columns.
    types: Vec<ColumnType>,
    chunks: Vec<RecordBatch>,
    /// Which rows of the chunks, in which order.
    runs: Vec<Run>,
    /// Columns beside those of the chunks, with a value for each row of the runs.
    numbers: Vec<(&'static str, Vec<i64>)>,
    count: usize,
}

/// Rows of a chunk that follow one another.
#[derive(Clone, Copy, Debug)]
struct Run {
    chunk: usize,
    start: usize,
    length: usize,
}

impl Rows {
    /// All rows of the chunks.
    pub(crate) fn all(columns: &[(String, ColumnType)], chunks: Vec<RecordBatch>) -> Rows {
        let types: Vec<ColumnType> = columns.iter().map(|column| column.1).collect();
        let run =
            |(chunk, rows): (usize, &RecordBatch)| Run { chunk, start: 0, length: rows.num_rows() };
        let runs: Vec<Run> =
            chunks.iter().enumerate().map(run).filter(|run| run.length > 0).collect();
        let count = runs.iter().map(|run| run.length).sum();
        for chunk in &chunks {
            let expected = types.iter().map(|column_type| column_type.arrow());
            assert!(
                chunk.schema().fields().iter().map(|field| field.data_type().clone()).eq(expected),
                "a batch's rows are of its columns' types"
            );
        }
        Rows { types, chunks, runs, numbers: Vec::new(), count }
    }

    /// The rows at these positions, in their order.
    pub(crate) fn at(&self, positions: &[i64]) -> Rows {
        let mut starts = Vec::with_capacity(self.chunks.len());
        let mut before = 0;
        for chunk in &self.chunks {
            starts.push(before);
            before += chunk.num_rows();
        }
        let mut runs: Vec<Run> = Vec::new();
        for position in positions {
            let position = usize::try_from(*position).expect("positions count from 0");
            let chunk = starts.partition_point(|start| *start <= position) - 1;
            let start = position - starts[chunk];
            match runs.last_mut() {
                Some(run) if run.chunk == chunk && run.start + run.length == start => {
                    run.length += 1;
                }
                _ => runs.push(Run { chunk, start, length: 1 }),
            }
        }
        Rows {
            types: self.types.clone(),
            chunks: self.chunks.clone(),
            runs,
            numbers: Vec::new(),
            count: positions.len(),
        }
    }

    /// Numbers alone.
    pub(crate) fn numbers(name: &'static str, numbers: Vec<i64>) -> Rows {
        let count = numbers.len();
        Rows { numbers: vec![(name, numbers)], count, ..Rows::default() }
    }

    /// With one more column.
    pub(crate) fn with(mut self, name: &'static str, numbers: Vec<i64>) -> Rows {
        assert_eq!(numbers.len(), self.count, "a column has a value for each row");
        self.numbers.push((name, numbers));
        self
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

/// Holds the rows that the table function yields to the statement under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stage(Arc<Mutex<Arc<Rows>>>);

impl Stage {
    /// Makes the table function known to a database; each database has a stage of its own.
    pub(crate) fn register(&self, connection: &Connection) -> duckdb::Result<()> {
        connection.register_table_function_with_extra_info::<RowsFunction, Stage>(FUNCTION, self)
    }

    /// Runs one statement that reads the rows.
    pub(crate) fn with<T>(
        &self,
        rows: Rows,
        run: impl FnOnce() -> duckdb::Result<T>,
    ) -> duckdb::Result<T> {
        // Held here beyond the end of the statement: DuckDB reads texts where the rows keep them.
        let rows = Arc::new(rows);
        self.put(Arc::clone(&rows));
        let done = run();
        self.put(Arc::default());
        drop(rows);
        done
    }

    fn put(&self, rows: Arc<Rows>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = rows;
    }

    fn get(&self) -> Arc<Rows> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The table function itself.
struct RowsFunction;

/// Where one scan is: the next run, and the rows of it and of all that are done.
#[derive(Debug, Default)]
struct Cursor {
    run: usize,
    within: usize,
    done: usize,
}

struct Scan {
    /// The columns that the statement uses, by their place among all.
    columns: Vec<usize>,
    cursor: Mutex<Cursor>,
}

impl VTab for RowsFunction {
    type BindData = Arc<Rows>;
    type InitData = Scan;

    fn bind(bind: &BindInfo) -> Result<Arc<Rows>, Box<dyn Error>> {
        let rows = staged(bind);
        for (index, column_type) in rows.types.iter().enumerate() {
            bind.add_result_column(&format!("c{index}"), logical_type(*column_type));
        }
        for (name, _) in &rows.numbers {
            bind.add_result_column(name, LogicalTypeId::Bigint.into());
        }
        if rows.types.is_empty() && rows.numbers.is_empty() {
            return Err("no rows are staged".into());
        }
        bind.set_cardinality(rows.count as u64, true);
        Ok(rows)
    }

    fn init(init: &InitInfo) -> Result<Scan, Box<dyn Error>> {
        // A column that is not ours is the virtual one DuckDB asks for when it only counts.
        let columns = init.get_column_indices().into_iter();
        let columns = columns.map(|index| usize::try_from(index).unwrap_or(usize::MAX)).collect();
        Ok(Scan { columns, cursor: Mutex::default() })
    }

    fn func(
        function: &TableFunctionInfo<Self>,
        output: &mut DataChunkHandle,
    ) -> Result<(), Box<dyn Error>> {
        let rows = function.get_bind_data();
        let scan = function.get_init_data();
        let mut cursor = scan.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let first = cursor.done;
        let runs = rows.take_runs(&mut cursor, vector_capacity(output));
        let count = cursor.done - first;
        for (place, column) in scan.columns.iter().enumerate() {
            if *column < rows.types.len() {
                let mut vector = output.flat_vector(place);
                rows.write_column(*column, &runs, &mut vector);
            } else if let Some((_, numbers)) = rows.numbers.get(*column - rows.types.len()) {
                let mut vector = output.flat_vector(place);
                write(&mut vector, 0, &numbers[first..first + count]);
            }
        }
        output.set_len(count);
        Ok(())
    }

    fn supports_pushdown() -> bool {
        true
    }
}

impl Rows {
    /// The next runs, up to `max` rows. Rows without chunks have no runs, only a count.
    fn take_runs(&self, cursor: &mut Cursor, max: usize) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut room = max;
        if self.chunks.is_empty() {
            cursor.done += room.min(self.count - cursor.done);
            return runs;
        }
        while room > 0 && cursor.run < self.runs.len() {
            let run = self.runs[cursor.run];
            let length = room.min(run.length - cursor.within);
            runs.push(Run { start: run.start + cursor.within, length, ..run });
            room -= length;
            cursor.done += length;
            cursor.within += length;
            if cursor.within == run.length {
                cursor.run += 1;
                cursor.within = 0;
            }
        }
        runs
    }

    fn write_column(&self, column: usize, runs: &[Run], vector: &mut FlatVector<'_>) {
        let mut at = 0;
        for run in runs {
            let array = self.chunks[run.chunk].column(column);
            match self.types[column] {
                ColumnType::Boolean => {
                    let values = array.as_boolean().values();
                    let bytes: Vec<bool> =
                        (run.start..run.start + run.length).map(|row| values.value(row)).collect();
                    write(vector, at, &bytes);
                }
                ColumnType::Long => write_numbers::<Int64Type>(vector, at, array, *run),
                ColumnType::Double => write_numbers::<Float64Type>(vector, at, array, *run),
                ColumnType::LocalDate => write_numbers::<Date32Type>(vector, at, array, *run),
                ColumnType::LocalDateTime | ColumnType::Instant => {
                    write_numbers::<TimestampMicrosecondType>(vector, at, array, *run);
                }
                ColumnType::Decimal { .. } => {
                    write_numbers::<Decimal128Type>(vector, at, array, *run);
                }
                ColumnType::String | ColumnType::Json => {
                    write_texts(vector, at, array.as_string::<i32>(), *run);
                }
            }
            if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
                for row in 0..run.length {
                    if nulls.is_null(run.start + row) {
                        vector.set_null(at + row);
                    }
                }
            }
            at += run.length;
        }
    }
}

fn write_numbers<T: ArrowPrimitiveType>(
    vector: &mut FlatVector<'_>,
    at: usize,
    array: &dyn Array,
    run: Run,
) {
    let values = &array.as_primitive::<T>().values()[run.start..run.start + run.length];
    write(vector, at, values);
}

/// DuckDB's types for the columns. JSON is named, not cast to: the engine writes valid JSON, and a cast
/// would parse every value again.
fn logical_type(column_type: ColumnType) -> LogicalTypeHandle {
    match column_type {
        ColumnType::Boolean => LogicalTypeId::Boolean.into(),
        ColumnType::Long => LogicalTypeId::Bigint.into(),
        ColumnType::Decimal { scale } => LogicalTypeHandle::decimal(38, scale),
        ColumnType::Double => LogicalTypeId::Double.into(),
        ColumnType::LocalDate => LogicalTypeId::Date.into(),
        ColumnType::LocalDateTime => LogicalTypeId::Timestamp.into(),
        ColumnType::Instant => LogicalTypeId::TimestampTZ.into(),
        ColumnType::String => LogicalTypeId::Varchar.into(),
        ColumnType::Json => {
            let mut json = LogicalTypeHandle::from(LogicalTypeId::Varchar);
            json.set_alias("JSON");
            json
        }
    }
}

fn vector_capacity(output: &DataChunkHandle) -> usize {
    output.flat_vector(0).capacity()
}

#[allow(unsafe_code, reason = "the table function's context comes as a pointer")]
fn staged(bind: &BindInfo) -> Arc<Rows> {
    // SAFETY: `Stage::register` is the only place that registers `RowsFunction`, with a `Stage`;
    // DuckDB keeps that value as long as the function, so longer than any bind of it.
    let stage = unsafe { bind.get_extra_info::<Stage>().as_ref() };
    stage.expect("the function is registered with a stage").get()
}

/// DuckDB's `string_t`: a length, then up to twelve bytes of text, or four bytes of it and where it is.
type StringReference = [u8; 16];
const INLINE_BYTES_MAX: usize = 12;

const _: () = assert!(
    size_of::<StringReference>() == size_of::<duckdb::ffi::duckdb_string_t>()
        && size_of::<usize>() == size_of::<u64>(),
    "texts are handed over by DuckDB's layout on 64-bit machines"
);

/// References to the texts of a run, without copying them.
fn write_texts(vector: &mut FlatVector<'_>, at: usize, array: &StringArray, run: Run) {
    let bytes = array.values().as_slice();
    let offsets = &array.value_offsets()[run.start..=run.start + run.length];
    let reference = |window: &[i32]| {
        let [start, end] = [window[0], window[1]]
            .map(|offset| usize::try_from(offset).expect("Arrow's offsets are not negative"));
        string_reference(&bytes[start..end])
    };
    let references: Vec<StringReference> = offsets.windows(2).map(reference).collect();
    write(vector, at, &references);
}

fn string_reference(text: &[u8]) -> StringReference {
    let mut reference = [0; 16];
    let length = u32::try_from(text.len()).expect("Arrow's texts are shorter than 2^31");
    reference[..4].copy_from_slice(&length.to_ne_bytes());
    if text.len() <= INLINE_BYTES_MAX {
        reference[4..4 + text.len()].copy_from_slice(text);
    } else {
        reference[4..8].copy_from_slice(&text[..4]);
        reference[8..].copy_from_slice(&text.as_ptr().addr().to_ne_bytes());
    }
    reference
}

/// Copies values into a vector, from row `at` on.
#[allow(unsafe_code, reason = "a vector gives its memory as a pointer only")]
fn write<T: Copy>(vector: &mut FlatVector<'_>, at: usize, values: &[T]) {
    assert!(
        at + values.len() <= vector.capacity(),
        "a scan takes no more rows than a vector holds"
    );
    // SAFETY: the vector's memory holds `capacity` values of its physical type, and `T` is that type:
    // `logical_type` declares each column by the same `ColumnType` by which `write_column` chooses `T`,
    // and numbers are declared as BIGINT. Both ranges are in bounds (asserted above), and Arrow's memory
    // is not DuckDB's. A `string_t` may point outside of the vector: the text is in a buffer that
    // `Stage::with` keeps until the statement is over, and DuckDB copies what it keeps for longer.
    unsafe {
        vector.as_mut_ptr::<T>().add(at).copy_from_nonoverlapping(values.as_ptr(), values.len());
    }
}
