//! The tables that hold positions and their history, in a schema of our own beside the user's.

use duckdb::{Connection, OptionalExt, params};
use engine::{
    Batch, DestinationError, HISTORY_COMMITS_MAX, HistoryEntry, Landed, Position, StoredConnection,
    Timestamp,
};

use crate::failure;
use crate::statements;

/// The schema of our own tables; no connection may land in it.
pub(crate) const NAMESPACE: &str = "_hasmore";

/// What is stored for a connection, as text.
pub(crate) struct Stored {
    pub(crate) namespace: String,
    pub(crate) position: Position,
}

/// One commit, to be written down.
pub(crate) struct Commit<'a> {
    pub(crate) connection_name: &'a str,
    pub(crate) namespace: &'a str,
    /// Whether the connection has no position yet.
    pub(crate) is_first: bool,
    pub(crate) batch: &'a Batch,
    pub(crate) landed: &'a Landed,
    pub(crate) committed_at: Timestamp,
}

/// The tables of positions in an open file.
#[derive(Clone, Copy)]
pub(crate) struct Positions<'a> {
    pub(crate) connection: &'a Connection,
    /// DuckDB's name for the file.
    pub(crate) catalog: &'a str,
}

impl Positions<'_> {
    /// Whether anything was ever committed to this database.
    fn exist(self) -> duckdb::Result<bool> {
        self.connection.query_row(
            "SELECT count(*) > 0 FROM duckdb_tables() \
         WHERE database_name = ? AND schema_name = ? AND table_name = 'positions'",
            [self.catalog, NAMESPACE],
            |row| row.get(0),
        )
    }

    /// The name of one of the tables; the file may be called like their schema.
    fn table(self, name: &str) -> String {
        format!("{}.{NAMESPACE}.{name}", statements::identifier(self.catalog))
    }

    /// What the last commit of a connection left; `None` before the first.
    pub(crate) fn read(self, name: &str) -> Result<Option<Stored>, DestinationError> {
        let failed = |error| failure::of(&error, "reading the position");
        if !self.exist().map_err(failed)? {
            return Ok(None);
        }
        let row = self.connection
        .query_row(
            &format!("SELECT namespace, ordinal, sync_id, state, stored FROM {} WHERE connection = ?", self.table("positions")),
            [name],
            |row| {
                let texts = (row.get(0)?, row.get(2)?, row.get(3)?, row.get(4)?);
                Ok((texts, row.get::<_, u64>(1)?))
            },
        )
        .optional()
        .map_err(failed)?;
        let Some(((namespace, sync_id, state, stored), ordinal)) = row else { return Ok(None) };
        let (state, stored): (String, String) = (state, stored);
        let position = Position::from_texts(&state, ordinal, sync_id, &stored)?;
        Ok(Some(Stored { namespace, position }))
    }

    /// Writes what a batch leaves, inside its transaction.
    pub(crate) fn write(self, commit: &Commit<'_>) -> Result<(), DestinationError> {
        self.write_rows(commit).map_err(|error| failure::of(&error, "writing the position"))
    }

    fn write_rows(self, commit: &Commit<'_>) -> duckdb::Result<()> {
        let connection = self.connection;
        let (positions, history) = (self.table("positions"), self.table("history"));
        let (name, leaves) = (commit.connection_name, commit.batch.leaves());
        let (ordinal, state, sync_id) =
            (leaves.ordinal(), leaves.state().as_json(), &leaves.committed_by().0);
        let now = statements::instant(commit.committed_at);
        if commit.is_first {
            connection.execute_batch(&self.create_tables())?;
            connection.execute(
                &format!("INSERT INTO {positions} VALUES (?, ?, ?, ?, ?, ?, {now})"),
                params![name, commit.namespace, ordinal, sync_id, state, leaves.stored()],
            )?;
        } else {
            connection.execute(
                &format!(
                    "UPDATE {positions} SET ordinal = ?, sync_id = ?, state = ?, stored = ?, \
                 committed_at = {now} WHERE connection = ?"
                ),
                params![ordinal, sync_id, state, leaves.stored(), name],
            )?;
        }
        connection.execute(
            &format!("INSERT INTO {history} VALUES (?, ?, ?, {now}, ?, ?)"),
            params![name, ordinal, sync_id, state, commit.landed.stored()],
        )?;
        if let Some(oldest) = ordinal.checked_sub(HISTORY_COMMITS_MAX).filter(|oldest| *oldest > 0)
        {
            connection.execute(
                &format!("DELETE FROM {history} WHERE connection = ? AND ordinal <= ?"),
                params![name, oldest],
            )?;
        }
        Ok(())
    }

    /// The newest commits of a connection, the newest first.
    pub(crate) fn history(self, name: &str) -> Result<Vec<HistoryEntry>, DestinationError> {
        let failed = |error| failure::of(&error, "reading the history");
        if !self.exist().map_err(failed)? {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT ordinal, sync_id, epoch_us(committed_at), state, tables FROM {} WHERE connection = ? ORDER BY ordinal DESC",
            self.table("history")
        );
        let mut statement = self.connection.prepare(&query).map_err(failed)?;
        let rows = statement.query_map([name], |row| {
            let entry = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((entry, row.get::<_, String>(3)?, row.get::<_, String>(4)?))
        });
        rows.map_err(failed)?
            .map(|row| {
                let ((ordinal, sync_id, committed_at), state, tables) = row.map_err(failed)?;
                let at = Timestamp(committed_at);
                HistoryEntry::from_texts(ordinal, sync_id, at, (&state, &tables))
            })
            .collect()
    }

    /// Every connection that has committed to this database, by name.
    pub(crate) fn connections(self) -> Result<Vec<StoredConnection>, DestinationError> {
        let failed = |error| failure::of(&error, "reading the connections");
        if !self.exist().map_err(failed)? {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT connection, namespace, ordinal, epoch_us(committed_at) FROM {} ORDER BY connection",
            self.table("positions")
        );
        let mut statement = self.connection.prepare(&query).map_err(failed)?;
        let rows = statement.query_map([], |row| {
            Ok(StoredConnection {
                name: row.get(0)?,
                namespace: row.get(1)?,
                ordinal: row.get(2)?,
                committed_at: Timestamp(row.get(3)?),
            })
        });
        rows.map_err(failed)?.collect::<duckdb::Result<_>>().map_err(failed)
    }

    /// Without keys or indexes: only one commit at a time is written to a file.
    fn create_tables(self) -> String {
        format!(
            "CREATE SCHEMA IF NOT EXISTS {catalog}.{NAMESPACE};
             CREATE TABLE IF NOT EXISTS {positions} (
                 connection VARCHAR NOT NULL,
                 namespace VARCHAR NOT NULL,
                 ordinal BIGINT NOT NULL,
                 sync_id VARCHAR NOT NULL,
                 state VARCHAR NOT NULL,
                 stored VARCHAR NOT NULL,
                 committed_at TIMESTAMPTZ NOT NULL
             );
             CREATE TABLE IF NOT EXISTS {history} (
                 connection VARCHAR NOT NULL,
                 ordinal BIGINT NOT NULL,
                 sync_id VARCHAR NOT NULL,
                 committed_at TIMESTAMPTZ NOT NULL,
                 state VARCHAR NOT NULL,
                 tables JSON NOT NULL
             );",
            catalog = statements::identifier(self.catalog),
            positions = self.table("positions"),
            history = self.table("history"),
        )
    }
}
