use std::collections::{BTreeMap, BTreeSet};

use engine::{
    Batch, Destination, DestinationError, HistoryEntry, Landed, Position, Schema, SchemaChange,
    StoredConnection,
};
use futures_util::TryStreamExt;
use object_store::ObjectStoreExt;

use crate::actions::{Action, Txn, app_id, delta_type};
use crate::failure::{self, refused};
use crate::mirror::Mirror;
use crate::place::{Lake, POSITIONS, log_of};
use crate::records::{self, Record, Step, now};
use crate::table_log::TableLog;

/// A lake, as the destination of one connection.
///
/// Each table is a Delta table in the folder `NAMESPACE/TABLE`. Positions and their history are in the folder
/// `_hasmore`.
pub struct Delta {
    pub(crate) lake: Lake,
    pub(crate) connection: String,
    pub(crate) namespace: String,
    logs: BTreeMap<String, TableLog>,
    pub(crate) mirror: Option<Mirror>,
    is_read_only: bool,
    /// The newest ordinal of which all tables are known to be written.
    finished: u64,
}

impl Delta {
    /// For syncing. Sends nothing, and writes nothing before the first commit.
    ///
    /// # Errors
    /// `invalid_namespace`.
    pub fn open(lake: Lake, connection: &str, namespace: &str) -> Result<Delta, DestinationError> {
        if namespace == POSITIONS {
            return Err(refused(
                "invalid_namespace",
                format!("the folder {namespace} is where positions are kept"),
                "choose another schema for the connection's tables",
            ));
        }
        let (connection, namespace) = (connection.to_owned(), namespace.to_owned());
        let (logs, is_read_only) = (BTreeMap::new(), false);
        Ok(Delta { lake, connection, namespace, logs, mirror: None, is_read_only, finished: 0 })
    }

    /// To look at it: commits are refused.
    ///
    /// # Errors
    /// As [`Delta::open`].
    pub fn open_to_look(
        lake: Lake,
        connection: &str,
        namespace: &str,
    ) -> Result<Delta, DestinationError> {
        Delta::open(lake, connection, namespace).map(|delta| Delta { is_read_only: true, ..delta })
    }

    /// The connection's commits, the newest first; at most [`engine::HISTORY_COMMITS_MAX`].
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn history(&self) -> Result<Vec<HistoryEntry>, DestinationError> {
        records::history(&self.lake, &self.connection).await
    }

