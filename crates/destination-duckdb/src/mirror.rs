//! Tables that are kept elsewhere, with a file that stands for them: batches land in it, and what that has
//! changed is read from it.

use std::ops::Range;

use arrow_array::RecordBatch;
use engine::{Batch, ColumnType, DestinationError, Landed, Schema, Table};

use crate::copies::typed;
use crate::destination::DuckDb;
use crate::failure;
use crate::rows::Rows;
use crate::session::Session;
use crate::statements;

impl DuckDb {
    /// Lands a batch on tables whose position is kept elsewhere: `before` is what they are by it. Nothing is
    /// written down of the batch but its rows.
    ///
    /// # Errors
    /// As [`engine::Destination::commit`]; nothing has changed then.
    pub fn land_on(&self, before: &Schema, batch: &Batch) -> Result<Landed, DestinationError> {
        self.land(batch, Some(before))
    }

    /// Makes a table, without rows, as it is elsewhere.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_table(&self, name: &str, table: &Table) -> Result<(), DestinationError> {
        let create = statements::create_namespace(&self.catalog, &self.namespace);
        let create = format!("{create}; {}", statements::create_table(self.place(name), table));
        self.run(&create, &format!("making table {name}"))
    }

    /// Forgets a table, if it is there.
    ///
    /// # Errors
    /// When it cannot be dropped.
    pub fn forget_table(&self, name: &str) -> Result<(), DestinationError> {
        self.run(&statements::forget_table(self.place(name)), &format!("dropping table {name}"))
    }

    fn table_names(&self) -> Result<Vec<String>, DestinationError> {
        let mut database = self.database.lock();
        let (connection, _) = database.connection()?;
        let read = || {
            let mut found = connection.prepare(&statements::find_tables(&self.namespace))?;
            found.query_map([], |row| row.get(0))?.collect::<duckdb::Result<Vec<String>>>()
        };
        read().map_err(|error| failure::of(&error, "looking at the tables"))
    }

    /// The row id after the last.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn end_of_rows(&self, name: &str) -> Result<i64, DestinationError> {
        self.one(name, &statements::end_of_row_ids(self.place(name)))
    }

    /// A text that is another as soon as a value in a range of row ids is another, and how many rows there
    /// are.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn print_rows(
        &self,
        name: &str,
        columns: &[(String, ColumnType)],
        rows: Range<i64>,
    ) -> Result<(u64, String), DestinationError> {
        let print = statements::print_rows(self.place(name), columns, rows);
        let mut database = self.database.lock();
        let (connection, _) = database.connection()?;
        let printed = connection.query_row(&print, [], |row| Ok((row.get(0)?, row.get(1)?)));
        printed.map_err(|error| failure::of(&error, &format!("looking at table {name}")))
    }

    /// The rows of a range of row ids, as many as there are.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn rows_between(
        &self,
        name: &str,
        columns: &[(String, ColumnType)],
        rows: Range<i64>,
    ) -> Result<Vec<RecordBatch>, DestinationError> {
        let select = statements::read_rows(self.place(name), columns, rows.start, rows.end);
        let mut database = self.database.lock();
        let (connection, stage) = database.connection()?;
        let found = Session::new(connection, stage).query(Rows::default(), &select);
        let found = found.map_err(|error| failure::of(&error, &format!("reading table {name}")))?;
        let found = found.iter().filter(|rows| rows.num_rows() > 0);
        found.map(|rows| typed(name, rows, columns)).collect()
    }

    /// The columns that a table has; `None` where there is no such table.
    ///
    /// # Errors
    /// When the file cannot be read, or a column is of no type of ours.
    pub fn columns_of(
        &self,
        name: &str,
    ) -> Result<Option<Vec<(String, ColumnType)>>, DestinationError> {
        if !self.table_names()?.iter().any(|known| known == name) {
            return Ok(None);
        }
        let failed = |error| failure::of(&error, &format!("looking at table {name}"));
        let mut database = self.database.lock();
        let (connection, _) = database.connection()?;
        let read = || {
            let mut found = connection.prepare(&statements::describe(self.place(name)))?;
            let found = found.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            found.collect::<duckdb::Result<Vec<(String, String)>>>()
        };
        let found = read().map_err(failed)?;
        let typed = found.into_iter().map(|(name, printed)| {
            let column_type = statements::column_type(&printed);
            let unknown = || DestinationError::Unavailable(format!("column {name} is {printed}"));
            column_type.ok_or_else(unknown).map(|column_type| (name, column_type))
        });
        typed.collect::<Result<_, _>>().map(Some)
    }

    fn one(&self, name: &str, query: &str) -> Result<i64, DestinationError> {
        let mut database = self.database.lock();
        let (connection, _) = database.connection()?;
        let one = connection.query_row(query, [], |row| row.get(0));
        one.map_err(|error| failure::of(&error, &format!("looking at table {name}")))
    }

    fn run(&self, statement: &str, doing: &str) -> Result<(), DestinationError> {
        let mut database = self.database.lock();
        let (connection, _) = database.connection()?;
        connection.execute_batch(statement).map_err(|error| failure::of(&error, doing))
    }
}
