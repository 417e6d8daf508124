//! The log of one Delta table: what its files are, and what was done to it since we last looked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::{DestinationError, HeldColumns, Timestamp};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt, PutMode, PutOptions};

use crate::actions::{Action, Add, MetaData, Protocol, Remove, Txn};
use crate::checkpoint::{self, Checkpoint};
use crate::failure::{self, damaged, refused};
use crate::place::{Lake, log_of, number_of, numbered};
use crate::records::now;

/// A table as its log tells it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableLog {
    /// The version after the newest one.
    pub(crate) next: u64,
    pub(crate) meta_data: Option<MetaData>,
    protocol: Option<Protocol>,
    /// The files that hold its rows, by path.
    pub(crate) files: BTreeMap<String, Add>,
    /// Files that did so before, by path: readers of older versions may need them.
    removed: BTreeMap<String, Remove>,
    /// The newest commit that is in it, by application.
    newest: BTreeMap<String, Txn>,
    /// Rows were written since our newest commit, by somebody else.
    is_changed: bool,
    /// All versions since our newest commit were read: of those in a checkpoint, nobody knows who wrote what.
    knows_since_ours: bool,
}

/// Versions that are read at once.
const READERS: usize = 16;
/// Somebody may write to the table at the same moment, and again.
const TRIES_MAX: u64 = 100;
/// As long as Delta keeps files that are not the table's any more, unless it is told otherwise.
const KEPT_MILLIS: i64 = 7 * 24 * 60 * 60 * 1000;

impl TableLog {
    /// Reads what is there, from the newest checkpoint on.
    pub(crate) async fn read(lake: &Lake, folder: &Path) -> Result<TableLog, DestinationError> {
        let prefix = log_of(folder);
        let noted = checkpoint::noted(lake, &prefix).await?;
        let mut listed = Listed::of(lake, &prefix, noted).await?;
        if noted.is_some() && listed.starts().map_or(true, |starts| starts.is_empty()) {
            // What is noted need not be there.
            listed = Listed::of(lake, &prefix, None).await?;
        }
        let Some(start) = listed.starts()?.into_iter().next() else {
            return Ok(TableLog::default());
        };
        let mut log = TableLog::from(lake, folder, start, &listed).await?;
        if log.knows_since_ours {
            return Ok(log);
        }
        // Others have made a checkpoint since. The versions that it stands for may still be there.
        let listed = Listed::of(lake, &prefix, None).await?;
        for start in listed.starts()?.into_iter().skip(1) {
            let older = TableLog::from(lake, folder, start, &listed).await?;
            if older.knows_since_ours {
                return Ok(older);
            }
        }
        log.is_changed |= log.is_later_than_ours();
        Ok(log)
    }

    /// Reads what has come since.
    pub(crate) async fn catch_up(
        &mut self,
        lake: &Lake,
        folder: &Path,
    ) -> Result<(), DestinationError> {
        if !self.is_there() {
            *self = TableLog::read(lake, folder).await?;
            return Ok(());
        }
        let listed = Listed::of(lake, &log_of(folder), self.next.checked_sub(1)).await?;
        self.replay(lake, folder, &listed).await
    }

    async fn from(
        lake: &Lake,
        folder: &Path,
        start: Option<Checkpoint>,
        listed: &Listed,
    ) -> Result<TableLog, DestinationError> {
        let mut log = TableLog { knows_since_ours: start.is_none(), ..TableLog::default() };
        if let Some(start) = start {
            log.take(&start.read(lake).await?);
            log.is_changed = log.files.values().any(|file| file.deletion_vector.is_some());
            log.knows_since_ours = false;
            // Its own version once more, where it is kept, for what that tells of who wrote it.
            let is_kept = listed.versions.contains(&start.version);
            log.next = if is_kept { start.version } else { start.version + 1 };
        }
        log.replay(lake, folder, listed).await?;
        Ok(log)
    }

