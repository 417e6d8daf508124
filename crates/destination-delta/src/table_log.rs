//! The log of one Delta table: what its files are, and what was done to it since we last looked.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{DestinationError, HeldColumns};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt, PutMode, PutOptions};

use crate::actions::{Action, Add, MetaData, Protocol};
use crate::failure::{self, damaged, refused};
use crate::place::{Lake, log_of, number_of, numbered};

/// A table as its log tells it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableLog {
    /// The version after the newest one.
    pub(crate) next: u64,
    pub(crate) meta_data: Option<MetaData>,
    protocol: Option<Protocol>,
    /// The files that hold its rows, by path.
    pub(crate) files: BTreeMap<String, Add>,
    /// The newest ordinal that is in it, by application.
    ordinals: BTreeMap<String, u64>,
    /// Rows were written since, by somebody else.
    is_changed: bool,
}

/// What our commits are called, before the connection's name.
pub(crate) const OUR_PREFIX: &str = "hasmore:";
/// Versions that are read at once.
const READERS: usize = 16;
/// Somebody may write to the table at the same moment, and again.
const TRIES_MAX: u64 = 100;

impl TableLog {
    /// Reads what is there.
    pub(crate) async fn read(lake: &Lake, folder: &Path) -> Result<TableLog, DestinationError> {
        let mut log = TableLog::default();
        log.catch_up(lake, folder).await?;
        Ok(log)
    }

    /// Reads what has come since.
    pub(crate) async fn catch_up(
        &mut self,
        lake: &Lake,
        folder: &Path,
    ) -> Result<(), DestinationError> {
        let doing = format!("reading the log of {folder}");
        let failed = |error: Error| failure::of(&error, &doing);
        let prefix = log_of(folder);
        let listed = match self.next.checked_sub(1) {
            Some(newest) => lake.store.list_with_offset(Some(&prefix), &numbered(&prefix, newest)),
            None => lake.store.list(Some(&prefix)),
        };
        let listed: Vec<_> = listed.try_collect().await.map_err(failed)?;
        let mut versions: Vec<u64> =
            listed.iter().filter_map(|object| number_of(&object.location)).collect();
        versions.sort_unstable();
        versions.retain(|version| *version >= self.next);
        let texts = stream::iter(versions).map(|version| {
            let (store, path) = (Arc::clone(&lake.store), numbered(&prefix, version));
            async move { Ok::<_, Error>((version, store.get(&path).await?.bytes().await?)) }
        });
        let texts = texts.buffered(READERS);
        let texts: Vec<_> = texts.try_collect().await.map_err(failed)?;
        for (version, bytes) in texts {
            if version != self.next {
                return Err(damaged(&format!(
                    "the log of {folder}, which lacks version {}",
                    self.next
                )));
            }
            let text = std::str::from_utf8(&bytes).map_err(|_| damaged(&doing))?;
            let actions = text.lines().filter(|line| !line.trim().is_empty());
            let actions = actions.map(serde_json::from_str).collect::<Result<Vec<Action>, _>>();
            self.take(&actions.map_err(|_| damaged(&format!("version {version} of {folder}")))?);
            self.next = version + 1;
        }
        Ok(())
    }

    /// One version.
    fn take(&mut self, actions: &[Action]) {
        let is_ours = actions
            .iter()
            .any(|action| matches!(action, Action::Txn(txn) if txn.app_id.starts_with(OUR_PREFIX)));
        for action in actions {
            match action {
                Action::Protocol(protocol) => self.protocol = Some(protocol.clone()),
                Action::MetaData(meta_data) => self.meta_data = Some(meta_data.clone()),
                Action::Add(add) => {
                    self.is_changed |= add.data_change || add.deletion_vector.is_some();
                    self.files.insert(add.path.clone(), add.clone());
                }
                Action::Remove(remove) => {
                    self.is_changed |= remove.data_change;
                    self.files.remove(&remove.path);
                }
                Action::Txn(txn) => {
                    self.ordinals.insert(txn.app_id.clone(), txn.version);
                }
                Action::CommitInfo(_) | Action::Other(_) => {}
            }
        }
        if is_ours {
            self.is_changed = false;
        }
    }

    pub(crate) fn is_there(&self) -> bool {
        self.next > 0
    }

    pub(crate) fn columns(&self) -> Result<Option<HeldColumns>, DestinationError> {
        self.meta_data.as_ref().map(MetaData::columns).transpose()
    }

    pub(crate) fn rows(&self) -> Option<u64> {
        self.files.values().map(Add::rows).sum()
    }

    /// Refuses a table whose rows are not those that we wrote. Files that were joined, or cleared away, by
    /// other programs are no matter.
    pub(crate) fn check_as_left(&self, table: &str) -> Result<(), DestinationError> {
        let changed = |what: String| {
            let message = format!("table {table} is not as it was left: {what}");
            let hint = "restore the version before, or drop the table: `hasmore resync CONNECTION --rebuild` makes it anew";
            Err(refused("table_changed_by_hand", message, hint))
        };
        if self.is_changed {
            return changed("another program has written to it".to_owned());
        }
        match self.protocol.as_ref().and_then(Protocol::unknown) {
            Some(unknown) => changed(format!("it asks for {unknown}")),
            None => Ok(()),
        }
    }

    /// Writes a commit of an application, once: done twice, it is there once.
    pub(crate) async fn commit(
        &mut self,
        lake: &Lake,
        folder: &Path,
        app_id: &str,
        ordinal: u64,
        actions: &[Action],
    ) -> Result<(), DestinationError> {
        let doing = format!("writing the log of {folder}");
        let lines: Vec<String> = actions
            .iter()
            .map(|action| serde_json::to_string(action).expect("an action is JSON"))
            .collect();
        let text = lines.join("\n") + "\n";
        for _ in 0..TRIES_MAX {
            self.catch_up(lake, folder).await?;
            if self.ordinals.get(app_id).is_some_and(|newest| *newest >= ordinal) {
                return Ok(());
            }
            let path = numbered(&log_of(folder), self.next);
            let once = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match lake.store.put_opts(&path, text.clone().into(), once).await {
                Ok(_) => {
                    self.take(actions);
                    self.next += 1;
                    return Ok(());
                }
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
                Err(error) => return Err(failure::of(&error, &doing)),
            }
        }
        Err(DestinationError::Unavailable(format!("{doing}: others write to it all the time")))
    }
}
