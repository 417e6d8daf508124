//! A database in memory: the reference that every other destination is compared with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{
    Batch, ColumnType, Counts, Destination, DestinationError, Landed, Position, PrimaryKey,
    SchemaChange, TableBatch, TableMode, system_columns,
};
use protocol::{State, SyncId};

use crate::cell::Cell;
use crate::conformance::{Storage, StoredTable};
use crate::table::Table;

/// A destination whose storage lives as long as one of its clones.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Database>>);

impl Memory {
    /// What is stored now.
    pub fn database(&self) -> MutexGuard<'_, Database> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Destination for Memory {
    async fn position(&mut self) -> Result<Position, DestinationError> {
        self.database().position()
    }

    async fn commit(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        self.database().commit(batch)
    }
}

impl Storage for Memory {
    type Destination = Memory;
    const JOINED_STORIES: u64 = 500;

    fn open(&self) -> Memory {
        self.clone()
    }

    fn read(&self, table: &str) -> Option<StoredTable> {
        let database = self.database();
        let table = database.tables.get(table)?;
        let columns = table.columns.iter();
        Some(StoredTable {
            columns: columns.map(|(name, kind)| (name.clone(), kind.to_string())).collect(),
            rows: table.texts(),
        })
    }

    fn create_unmanaged(&self, table: &str) {
        let columns = vec![("mine".to_owned(), ColumnType::String)];
        let rows = vec![vec![Cell::text("a row of somebody else")]];
        let primary_key = PrimaryKey::BatchIndex;
        let unmanaged = Arc::new(Table { primary_key, columns, rows });
        self.database().tables.insert(table.to_owned(), unmanaged);
    }
}

/// Tables, and the position that they are at.
#[derive(Clone, Debug, Default)]
pub struct Database {
    /// Shared with every clone of the database that has not changed them.
    pub tables: BTreeMap<String, Arc<Table>>,
    position: Option<Arc<WrittenPosition>>,
}

/// A position as a destination writes it: text, so that the written form is under test as well.
#[derive(Debug)]
struct WrittenPosition {
    state: String,
    ordinal: u64,
    committed_by: String,
    stored: String,
}

impl Database {
    /// # Errors
    /// When the written position cannot be read.
    pub fn position(&self) -> Result<Position, DestinationError> {
        let Some(written) = &self.position else { return Ok(Position::default()) };
        let state = State::from_json(&written.state).map_err(damaged)?;
        let committed_by = SyncId(written.committed_by.clone());
        Position::from_stored(state, written.ordinal, committed_by, &written.stored)
            .map_err(damaged)
    }