    async fn replay(
        &mut self,
        lake: &Lake,
        folder: &Path,
        listed: &Listed,
    ) -> Result<(), DestinationError> {
        let prefix = log_of(folder);
        let texts = stream::iter(listed.versions.range(self.next..).copied()).map(|version| {
            let (store, path) = (Arc::clone(&lake.store), numbered(&prefix, version));
            async move { Ok::<_, Error>((version, store.get(&path).await?.bytes().await?)) }
        });
        let mut texts = texts.buffered(READERS);
        let doing = format!("reading the log of {folder}");
        while let Some(text) = texts.next().await {
            let (version, bytes) = text.map_err(|error| failure::of(&error, &doing))?;
            if version != self.next {
                return Err(lacks(&prefix, self.next));
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
    pub(crate) fn take(&mut self, actions: &[Action]) {
        let is_ours =
            actions.iter().any(|action| matches!(action, Action::Txn(txn) if txn.is_ours()));
        for action in actions {
            match action {
                Action::Protocol(protocol) => self.protocol = Some(protocol.clone()),
                Action::MetaData(meta_data) => self.meta_data = Some(meta_data.clone()),
                Action::Add(add) => {
                    self.is_changed |= add.data_change || add.deletion_vector.is_some();
                    self.removed.remove(&add.path);
                    self.files.insert(add.path.clone(), add.clone());
                }
                Action::Remove(remove) => {
                    self.is_changed |= remove.data_change;
                    self.files.remove(&remove.path);
                    self.removed.insert(remove.path.clone(), remove.clone());
                }
                Action::Txn(txn) => {
                    self.newest.insert(txn.app_id.clone(), txn.clone());
                }
                Action::CommitInfo(_) | Action::Other(_) => {}
            }
        }
        if is_ours {
            self.is_changed = false;
            self.knows_since_ours = true;
        }
    }

    /// Whether something is newer than our newest commit, by the clocks of those who wrote it.
    fn is_later_than_ours(&self) -> bool {
        let ours = self.newest.values().filter(|txn| txn.is_ours());
        let ours = ours.filter_map(|txn| txn.last_updated).max();
        let added = self.files.values().map(|file| Some(file.modification_time));
        let removed = self.removed.values().map(|file| file.deletion_timestamp);
        added.chain(removed).any(|at| at > ours)
    }

    /// All that a reader must know of the newest version.
    fn actions(&self, now: Timestamp) -> Vec<Action> {
        let protocol = self.protocol.iter().cloned().map(Action::Protocol);
        let meta_data = self.meta_data.iter().cloned().map(Action::MetaData);
        let newest = self.newest.values().cloned().map(Action::Txn);
        let files = self.files.values();
        let files = files.map(|file| Action::Add(Add { data_change: false, ..file.clone() }));
        let oldest = Some(now.0 / 1000 - KEPT_MILLIS);
        let removed = self.removed.values().filter(|file| file.deletion_timestamp > oldest);
        let removed =
            removed.map(|file| Action::Remove(Remove { data_change: false, ..file.clone() }));
        protocol.chain(meta_data).chain(newest).chain(files).chain(removed).collect()
    }

    /// The newest commit of an application.
    pub(crate) fn newest_of(&self, app_id: &str) -> Option<u64> {
        self.newest.get(app_id).map(|txn| txn.version)
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
            if self.newest_of(app_id).is_some_and(|newest| newest >= ordinal) {
                return Ok(());
            }
            let path = numbered(&log_of(folder), self.next);
            let once = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match lake.store.put_opts(&path, text.clone().into(), once).await {
                Ok(_) => {
                    self.take(actions);
                    self.next += 1;
                    return self.write_checkpoint(lake, folder).await;
                }
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
                Err(error) => return Err(failure::of(&error, &doing)),
            }
        }
        Err(DestinationError::Unavailable(format!("{doing}: others write to it all the time")))
    }

    /// With every so many versions, so that readers need not read them all.
    async fn write_checkpoint(&self, lake: &Lake, folder: &Path) -> Result<(), DestinationError> {
        let version = self.next - 1;
        let is_due = version > 0 && version.is_multiple_of(checkpoint::INTERVAL);
        // Where somebody asks for more than we know, a checkpoint of ours would leave it out.
        if !is_due || self.protocol.as_ref().is_none_or(|protocol| protocol.unknown().is_some()) {
            return Ok(());
        }
        checkpoint::write(lake, &log_of(folder), version, &self.actions(now())).await
    }
}

/// What is in the folder of a log, from a version on.
struct Listed {
    prefix: Path,
    versions: BTreeSet<u64>,
    checkpoints: Vec<Checkpoint>,
}

impl Listed {
    async fn of(lake: &Lake, prefix: &Path, from: Option<u64>) -> Result<Listed, DestinationError> {
        let listed = match from {
            // Before all files of that version.
            Some(from) => {
                let before = prefix.clone().join(format!("{from:020}"));
                lake.store.list_with_offset(Some(prefix), &before)
            }
            None => lake.store.list(Some(prefix)),
        };
        let listed: Result<Vec<_>, Error> =
            listed.map_ok(|object| object.location).try_collect().await;
        let files =
            listed.map_err(|error| failure::of(&error, &format!("reading the log {prefix}")))?;
        Ok(Listed {
            prefix: prefix.clone(),
            versions: files.iter().filter_map(number_of).collect(),
            checkpoints: checkpoint::find(&files),
        })
    }

    /// Where the log can be read from, the newest first: from a checkpoint that all versions after it follow,
    /// or from its beginning.
    ///
    /// # Errors
    /// Where there is a log, and none of these.
    fn starts(&self) -> Result<Vec<Option<Checkpoint>>, DestinationError> {
        let of_checkpoints = self.checkpoints.iter().map(|it| it.version);
        let Some(newest) = self.versions.iter().copied().chain(of_checkpoints).max() else {
            return Ok(Vec::new());
        };
        let lacking = (0..=newest).rev().find(|version| !self.versions.contains(version));
        let of_all = lacking.is_none().then_some(None);
        let whole = self.checkpoints.iter().rev();
        let whole = whole.filter(|it| lacking.is_none_or(|lacking| it.version >= lacking));
        let starts: Vec<_> = whole.cloned().map(Some).chain(of_all).collect();
        match lacking {
            Some(lacking) if starts.is_empty() => Err(lacks(&self.prefix, lacking)),
            _ => Ok(starts),
        }
    }
}

fn lacks(log: &Path, version: u64) -> DestinationError {
    damaged(&format!("the log {log}, which lacks version {version},"))
}
