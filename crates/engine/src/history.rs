//! What a destination remembers of its commits, and the written form of their counts.

use std::collections::BTreeMap;

use protocol::{State, SyncId};
use serde::{Deserialize, Serialize};

use crate::destination::{Counts, DestinationError, Landed};
use crate::time::Timestamp;

/// Commits kept in the history of a connection. A commit is at least one page; a thousand of them are
/// weeks of hourly syncs, and states are small.
pub const HISTORY_COMMITS_MAX: u64 = 1000;

/// One commit of a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// The position's ordinal after it.
    pub ordinal: u64,
    pub sync_id: SyncId,
    pub committed_at: Timestamp,
    /// The state that it stored.
    pub state: State,
    pub landed: Landed,
}

impl HistoryEntry {
    /// As a destination keeps it: [`State::as_json`] and [`Landed::stored`] as texts.
    ///
    /// # Errors
    /// `destination_damaged`, for the destination to pass on.
    pub fn from_texts(
        ordinal: u64,
        sync_id: String,
        committed_at: Timestamp,
        (state, landed): (&str, &str),
    ) -> Result<HistoryEntry, DestinationError> {
        let damaged = |said| DestinationError::damaged("reading the history", said);
        Ok(HistoryEntry {
            ordinal,
            sync_id: SyncId(sync_id),
            committed_at,
            state: State::from_json(state).map_err(|_| damaged("a state is not JSON"))?,
            landed: Landed::from_stored(landed)
                .ok_or_else(|| damaged("its counts are not readable"))?,
        })
    }
}

/// A connection whose rows are in a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConnection {
    pub name: String,
    /// The schema that its tables are in.
    pub namespace: String,
    pub ordinal: u64,
    pub committed_at: Timestamp,
}

/// The written form of [`Counts`].
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredCounts {
    inserted: u64,
    updated: u64,
    unchanged: u64,
    deleted: u64,
    swept: u64,
}

impl Landed {
    /// The counts as a destination's history keeps them: an object by table.
    pub fn stored(&self) -> String {
        let stored = |counts: &Counts| StoredCounts {
            inserted: counts.inserted,
            updated: counts.updated,
            unchanged: counts.unchanged,
            deleted: counts.deleted,
            swept: counts.swept,
        };
        let tables: BTreeMap<&String, StoredCounts> =
            self.tables.iter().map(|(table, counts)| (table, stored(counts))).collect();
        serde_json::to_string(&tables).expect("names and numbers can be written as JSON")
    }

    /// What [`Landed::stored`] wrote; `None` when it is something else.
    pub fn from_stored(text: &str) -> Option<Landed> {
        let tables: BTreeMap<String, StoredCounts> = serde_json::from_str(text).ok()?;
        let counts = |stored: StoredCounts| Counts {
            inserted: stored.inserted,
            updated: stored.updated,
            unchanged: stored.unchanged,
            deleted: stored.deleted,
            swept: stored.swept,
        };
        let tables = tables.into_iter().map(|(table, stored)| (table, counts(stored)));
        Some(Landed { tables: tables.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_back() {
        let counts = Counts { inserted: 1, updated: 2, unchanged: 3, deleted: 4, swept: 5 };
        let landed = Landed { tables: BTreeMap::from([("a\"b".to_owned(), counts)]) };
        assert_eq!(Landed::from_stored(&landed.stored()), Some(landed));
        assert_eq!(Landed::from_stored("[]"), None);
    }
}
