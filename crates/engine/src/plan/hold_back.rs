//! What the policy leaves out or alters of a page, and the record of it.

use std::sync::Arc;

use protocol::TableName;

use super::{PlanError, Planner, naming};
use crate::Batch;
use crate::columns::{CellValue, PageColumn, PageColumns};
use crate::policy::{self, ColumnPolicy, Policy, SchemaChanges, TableMode, Treatment};
use crate::position::Position;
use crate::run::Run;
use crate::schema::{Evidence, PrimaryKey, Table};
use crate::shape::Features;

/// A table, or a column of it, that the user lets in from now on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Approval {
    pub table: String,
    pub column: Option<String>,
}

impl Batch {
    /// Lets in from now on what the policy has held back. What went by meanwhile is not fetched: that
    /// takes a resync.
    pub fn approve(position: &Position, approvals: &[Approval], run: &Run) -> Batch {
        let mut planner = Planner::new(position, run);
        let leaves = &mut planner.leaves;
        for Approval { table, column } in approvals {
            leaves.held_back.take(table, column.as_deref());
            match column {
                None => {
                    leaves.approved.tables.insert(table.clone());
                }
                Some(column) => {
                    let columns = leaves.approved.columns.entry(table.clone()).or_default();
                    columns.insert(column.clone());
                }
            }
        }
        planner.finish(position.state.clone())
    }
}

