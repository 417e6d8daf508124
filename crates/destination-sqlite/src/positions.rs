//! The table that holds the history of positions; the newest of each connection is the one that counts.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::{Batch, DestinationError, HISTORY_COMMITS_MAX, Landed, Position, check_namespace};
use rusqlite::{Params, Row, params};

use crate::destination::{Sqlite, of};

/// Made before any other table, so that none can take its name. `stored` is what `engine::Position::stored` writes, kept for the newest commit only.
pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _hasmore_history (
    connection TEXT NOT NULL, ordinal INTEGER NOT NULL, namespace TEXT NOT NULL, sync_id TEXT NOT NULL,
    committed_at_micros INTEGER NOT NULL, state TEXT NOT NULL, tables TEXT NOT NULL, stored TEXT,
    PRIMARY KEY (connection, ordinal))";

const READ: &str = "SELECT namespace, state, stored, ordinal, sync_id FROM _hasmore_history \
    WHERE connection = ?1 ORDER BY ordinal DESC LIMIT 1";
/// The commit before needs no more than its state.
const STRIP: &str = "UPDATE _hasmore_history SET stored = NULL WHERE connection = ?1 AND ordinal < ?2 AND stored IS NOT NULL";
const OTHER_SALTS: &str = "SELECT count(*) FROM _hasmore_history \
    WHERE connection <> ?1 AND json_extract(stored, '$.salt') <> ?2";
const FORGET: &str = "DELETE FROM _hasmore_history WHERE connection = ?1 AND ordinal <= ?2";
const WRITE: &str = "INSERT INTO _hasmore_history VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

impl Sqlite {
    /// What the last commit left; the default before the first.
    pub(crate) fn stored(&self) -> Result<Position, DestinationError> {
        let found = self.rows(READ, [&self.connection_name], |row| {
            let texts: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
            Ok((texts, row.get(3)?, row.get(4)?))
        })?;
        let Some(([namespace, state, stored], ordinal, sync_id)) = found.into_iter().next() else {
            return Ok(Position::default());
        };
        check_namespace(&self.connection_name, &namespace, &self.namespace)?;
        Position::from_texts(&state, ordinal, sync_id, &stored)
    }

    /// Writes what a batch leaves, inside its transaction.
    pub(crate) fn write_position(&self, batch: &Batch, landed: &Landed) -> rusqlite::Result<()> {
        let (leaves, now) = (batch.leaves(), SystemTime::now().duration_since(UNIX_EPOCH));
        let now = i64::try_from(now.unwrap_or_default().as_micros()).unwrap_or(i64::MAX);
        let (name, namespace) = (&self.connection_name, &self.namespace);
        let (ordinal, sync_id) = (leaves.ordinal(), &leaves.committed_by().0);
        let (state, stored) = (leaves.state().as_json(), leaves.stored());
        let oldest = ordinal.saturating_sub(HISTORY_COMMITS_MAX);
        self.connection.execute(STRIP, params![name, ordinal])?;
        self.connection.execute(FORGET, params![name, oldest])?;
        let row = params![name, ordinal, namespace, sync_id, now, state, landed.stored(), stored];
        self.connection.execute(WRITE, row).map(|_| ())
    }

    /// Values are hashed with one salt in all of a file (Dec-65): of two connections that begin to hash at
    /// once, one is refused, and finds the salt of the other with its next sync.
    pub(crate) fn check_salt(
        &self,
        before: &Position,
        batch: &Batch,
    ) -> Result<(), DestinationError> {
        let Some(salt) = batch.leaves().salt().filter(|_| before.salt().is_none()) else {
            return Ok(());
        };
        let params = params![self.connection_name, salt.0];
        let others = self.connection.query_row(OTHER_SALTS, params, |row| row.get::<_, u64>(0));
        if others.map_err(of("looking for a salt"))? == 0 {
            return Ok(());
        }
        Err(DestinationError::another_salt("file"))
    }

    /// What a query of the history answers; nothing where nothing was ever committed.
    pub(crate) fn rows<T>(
        &self,
        query: &str,
        params: impl Params,
        row: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
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
