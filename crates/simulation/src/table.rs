//! One table of the in-memory destination: a row store.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow_array::RecordBatch;
use engine::{
    ColumnType, Counts, DestinationError, PrimaryKey, Sweep, SweepVerb, TableBatch, system_columns,
    widen,
};

use crate::cell::{self, Cell};
use crate::memory::changed;

/// A row store.
#[derive(Clone, Debug)]
pub struct Table {
    pub(crate) primary_key: PrimaryKey,
    /// In the order of their creation, system columns too.
    pub columns: Vec<(String, ColumnType)>,
    /// A cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

/// Where each key is among the rows.
pub(crate) type Places = HashMap<Vec<Cell>, usize>;

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

    pub(crate) fn key_indices(&self) -> Vec<usize> {
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

    pub(crate) fn add_column(
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

    pub(crate) fn widen_column(
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
    pub(crate) fn places(&self) -> Places {
        if self.primary_key == PrimaryKey::BatchIndex || self.rows.is_empty() {
            return Places::new();
        }
        let keys = self.key_indices();
        let key = |row: &Vec<Cell>| keys.iter().map(|index| row[*index].clone()).collect();
        self.rows.iter().enumerate().map(|(place, row)| (key(row), place)).collect()
    }

    pub(crate) fn there(&self, column: &str) -> Result<usize, DestinationError> {
        self.index_of(column).ok_or_else(|| changed(&format!("column {column} is not there")))
    }

    pub(crate) fn upsert(
        &mut self,
        batch: &TableBatch,
        places: &mut Places,
        counts: &mut Counts,
    ) -> Result<(), DestinationError> {
        let keys = self.key_indices();
        for chunk in batch.upserts() {
            let mut rows = self.rows_of(&chunk)?;
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

    /// The rows of a chunk, with a cell for each column of the table.
    pub(crate) fn rows_of(&self, chunk: &RecordBatch) -> Result<Vec<Vec<Cell>>, DestinationError> {
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
        Ok(rows)
    }

    fn has_same_values(&self, old: &[Cell], new: &[Cell]) -> bool {
        let moves = |name: &str| name == system_columns::SYNCED;
        let mut columns = self.columns.iter().enumerate().filter(|(_, (name, _))| !moves(name));
        columns.all(|(index, _)| old[index] == new[index])
    }

    pub(crate) fn mark(
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

    pub(crate) fn remove(&mut self, batch: &TableBatch, places: &Places, counts: &mut Counts) {
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

    /// Deletes the live rows that were synced before a moment; answers how many.
    pub(crate) fn sweep(&mut self, sweep: &Sweep, at: i64) -> Result<u64, DestinationError> {
        let stamp = self.there(system_columns::SYNCED)?;
        let (column, live) = match sweep.verb {
            SweepVerb::Mark => (Some(self.there(system_columns::DELETED)?), false),
            SweepVerb::Close => (Some(self.there(system_columns::ACTIVE)?), true),
            SweepVerb::Remove => (None, true),
        };
        let is_live =
            |row: &[Cell]| column.is_none_or(|column| row[column] != Cell::Boolean(!live));
        let is_unseen = |row: &[Cell]| row[stamp] < Cell::Moment(sweep.before.0);
        let all = self.rows.iter().filter(|row| is_live(row)).count() as u64;
        let swept = self.rows.iter().filter(|row| is_live(row) && is_unseen(row)).count() as u64;
        sweep.check(swept, all)?;
        let Some(column) = column else {
            self.rows.retain(|row| !is_unseen(row));
            return Ok(swept);
        };
        let end = self.index_of(system_columns::END).filter(|_| sweep.verb == SweepVerb::Close);
        for row in self.rows.iter_mut().filter(|row| is_live(row) && is_unseen(row)) {
            row[column] = Cell::Boolean(!live);
            if let Some(end) = end {
                let start = self.columns.iter().position(|(name, _)| name == system_columns::START);
                let start = start.map_or(Cell::Null, |start| row[start].clone());
                row[end] = Cell::Moment(at).max(start);
            }
        }
        Ok(swept)
    }

    pub(crate) fn remove_deleted(&mut self) -> Result<(), DestinationError> {
        let deleted = self.there(system_columns::DELETED)?;
        self.rows.retain(|row| row[deleted] != Cell::Boolean(true));
        Ok(())
    }
}

/// The keys in chunks of key columns, each in the order of those columns.
pub(crate) fn keys_of(chunks: Vec<RecordBatch>) -> Vec<Vec<Cell>> {
    let mut keys = Vec::new();
    for chunk in chunks {
        let columns: Vec<Vec<Cell>> = chunk.columns().iter().map(cell::cells).collect();
        let key = |row: usize| columns.iter().map(|column| column[row].clone()).collect();
        keys.extend((0..chunk.num_rows()).map(key));
    }
    keys
}