impl Planner<'_> {
    /// Whether the rows of a table are left out (F-191 to F-193).
    pub(super) fn is_held_back(&self, source: &str) -> bool {
        if !self.has_policy {
            return false;
        }
        let policy = &self.run.options.policy;
        match policy.table(source) {
            Some(table) => table.block,
            None => {
                policy.schema_changes != SchemaChanges::AllowAll
                    && !self.leaves.approved.has_table(source)
                    && !self
                        .leaves
                        .schema
                        .tables
                        .values()
                        .any(|table| table.sources.contains(source))
                    && !self.is_adopted(source)
            }
        }
    }

    /// Whether a table is one that was adopted, of which no row has come yet.
    fn is_adopted(&self, source: &str) -> bool {
        let name = self.old_table_name(&TableName(source.to_owned()));
        let table = self.leaves.schema.tables.get(&name);
        table.is_some_and(|table| table.sources.is_empty() && table.mode != TableMode::Append)
    }

    /// Whether nothing of a table that is there comes in any more: what is not sent again then says
    /// nothing.
    pub(super) fn is_left_out(&self, table: &Table) -> bool {
        self.has_policy && table.sources.iter().any(|source| self.is_held_back(source))
    }

    /// F-193, Dec-64: counted and dropped; the state goes on.
    pub(super) fn hold_rows_back(&mut self, source: &str, rows: u64) {
        self.held_back.entry(source.to_owned()).or_default().rows += rows;
        let (sync_id, page) = (&self.run.sync_id, self.leaves.pages);
        let first =
            || Evidence { seen: Features::default(), sync_id: sync_id.clone(), page, row: 1 };
        self.leaves.held_back.rows(source, rows, first);
    }

    pub(super) fn count_nulled(&mut self, source: &str) {
        if self.nulled > 0 {
            let nulled = std::mem::take(&mut self.nulled);
            self.held_back.entry(source.to_owned()).or_default().nulled += nulled;
        }
    }

    /// Decides how each column of a page is taken, and records the values that are not.
    pub(super) fn treat(
        &mut self,
        source: &str,
        name: &str,
        table: &Table,
        page: &mut PageColumns<'_>,
    ) -> Result<(), PlanError> {
        if !self.has_policy {
            return Ok(());
        }
        let policy = Arc::clone(&self.run.options.policy);
        self.check_keys(&policy, source, name, table, page)?;
        let known = |column: &str| {
            let column = table.columns.iter().find(|known| known.source == column);
            column.map(|known| known.shape)
        };
        policy::treat(page, known, |column| self.treatment(&policy, source, table, column));
        self.let_in(source, None);
        for column in &page.columns {
            let values = column.cells.iter().filter(|cell| cell.value != CellValue::Null).count();
            if column.treatment == Treatment::HoldBack {
                self.hold_values_back(source, column, values as u64);
            } else if values > 0 {
                self.let_in(source, Some(&column.source));
            }
        }
        Ok(())
    }

    pub(super) fn treatment(
        &self,
        policy: &Policy,
        source: &str,
        table: &Table,
        column: &str,
    ) -> Treatment {
        let decided = policy.table(source).and_then(|table| table.columns.get(column));
        let is_key = self.is_key(table, column);
        match decided {
            Some(ColumnPolicy::Hash) => Treatment::Hash,
            // Keys keep their text, whatever they are locked to (F-185).
            _ if is_key => Treatment::Plain,
            Some(ColumnPolicy::Block) => Treatment::HoldBack,
            Some(ColumnPolicy::Lock(column_type)) => Treatment::Lock(*column_type),
            Some(ColumnPolicy::Allow) => Treatment::Plain,
            None => {
                let is_new = policy.schema_changes == SchemaChanges::BlockAll
                    && !self.leaves.approved.has_column(source, column)
                    && !self.tables_of(source).any(|table| self.has_column(table, column))
                    && !self.tables_of(source).all(|table| self.is_made_by_this_sync(table));
                if is_new { Treatment::HoldBack } else { Treatment::Plain }
            }
        }
    }

    /// Whether a table has a column, one that was adopted by the name that it would get.
    fn has_column(&self, table: &Table, column: &str) -> bool {
        let name = naming::column_name(column, self.run.options.naming);
        table
            .columns
            .iter()
            .any(|known| known.source == column || (known.source.is_empty() && known.name == name))
    }

    /// The table of that name, and the one that is made anew beside it.
    fn tables_of(&self, source: &str) -> impl Iterator<Item = &Table> {
        let tables = self.leaves.schema.tables.values();
        tables.map(Arc::as_ref).filter(move |table| table.sources.contains(source))
    }

    /// A table that is let in comes with the columns that it has in its first sync.
    fn is_made_by_this_sync(&self, table: &Table) -> bool {
        let first = table.columns.first().and_then(|column| column.evidence.first());
        first.is_none_or(|first| first.sync_id == self.run.sync_id)
    }

    fn is_key(&self, table: &Table, column: &str) -> bool {
        let PrimaryKey::Columns(keys) = &table.primary_key else { return false };
        match table.columns.iter().find(|known| known.source == column) {
            Some(known) => keys.contains(&known.name),
            None => keys.contains(&naming::column_name(column, self.run.options.naming)),
        }
    }

    /// F-194; and a key that is hashed from now on would meet none of its rows.
    fn check_keys(
        &self,
        policy: &Policy,
        source: &str,
        name: &str,
        table: &Table,
        page: &PageColumns<'_>,
    ) -> Result<(), PlanError> {
        let columns = policy.table(source).map(|table| &table.columns);
        for column in page.columns.iter().filter(|column| self.is_key(table, &column.source)) {
            let decided = columns.and_then(|columns| columns.get(&column.source));
            let (table_name, column_name) = (name.to_owned(), column.source.clone());
            if decided == Some(&ColumnPolicy::Block) {
                return Err(PlanError::KeyColumnBlocked { table: table_name, column: column_name });
            }
            let hashes = decided == Some(&ColumnPolicy::Hash);
            let known = table.columns.iter().find(|known| known.source == column.source);
            if known.is_some_and(|known| known.hashed != hashes) {
                let was = if hashes { "not hashed" } else { "hashed" };
                return Err(PlanError::KeyHashChanged {
                    table: table_name,
                    column: column_name,
                    was,
                });
            }
        }
        Ok(())
    }

    fn hold_values_back(&mut self, source: &str, column: &PageColumn, values: u64) {
        let Some(first) = column.sightings.first() else { return };
        self.held_back.entry(source.to_owned()).or_default().values += values;
        let (sync_id, page) = (&self.run.sync_id, self.leaves.pages);
        let first = || Evidence {
            seen: first.shape.features,
            sync_id: sync_id.clone(),
            page,
            row: first.row as u64 + 1,
        };
        self.leaves.held_back.values(source, &column.source, values, first);
    }

    /// What was held back comes in from now on; what went by is missing, which the user should know.
    fn let_in(&mut self, source: &str, column: Option<&str>) {
        if self.leaves.held_back.tables.is_empty() || !self.leaves.held_back.take(source, column) {
            return;
        }
        let what = match column {
            Some(column) => format!("table {source:.80}: column {column:.80}"),
            None => format!("table {source:.80}"),
        };
        self.warn(
            "held_back_until_now",
            format!("{what} was held back until now; a resync fetches what went by"),
        );
    }
}
