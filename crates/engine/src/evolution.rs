//! A page makes its table grow: new columns, wider shapes, and the evidence for both.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::{SyncId, Warning};

use crate::columns::{PageColumn, PageColumns};
use crate::naming;
use crate::policy::Treatment;
use crate::run::Naming;
use crate::schema::{Column, Evidence, Table};
use crate::shape::Shape;

/// Where a page's rows come from, for names, evidence and warnings.
pub(crate) struct Evolution<'a> {
    pub(crate) table: &'a str,
    pub(crate) naming: Naming,
    pub(crate) sync_id: &'a SyncId,
    /// Of its sync, from 1.
    pub(crate) page: u64,
    pub(crate) warnings: &'a mut Vec<Warning>,
}

/// For each column of a table, its place among the columns of a page.
pub(crate) type Places = Vec<Option<usize>>;

impl Evolution<'_> {
    /// Grows the table to cover the page; one that does so already stays the same.
    pub(crate) fn evolve(&mut self, table: &mut Arc<Table>, page: &PageColumns<'_>) -> Places {
        let mut places: Places = vec![None; table.columns.len()];
        let mut taken = None;
        for (place, seen) in page.columns.iter().enumerate() {
            if seen.repeated {
                self.warn(
                    "duplicate_key",
                    &seen.source,
                    "is named twice in a row; the last value counts",
                );
            }
            if seen.treatment == Treatment::HoldBack {
                continue;
            }
            if let Some(index) = find(table, place, |column| column.source == seen.source)
                .or_else(|| self.claim(table, &seen.source))
            {
                places[index] = Some(place);
                self.grow_to_cover(table, index, seen);
                let hashed = seen.treatment == Treatment::Hash;
                if table.columns[index].hashed != hashed && seen.shape.column_type().is_some() {
                    Arc::make_mut(table).columns[index].hashed = hashed;
                }
            } else if let Some(name) =
                self.new_name(seen, taken.get_or_insert_with(|| names_of(table)))
            {
                Arc::make_mut(table).columns.push(self.new_column(name, seen));
                places.push(Some(place));
            }
        }
        places
    }

    /// As [`Evolution::evolve`], for the key columns of rows to delete; their other fields are not kept.
    ///
    /// A key may be spelled otherwise than in `insert` (`orderId`, `order_id`), so names decide (Dec-48).
    pub(crate) fn evolve_keys(
        &mut self,
        table: &mut Arc<Table>,
        keys: &BTreeSet<String>,
        page: &PageColumns<'_>,
    ) -> Places {
        let mut places: Places = vec![None; table.columns.len()];
        for (place, seen) in page.columns.iter().enumerate() {
            let name = naming::column_name(&seen.source, self.naming);
            let index = find(table, place, |column| column.source == seen.source)
                .or_else(|| find(table, place, |column| column.name == name));
            let has_values = seen.shape.column_type().is_some();
            match index {
                Some(index) if has_values && keys.contains(&table.columns[index].name) => {
                    places[index] = Some(place);
                    self.grow_to_cover(table, index, seen);
                }
                None if has_values && keys.contains(&name) => {
                    Arc::make_mut(table).columns.push(self.new_column(name, seen));
                    places.push(Some(place));
                }
                _ => {}
            }
        }
        places
    }

    /// A column that was adopted is known by its name alone, until the rows name one that becomes it.
    fn claim(&self, table: &mut Arc<Table>, source: &str) -> Option<usize> {
        if table.columns.iter().all(|column| !column.source.is_empty()) {
            return None;
        }
        let name = naming::column_name(source, self.naming);
        let index = table
            .columns
            .iter()
            .position(|column| column.source.is_empty() && column.name == name)?;
        source.clone_into(&mut Arc::make_mut(table).columns[index].source);
        Some(index)
    }

    /// The name of a column that is not known yet: none for one that is reserved (Dec-44) or has only
    /// nulls (F-160).
    fn new_name(&mut self, seen: &PageColumn, taken: &mut BTreeSet<String>) -> Option<String> {
        let wanted = naming::column_name(&seen.source, self.naming);
        if naming::is_reserved(&wanted) {
            self.warn("reserved_column", &seen.source, "has a name that is ours; it is left out");
            return None;
        }
        seen.shape.column_type()?;
        let free = naming::free_name(wanted.clone(), taken);
        if free != wanted {
            self.warn(
                "columns_renamed",
                &seen.source,
                &format!("is kept as {free}, since {wanted} is taken"),
            );
        }
        taken.insert(free.to_lowercase());
        Some(free)
    }

    fn new_column(&self, name: String, seen: &PageColumn) -> Column {
        let source = seen.source.clone();
        let hashed = seen.treatment == Treatment::Hash;
        let mut column =
            Column { name, source, shape: Shape::default(), evidence: Vec::new(), hashed };
        self.grow(&mut column, seen);
        column
    }

    fn grow_to_cover(&self, table: &mut Arc<Table>, index: usize, seen: &PageColumn) {
        let known = table.columns[index].shape;
        if known.join(seen.shape) != known {
            self.grow(&mut Arc::make_mut(table).columns[index], seen);
        }
    }

    /// Joins what was seen into the column's shape, and keeps the sightings that changed its type.
    fn grow(&self, column: &mut Column, seen: &PageColumn) {
        for sighting in &seen.sightings {
            let joined = column.shape.join(sighting.shape);
            if joined.column_type() != column.shape.column_type() {
                let new = sighting.shape.features.minus(column.shape.features);
                column.evidence.push(Evidence {
                    seen: if new.is_empty() { sighting.shape.features } else { new },
                    sync_id: self.sync_id.clone(),
                    page: self.page,
                    row: sighting.row as u64 + 1,
                });
            }
            column.shape = joined;
        }
    }

    fn warn(&mut self, code: &'static str, column: &str, what: &str) {
        let message = format!("table {}: column {column:.80} {what}", self.table);
        self.warnings.push(Warning::new(code, message));
    }
}

/// The names that a new column cannot have: names that differ only in case are one in SQL.
fn names_of(table: &Table) -> BTreeSet<String> {
    table.columns.iter().map(|column| column.name.to_lowercase()).collect()
}

/// The column that is `wanted`; pages list known columns in the table's order, so `guess` is right as a rule.
fn find(table: &Table, guess: usize, wanted: impl Fn(&Column) -> bool) -> Option<usize> {
    match table.columns.get(guess) {
        Some(column) if wanted(column) => Some(guess),
        _ => table.columns.iter().position(wanted),
    }
}
