//! Whether tables are as the last commit left them: what we did not make is not ours to write to.

use std::collections::{BTreeMap, BTreeSet};

use crate::batch::Batch;
use crate::destination::DestinationError;
use crate::position::Position;
use crate::schema::{Schema, SchemaChange, Table};
use crate::value::ColumnType;

/// A table as it is found: its columns, with their types as the destination itself prints them.
pub type HeldColumns = BTreeMap<String, String>;

/// Refuses a connection whose tables are in another namespace: the tables would be made again there.
///
/// # Errors
/// `namespace_changed`.
pub fn check_namespace(
    connection: &str,
    stored: &str,
    namespace: &str,
) -> Result<(), DestinationError> {
    if stored == namespace {
        return Ok(());
    }
    Err(DestinationError::Refused {
        code: "namespace_changed",
        message: format!(
            "the tables of connection {connection} are in schema {stored}, not {namespace}"
        ),
        hint: "a connection keeps its schema: give it back, or sync under another connection name"
            .to_owned(),
    })
}

impl Batch {
    /// Refuses a batch that was planned on another position than the one that is stored.
    ///
    /// # Errors
    /// [`DestinationError::Moved`].
    pub fn check_lands_on(&self, stored: &Position) -> Result<(), DestinationError> {
        let (expected, found) = (self.after, stored.ordinal());
        if expected == found { Ok(()) } else { Err(DestinationError::Moved { expected, found }) }
    }

    /// The tables that the batch changes, writes to, or sweeps.
    pub fn touched(&self) -> BTreeSet<&str> {
        let tables = self.tables.keys().chain(self.sweeps.keys()).map(String::as_str);
        tables.chain(self.changes.iter().map(SchemaChange::table)).collect()
    }

    /// Refuses the batch where it touches a table that is not as it was left, or would make one that is
    /// there already (Dec-59, F-199). `before` is what the destination holds by its own account, `held`
    /// what has a table's name there, if anything has.
    ///
    /// # Errors
    /// `table_changed_by_hand`, `unmanaged_table`, and those of `held`.
    pub fn check_as_left(
        &self,
        before: &Schema,
        print: impl Fn(ColumnType) -> String,
        mut held: impl FnMut(&str) -> Result<Option<HeldColumns>, DestinationError>,
    ) -> Result<(), DestinationError> {
        for name in self.touched() {
            match (before.tables.get(name), held(name)?) {
                (Some(known), found) => {
                    let difference =
                        self.difference(name, known, &found.unwrap_or_default(), &print);
                    difference.map_or(Ok(()), |what| Err(changed_by_hand(name, &what)))?;
                }
                (None, Some(_)) if self.creates(name) => return Err(unmanaged(name)),
                (None, _) => {}
            }
        }
        Ok(())
    }

    fn creates(&self, name: &str) -> bool {
        let creates = |change: &SchemaChange| matches!(change, SchemaChange::CreateTable { table, .. } if table == name);
        self.changes.iter().any(creates)
    }

    fn difference(
        &self,
        name: &str,
        known: &Table,
        held: &HeldColumns,
        print: impl Fn(ColumnType) -> String,
    ) -> Option<String> {
        if held.is_empty() {
            return Some("it is gone".to_owned());
        }
        for (column, column_type) in known.all_columns() {
            let expected = print(column_type);
            match held.get(&column) {
                None => return Some(format!("column {column} is gone")),
                Some(found) if *found != expected => {
                    return Some(format!("column {column} is {found}, not {expected}"));
                }
                Some(_) => {}
            }
        }
        let changes = self.changes.iter().filter(|change| change.table() == name);
        let mut added = changes.flat_map(SchemaChange::added_columns);
        let added = added.find(|added| held.contains_key(*added))?;
        Some(format!("a column {added} was added"))
    }
}

fn changed_by_hand(table: &str, what: &str) -> DestinationError {
    DestinationError::Refused {
        code: "table_changed_by_hand",
        message: format!("table {table} is not as it was left: {what}"),
        hint: "undo the change by hand, or drop the table and resync into another schema"
            .to_owned(),
    }
}

fn unmanaged(table: &str) -> DestinationError {
    DestinationError::Refused {
        code: "unmanaged_table",
        message: format!("table {table} is there already, and was not made by this connection"),
        hint: "sync into another schema, or rename or drop that table".to_owned(),
    }
}
