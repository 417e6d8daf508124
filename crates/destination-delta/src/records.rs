//! The positions of a connection. A record is written where none is, and that is the commit: it holds the
//! position and what is to be done in each table, which whoever comes next finishes.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::{
    Batch, DestinationError, HISTORY_COMMITS_MAX, HistoryEntry, Landed, Position, Salt,
    StoredConnection, Timestamp, check_namespace,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt, PutMode, PutOptions};
use serde::{Deserialize, Serialize};

use crate::actions::Action;
use crate::failure::{self, damaged};
use crate::place::{Lake, number_of, numbered};

/// One commit of a connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) connection: String,
    namespace: String,
    pub(crate) ordinal: u64,
    sync_id: String,
    committed_at_micros: i64,
    /// As the function gave it, byte for byte.
    state: String,
    /// What `engine::Landed::stored` writes.
    landed: String,
    /// What `engine::Position::stored` writes.
    stored: String,
    pub(crate) steps: Vec<Step>,
}

/// What a commit does to a table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Step {
    Write {
        table: String,
        actions: Vec<Action>,
    },
    /// The table, with its files and its log.
    Drop {
        table: String,
    },
}

/// Records that are read at once.
const READERS: usize = 16;

impl Record {
    pub(crate) fn new(
        connection: &str,
        namespace: &str,
        batch: &Batch,
        landed: &Landed,
        steps: Vec<Step>,
    ) -> Record {
        let leaves = batch.leaves();
        Record {
            connection: connection.to_owned(),
            namespace: namespace.to_owned(),
            ordinal: leaves.ordinal(),
            sync_id: leaves.committed_by().0.clone(),
            committed_at_micros: now().0,
            state: leaves.state().as_json().to_owned(),
            landed: landed.stored(),
            stored: leaves.stored(),
            steps,
        }
    }

    /// The newest one of a connection.
    pub(crate) async fn newest(
        lake: &Lake,
        connection: &str,
    ) -> Result<Option<Record>, DestinationError> {
        let folder = lake.positions_of(connection);
        match ordinals(lake, &folder).await?.last() {
            Some(newest) => read(lake.clone(), folder, *newest).await.map(Some),
            None => Ok(None),
        }
    }

    /// # Errors
    /// `namespace_changed`, and where it is not what we wrote.
    pub(crate) fn position(&self, namespace: &str) -> Result<Position, DestinationError> {
        check_namespace(&self.connection, &self.namespace, namespace)?;
        Position::from_texts(&self.state, self.ordinal, self.sync_id.clone(), &self.stored)
    }

    /// What values are hashed with, if any are.
    pub(crate) fn salt(&self) -> Option<Salt> {
        let position = self.position(&self.namespace).ok()?;
        position.salt().cloned()
    }

    /// Commits, where nothing of that ordinal is.
    ///
    /// # Errors
    /// [`DestinationError::Moved`] where another was first.
    pub(crate) async fn write(&self, lake: &Lake) -> Result<(), DestinationError> {
        let path = numbered(&lake.positions_of(&self.connection), self.ordinal);
        let text = serde_json::to_string(self).expect("a record is JSON");
        let once = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match lake.store.put_opts(&path, text.into(), once).await {
            Ok(_) => Ok(()),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
                Err(DestinationError::Moved { expected: self.ordinal - 1, found: self.ordinal })
            }
            // An answer that was lost may have been a yes.
            Err(error) => match failure::of(&error, "writing the position") {
                refused @ DestinationError::Refused { .. } => Err(refused),
                error => Err(DestinationError::Unavailable(error.to_string())),
            },
        }
    }

    /// Clears away what is too old for the history.
    pub(crate) async fn forget(&self, lake: &Lake) -> Result<(), DestinationError> {
        let Some(oldest) = self.ordinal.checked_sub(HISTORY_COMMITS_MAX).filter(|it| *it > 0)
        else {
            return Ok(());
        };
        let path = numbered(&lake.positions_of(&self.connection), oldest);
        match lake.store.delete(&path).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failure::of(&error, "clearing the history")),
        }
    }

    fn entry(self) -> Result<HistoryEntry, DestinationError> {
        let (at, texts) = (Timestamp(self.committed_at_micros), (&*self.state, &*self.landed));
        HistoryEntry::from_texts(self.ordinal, self.sync_id, at, texts)
    }
}

/// The connection's commits, the newest first.
pub(crate) async fn history(
    lake: &Lake,
    connection: &str,
) -> Result<Vec<HistoryEntry>, DestinationError> {
    let folder = lake.positions_of(connection);
    let ordinals = ordinals(lake, &folder).await?;
    let records = stream::iter(ordinals.into_iter().rev());
    let records = records.map(|ordinal| read(lake.clone(), folder.clone(), ordinal));
    let records: Vec<Record> = records.buffered(READERS).try_collect().await?;
    records.into_iter().map(Record::entry).collect()
}

/// The newest record of every connection, by name.
pub(crate) async fn all(lake: &Lake) -> Result<Vec<Record>, DestinationError> {
    let listed = lake.store.list_with_delimiter(Some(&lake.positions())).await;
    let listed = listed.map_err(|error| failure::of(&error, "looking for connections"))?;
    let mut records = Vec::new();
    for folder in listed.common_prefixes {
        if let Some(newest) = ordinals(lake, &folder).await?.last() {
            records.push(read(lake.clone(), folder, *newest).await?);
        }
    }
    records.sort_by(|one, other| one.connection.cmp(&other.connection));
    Ok(records)
}

impl From<Record> for StoredConnection {
    fn from(record: Record) -> StoredConnection {
        StoredConnection {
            name: record.connection,
            namespace: record.namespace,
            ordinal: record.ordinal,
            committed_at: Timestamp(record.committed_at_micros),
        }
    }
}

/// In their order.
async fn ordinals(lake: &Lake, folder: &Path) -> Result<Vec<u64>, DestinationError> {
    let listed: Result<Vec<_>, Error> = lake.store.list(Some(folder)).try_collect().await;
    let listed = listed.map_err(|error| failure::of(&error, "looking for the position"))?;
    let mut ordinals: Vec<u64> =
        listed.iter().filter_map(|object| number_of(&object.location)).collect();
    ordinals.sort_unstable();
    Ok(ordinals)
}

async fn read(lake: Lake, folder: Path, ordinal: u64) -> Result<Record, DestinationError> {
    let failed = |error: Error| failure::of(&error, "reading the position");
    let bytes = lake.store.get(&numbered(&folder, ordinal)).await.map_err(failed)?.bytes().await;
    let bytes = bytes.map_err(failed)?;
    serde_json::from_slice(&bytes).map_err(|_| damaged(&format!("{folder}, commit {ordinal}")))
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
