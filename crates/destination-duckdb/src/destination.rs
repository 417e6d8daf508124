use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use engine::{
    Batch, Destination, DestinationError, HistoryEntry, Landed, Position, Schema, StoredConnection,
    Timestamp, check_namespace,
};

use crate::database::{Database, DuckDbOptions, SharedDatabase};
use crate::failure::{self, refused};
use crate::landing::Landing;
use crate::positions::{self, Commit, Positions};
use crate::session::Session;
use crate::statements::{self, Place};

/// A DuckDB file, as the destination of one connection.
///
/// Its tables are in the schema `namespace`; its position, and the history of it, are in the schema
/// `_hasmore` of the same file.
pub struct DuckDb {
    pub(crate) database: SharedDatabase,
    pub(crate) connection_name: String,
    pub(crate) namespace: String,
    pub(crate) catalog: String,
}

impl DuckDb {
    /// Opens a file for syncing; it is created when it is not there. Nothing is written before the first
    /// commit, and a file that is not a DuckDB database is left as it is.
    ///
    /// # Errors
    /// With a code and a hint, when the file is in use by another process, is no DuckDB database, is of
    /// a newer DuckDB, or cannot be reached.
    pub fn open(
        path: &Path,
        connection_name: &str,
        namespace: &str,
        options: &DuckDbOptions,
    ) -> Result<DuckDb, DestinationError> {
        DuckDb::open_as(path, connection_name, namespace, options, false)
    }

    /// Opens a file to look at it. It must be there; commits are refused.
    ///
    /// # Errors
    /// As [`DuckDb::open`].
    pub fn open_read_only(
        path: &Path,
        connection_name: &str,
        namespace: &str,
        options: &DuckDbOptions,
    ) -> Result<DuckDb, DestinationError> {
        DuckDb::open_as(path, connection_name, namespace, options, true)
    }

    fn open_as(
        path: &Path,
        connection_name: &str,
        namespace: &str,
        options: &DuckDbOptions,
        read_only: bool,
    ) -> Result<DuckDb, DestinationError> {
        if namespace.eq_ignore_ascii_case(positions::NAMESPACE) {
            return Err(refused(
                "invalid_namespace",
                format!("the schema {namespace} is where positions are kept"),
                "choose another schema for the connection's tables",
            ));
        }
        let database = SharedDatabase::open(path, options, read_only)?;
        let catalog = database
            .lock()
            .connection()?
            .0
            .query_row("SELECT current_database()", [], |row| row.get(0))
            .map_err(|error| failure::of(&error, "asking for the database's name"))?;
        Ok(DuckDb {
            database,
            catalog,
            connection_name: connection_name.to_owned(),
            namespace: namespace.to_owned(),
        })
    }

