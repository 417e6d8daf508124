//! Whether what is stored is exactly what the stored state says was sent.

use std::collections::BTreeMap;

use engine::{ColumnType, system_columns};

use crate::cell::Cell;
use crate::memory::Database;
use crate::model::{Expected, ExpectedRow, ExpectedTable};
use crate::table::Table;

/// One commit as the disk remembers it, written together with the position.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Pages that the state counts after it.
    pub pages: usize,
    /// `_fivetran_synced` of the sync that made it.
    pub synced_at: i64,
}

/// Compares every cell, the system columns too.
///
/// # Errors
/// The first difference, in words.
pub fn verdict(expected: &Expected, database: &Database, journal: &[Entry]) -> Result<(), String> {
    let found = database.tables.keys();
    if !found.eq(expected.tables.keys()) {
        return Err(format!("tables {:?}", database.tables.keys().collect::<Vec<_>>()));
    }
    let position = database.position().map_err(|error| error.to_string())?;
    let held = position.held_back().tables.iter().map(|(name, table)| {
        let values: u64 = table.columns.values().map(|column| column.values).sum();
        (name.clone(), table.rows + values)
    });
    let held: BTreeMap<String, u64> = held.collect();
    if held != expected.held_back {
        return Err(format!("held back {held:?}, expected {:?}", expected.held_back));
    }
    let synced = synced_by_page(journal)?;
    for (name, table) in &expected.tables {
        let stored = &database.tables[name];
        table.check(stored, &synced).map_err(|error| format!("table {name}: {error}"))?;
    }
    Ok(())
}

/// When the sync began that landed each page. Time goes forward from commit to commit.
fn synced_by_page(journal: &[Entry]) -> Result<Vec<i64>, String> {
    let mut synced = Vec::new();
    let mut before = i64::MIN;
    for entry in journal {
        if entry.synced_at < before || entry.pages < synced.len() {
            return Err(format!("commits went back: {journal:?}"));
        }
        before = entry.synced_at;
        synced.resize(entry.pages, entry.synced_at);
    }
    Ok(synced)
}

impl ExpectedTable {
    fn check(&self, stored: &Table, synced: &[i64]) -> Result<(), String> {
        let columns = self.all_columns();
        let found: BTreeMap<&str, ColumnType> = stored
            .columns
            .iter()
            .map(|(name, column_type)| (name.as_str(), *column_type))
            .collect();
        if found != columns || stored.columns.len() != columns.len() {
            return Err(format!("columns {:?}, expected {columns:?}", stored.columns));
        }
        let mut found: Vec<(Vec<Cell>, &Vec<Cell>)> =
            stored.rows.iter().map(|row| (stored.key_of(row), row)).collect();
        let mut wanted: Vec<(Vec<Cell>, Vec<Cell>)> = Vec::with_capacity(self.rows.len());
        let mut index = (i64::MIN, 0);
        for row in &self.rows {
            let synced = synced[row.page];
            index = if index.0 == synced { (synced, index.1 + 1) } else { (synced, 0) };
            let cells = stored.columns.iter().map(|(name, _)| row.cell(name, synced, index.1));
            let cells: Vec<Cell> = cells.collect();
            wanted.push((stored.key_of(&cells), cells));
        }
        found.sort();
        wanted.sort();
        let (mut found, mut wanted) = (found.iter(), wanted.iter());
        loop {
            match (found.next(), wanted.next()) {
                (None, None) => return Ok(()),
                (Some((_, found)), Some((_, wanted))) if *found == wanted => {}
                (found, wanted) => {
                    let found = found.map(|(_, row)| row);
                    let wanted = wanted.map(|(_, row)| row);
                    return Err(format!("row {found:?}, expected {wanted:?}"));
                }
            }
        }
    }

    fn all_columns(&self) -> BTreeMap<&str, ColumnType> {
        let own = self.columns.iter().map(|(name, column_type)| (name.as_str(), *column_type));
        let system = system_columns::of(&self.primary_key);
        let deleted = self.soft_deletes.then_some((system_columns::DELETED, ColumnType::Boolean));
        own.chain(system).chain(deleted).collect()
    }
}

impl ExpectedRow {
    /// The value of one column, for a row landed by the sync that began at `synced`, the `index`th of
    /// its table there. Only rows without key are asked for batch and index: those never change.
    fn cell(&self, column: &str, synced: i64, index: i64) -> Cell {
        match column {
            system_columns::SYNCED | system_columns::BATCH => Cell::Moment(synced),
            system_columns::INDEX => Cell::Long(index),
            system_columns::DELETED => Cell::Boolean(self.deleted),
            own => self.cells[own].clone(),
        }
    }
}
