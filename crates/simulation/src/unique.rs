//! Columns of the in-memory destination of which no two live rows may have one value.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Batch, DestinationError, TableBatch, TableMode, Twin, system_columns};

use crate::cell::Cell;
use crate::memory::Database;
use crate::table::Table;

/// The places of the upserts whose key had the same value before, by table and column.
pub(crate) type Kept = BTreeMap<(String, String), BTreeSet<u64>>;

impl Database {
    pub(crate) fn find_kept(&self, batch: &Batch) -> Result<Kept, DestinationError> {
        let mut kept = Kept::new();
        for rows in batch.tables() {
            for column in rows.unique() {
                let Some(table) = self.tables.get(rows.table()) else { continue };
                let had_it = table.live_by_key(rows, column, false)?;
                let upserts = table.values_of(rows, column, false)?;
                let places = upserts.into_iter().zip(0..);
                let places = places.filter(|((key, value), _)| had_it.get(key) == Some(value));
                let places = places.map(|(_, place)| place).collect();
                kept.insert((rows.table().to_owned(), column.clone()), places);
            }
        }
        Ok(kept)
    }

    pub(crate) fn check_unique(&self, batch: &Batch, kept: &Kept) -> Result<(), DestinationError> {
        for rows in batch.tables() {
            for column in rows.unique() {
                let Some(table) = self.tables.get(rows.table()) else { continue };
                let kept = &kept[&(rows.table().to_owned(), column.clone())];
                rows.check_unique(column, &table.twins(rows, column, kept)?)?;
            }
        }
        Ok(())
    }
}

impl Table {
    fn twins(
        &self,
        rows: &TableBatch,
        column: &str,
        kept: &BTreeSet<u64>,
    ) -> Result<Vec<Twin>, DestinationError> {
        let upserts = self.values_of(rows, column, rows.is_timed())?.into_iter().zip(0..);
        let places: BTreeMap<Vec<Cell>, u64> =
            upserts.map(|((key, _), place)| (key, place)).collect();
        let mut groups: BTreeMap<Cell, Vec<Option<u64>>> = BTreeMap::new();
        for (key, value) in self.live_by_key(rows, column, rows.is_timed())? {
            if value != Cell::Null {
                groups.entry(value).or_default().push(places.get(&key).copied());
            }
        }
        let mut twins = Vec::new();
        for (group, places) in (0..).zip(groups.values()).filter(|(_, places)| places.len() > 1) {
            let is_held = places.contains(&None);
            for place in places.iter().flatten().copied() {
                twins.push(Twin { place, group, is_held, had_it: kept.contains(&place) });
            }
        }
        Ok(twins)
    }

    /// The key of a row; with the start of its version where the source says it.
    fn version_key(&self, row: &[Cell], is_timed: bool) -> Vec<Cell> {
        let start = self.index_of(system_columns::START).filter(|_| is_timed);
        let start = start.map(|start| row[start].clone());
        self.key_of(row).into_iter().chain(start).collect()
    }

    /// The value of each live row, by its key.
    fn live_by_key(
        &self,
        rows: &TableBatch,
        column: &str,
        is_timed: bool,
    ) -> Result<BTreeMap<Vec<Cell>, Cell>, DestinationError> {
        let value = self.there(column)?;
        let is_live = |row: &[Cell]| match rows.mode() {
            TableMode::History => {
                let active = self.index_of(system_columns::ACTIVE);
                active.is_none_or(|active| row[active] == Cell::Boolean(true))
            }
            _ => {
                let deleted = self.index_of(system_columns::DELETED);
                deleted.is_none_or(|deleted| row[deleted] != Cell::Boolean(true))
            }
        };
        let live = self.rows.iter().filter(|row| is_live(row));
        Ok(live.map(|row| (self.version_key(row, is_timed), row[value].clone())).collect())
    }

    /// The key and the value of each upsert, in their order.
    fn values_of(
        &self,
        rows: &TableBatch,
        column: &str,
        is_timed: bool,
    ) -> Result<Vec<(Vec<Cell>, Cell)>, DestinationError> {
        let value = self.there(column)?;
        let mut values = Vec::new();
        for chunk in rows.upserts() {
            for row in self.rows_of(&chunk)? {
                values.push((self.version_key(&row, is_timed), row[value].clone()));
            }
        }
        Ok(values)
    }
}
