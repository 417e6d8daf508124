//! All of a connection on its way to another destination, or coming from one.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, RecordBatch};
use engine::{Batch, ColumnType, DestinationError, Landed, Position, Schema, Table};

use crate::destination::{DuckDb, now};
use crate::failure::{self, refused};
use crate::landing::Landing;
use crate::positions::{Commit, Positions};
use crate::rows::Rows;
use crate::session::Session;
use crate::statements;

/// Where the reading of a table goes on: row ids grow with the table.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowsRead {
    next: i64,
    end: Option<i64>,
}

impl DuckDb {
    /// Takes one view of the file for all that is read afterwards: nothing that is committed meanwhile is
    /// seen.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn begin_reading(&self) -> Result<(), DestinationError> {
        let mut database = self.database.lock();
        let (connection, _) = database.connection()?;
        let begun = connection.execute_batch("BEGIN TRANSACTION");
        begun.map_err(|error| failure::of(&error, "beginning to read"))
    }

    /// The position, in the view that reading has taken.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn position_in_view(&self) -> Result<Position, DestinationError> {
        let mut database = self.database.lock();
        Ok(self.stored(&mut database)?.unwrap_or_default())
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
        let failed = |error| failure::of(&error, &format!("reading table {name}"));
        let place = self.place(name);
        let mut database = self.database.lock();
        let (connection, stage) = database.connection()?;
        let end = match read.end {
            Some(end) => end,
            None => {
                let end = statements::end_of_row_ids(place);
                connection.query_row(&end, [], |row| row.get(0)).map_err(failed)?
            }
        };
        read.end = Some(end);
        let columns = table.all_columns();
        let session = Session::new(connection, stage);
        while read.next < end {
            let until = read.next + READ_ROWS_MAX;
            let select = statements::read_rows(place, &columns, read.next, until);
            read.next = until;
            let mut found = session.query(Rows::default(), &select).map_err(failed)?;
            found.retain(|rows| rows.num_rows() > 0);
            if !found.is_empty() {
                return found.iter().map(|rows| typed(name, rows, &columns)).collect();
            }
        }
        Ok(Vec::new())
    }

    /// Begins to take over a connection that has nothing here: makes its tables, in a transaction that
    /// [`DuckDb::end_copy`] commits.
    ///
    /// # Errors
    /// Where the connection, or something of a table's name, is there already.
    pub fn begin_copy(&mut self, batch: &Batch) -> Result<(), DestinationError> {
        let mut database = self.database.lock();
        if database.is_read_only() {
            return Err(failure::read_only());
        }
        database.allow_all_memory()?;
        database.begin(false)?;
        if self.stored(&mut database)?.is_some() {
            return Err(refused(
                "connection_exists",
                format!("connection {} has landed there already", self.connection_name),
                "name another destination, or drop its tables and its row of _hasmore.positions first",
            ));
        }
        let (connection, stage) = database.connection()?;
        let session = Session::new(connection, stage);
        let place = (&*self.catalog, &*self.namespace);
        Landing::new(session, place, &Schema::default()).land(batch).map(|_| ())
    }

    /// Writes rows of one of the tables, with its columns in their order; answers how many.
    ///
    /// # Errors
    /// When they cannot be written; nothing of the copy is there then.
    pub fn copy_rows(
        &mut self,
        name: &str,
        table: &Table,
        rows: Vec<RecordBatch>,
    ) -> Result<u64, DestinationError> {
        let columns = table.all_columns();
        let quoted = self.place(name).quoted();
        let insert = statements::arrived(&quoted, &columns, &[], false).insert();
        let mut database = self.database.lock();
        let (connection, stage) = database.connection()?;
        Session::new(connection, stage)
            .execute(Rows::all(&columns, rows), &insert)
            .map_err(|error| failure::of(&error, &format!("writing table {name}")))
    }

    /// Writes the position and commits: all of the connection is here then.
    ///
    /// # Errors
    /// When it cannot be committed.
    pub fn end_copy(&mut self, batch: &Batch, landed: &Landed) -> Result<(), DestinationError> {
        let mut database = self.database.lock();
        let (connection, _) = database.connection()?;
        let commit = Commit {
            connection_name: &self.connection_name,
            namespace: &self.namespace,
            is_first: true,
            batch,
            landed,
            committed_at: now(),
        };
        Positions { connection, catalog: &self.catalog }.write(&commit)?;
        let committed = connection.execute_batch("COMMIT");
        committed.map_err(|error| failure::of(&error, "committing"))
    }
}

/// Rows read in one go: it bounds the memory of a copy.
const READ_ROWS_MAX: i64 = 10_000;

/// The columns as the engine types them: DuckDB names time zones and digits its own way.
pub(crate) fn typed(
    table: &str,
    rows: &RecordBatch,
    columns: &[(String, ColumnType)],
) -> Result<RecordBatch, DestinationError> {
    let arrays = rows.columns().iter().zip(columns).map(|(array, (_, column_type))| {
        let expected = column_type.arrow();
        let array: ArrayRef = match column_type {
            ColumnType::LocalDateTime | ColumnType::Instant => {
                match array.as_primitive_opt::<TimestampMicrosecondType>() {
                    Some(moments) => Arc::new(moments.clone().with_data_type(expected)),
                    None => Arc::clone(array),
                }
            }
            ColumnType::Decimal { .. } => match array.as_primitive_opt::<Decimal128Type>() {
                Some(decimals) => Arc::new(decimals.clone().with_data_type(expected)),
                None => Arc::clone(array),
            },
            _ => Arc::clone(array),
        };
        array
    });
    let named = columns.iter().map(|(name, _)| name.as_str()).zip(arrays);
    let rows =
        RecordBatch::try_from_iter_with_nullable(named.map(|(name, array)| (name, array, true)))
            .map_err(|error| DestinationError::Unavailable(error.to_string()))?;
    let is_typed =
        |(array, (_, kind)): (&ArrayRef, &(String, ColumnType))| *array.data_type() == kind.arrow();
    if rows.columns().iter().zip(columns).all(is_typed) {
        return Ok(rows);
    }
    Err(refused(
        "table_changed_by_hand",
        format!("table {table} is not as it was left: a column has another type"),
        "undo the change by hand, or drop the table and resync into another schema",
    ))
}
