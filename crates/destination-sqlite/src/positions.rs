//! The table that holds the history of positions; the newest of each connection is the one that counts.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::{
    Batch, DestinationError, HISTORY_COMMITS_MAX, HistoryEntry, Landed, Position, StoredConnection,
    Timestamp,
};
use protocol::{State, SyncId};
use rusqlite::{Connection, Params, Result, Row, params};

use crate::destination::of;

/// `stored` is what `engine::Position::stored` writes, kept for the newest commit only.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS _hasmore_history (
    connection TEXT NOT NULL, ordinal INTEGER NOT NULL, namespace TEXT NOT NULL, sync_id TEXT NOT NULL,
    committed_at_micros INTEGER NOT NULL, state TEXT NOT NULL, tables TEXT NOT NULL, stored TEXT,
    PRIMARY KEY (connection, ordinal))";

const READ: &str = "SELECT namespace, state, ordinal, sync_id, stored FROM _hasmore_history \
    WHERE connection = ?1 ORDER BY ordinal DESC LIMIT 1";
const HISTORY: &str = "SELECT ordinal, sync_id, committed_at_micros, state, tables \
    FROM _hasmore_history WHERE connection = ?1 ORDER BY ordinal DESC";
/// SQLite takes the columns beside `max` from the row that has it.
const CONNECTIONS: &str = "SELECT connection, namespace, max(ordinal), committed_at_micros \
    FROM _hasmore_history GROUP BY connection ORDER BY connection";

#[derive(Clone, Copy)]
pub(crate) struct Positions<'a> {
    pub(crate) connection: &'a Connection,
}

impl Positions<'_> {
    /// Made before any other table, so that none can take its name.
    pub(crate) fn create(self) -> Result<(), DestinationError> {
        self.connection.execute_batch(CREATE).map_err(of("creating _hasmore_history"))
    }

    /// What the last commit of a connection left; `None` before the first.
    pub(crate) fn read(
        self,
        name: &str,
        namespace: &str,
    ) -> Result<Option<Position>, DestinationError> {
        let found = self.rows(READ, [name], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                ordinal(row, 2)?,
                row.get(3)?,
                row.get::<_, String>(4)?,
            ))
        })?;
        let Some((found, state, ordinal, sync_id, stored)) = found.into_iter().next() else {
            return Ok(None);
        };
        if found == namespace {
            return Position::from_texts(&state, ordinal, sync_id, &stored).map(Some);
        }
        Err(DestinationError::Refused {
            code: "namespace_changed",
            message: format!(
                "the tables of connection {name} are in namespace {found}, not {namespace}"
            ),
            hint: "a connection keeps its namespace: give it back, or sync under another name"
                .to_owned(),
        })
    }

    /// Writes what a batch leaves, inside its transaction.
    pub(crate) fn write(
        self,
        name: &str,
        namespace: &str,
        batch: &Batch,
        landed: &Landed,
    ) -> Result<(), DestinationError> {
        let (leaves, now) = (batch.leaves(), SystemTime::now().duration_since(UNIX_EPOCH));
        let now = i64::try_from(now.unwrap_or_default().as_micros()).unwrap_or(i64::MAX);
        let ordinal = i64::try_from(leaves.ordinal()).expect("there are fewer than 2^63 commits");
        let oldest = ordinal - HISTORY_COMMITS_MAX.cast_signed();
        let (sync_id, state) = (&leaves.committed_by().0, leaves.state().as_json());
        let write = || {
            self.connection.execute("UPDATE _hasmore_history SET stored = NULL WHERE connection = ?1 AND ordinal = ?2 - 1", params![name, ordinal])?;
            self.connection.execute(
                "DELETE FROM _hasmore_history WHERE connection = ?1 AND ordinal <= ?2",
                params![name, oldest],
            )?;
            self.connection.execute(
                "INSERT INTO _hasmore_history VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    name,
                    ordinal,
                    namespace,
                    sync_id,
                    now,
                    state,
                    landed.stored(),
                    leaves.stored()
                ],
            )
        };
        write().map(|_| ()).map_err(of("writing the position"))
    }

    /// The newest commits of a connection, the newest first.
    pub(crate) fn history(self, name: &str) -> Result<Vec<HistoryEntry>, DestinationError> {
        self.rows(HISTORY, [name], |row| {
            let (state, landed): (String, String) = (row.get(3)?, row.get(4)?);
            Ok(HistoryEntry {
                ordinal: ordinal(row, 0)?,
                sync_id: SyncId(row.get(1)?),
                committed_at: Timestamp(row.get(2)?),
                state: State::from_json(&state).map_err(|_| rusqlite::Error::InvalidQuery)?,
                landed: Landed::from_stored(&landed).ok_or(rusqlite::Error::InvalidQuery)?,
            })
        })
    }

    /// Every connection that has committed to this file, by name.
    pub(crate) fn connections(self) -> Result<Vec<StoredConnection>, DestinationError> {
        self.rows(CONNECTIONS, [], |row| {
            let (name, namespace, ordinal) = (row.get(0)?, row.get(1)?, ordinal(row, 2)?);
            Ok(StoredConnection { name, namespace, ordinal, committed_at: Timestamp(row.get(3)?) })
        })
    }

    /// What a query of the history answers; nothing where nothing was ever committed.
    fn rows<T>(
        self,
        query: &str,
        params: impl Params,
        row: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>, DestinationError> {
        let read = || {
            if !self.connection.table_exists(None, "_hasmore_history")? {
                return Ok(Vec::new());
            }
            self.connection.prepare(query)?.query_map(params, row)?.collect()
        };
        read().map_err(of("reading the positions"))
    }
}

fn ordinal(row: &Row<'_>, column: usize) -> Result<u64> {
    row.get(column).map(i64::unsigned_abs)
}
