//! All of a connection on its way to another destination, or coming from one.

use arrow_array::RecordBatch;
use engine::{Batch, ColumnType, DestinationError, Landed, Position, Schema, Table};
use tokio_postgres::Client;

use crate::arrived::Arrived;
use crate::destination::Postgres;
use crate::failure::{self, refused};
use crate::landing::Landing;
use crate::positions::{Commit, Positions};
use crate::rows;
use crate::statements;

/// Rows read in one go: it bounds the memory of a copy.
const READ_ROWS_MAX: u32 = 10_000;

/// One view of the database, for all that is read of a connection: nothing that is committed meanwhile is
/// seen. It ends when it is dropped.
pub struct Reading {
    client: Client,
    connection_name: String,
    namespace: String,
    /// The table that the cursor is on.
    table: Option<String>,
}

/// A connection that arrives: a transaction in which its tables were made, and nothing is committed yet.
/// Dropped, nothing of it is there.
pub struct Arrival {
    client: Client,
    connection_name: String,
    namespace: String,
}

impl Postgres {
    /// # Errors
    /// When the database cannot be read.
    pub async fn begin_reading(&mut self) -> Result<Reading, DestinationError> {
        let client = self.session.take().await?;
        let begun = client.batch_execute(statements::BEGIN_READING).await;
        begun.map_err(|error| failure::to_begin(&error))?;
        let (connection_name, namespace) = (self.connection_name.clone(), self.namespace.clone());
        Ok(Reading { client, connection_name, namespace, table: None })
    }

    /// Begins to take over a connection that has nothing here: makes its tables.
    ///
    /// # Errors
    /// Where the connection, or something of a table's name, is there already.
    pub async fn begin_copy(&mut self, batch: &Batch) -> Result<Arrival, DestinationError> {
        let client = self.session.take().await?;
        let begin = statements::begin(&self.connection_name);
        client.batch_execute(&begin).await.map_err(|error| failure::to_begin(&error))?;
        if self.stored(Positions { client: &client }).await?.is_some() {
            return Err(refused(
                "connection_exists",
                format!("connection {} has landed there already", self.connection_name),
                "name another destination, or drop its tables and its row of _hasmore.positions first",
            ));
        }
        let namespace = self.namespace.clone();
        let landing =
            Landing { client: &client, namespace: &namespace, before: &Schema::default() };
        landing.land(batch).await?;
        Ok(Arrival { client, connection_name: self.connection_name.clone(), namespace })
    }
}

impl Reading {
    /// The position, as of the same moment.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn position(&self) -> Result<Position, DestinationError> {
        let stored = Positions { client: &self.client }.read(&self.connection_name).await?;
        Ok(stored.map(|stored| stored.position).unwrap_or_default())
    }

    /// The next rows of a table, with its columns in their order; none where there are no more. A table is
    /// read to its end before the next.
    ///
    /// # Errors
    /// When the table is not as it was left.
    pub async fn read_rows(
        &mut self,
        name: &str,
        table: &Table,
    ) -> Result<Vec<RecordBatch>, DestinationError> {
        let failed = |error| failure::of(&error, &format!("reading table {name}"));
        let columns = table.all_columns();
        if self.table.as_deref() != Some(name) {
            let place = statements::Place { namespace: &self.namespace, table: name };
            let declare = statements::declare_rows(place, &columns);
            self.client.batch_execute(&declare).await.map_err(failed)?;
            self.table = Some(name.to_owned());
        }
        let fetch = statements::fetch_rows(READ_ROWS_MAX);
        let found = self.client.query_typed(&fetch, &[]).await.map_err(failed)?;
        if found.is_empty() {
            self.client.batch_execute(statements::CLOSE_ROWS).await.map_err(failed)?;
            self.table = None;
            return Ok(Vec::new());
        }
        let mut arrived: Vec<Arrived> =
            columns.iter().map(|(_, kind)| Arrived::of(*kind, found.len())).collect();
        for row in &found {
            for (index, (column, arrived)) in columns.iter().zip(&mut arrived).enumerate() {
                let value = row.try_get(index).map_err(failed)?;
                arrived.push(value).ok_or_else(|| unreadable(name, column))?;
            }
        }
        let named = columns.iter().zip(arrived);
        let named = named.map(|((name, kind), arrived)| (name, arrived.finish(*kind), true));
        let rows = RecordBatch::try_from_iter_with_nullable(named)
            .expect("each column has a value of every row");
        Ok(vec![rows])
    }
}

fn unreadable(table: &str, (column, kind): &(String, ColumnType)) -> DestinationError {
    failure::by_hand(format!(
        "table {table} is not as it was left: column {column} holds something that is no {kind}"
    ))
}

impl Arrival {
    /// Writes rows of one of the tables, with its columns in their order; answers how many.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn copy_rows(
        &mut self,
        name: &str,
        table: &Table,
        rows: Vec<RecordBatch>,
    ) -> Result<u64, DestinationError> {
        let place = statements::Place { namespace: &self.namespace, table: name };
        let copy = statements::copy_into(place, &table.all_columns());
        rows::copy(&self.client, &copy, &rows)
            .await
            .map_err(|error| failure::of(&error, &format!("writing table {name}")))
    }

    /// Writes the position and commits: all of the connection is here then.
    ///
    /// # Errors
    /// When it cannot be committed.
    pub async fn end_copy(self, batch: &Batch, landed: &Landed) -> Result<(), DestinationError> {
        let commit = Commit {
            connection_name: &self.connection_name,
            namespace: &self.namespace,
            is_first: true,
            // Its digests are made already, with a salt of their own.
            brings_salt: false,
            batch,
            landed,
        };
        Positions { client: &self.client }.write(&commit).await?;
        let committed = self.client.batch_execute("COMMIT").await;
        committed.map_err(|error| failure::of(&error, "committing"))
    }
}
