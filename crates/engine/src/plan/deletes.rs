//! Rows that are named in `delete`, and tables that are swept.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::{Records, TableName};

use super::{PlanError, Planner, missing_key, modes, naming, scan, set_soft_deletes};
use crate::policy::TableMode;
use crate::position::Chain;
use crate::run::{DeleteMode, SoftDeleteTiming};
use crate::schema::{PrimaryKey, Table};

impl Planner<'_> {
    pub(super) fn delete(
        &mut self,
        source: &TableName,
        records: &Records,
        named: &BTreeSet<String>,
    ) -> Result<(), PlanError> {
        if records.is_empty() {
            return Ok(());
        }
        if self.is_held_back(&source.0) {
            self.hold_rows_back(&source.0, records.rows());
            return Ok(());
        }
        if self.is_passed_over(source) {
            return Ok(());
        }
        if self.mode_of(&source.0) == TableMode::Append {
            self.leave_deletes_out(&source.0, records.rows());
            return Ok(());
        }
        let name = self.table_name(source);
        let known = self.leaves.schema.tables.get(&name).cloned();
        let declared = self.leaves.declared_keys.get(&name);
        let old = self.leaves.schema.tables.get(&self.old_table_name(source));
        let old = old.map(|table| &table.primary_key);
        let key = known.as_ref().map(|table| &table.primary_key).or(declared).or(old);
        let Some(PrimaryKey::Columns(keys)) = key else {
            return Err(PlanError::DeleteWithoutPrimaryKey { table: name });
        };
        let keys = keys.clone();
        let text = self.checked_text(records, &name);
        let naming = self.run.options.naming;
        // A table that does not exist yet holds no such row, but the keys must be there all the same.
        let exists = known.is_some();
        let mut table = known.unwrap_or_else(|| {
            Arc::new(Table {
                sources: BTreeSet::new(),
                primary_key: PrimaryKey::Columns(keys.clone()),
                columns: Vec::new(),
                soft_deletes: false,
                mode: TableMode::Upsert,
                version_time: None,
            })
        });
        let is_key =
            |source: &str| match table.columns.iter().find(|column| column.source == source) {
                Some(column) => keys.contains(&column.name),
                None => keys.contains(&naming::column_name(source, naming)),
            };
        let mut page = scan(&text, records, &table, self.run, &is_key);
        self.refuse_non_finite(&name, &page)?;
        self.treat(&source.0, &name, &table, &mut page)?;
        let places = self.evolution(&name).evolve_keys(&mut table, &keys, &page);
        for key in &keys {
            if let Some(row) = missing_key(key, &table, &page, &places) {
                return Err(PlanError::DeleteWithoutKeyValue {
                    table: name,
                    row,
                    column: key.clone(),
                });
            }
        }
        if !exists {
            return Ok(());
        }
        let mode = match table.mode {
            TableMode::Live => DeleteMode::Hard,
            TableMode::History => DeleteMode::Soft,
            _ if named.contains(&name) || self.was_named(&name) => DeleteMode::Soft,
            TableMode::Upsert | TableMode::Append => self.run.options.delete_mode,
        };
        if mode == DeleteMode::Soft && table.mode == TableMode::Upsert {
            set_soft_deletes(&mut table);
        }
        let mut arrays = Vec::with_capacity(keys.len());
        for key in &keys {
            let index = table.columns.iter().position(|column| column.name == *key);
            let index = index.expect("a key that is nowhere null has a column");
            arrays.push(self.build(&name, &table.columns[index], places[index], &page));
        }
        self.table_batch(&name, &table).delete(arrays, mode);
        self.leaves.schema.tables.insert(name, table);
        Ok(())
    }

    /// Gathers the tables to sweep, and sweeps them when the sync ends or the user wants it at once
    /// (Dec-22, Dec-23, Dec-40, Dec-43).
    pub(super) fn name_soft_deletes(&mut self, named: BTreeSet<String>, has_more: bool) -> Chain {
        let synced_at = self.leaves.synced_at;
        let mut chain = self.leaves.chain.take().unwrap_or_default();
        let started_at = *chain.started_at.get_or_insert(synced_at);
        let at_once = self.run.options.soft_delete_timing == SoftDeleteTiming::OnResponse;
        let mut swept: BTreeSet<String> = if at_once { named.clone() } else { BTreeSet::new() };
        chain.soft_delete.extend(named);
        if has_more {
            self.leaves.chain = Some(chain.clone());
        } else {
            swept.extend(chain.soft_delete.iter().cloned());
            if chain.mark_missing {
                let keyed =
                    |table: &Arc<Table>| matches!(table.primary_key, PrimaryKey::Columns(_));
                let tables = self.leaves.schema.tables.iter();
                let missing = tables.filter(|(name, table)| {
                    // Those that are replaced need no marks.
                    let is_read =
                        chain.only.as_ref().is_none_or(|only| only.tables.contains(*name));
                    let is_old = chain.rebuilding.contains(*name);
                    keyed(table) && is_read && !is_old && !self.is_left_out(table)
                });
                swept.extend(missing.map(|(name, _)| name.clone()));
            }
        }
        for (name, table) in &mut self.leaves.schema.tables {
            if table.mode == TableMode::Upsert
                && (chain.soft_delete.contains(name) || swept.contains(name))
            {
                set_soft_deletes(table);
                if let Some(batch) = self.tables.get_mut(name) {
                    batch.set_soft_deletes();
                }
            }
            if swept.contains(name) {
                let policy = &self.run.options.policy;
                let sweep = modes::sweep(name, table, started_at, policy, &self.max_deletes);
                self.sweeps.extend(sweep.map(|sweep| (name.clone(), sweep)));
            }
        }
        chain
    }
}
