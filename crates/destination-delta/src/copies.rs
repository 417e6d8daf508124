//! All of a connection on its way to another destination, or coming from one.

use std::collections::{BTreeMap, VecDeque};

use arrow_array::RecordBatch;
use engine::{Batch, DestinationError, Landed, Position, Schema, Table};
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};

use crate::actions::{Add, app_id, delta_type};
use crate::data;
use crate::destination::{Delta, touched};
use crate::failure::refused;
use crate::mirror::Mirror;
use crate::place::Lake;
use crate::records::{Record, Step};
use crate::table_log::TableLog;

/// A connection as of one moment.
pub struct Reading {
    lake: Lake,
    namespace: String,
    position: Position,
    /// The files of each table that are left to read.
    files: BTreeMap<String, VecDeque<Add>>,
    /// The rest of the file that is being read.
    rows: Option<Rows>,
}

type Rows = BoxStream<'static, Result<RecordBatch, DestinationError>>;

impl Delta {
    /// Takes a view of the connection: its newest commit, and the files that hold the rows as of then.
    ///
    /// # Errors
    /// When a sync goes on meanwhile, and when the lake cannot be read.
    pub async fn begin_reading(&self) -> Result<Reading, DestinationError> {
        let (position, record) = self.newest().await?;
        let mut files = BTreeMap::new();
        for name in position.schema().tables.keys() {
            let folder = self.lake.table(&self.namespace, name);
            let mut log = TableLog::read(&self.lake, &folder).await?;
            let record = record.as_ref().expect("a connection with tables has committed");
            self.finish_in(&mut log, name, record)?;
            log.check_as_left(name)?;
            check_columns(name, &position.schema().tables[name], &log)?;
            files.insert(name.clone(), log.files.into_values().collect());
        }
        let (lake, namespace) = (self.lake.clone(), self.namespace.clone());
        Ok(Reading { lake, namespace, position, files, rows: None })
    }

    /// What whoever syncs next would do in a table, done to what was read of it.
    fn finish_in(
        &self,
        log: &mut TableLog,
        name: &str,
        record: &Record,
    ) -> Result<(), DestinationError> {
        let newest = log.newest_of(&app_id(&self.connection)).unwrap_or_default();
        if newest > record.ordinal {
            return Err(refused(
                "position_moved",
                format!("connection {} was synced meanwhile", self.connection),
                "run this again when no sync of it is under way",
            ));
        }
        if newest < record.ordinal {
            for step in &record.steps {
                match step {
                    Step::Write { table, actions } if table == name => log.take(actions),
                    Step::Write { .. } | Step::Drop { .. } => {}
                }
            }
        }
        Ok(())
    }

    /// Begins to take over a connection that has nothing here; nothing of it can be seen before
    /// [`Delta::end_copy`].
    ///
    /// # Errors
    /// Where the connection, or something of a table's name, is there already.
    pub async fn begin_copy(&mut self, batch: &Batch) -> Result<(), DestinationError> {
        if self.newest().await?.1.is_some() {
            return Err(refused(
                "connection_exists",
                format!("connection {} has landed there already", self.connection),
                "name another destination, or drop its tables and its folder of _hasmore first",
            ));
        }
        self.look_at(&touched(batch)).await?;
        self.check_as_left(batch, &Schema::default())?;
        let mirror = Mirror::new(&self.connection, &self.namespace)?;
        mirror.land(&Schema::default(), batch)?;
        self.mirror = Some(mirror);
        Ok(())
    }

    /// Takes rows of one of the tables, with its columns in their order; answers how many.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn copy_rows(
        &mut self,
        name: &str,
        table: &Table,
        rows: Vec<RecordBatch>,
    ) -> Result<u64, DestinationError> {
        let mirror = self.mirror.as_mut().expect("a copy has begun");
        mirror.copy_rows(name, table, rows)
    }

    /// Writes the files, and commits: all of the connection is here then.
    ///
    /// # Errors
    /// When it cannot be committed; nothing of it is here then. When only its tables could not be written, the
    /// next sync does that.
    pub async fn end_copy(
        &mut self,
        batch: &Batch,
        landed: &Landed,
    ) -> Result<(), DestinationError> {
        let mut mirror = self.mirror.take().expect("a copy has begun");
        let steps = self.steps(&mut mirror, &touched(batch), batch.leaves().ordinal()).await?;
        let record = Record::new(&self.connection, &self.namespace, batch, landed, steps);
        record.write(&self.lake).await?;
        self.finish(&record).await
    }
}

impl Reading {
    /// The position as of that moment.
    pub fn position(&self) -> Position {
        self.position.clone()
    }

    /// The next rows of a table, a few thousand, with its columns in their order; none where there are no
    /// more.
    ///
    /// # Errors
    /// When a file cannot be read: others may have cleared it away.
    pub async fn read_rows(
        &mut self,
        name: &str,
        table: &Table,
    ) -> Result<Vec<RecordBatch>, DestinationError> {
        loop {
            if let Some(rows) = &mut self.rows {
                match rows.try_next().await? {
                    Some(rows) if rows.num_rows() > 0 => return Ok(vec![rows]),
                    Some(_) => continue,
                    None => self.rows = None,
                }
            }
            let Some(file) = self.files.get_mut(name).and_then(VecDeque::pop_front) else {
                return Ok(Vec::new());
            };
            let folder = self.lake.table(&self.namespace, name);
            let rows = data::read(&self.lake, &folder, &file, &table.all_columns()).await?;
            self.rows = Some(rows.boxed());
        }
    }
}

/// A table that is gone would be taken for one without rows, and a column that is gone for an empty one.
fn check_columns(name: &str, table: &Table, log: &TableLog) -> Result<(), DestinationError> {
    let by_hand = |what: String| {
        let message = format!("table {name} is not as it was left: {what}");
        Err(refused("table_changed_by_hand", message, "restore it, or resync it with --rebuild"))
    };
    let Some(held) = log.columns()? else { return by_hand("it is gone".to_owned()) };
    for (column, kind) in table.all_columns() {
        if held.get(&column) != Some(&delta_type(kind)) {
            return by_hand(format!("column {column} is gone, or of another type"));
        }
    }
    Ok(())
}
