//! A manifest that reads a given range of the past, and leaves the cursors of its tables alone.

use std::collections::BTreeSet;

use super::{CursorConfig, CursorKind, Manifest, TableConfig};
use crate::cursor::CursorValue;

/// The values of cursors that are read, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: String,
    pub(crate) until: Option<String>,
}

impl Manifest {
    /// The same API, read from one value of its cursors up to another, both included: the tables that
    /// have a cursor, what they are read for, and what is read for their rows. What a sync has reached
    /// stays as it is.
    ///
    /// # Errors
    /// Why this cannot be: no table has a cursor, a value is none, or rows without a key would be there
    /// twice.
    pub fn between(&self, from: &str, until: Option<&str>) -> Result<Manifest, String> {
        if self.state.is_some() {
            return Err("a flat `state` has no room for the position in a range".into());
        }
        let wanted = self.tables_of_a_range();
        if wanted.is_empty() {
            return Err("no table has a `cursor` with a `field` whose values have an order".into());
        }
        let mut manifest = self.with_parents_asked_for();
        manifest.tables.retain(|name, _| wanted.contains(name));
        for (name, table) in &mut manifest.tables {
            if table.primary_key.as_ref().is_none_or(|key| key.0.is_empty()) {
                return Err(format!(
                    "the table {name:.60} has no `primary_key`: rows that are read again would be there twice"
                ));
            }
            // A range shows only some rows, and a feed of deletes is not about it.
            if let Some(deletes) = &mut table.deletes {
                (deletes.sweep, deletes.max_deletes, deletes.feed) = (false, None, None);
            }
            if let Some(cursor) = &mut table.cursor {
                cursor
                    .read_between(from, until)
                    .map_err(|error| format!("table {name:.60}: {error}"))?;
            }
        }
        manifest.range = Some(Range { from: from.to_owned(), until: until.map(str::to_owned) });
        Ok(manifest)
    }

    fn tables_of_a_range(&self) -> BTreeSet<String> {
        let has_order = |table: &TableConfig| {
            let cursor = table.cursor.as_ref();
            cursor.is_some_and(|cursor| cursor.kind() != CursorKind::Opaque)
        };
        let mut wanted = BTreeSet::new();
        for name in self.tables.keys() {
            let above = self.with_parents(name);
            // From the innermost table that has a cursor outwards all are parents, and inwards children.
            if above.iter().any(|name| has_order(&self.tables[*name])) {
                wanted.extend(above.into_iter().map(str::to_owned));
            }
        }
        wanted
    }

    fn parent_of(&self, name: &str) -> Option<&str> {
        self.tables.get(name)?.for_each.as_ref()?.table()
    }

    /// A table and those that it is read for.
    fn with_parents<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        let mut names = vec![name];
        let mut at = name;
        while let Some(parent) = self.parent_of(at) {
            names.push(parent);
            at = parent;
        }
        names
    }
}

impl CursorConfig {
    fn read_between(&mut self, from: &str, until: Option<&str>) -> Result<(), String> {
        let kind = self.kind();
        for value in [Some(from), until].into_iter().flatten() {
            CursorValue::read(value, kind)
                .map_err(|error| format!("its cursor cannot go from or up to that: {error}"))?;
        }
        self.kind = Some(kind);
        self.start = Some(from.to_owned());
        self.lookback = None;
        self.range_end = until.map(str::to_owned);
        Ok(())
    }
}
