//! The tables that hold positions and their history, in a schema of our own beside the user's.

use engine::{
    Batch, DestinationError, HISTORY_COMMITS_MAX, HistoryEntry, Landed, Position, StoredConnection,
    Timestamp,
};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use crate::failure::{self, refused};
use crate::landing::create_namespace;
use crate::statements;

/// The schema of our own tables; no connection may land in it.
pub(crate) const NAMESPACE: &str = "_hasmore";

/// What is stored for a connection.
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
    /// Whether the batch is the first of its connection that hashes.
    pub(crate) brings_salt: bool,
    pub(crate) batch: &'a Batch,
    pub(crate) landed: &'a Landed,
}

/// The tables of positions, over an open connection.
#[derive(Clone, Copy)]
pub(crate) struct Positions<'a> {
    pub(crate) client: &'a Client,
}

impl Positions<'_> {
    /// Whether anything was ever committed to this database, which must be one of UTF-8: others cannot
    /// hold every text.
    async fn exist(self) -> Result<bool, DestinationError> {
        let row = self
            .client
            .query_typed_one(
                "SELECT pg_catalog.current_setting('server_encoding'), \
                 pg_catalog.to_regclass('_hasmore.positions') IS NOT NULL",
                &[],
            )
            .await
            .map_err(|error| failure::of(&error, "looking for positions"))?;
        match row.get::<_, &str>(0) {
            "UTF8" => Ok(row.get(1)),
            encoding => Err(refused(
                "destination_encoding",
                format!("the database has the encoding {encoding}, which cannot hold every text"),
                "name a database that was created with the encoding UTF8",
            )),
        }
    }

    /// What the last commit of a connection left; `None` before the first.
    pub(crate) async fn read(self, name: &str) -> Result<Option<Stored>, DestinationError> {
        if !self.exist().await? {
            return Ok(None);
        }
        let query = "SELECT namespace, ordinal, sync_id, state, stored FROM _hasmore.positions \
                     WHERE connection = $1";
        let row = self
            .client
            .query_typed_opt(query, &[(&name, Type::TEXT)])
            .await
            .map_err(|error| failure::of(&error, "reading the position"))?;
        let Some(row) = row else { return Ok(None) };
        let position = Position::from_texts(row.get(3), unsigned(&row, 1), row.get(2), row.get(4))?;
        Ok(Some(Stored { namespace: row.get(0), position }))
    }

    /// Writes what a batch leaves, inside its transaction.
    pub(crate) async fn write(self, commit: &Commit<'_>) -> Result<(), DestinationError> {
        let failed = |error| failure::of(&error, "writing the position");
        self.check_salt(commit).await?;
        if commit.is_first && !self.exist().await? {
            create_namespace(self.client, NAMESPACE).await?;
            self.create_tables().await.map_err(failed)?;
        }
        self.write_rows(commit).await.map_err(failed)
    }

    /// Values are hashed with one salt in all of a database (Dec-65): of two connections that begin to hash
    /// at once, one is refused, and finds the salt of the other with its next sync.
    async fn check_salt(self, commit: &Commit<'_>) -> Result<(), DestinationError> {
        let Some(salt) = commit.batch.leaves().salt().filter(|_| commit.brings_salt) else {
            return Ok(());
        };
        let failed = |error| failure::of(&error, "looking for a salt");
        self.client.batch_execute(&statements::lock("salt")).await.map_err(failed)?;
        if !self.exist().await? {
            return Ok(());
        }
        let query = "SELECT count(*) FROM _hasmore.positions \
                     WHERE connection <> $1 AND stored::json->>'salt' <> $2";
        let (name, text) = (commit.connection_name, Type::TEXT);
        let others = self
            .client
            .query_typed_one(query, &[(&name, text.clone()), (&salt.0, text)])
            .await
            .map_err(failed)?;
        if others.get::<_, i64>(0) == 0 {
            return Ok(());
        }
        Err(DestinationError::another_salt("database"))
    }

    async fn write_rows(self, commit: &Commit<'_>) -> Result<(), Error> {
        let (name, leaves) = (commit.connection_name, commit.batch.leaves());
        let (ordinal, state) = (signed(leaves.ordinal()), leaves.state().as_json());
        let (sync_id, stored) = (&leaves.committed_by().0, leaves.stored());
        let write = if commit.is_first {
            "INSERT INTO _hasmore.positions VALUES ($1, $2, $3, $4, $5, $6, now())"
        } else {
            "UPDATE _hasmore.positions \
             SET namespace = $2, ordinal = $3, sync_id = $4, state = $5, stored = $6, committed_at = now() \
             WHERE connection = $1"
        };
        let (text, int) = (Type::TEXT, Type::INT8);
        self.client
            .execute_typed(
                write,
                &[
                    (&name, text.clone()),
                    (&commit.namespace, text.clone()),
                    (&ordinal, int.clone()),
                    (sync_id, text.clone()),
                    (&state, text.clone()),
                    (&stored, text.clone()),
                ],
            )
            .await?;
        self.client
            .execute_typed(
                "INSERT INTO _hasmore.history VALUES ($1, $2, $3, now(), $4, $5::text::json)",
                &[
                    (&name, text.clone()),
                    (&ordinal, int.clone()),
                    (sync_id, text.clone()),
                    (&state, text.clone()),
                    (&commit.landed.stored(), text.clone()),
                ],
            )
            .await?;
        let oldest = leaves.ordinal().saturating_sub(HISTORY_COMMITS_MAX);
        if oldest > 0 {
            self.client
                .execute_typed(
                    "DELETE FROM _hasmore.history WHERE connection = $1 AND ordinal <= $2",
                    &[(&name, text), (&signed(oldest), int)],
                )
                .await?;
        }
        Ok(())
    }

    /// The newest commits of a connection, the newest first.
    pub(crate) async fn history(self, name: &str) -> Result<Vec<HistoryEntry>, DestinationError> {
        if !self.exist().await? {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT ordinal, sync_id, {}, state, tables::text FROM _hasmore.history \
             WHERE connection = $1 ORDER BY ordinal DESC",
            statements::micros("committed_at")
        );
        let rows = self
            .client
            .query_typed(&query, &[(&name, Type::TEXT)])
            .await
            .map_err(|error| failure::of(&error, "reading the history"))?;
        rows.iter()
            .map(|row| {
                let (at, texts) = (Timestamp(row.get(2)), (row.get(3), row.get(4)));
                HistoryEntry::from_texts(unsigned(row, 0), row.get(1), at, texts)
            })
            .collect()
    }

    /// Every connection that has committed to this database, by name.
    pub(crate) async fn connections(self) -> Result<Vec<StoredConnection>, DestinationError> {
        if !self.exist().await? {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT connection, namespace, ordinal, {} FROM _hasmore.positions \
             ORDER BY connection COLLATE \"C\"",
            statements::micros("committed_at")
        );
        let rows = self
            .client
            .query_typed(&query, &[])
            .await
            .map_err(|error| failure::of(&error, "reading the connections"))?;
        let stored = |row: &Row| StoredConnection {
            name: row.get(0),
            namespace: row.get(1),
            ordinal: unsigned(row, 2),
            committed_at: Timestamp(row.get(3)),
        };
        Ok(rows.iter().map(stored).collect())
    }

    async fn create_tables(self) -> Result<(), Error> {
        self.client
            .batch_execute(
                "CREATE TABLE IF NOT EXISTS _hasmore.positions (
                     connection text NOT NULL PRIMARY KEY,
                     namespace text NOT NULL,
                     ordinal bigint NOT NULL,
                     sync_id text NOT NULL,
                     state text NOT NULL,
                     stored text NOT NULL,
                     committed_at timestamp with time zone NOT NULL
                 );
                 CREATE TABLE IF NOT EXISTS _hasmore.history (
                     connection text NOT NULL,
                     ordinal bigint NOT NULL,
                     sync_id text NOT NULL,
                     committed_at timestamp with time zone NOT NULL,
                     state text NOT NULL,
                     tables json NOT NULL,
                     PRIMARY KEY (connection, ordinal)
                 )",
            )
            .await
    }
}

fn unsigned(row: &Row, column: usize) -> u64 {
    row.get::<_, i64>(column).unsigned_abs()
}

fn signed(ordinal: u64) -> i64 {
    i64::try_from(ordinal).expect("there are fewer than 2^63 commits")
}
