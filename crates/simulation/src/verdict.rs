//! Whether what is stored is exactly what the stored state says was sent.

use std::collections::BTreeMap;

use engine::{ColumnType, system_columns};

use crate::cell::Cell;
use crate::memory::Database;
use crate::model::{Expected, ExpectedRow, ExpectedTable, Said};
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
        if let Some(versions) = &self.versions {
            for row in versions.iter().flat_map(|said| versions_of(said, synced)) {
                let cells: Vec<Cell> =
                    stored.columns.iter().map(|(name, _)| row[name].clone()).collect();
                wanted.push((stored.key_of(&cells), cells));
            }
        }
        for row in self.rows.iter().filter(|_| self.versions.is_none()) {
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
        let history: &[_] = if self.versions.is_some() { &system_columns::OF_HISTORY } else { &[] };
        own.chain(system).chain(deleted).chain(history.iter().copied()).collect()
    }
}

/// The versions of one key: what a sync leaves is told by its last word, against what was there before it
/// (F-210 to F-213).
fn versions_of(said: &[Said], synced: &[i64]) -> Vec<BTreeMap<String, Cell>> {
    struct Version<'s> {
        cells: &'s BTreeMap<String, Cell>,
        start: i64,
        end: i64,
        active: bool,
        synced: i64,
    }
    let mut versions: Vec<Version<'_>> = Vec::new();
    for words in said.chunk_by(|one, next| synced[one.page] == synced[next.page]) {
        let at = synced[words[0].page];
        let last = words.last().expect("a chunk has words");
        // An upsert before the last delete of a sync counts; one before another upsert does not.
        let upsert = words.iter().rev().find_map(|word| word.cells.as_ref());
        let current = versions.last_mut().filter(|version| version.active);
        match (current, upsert) {
            (Some(current), Some(cells)) if current.cells == cells => current.synced = at,
            (current, Some(cells)) => {
                if let Some(current) = current {
                    (current.active, current.end) = (false, at - 1000);
                    current.synced = at;
                }
                let (end, active) = (system_columns::END_MAX.0, true);
                versions.push(Version { cells, start: at, end, active, synced: at });
            }
            (_, None) => {}
        }
        if last.cells.is_none()
            && let Some(current) = versions.last_mut().filter(|version| version.active)
        {
            (current.active, current.end) = (false, at);
        }
    }
    let row = |version: &Version<'_>| {
        let mut row = version.cells.clone();
        let system = [
            (system_columns::SYNCED, Cell::Moment(version.synced)),
            (system_columns::ACTIVE, Cell::Boolean(version.active)),
            (system_columns::START, Cell::Moment(version.start)),
            (system_columns::END, Cell::Moment(version.end)),
        ];
        row.extend(system.map(|(name, cell)| (name.to_owned(), cell)));
        row
    };
    versions.iter().map(row).collect()
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
