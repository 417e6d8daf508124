//! What the policy has held back so far, and what the user has approved since.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::schema::Evidence;

/// Tables, and columns of a table, that are remembered by name; more of them are counted only. Data used
/// as names would otherwise fill the position.
const NAMES_MAX: usize = 1000;

/// What was held back, by the names that the function uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HeldBack {
    pub tables: BTreeMap<String, HeldTable>,
}

/// A table of which something was held back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeldTable {
    /// Rows that were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows: u64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Evidence>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, HeldColumn>,
}

/// A column that was held back: how often, and what its first value was like, never what it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldColumn {
    pub values: u64,
    pub first: Evidence,
}

/// What the user has approved, by the names that the function uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tables: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, BTreeSet<String>>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl HeldBack {
    /// Rows of a table were left out.
    pub(crate) fn rows(&mut self, table: &str, rows: u64, first: impl FnOnce() -> Evidence) {
        if let Some(held) = self.table(table) {
            held.rows += rows;
            held.first.get_or_insert_with(first);
        }
    }

    /// Values of a column were left out.
    pub(crate) fn values(
        &mut self,
        table: &str,
        column: &str,
        values: u64,
        first: impl FnOnce() -> Evidence,
    ) {
        let Some(held) = self.table(table) else { return };
        if let Some(known) = held.columns.get_mut(column) {
            known.values += values;
        } else if held.columns.len() < NAMES_MAX {
            held.columns.insert(column.to_owned(), HeldColumn { values, first: first() });
        }
    }

    fn table(&mut self, name: &str) -> Option<&mut HeldTable> {
        if self.tables.len() >= NAMES_MAX && !self.tables.contains_key(name) {
            return None;
        }
        Some(self.tables.entry(name.to_owned()).or_default())
    }

    /// Takes a table, or one column of it, out of the record; answers whether it was there.
    pub(crate) fn take(&mut self, table: &str, column: Option<&str>) -> bool {
        let Some(held) = self.tables.get_mut(table) else { return false };
        let taken = match column {
            Some(column) => held.columns.remove(column).is_some(),
            None => {
                let taken = held.first.take().is_some();
                held.rows = 0;
                taken
            }
        };
        if held.first.is_none() && held.columns.is_empty() {
            self.tables.remove(table);
        }
        taken
    }
}

impl Approved {
    pub(crate) fn has_table(&self, table: &str) -> bool {
        self.tables.contains(table)
    }

    pub(crate) fn has_column(&self, table: &str, column: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| columns.contains(column))
    }
}
