//! A database in memory: the reference that every other destination is compared with.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{
    Batch, ColumnType, Counts, Destination, DestinationError, Landed, Position, PrimaryKey,
    SchemaChange, TableBatch, system_columns, widen,
};
use protocol::{State, SyncId};

use crate::cell::{self, Cell};

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

/// Tables, and the position that they are at.
#[derive(Clone, Debug, Default)]
pub struct Database {
    /// Shared with every clone of the database that has not changed them.
    pub tables: BTreeMap<String, Arc<Table>>,
    position: Option<Arc<WrittenPosition>>,
}

/// A row store.
#[derive(Clone, Debug)]
pub struct Table {
    primary_key: PrimaryKey,
    /// In the order of their creation, system columns too.
    pub columns: Vec<(String, ColumnType)>,
    /// A cell for each column.
    pub rows: Vec<Vec<Cell>>,
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
        let mut landed = next.write_rows(batch)?;
        next.sweep(batch, &mut landed)?;
        next.write_position(batch, &batch.leaves().stored());
        *self = next;
        Ok(landed)
    }

    pub(crate) fn check_ordinal(&self, batch: &Batch) -> Result<(), DestinationError> {
        let (expected, found) = (batch.after(), self.ordinal());
        if expected == found { Ok(()) } else { Err(DestinationError::Moved { expected, found }) }
    }

    pub(crate) fn change_schema(&mut self, batch: &Batch) -> Result<(), DestinationError> {
        batch.changes().iter().try_for_each(|change| self.change(change))
    }

    fn change(&mut self, change: &SchemaChange) -> Result<(), DestinationError> {
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
            let swept = self.table_of(&sweep.table)?.sweep(sweep.before.0)?;
            landed.tables.entry(sweep.table).or_default().swept += swept;
        }
        Ok(())
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

/// Where each key is among the rows.
type Places = HashMap<Vec<Cell>, usize>;

impl Table {
    /// With its system columns.
    pub fn new(primary_key: PrimaryKey) -> Table {
        let system = system_columns::of(&primary_key).into_iter();
        let columns = system.map(|(name, column_type)| (name.to_owned(), column_type)).collect();
        Table { primary_key, columns, rows: Vec::new() }
    }