    /// Every connection that has committed to the lake, by name.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn connections(&self) -> Result<Vec<StoredConnection>, DestinationError> {
        Ok(records::all(&self.lake).await?.into_iter().map(StoredConnection::from).collect())
    }

    /// The rows of one of the connection's tables, those marked as deleted too.
    ///
    /// # Errors
    /// When the table is not there, or cannot be read.
    pub async fn row_count(&self, table: &str) -> Result<u64, DestinationError> {
        let log = TableLog::read(&self.lake, &self.lake.table(&self.namespace, table)).await?;
        log.rows().filter(|_| log.is_there()).ok_or_else(|| {
            let message = format!("table {table} is not there, or another program has written it");
            refused("table_changed_by_hand", message, "resync the table with --rebuild")
        })
    }

    pub(crate) async fn newest(&self) -> Result<(Position, Option<Record>), DestinationError> {
        let record = Record::newest(&self.lake, &self.connection).await?;
        let position =
            record.as_ref().map(|record| record.position(&self.namespace)).transpose()?;
        Ok((position.unwrap_or_default(), record))
    }

    /// Does in the tables what a record says. Done twice, it is done once.
    pub(crate) async fn finish(&mut self, record: &Record) -> Result<(), DestinationError> {
        if self.finished >= record.ordinal {
            return Ok(());
        }
        for step in &record.steps {
            match step {
                Step::Write { table, actions } => {
                    let folder = self.lake.table(&self.namespace, table);
                    let log = self.logs.entry(table.clone()).or_default();
                    let app_id = app_id(&self.connection);
                    log.commit(&self.lake, &folder, &app_id, record.ordinal, actions).await?;
                }
                Step::Drop { table } => {
                    self.logs.remove(table);
                    self.drop_folder(table).await?;
                }
            }
        }
        self.finished = record.ordinal;
        Ok(())
    }

    async fn drop_folder(&self, table: &str) -> Result<(), DestinationError> {
        let folder = self.lake.table(&self.namespace, table);
        let failed = |error: object_store::Error| {
            failure::of(&error, &format!("clearing away table {table}"))
        };
        // The log first: without it the files are nobody's.
        let log = log_of(&folder);
        let mut objects: Vec<_> =
            self.lake.store.list(Some(&folder)).try_collect().await.map_err(failed)?;
        objects.sort_by_key(|object| !object.location.prefix_matches(&log));
        for object in objects {
            match self.lake.store.delete(&object.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    async fn land(&mut self, batch: &Batch) -> Result<(Landed, Record), DestinationError> {
        let (before, newest) = self.newest().await?;
        batch.check_lands_on(&before)?;
        self.check_salt(&before, batch).await?;
        if let Some(newest) = &newest {
            self.finish(newest).await?;
        }
        let names = touched(batch);
        self.look_at(&names).await?;
        self.check_as_left(batch, before.schema())?;
        let mut mirror = match self.mirror.take() {
            Some(mirror) => mirror,
            None => Mirror::new(&self.connection, &self.namespace)?,
        };
        for (name, table) in names
            .iter()
            .filter_map(|name| before.schema().tables.get(name).map(|table| (name, table)))
        {
            let log = &self.logs[name];
            log.check_as_left(name)?;
            let folder = self.lake.table(&self.namespace, name);
            mirror.load(&self.lake, &folder, name, table, log).await?;
        }
        let landed = match mirror.land(before.schema(), batch) {
            Ok(landed) => landed,
            Err(error) => {
                // What was refused has changed nothing; after anything else, nobody knows.
                let is_whole = !matches!(error, DestinationError::Unavailable(_));
                self.mirror = Some(mirror).filter(|_| is_whole);
                return Err(error);
            }
        };
        let steps = self.steps(&mut mirror, &names, batch.leaves().ordinal()).await?;
        let record = Record::new(&self.connection, &self.namespace, batch, &landed, steps);
        record.write(&self.lake).await?;
        self.mirror = Some(mirror);
        Ok((landed, record))
    }

    /// Reads what is new in the logs of tables.
    pub(crate) async fn look_at(
        &mut self,
        names: &BTreeSet<String>,
    ) -> Result<(), DestinationError> {
        for name in names {
            let folder = self.lake.table(&self.namespace, name);
            self.logs.entry(name.clone()).or_default().catch_up(&self.lake, &folder).await?;
        }
        Ok(())
    }

    pub(crate) fn check_as_left(
        &self,
        batch: &Batch,
        before: &Schema,
    ) -> Result<(), DestinationError> {
        batch.check_as_left(before, delta_type, |table| self.logs[table].columns())
    }

    /// What is to be done in the lake for it to be as the mirror is.
    pub(crate) async fn steps(
        &self,
        mirror: &mut Mirror,
        names: &BTreeSet<String>,
        ordinal: u64,
    ) -> Result<Vec<Step>, DestinationError> {
        let mut steps = Vec::new();
        for name in names {
            let (folder, log) = (self.lake.table(&self.namespace, name), &self.logs[name]);
            match mirror.export(&self.lake, &folder, name, log).await? {
                Some(mut actions) if !actions.is_empty() => {
                    // After all of its files, so that nothing of them is later.
                    actions.push(Action::Txn(Txn::of(&self.connection, ordinal, now())));
                    steps.push(Step::Write { table: name.clone(), actions });
                }
                None if log.is_there() => steps.push(Step::Drop { table: name.clone() }),
                Some(_) | None => {}
            }
        }
        // Tables that take the place of others are there before those go.
        steps.sort_by_key(|step| matches!(step, Step::Drop { .. }));
        Ok(steps)
    }

    /// Values are hashed with one salt in all of a lake (Dec-65): of two connections that begin to hash at
    /// once, one is refused, and finds the salt of the other with its next sync.
    async fn check_salt(&self, before: &Position, batch: &Batch) -> Result<(), DestinationError> {
        let Some(salt) = batch.leaves().salt().filter(|_| before.salt().is_none()) else {
            return Ok(());
        };
        for record in records::all(&self.lake).await? {
            if record.salt().is_some_and(|other| other != *salt) {
                return Err(DestinationError::another_salt("lake"));
            }
        }
        Ok(())
    }
}

impl Destination for Delta {
    async fn position(&mut self) -> Result<Position, DestinationError> {
        let (position, record) = self.newest().await?;
        if let Some(record) = record.filter(|_| !self.is_read_only) {
            self.finish(&record).await?;
        }
        Ok(position)
    }

    async fn commit(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        if self.is_read_only {
            return Err(refused(
                "destination_read_only",
                "the lake was opened for reading only",
                "open it for writing",
            ));
        }
        let (landed, record) = self.land(batch).await?;
        // It has landed. What is left to do is written down, and whoever comes next does it.
        let finished = self.finish(&record).await;
        let forgotten = match finished {
            Ok(()) => record.forget(&self.lake).await,
            error => error,
        };
        match forgotten {
            Ok(()) => Ok(landed),
            Err(error) => {
                self.mirror = None;
                Err(DestinationError::Unavailable(error.to_string()))
            }
        }
    }
}

/// Every table that a batch may leave otherwise.
pub(crate) fn touched(batch: &Batch) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = batch.touched().into_iter().map(str::to_owned).collect();
    for change in batch.changes() {
        if let SchemaChange::EndHistory { kept_as, .. } = change {
            names.insert(kept_as);
        }
    }
    for replacement in batch.replacements() {
        names.insert(replacement.made.clone());
        names.extend(replacement.table.clone());
    }
    names
}