    /// The function's state, read without the rest of the position.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn state(&self) -> Result<State, DestinationError> {
        let written = self.position.as_ref().map(|written| State::from_json(&written.state));
        written.transpose().map_err(damaged).map(Option::unwrap_or_default)
    }

    /// The ordinal of the stored position, read without the rest of it.
    pub fn ordinal(&self) -> u64 {
        self.position.as_ref().map_or(0, |written| written.ordinal)
    }

    /// Lands a batch, whole or not at all.
    ///
    /// # Errors
    /// [`DestinationError::Moved`] when the batch was planned elsewhere, [`DestinationError::Refused`]
    /// when a table is there that is not ours (F-199).
    pub fn commit(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        self.check_ordinal(batch)?;
        let mut next = self.clone();
        next.change_schema(batch)?;
        let kept = next.find_kept(batch)?;
        let mut landed = next.write_rows(batch)?;
        next.sweep(batch, &mut landed)?;
        next.check_unique(batch, &kept)?;
        next.replace(batch);
        next.write_position(batch, &batch.leaves().stored());
        *self = next;
        Ok(landed)
    }

    pub(crate) fn check_ordinal(&self, batch: &Batch) -> Result<(), DestinationError> {
        let (expected, found) = (batch.after(), self.ordinal());
        if expected == found { Ok(()) } else { Err(DestinationError::Moved { expected, found }) }
    }

    pub(crate) fn change_schema(&mut self, batch: &Batch) -> Result<(), DestinationError> {
        for change in batch.changes() {
            self.change(&change, batch)?;
            if let SchemaChange::CreateTable { table, .. } = &change
                && batch.table(table).mode == TableMode::History
            {
                self.table_of(table)?.start_history(None)?;
            }
        }
        Ok(())
    }

    fn change(&mut self, change: &SchemaChange, batch: &Batch) -> Result<(), DestinationError> {
        match change {
            SchemaChange::CreateTable { table, primary_key } => {
                if self.tables.contains_key(table) {
                    return Err(unmanaged(table));
                }
                let new = Table::new(primary_key.clone());
                self.tables.insert(table.clone(), Arc::new(new));
                Ok(())
            }
            SchemaChange::AddColumn { table, column, column_type } => {
                self.table_of(table)?.add_column(column, *column_type, Cell::Null)
            }
            SchemaChange::WidenColumn { table, column, from, to } => {
                self.table_of(table)?.widen_column(column, *from, *to)
            }
            SchemaChange::AddSoftDeletes { table } => self.table_of(table)?.add_column(
                system_columns::DELETED,
                ColumnType::Boolean,
                Cell::Boolean(false),
            ),
            SchemaChange::StartHistory { table } => {
                let after = batch.table(table);
                let time = after.columns.iter().find(|column| {
                    after.version_time.as_ref().is_some_and(|time| *time == column.source)
                });
                self.table_of(table)?.start_history(time.map(|column| column.name.as_str()))
            }
            SchemaChange::EndHistory { table, kept_as } => {
                let older = self.table_of(table)?.end_history()?;
                self.tables.insert(kept_as.clone(), Arc::new(older));
                Ok(())
            }
            SchemaChange::RemoveDeleted { table } => self.table_of(table)?.remove_deleted(),
        }
    }

    pub(crate) fn table_of(&mut self, name: &str) -> Result<&mut Table, DestinationError> {
        let table = self.tables.get_mut(name).map(Arc::make_mut);
        table.ok_or_else(|| changed(&format!("table {name} is not there")))
    }

    fn write_rows(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        let mut landed = Landed::default();
        for rows in batch.tables() {
            let counts = self.write_table(rows, batch)?;
            landed.tables.entry(rows.table().to_owned()).or_default().add(counts);
        }
        Ok(landed)
    }

    pub(crate) fn write_table(
        &mut self,
        rows: &TableBatch,
        batch: &Batch,
    ) -> Result<Counts, DestinationError> {
        let mut counts = Counts::default();
        let table = self.table_of(rows.table())?;
        if rows.mode() == TableMode::History {
            table.write_versions(rows, batch.synced_at().0, &mut counts)?;
            return Ok(counts);
        }
        let mut places = table.places();
        table.upsert(rows, &mut places, &mut counts)?;
        table.mark(rows, &places, batch.synced_at().0, &mut counts)?;
        table.remove(rows, &places, &mut counts);
        Ok(counts)
    }

    /// Marks what was not seen; `_fivetran_synced` stays (F-126).
    pub(crate) fn sweep(
        &mut self,
        batch: &Batch,
        landed: &mut Landed,
    ) -> Result<(), DestinationError> {
        for sweep in batch.sweeps() {
            if !self.tables.contains_key(&sweep.table) {
                continue;
            }
            let swept = self.table_of(&sweep.table)?.sweep(sweep, batch.synced_at().0)?;
            landed.tables.entry(sweep.table.clone()).or_default().swept += swept;
        }
        Ok(())
    }

    /// Tables that were made anew take the place of others, or go.
    fn replace(&mut self, batch: &Batch) {
        for replacement in batch.replacements() {
            let made = self.tables.remove(&replacement.made);
            if let (Some(made), Some(table)) = (made, &replacement.table) {
                self.tables.insert(table.clone(), made);
            }
        }
    }

    /// `stored` is the written form of what the batch leaves; mutants write it otherwise.
    pub(crate) fn write_position(&mut self, batch: &Batch, stored: &str) {
        let leaves = batch.leaves();
        self.position = Some(Arc::new(WrittenPosition {
            state: leaves.state().as_json().to_owned(),
            ordinal: leaves.ordinal(),
            committed_by: leaves.committed_by().0.clone(),
            stored: stored.to_owned(),
        }));
    }
}

fn damaged(error: impl std::fmt::Display) -> DestinationError {
    refused("position_damaged", &error.to_string(), "Restore the database from a backup.")
}

pub(crate) fn changed(message: &str) -> DestinationError {
    refused("destination_error", message, "Leave the tables to hasmore.")
}

fn unmanaged(table: &str) -> DestinationError {
    let message = format!("table {table} is there already, and hasmore did not create it");
    refused("unmanaged_table", &message, "Rename the table, or use another schema.")
}

fn refused(code: &'static str, message: &str, hint: &str) -> DestinationError {
    DestinationError::Refused { code, message: message.to_owned(), hint: hint.to_owned() }
}
