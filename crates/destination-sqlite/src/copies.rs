//! All of a connection on its way to another destination, or coming from one.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, TimeUnit};
use engine::{Batch, ColumnType, DestinationError, Landed, Position, Schema, Table};
use rusqlite::types::ValueRef;

use crate::destination::{Sqlite, of};
use crate::rows;
use crate::statements::{ROW_ID, identifier};

/// Rows read in one go: it bounds the memory of a copy.
const READ_ROWS_MAX: i64 = 10_000;

/// Where the reading of a table goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowsRead {
    /// The row id of the last one; rows that were written by hand may have any.
    after: Option<i64>,
}

impl Sqlite {
    /// Takes one view of the file for all that is read afterwards.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn begin_reading(&self) -> Result<(), DestinationError> {
        self.run("BEGIN")
    }

    /// The position, in the view that reading has taken.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn position_in_view(&self) -> Result<Position, DestinationError> {
        self.stored()
    }

    /// The next rows of a table, a few thousand, with its columns in their order; none where there are no
    /// more.
    ///
    /// # Errors
    /// When the table is not as it was left.
    pub fn read_rows(
        &self,
        name: &str,
        table: &Table,
        read: &mut RowsRead,
    ) -> Result<Vec<RecordBatch>, DestinationError> {
        let by_hand = |what: String| DestinationError::Refused {
            code: "table_changed_by_hand",
            message: format!("table {name} is not as it was left: {what}"),
            hint: "undo the change by hand, or resync the table with --rebuild".to_owned(),
        };
        let held = self.held_columns(name).map_err(of(format!("looking at table {name}")))?;
        if held.keys().any(|column| column.eq_ignore_ascii_case(ROW_ID)) {
            return Err(by_hand(format!("a column {ROW_ID} was added, which hides the row ids")));
        }
        let columns = table.all_columns();
        let names: Vec<String> = columns.iter().map(|(name, _)| identifier(name)).collect();
        let select = format!(
            "SELECT {ROW_ID}, {} FROM {} WHERE {ROW_ID} {} ?1 ORDER BY {ROW_ID} LIMIT {READ_ROWS_MAX}",
            names.join(", "),
            self.quoted(name),
            if read.after.is_some() { ">" } else { ">=" }
        );
        let select = || {
            let mut cells = columns.iter().map(|(_, kind)| Cells::of(*kind)).collect::<Vec<_>>();
            let (mut statement, mut after) = (self.connection.prepare(&select)?, None);
            let mut found = statement.query([read.after.unwrap_or(i64::MIN)])?;
            while let Some(row) = found.next()? {
                after = Some(row.get(0)?);
                for (place, cells) in (1..).zip(&mut cells) {
                    cells.push(row.get_ref(place)?)?;
                }
            }
            Ok((cells, after))
        };
        let (cells, after) = select().map_err(of(format!("reading table {name}")))?;
        if after.is_none() {
            return Ok(Vec::new());
        }
        read.after = after;
        let arrays = columns.iter().zip(cells).map(|((column, kind), cells)| {
            let array = cells
                .typed(*kind)
                .ok_or_else(|| by_hand(format!("column {column} holds another type")))?;
            Ok((column.as_str(), array, true))
        });
        let arrays = arrays.collect::<Result<Vec<_>, DestinationError>>()?;
        let rows = RecordBatch::try_from_iter_with_nullable(arrays);
        Ok(vec![rows.expect("the columns are of one length")])
    }

    /// Begins to take over a connection that has nothing here: makes its tables, in a transaction that
    /// [`Sqlite::end_copy`] commits.
    ///
    /// # Errors
    /// Where the connection, or something of a table's name, is there already.
    pub fn begin_copy(&mut self, batch: &Batch) -> Result<(), DestinationError> {
        self.run("BEGIN IMMEDIATE")?;
        if self.stored()?.ordinal() > 0 {
            return Err(DestinationError::Refused {
                code: "connection_exists",
                message: format!("connection {} has landed there already", self.connection_name),
                hint: "name another destination, or drop its tables and its rows of _hasmore_history first".to_owned(),
            });
        }
        self.run(crate::positions::CREATE)?;
        self.land(batch, &Schema::default()).map(|_| ())
    }

    /// Writes rows of one of the tables, with its columns in their order; answers how many.
    ///
    /// # Errors
    /// When they cannot be written; nothing of the copy is there then.
    pub fn copy_rows(
        &mut self,
        name: &str,
        table: &Table,
        rows: &[RecordBatch],
    ) -> Result<u64, DestinationError> {
        let columns = table.all_columns();
        let names: Vec<String> = columns.iter().map(|(name, _)| identifier(name)).collect();
        let into = format!("{} ({})", self.quoted(name), names.join(", "));
        let written = rows::insert(&self.connection, &into, &columns, rows);
        written.map_err(of(format!("writing table {name}")))
    }

    /// Writes the position and commits: all of the connection is here then.
    ///
    /// # Errors
    /// When it cannot be committed.
    pub fn end_copy(&mut self, batch: &Batch, landed: &Landed) -> Result<(), DestinationError> {
        self.write_position(batch, landed).map_err(of("writing the position"))?;
        self.run("COMMIT")
    }
}

/// The cells of a column, as they are stored.
enum Cells {
    Booleans(Vec<Option<bool>>),
    Longs(Vec<Option<i64>>),
    Doubles(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
}

impl Cells {
    fn of(kind: ColumnType) -> Cells {
        match kind {
            ColumnType::Boolean => Cells::Booleans(Vec::new()),
            ColumnType::Long => Cells::Longs(Vec::new()),
            ColumnType::Double => Cells::Doubles(Vec::new()),
            _ => Cells::Texts(Vec::new()),
        }
    }

    fn push(&mut self, value: ValueRef<'_>) -> rusqlite::Result<()> {
        match self {
            Cells::Booleans(cells) => cells.push(value.as_i64_or_null()?.map(|it| it != 0)),
            Cells::Longs(cells) => cells.push(value.as_i64_or_null()?),
            Cells::Doubles(cells) => cells.push(value.as_f64_or_null()?),
            Cells::Texts(cells) => cells.push(value.as_str_or_null()?.map(str::to_owned)),
        }
        Ok(())
    }

    /// The column; none where a text is not one that we write for its type.
    fn typed(self, kind: ColumnType) -> Option<ArrayRef> {
        let texts: ArrayRef = match self {
            Cells::Booleans(cells) => return Some(Arc::new(BooleanArray::from(cells))),
            Cells::Longs(cells) => return Some(Arc::new(Int64Array::from(cells))),
            Cells::Doubles(cells) => return Some(Arc::new(Float64Array::from(cells))),
            Cells::Texts(cells) => Arc::new(StringArray::from(cells)),
        };
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let typed = match kind {
            ColumnType::LocalDateTime | ColumnType::Instant => {
                let moments = DataType::Timestamp(TimeUnit::Microsecond, None);
                let moments = cast_with_options(&texts, &moments, &strict).ok()?;
                let moments = moments.as_primitive::<TimestampMicrosecondType>().clone();
                Arc::new(moments.with_data_type(kind.arrow()))
            }
            kind => cast_with_options(&texts, &kind.arrow(), &strict).ok()?,
        };
        (rows::stored(&typed, kind) == texts).then_some(typed)
    }
}
