//! What is asked of a file beside syncs: its history, its connections, how many rows a table has.

use engine::{DestinationError, HistoryEntry, StoredConnection, Timestamp};

use crate::destination::{Sqlite, of};

const HISTORY: &str = "SELECT ordinal, sync_id, committed_at_micros, state, tables \
    FROM _hasmore_history WHERE connection = ?1 ORDER BY ordinal DESC";
/// SQLite takes the columns beside `max` from the row that has it.
const CONNECTIONS: &str = "SELECT connection, namespace, max(ordinal), committed_at_micros \
    FROM _hasmore_history GROUP BY connection ORDER BY connection";

impl Sqlite {
    /// The connection's commits, the newest first; at most [`engine::HISTORY_COMMITS_MAX`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn history(&self) -> Result<Vec<HistoryEntry>, DestinationError> {
        let found = self.rows(HISTORY, [&self.connection_name], |row| {
            let texts: [String; 3] = [row.get(1)?, row.get(3)?, row.get(4)?];
            Ok((row.get(0)?, Timestamp(row.get(2)?), texts))
        })?;
        let entry = |(ordinal, at, [sync_id, state, landed]): (u64, Timestamp, [String; 3])| {
            HistoryEntry::from_texts(ordinal, sync_id, at, (&state, &landed))
        };
        found.into_iter().map(entry).collect()
    }

    /// Every connection that has committed to this file, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn connections(&self) -> Result<Vec<StoredConnection>, DestinationError> {
        self.rows(CONNECTIONS, [], |row| {
            let (name, namespace, ordinal) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(StoredConnection { name, namespace, ordinal, committed_at: Timestamp(row.get(3)?) })
        })
    }

    /// The rows of one of the connection's tables, those marked as deleted too.
    ///
    /// # Errors
    /// When the table is not there, or cannot be read.
    pub fn row_count(&self, table: &str) -> Result<u64, DestinationError> {
        let query = format!("SELECT count(*) FROM {}", self.quoted(table));
        let count = self.connection.query_row(&query, [], |row| row.get(0));
        count.map_err(of(format!("counting the rows of table {table}")))
    }
}