    pub fn index_of(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|(name, _)| name == column)
    }

    /// The cells of a row that make up its key.
    pub fn key_of(&self, row: &[Cell]) -> Vec<Cell> {
        self.key_indices().iter().map(|index| row[*index].clone()).collect()
    }

    fn key_indices(&self) -> Vec<usize> {
        let index = |name| self.index_of(name).expect("a table has its key columns");
        system_columns::key_columns(&self.primary_key).into_iter().map(index).collect()
    }

    /// Every row by column name, values as their canonical text.
    pub fn texts(&self) -> Vec<BTreeMap<String, Option<String>>> {
        let mut rows = vec![BTreeMap::new(); self.rows.len()];
        for (index, (name, column_type)) in self.columns.iter().enumerate() {
            let column = cell::array(self.rows.iter().map(|row| &row[index]), *column_type);
            for (row, text) in rows.iter_mut().zip(cell::texts(&column)) {
                row.insert(name.clone(), text);
            }
        }
        rows
    }

    fn add_column(
        &mut self,
        column: &str,
        column_type: ColumnType,
        value: Cell,
    ) -> Result<(), DestinationError> {
        if self.index_of(column).is_some() {
            return Err(changed(&format!("column {column} is there already")));
        }
        self.columns.push((column.to_owned(), column_type));
        self.rows.iter_mut().for_each(|row| row.push(value.clone()));
        Ok(())
    }

    fn widen_column(
        &mut self,
        column: &str,
        from: ColumnType,
        to: ColumnType,
    ) -> Result<(), DestinationError> {
        let index = self.index_of(column).filter(|index| self.columns[*index].1 == from);
        let index = index.ok_or_else(|| changed(&format!("column {column} is no {from}")))?;
        self.columns[index].1 = to;
        let old = cell::array(self.rows.iter().map(|row| &row[index]), from);
        for (row, value) in self.rows.iter_mut().zip(cell::cells(&widen(&old, from, to))) {
            row[index] = value;
        }
        Ok(())
    }

    /// Nothing for a table in which every row is new.
    fn places(&self) -> Places {
        if self.primary_key == PrimaryKey::BatchIndex || self.rows.is_empty() {
            return Places::new();
        }
        let keys = self.key_indices();
        let key = |row: &Vec<Cell>| keys.iter().map(|index| row[*index].clone()).collect();
        self.rows.iter().enumerate().map(|(place, row)| (key(row), place)).collect()
    }

    fn there(&self, column: &str) -> Result<usize, DestinationError> {
        self.index_of(column).ok_or_else(|| changed(&format!("column {column} is not there")))
    }

    fn upsert(
        &mut self,
        batch: &TableBatch,
        places: &mut Places,
        counts: &mut Counts,
    ) -> Result<(), DestinationError> {
        let keys = self.key_indices();
        for chunk in batch.upserts() {
            let mut rows = vec![vec![Cell::Null; self.columns.len()]; chunk.num_rows()];
            for (field, array) in chunk.schema().fields().iter().zip(chunk.columns()) {
                let index = self.there(field.name())?;
                if self.columns[index].1.arrow() != *field.data_type() {
                    return Err(changed(&format!("column {} is of another type", field.name())));
                }
                for (row, value) in rows.iter_mut().zip(cell::cells(array)) {
                    row[index] = value;
                }
            }
            if let Some(deleted) = self.index_of(system_columns::DELETED) {
                for row in &mut rows {
                    row[deleted] = Cell::Boolean(false);
                }
            }
            for row in rows {
                if self.primary_key == PrimaryKey::BatchIndex {
                    counts.inserted += 1;
                    self.rows.push(row);
                    continue;
                }
                let key: Vec<Cell> = keys.iter().map(|index| row[*index].clone()).collect();
                match places.get(&key) {
                    Some(&place) => {
                        let same = self.has_same_values(&self.rows[place], &row);
                        *(if same { &mut counts.unchanged } else { &mut counts.updated }) += 1;
                        self.rows[place] = row;
                    }
                    None => {
                        counts.inserted += 1;
                        places.insert(key, self.rows.len());
                        self.rows.push(row);
                    }
                }
            }
        }
        Ok(())
    }

    fn has_same_values(&self, old: &[Cell], new: &[Cell]) -> bool {
        let moves = |name: &str| name == system_columns::SYNCED;
        let mut columns = self.columns.iter().enumerate().filter(|(_, (name, _))| !moves(name));
        columns.all(|(index, _)| old[index] == new[index])
    }

    fn mark(
        &mut self,
        batch: &TableBatch,
        places: &Places,
        synced: i64,
        counts: &mut Counts,
    ) -> Result<(), DestinationError> {
        let keys = keys_of(batch.marks());
        if keys.is_empty() {
            return Ok(());
        }
        let deleted = self.there(system_columns::DELETED)?;
        let stamp = self.there(system_columns::SYNCED)?;
        for place in keys.iter().filter_map(|key| places.get(key)) {
            let row = &mut self.rows[*place];
            counts.deleted += u64::from(row[deleted] != Cell::Boolean(true));
            row[deleted] = Cell::Boolean(true);
            row[stamp] = Cell::Moment(synced);
        }
        Ok(())
    }

    fn remove(&mut self, batch: &TableBatch, places: &Places, counts: &mut Counts) {
        let keys = keys_of(batch.removals());
        let gone: BTreeSet<usize> =
            keys.iter().filter_map(|key| places.get(key)).copied().collect();
        if gone.is_empty() {
            return;
        }
        counts.deleted += gone.len() as u64;
        let mut place = 0..;
        self.rows.retain(|_| !gone.contains(&place.next().expect("places do not end")));
    }

    /// Marks the rows that were synced before a moment; answers how many were not marked yet.
    pub(crate) fn sweep(&mut self, before: i64) -> Result<u64, DestinationError> {
        let deleted = self.there(system_columns::DELETED)?;
        let stamp = self.there(system_columns::SYNCED)?;
        let mut swept = 0;
        for row in &mut self.rows {
            if row[stamp] < Cell::Moment(before) && row[deleted] != Cell::Boolean(true) {
                row[deleted] = Cell::Boolean(true);
                swept += 1;
            }
        }
        Ok(swept)
    }
}

/// The keys in chunks of key columns, each in the order of those columns.
fn keys_of(chunks: Vec<arrow_array::RecordBatch>) -> Vec<Vec<Cell>> {
    let mut keys = Vec::new();
    for chunk in chunks {
        let columns: Vec<Vec<Cell>> = chunk.columns().iter().map(cell::cells).collect();
        let key = |row: usize| columns.iter().map(|column| column[row].clone()).collect();
        keys.extend((0..chunk.num_rows()).map(key));
    }
    keys
}

fn damaged(error: impl std::fmt::Display) -> DestinationError {
    refused("position_damaged", &error.to_string(), "Restore the database from a backup.")
}

fn changed(message: &str) -> DestinationError {
    refused("destination_error", message, "Leave the tables to hasmore.")
}

fn unmanaged(table: &str) -> DestinationError {
    let message = format!("table {table} is there already, and hasmore did not create it");
    refused("unmanaged_table", &message, "Rename the table, or use another schema.")
}

fn refused(code: &'static str, message: &str, hint: &str) -> DestinationError {
    DestinationError::Refused { code, message: message.to_owned(), hint: hint.to_owned() }
}
