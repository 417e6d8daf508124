//! How each table is kept: switched when a sync begins, and heeded by deletes and sweeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{ArrayRef, TimestampMicrosecondArray};

use super::{PlanError, Planner};
use crate::batch::{Sweep, SweepVerb};
use crate::columns::{CellValue, PageColumns};
use crate::contract;
use crate::policy::{Policy, Share, TableMode};
use crate::schema::{Column, PrimaryKey, Table};
use crate::system_columns;
use crate::time::Timestamp;
use crate::value::ColumnType;

impl Planner<'_> {
    /// How the rows of a table are to be kept.
    pub(super) fn mode_of(&self, source: &str) -> TableMode {
        if self.has_policy { self.run.options.policy.mode_of(source) } else { TableMode::Upsert }
    }

    /// Brings tables to the mode that the user wants, with the first page of a sync: within one sync a
    /// table has one mode.
    pub(super) fn switch_modes(&mut self) -> Result<(), PlanError> {
        if !self.has_policy || self.leaves.pages != 1 {
            return Ok(());
        }
        let policy = &self.run.options.policy;
        // One that is made anew gets its mode when it is made.
        let rebuilding = self.leaves.chain.iter().flat_map(|chain| &chain.rebuilding);
        let rebuilding: BTreeSet<&String> = rebuilding.collect();
        for (name, table) in &mut self.leaves.schema.tables {
            if rebuilding.contains(name) {
                continue;
            }
            let Some(wanted) = table.sources.first().map(|source| policy.mode_of(source)) else {
                continue;
            };
            let time = table.sources.iter().find_map(|source| policy.version_time_of(source));
            if wanted != table.mode {
                switch(name, table, wanted)?;
                let time = time.filter(|_| wanted == TableMode::History);
                Arc::make_mut(table).version_time = time.map(str::to_owned);
            } else if wanted == TableMode::History && table.version_time.as_deref() != time {
                return Err(PlanError::VersionTimeChanged { table: name.clone() });
            }
        }
        Ok(())
    }

    /// Since when each row of a page holds, in a table whose versions are timed by a column of the source;
    /// the start of the sync where the row does not say.
    pub(super) fn version_times(
        &self,
        name: &str,
        table: &Table,
        page: &PageColumns<'_>,
    ) -> Result<Option<ArrayRef>, PlanError> {
        let Some(source) = &table.version_time else { return Ok(None) };
        let sync = self.leaves.synced_at.0;
        let mut times = vec![sync; page.rows];
        if let Some(column) = page.columns.iter().find(|column| column.source == *source) {
            for (row, cell) in column.cells.iter().enumerate() {
                if matches!(cell.value, CellValue::Null | CellValue::NonFinite) {
                    continue;
                }
                let Some(time) = contract::temporal_of(*cell, page.text) else {
                    return Err(PlanError::VersionTimeUnreadable {
                        table: name.to_owned(),
                        row: page.number(row),
                        column: super::shorten(source),
                    });
                };
                times[row] = contract::micros(time).unwrap_or(sync);
            }
        }
        let times = TimestampMicrosecondArray::from(times);
        Ok(Some(Arc::new(times.with_data_type(ColumnType::Instant.arrow()))))
    }

    /// Rows of `delete` for a table in which every row is new: there is nothing to delete.
    pub(super) fn leave_deletes_out(&mut self, source: &str, rows: u64) {
        self.held_back.entry(source.to_owned()).or_default().rows += rows;
        self.warn(
            "deletes_left_out",
            format!("table {source:.80}: only appends, so rows of `delete` are left out"),
        );
    }
}

fn switch(name: &str, table: &mut Arc<Table>, wanted: TableMode) -> Result<(), PlanError> {
    let from = table.mode;
    let is_keyless = table.primary_key == PrimaryKey::BatchIndex;
    if (wanted == TableMode::Append || from == TableMode::Append) && !is_keyless {
        return Err(PlanError::TableModeChanged { table: name.to_owned(), from, to: wanted });
    }
    check_key(name, wanted, &table.primary_key)?;
    let is_nested = |column: &Column| column.column_type() == ColumnType::Json;
    let keys = system_columns::key_columns(&table.primary_key);
    if wanted == TableMode::History
        && keys.iter().any(|key| table.column(key).is_some_and(is_nested))
    {
        return Err(PlanError::HistoryWithoutPrimaryKey { table: name.to_owned() });
    }
    let table = Arc::make_mut(table);
    table.mode = wanted;
    match (from, wanted) {
        // What was marked is in the columns of versions.
        (_, TableMode::History) => table.soft_deletes = false,
        (TableMode::History, _) => table.soft_deletes = true,
        _ => {}
    }
    Ok(())
}

/// Versions are told apart by a key.
pub(super) fn check_key(name: &str, mode: TableMode, key: &PrimaryKey) -> Result<(), PlanError> {
    if mode == TableMode::History && !matches!(key, PrimaryKey::Columns(_)) {
        return Err(PlanError::HistoryWithoutPrimaryKey { table: name.to_owned() });
    }
    Ok(())
}

/// The sweep of a table, of no more than the user decided, or else the function `told`; none where every
/// row is new for good.
pub(super) fn sweep(
    name: &str,
    table: &Table,
    before: Timestamp,
    policy: &Policy,
    told: &BTreeMap<String, Share>,
) -> Option<Sweep> {
    let verb = match table.mode {
        TableMode::Upsert => SweepVerb::Mark,
        TableMode::Live => SweepVerb::Remove,
        TableMode::History => SweepVerb::Close,
        TableMode::Append => return None,
    };
    let source = table.sources.first();
    let max_share =
        source.and_then(|source| policy.max_deletes_of(source, told.get(source).copied()));
    Some(Sweep { table: name.to_owned(), before, verb, max_share })
}