    /// The connection's commits, the newest first; at most [`engine::HISTORY_COMMITS_MAX`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn history(&self) -> Result<Vec<HistoryEntry>, DestinationError> {
        let mut database = self.database.lock();
        self.positions(&mut database)?.history(&self.connection_name)
    }

    /// Every connection that has committed to this file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn connections(&self) -> Result<Vec<StoredConnection>, DestinationError> {
        let mut database = self.database.lock();
        self.positions(&mut database)?.connections()
    }

    /// The rows of one of the connection's tables, those marked as deleted too.
    ///
    /// # Errors
    /// When the table is not there, or cannot be read.
    pub fn row_count(&self, table: &str) -> Result<u64, DestinationError> {
        let place = self.place(table);
        let mut database = self.database.lock();
        let (connection, _) = database.connection()?;
        connection
            .query_row(&statements::count_rows(place), [], |row| row.get(0))
            .map_err(|error| failure::of(&error, &format!("counting the rows of table {table}")))
    }

    pub(crate) fn place<'a>(&'a self, table: &'a str) -> Place<'a> {
        Place { catalog: &self.catalog, namespace: &self.namespace, table }
    }

    fn positions<'a>(
        &'a self,
        database: &'a mut Database,
    ) -> Result<Positions<'a>, DestinationError> {
        Ok(Positions { connection: database.connection()?.0, catalog: &self.catalog })
    }

    pub(crate) fn stored(
        &self,
        database: &mut Database,
    ) -> Result<Option<Position>, DestinationError> {
        let stored = self.positions(database)?.read(&self.connection_name)?;
        let Some(stored) = stored else { return Ok(None) };
        check_namespace(&self.connection_name, &stored.namespace, &self.namespace)?;
        Ok(Some(stored.position))
    }

    /// `kept` is what the tables are where their position is kept elsewhere.
    pub(crate) fn land(
        &self,
        batch: &Batch,
        kept: Option<&Schema>,
    ) -> Result<Landed, DestinationError> {
        let mut database = self.database.lock();
        if database.is_read_only() {
            return Err(failure::read_only());
        }
        let columns = batch.tables().map(|table| table.columns().len()).max();
        database.allow_memory_for(columns.unwrap_or(0))?;
        loop {
            let attempt = self.attempt(&mut database, batch, kept);
            let is_short =
                attempt.as_ref().is_err_and(|error| error.code() == failure::OUT_OF_MEMORY_CODE);
            if !is_short || !database.allow_twice_the_memory()? {
                return attempt;
            }
        }
    }

    /// The whole commit, or nothing of it.
    fn attempt(
        &self,
        database: &mut Database,
        batch: &Batch,
        kept: Option<&Schema>,
    ) -> Result<Landed, DestinationError> {
        database.begin(batch.after() > 0 && batch.changes().is_empty())?;
        let written = match kept {
            Some(before) => self.write_rows(database, batch, before),
            None => self.write(database, batch),
        };
        let (connection, _) = database.connection()?;
        match written {
            Ok(landed) => match connection.execute_batch("COMMIT") {
                Ok(()) => Ok(landed),
                Err(error) => {
                    database.close();
                    self.after_failed_commit(database, batch, landed, &error)
                }
            },
            Err(error) => {
                if connection.execute_batch("ROLLBACK").is_err() {
                    database.close();
                }
                Err(error)
            }
        }
    }

    /// Everything of a commit but its last word.
    fn write(&self, database: &mut Database, batch: &Batch) -> Result<Landed, DestinationError> {
        let before = self.stored(database)?;
        let found = before.as_ref().map_or(0, Position::ordinal);
        if found != batch.after() {
            return Err(DestinationError::Moved { expected: batch.after(), found });
        }
        let nothing = Schema::default();
        let schema = before.as_ref().map_or(&nothing, Position::schema);
        let landed = self.write_rows(database, batch, schema)?;
        let (connection, _) = database.connection()?;
        let commit = Commit {
            connection_name: &self.connection_name,
            namespace: &self.namespace,
            is_first: before.is_none(),
            batch,
            landed: &landed,
            committed_at: now(),
        };
        Positions { connection, catalog: &self.catalog }.write(&commit)?;
        Ok(landed)
    }

    fn write_rows(
        &self,
        database: &mut Database,
        batch: &Batch,
        before: &Schema,
    ) -> Result<Landed, DestinationError> {
        let (connection, stage) = database.connection()?;
        let session = Session::new(connection, stage);
        Landing::new(session, (&self.catalog, &self.namespace), before).land(batch)
    }

    /// The file was opened again, so it tells whether the batch is in it.
    fn after_failed_commit(
        &self,
        database: &mut Database,
        batch: &Batch,
        landed: Landed,
        error: &duckdb::Error,
    ) -> Result<Landed, DestinationError> {
        let held = self.stored(database).map_err(|_| {
            DestinationError::Unavailable(format!("committing: {}", failure::message(error)))
        })?;
        let leaves = batch.leaves();
        match held {
            Some(held)
                if held.ordinal() == leaves.ordinal()
                    && held.committed_by() == leaves.committed_by() =>
            {
                Ok(landed)
            }
            _ => Err(failure::of(error, "committing")),
        }
    }
}

impl Destination for DuckDb {
    async fn position(&mut self) -> Result<Position, DestinationError> {
        let mut database = self.database.lock();
        let stored = match self.stored(&mut database) {
            // An earlier failure has left it unusable; what is on disk is still there.
            Err(DestinationError::Unavailable(_)) => {
                database.close();
                self.stored(&mut database)
            }
            stored => stored,
        };
        Ok(stored?.unwrap_or_default())
    }

    async fn commit(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        self.land(batch, None)
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
