//! SQLite cannot change the type of a column or its key, so a table that must is written anew.

use std::collections::BTreeMap;

use engine::{HeldColumns, SchemaChange, Table, system_columns};
use rusqlite::{Connection, Result};

use crate::destination::Sqlite;
use crate::rows;
use crate::statements::{self, Dialect, identifier, table_name};

/// Gone again before the commit.
const REBUILT: &str = "_hasmore_rebuilt";
const MADE_BY_HAND: &str = "SELECT sql FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE \
    AND type IN ('index', 'trigger') AND sql IS NOT NULL";

impl Sqlite {
    /// Writes the rows of a table, changed, into one of its new shape that takes its name. Columns,
    /// indexes and triggers that were made by hand are made again; views go on.
    pub(crate) fn rebuild(
        &self,
        before: &Table,
        after: &Table,
        changes: &[&SchemaChange],
    ) -> Result<()> {
        let (file, name) = (&self.connection, changes[0].table());
        let mut by_hand = file.prepare(MADE_BY_HAND)?;
        let by_hand = by_hand
            .query_map([table_name(&self.namespace, name)], |row| row.get(0))?
            .collect::<Result<Vec<String>>>()?;
        let mut rows = Selected::all(before);
        let mut added = self.held_columns(name)?;
        added.retain(|name, _| !rows.columns.contains_key(name));
        changes.iter().try_for_each(|change| rows.change(self, change, before, after))?;
        file.execute_batch(&statements::create_table(REBUILT, after))?;
        for (name, declared) in &added {
            let column = identifier(name);
            let add = format!("ALTER TABLE {REBUILT} ADD COLUMN {column} {declared}");
            file.execute_batch(&add)?;
            rows.set(name, &format!("held.{column}"));
        }
        let table = self.quoted(name);
        rows.copy(file, &table, REBUILT)?;
        file.execute_batch(&format!(
            "DROP TABLE {table}; ALTER TABLE {REBUILT} RENAME TO {table}"
        ))?;
        by_hand.iter().try_for_each(|statement| file.execute_batch(statement))
    }

    /// The columns of a table with their declared types; none where it is not there.
    pub(crate) fn held_columns(&self, table: &str) -> Result<HeldColumns> {
        let query = "SELECT name, type FROM pragma_table_info(?1)";
        let name = table_name(&self.namespace, table);
        let mut statement = self.connection.prepare(query)?;
        statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }
}

/// Rows of a table: for each column what it says, and a condition.
struct Selected {
    columns: BTreeMap<String, String>,
    condition: String,
}

impl Selected {
    fn all(table: &Table) -> Selected {
        let columns = table.all_columns().into_iter();
        let columns =
            columns.map(|(name, _)| (name.clone(), format!("held.{}", identifier(&name))));
        Selected { columns: columns.collect(), condition: "TRUE".to_owned() }
    }

    fn change(
        &mut self,
        sqlite: &Sqlite,
        change: &SchemaChange,
        before: &Table,
        after: &Table,
    ) -> Result<()> {
        match change {
            SchemaChange::CreateTable { .. } => unreachable!("a table is created whole"),
            SchemaChange::AddColumn { column, .. } => self.set(column, "NULL"),
            SchemaChange::AddSoftDeletes { .. } => self.set(system_columns::DELETED, "FALSE"),
            SchemaChange::WidenColumn { column, from, to, .. } => {
                let name = format!("hasmore_{from}_as_{to}");
                rows::register_widening(&sqlite.connection, &name, *from, *to)?;
                let value = format!("{}({})", identifier(&name), self.columns[column]);
                self.set(column, &value);
            }
            SchemaChange::StartHistory { .. } => {
                let time = before.time_column(after);
                let values = sql::first_version(Dialect, before.soft_deletes, time);
                self.columns.remove(system_columns::DELETED);
                for ((column, _), value) in system_columns::OF_HISTORY.iter().zip(&values) {
                    self.set(column, value);
                }
            }
            SchemaChange::EndHistory { kept_as, table } => {
                let keys = before.key_types();
                let [table, kept] = [table, kept_as].map(|name| sqlite.quoted(name));
                let mut older = Selected::all(before);
                older.condition = sql::is_older(Dialect, &table, &keys);
                sqlite.connection.execute_batch(&statements::create_table(&kept, before))?;
                older.copy(&sqlite.connection, &table, &kept)?;
                self.condition = format!("NOT {}", older.condition);
                self.set(system_columns::DELETED, "NOT held._fivetran_active");
                for (name, _) in system_columns::OF_HISTORY {
                    self.columns.remove(name);
                }
            }
            SchemaChange::RemoveDeleted { .. } => {
                let live = format!(" AND ({}) IS NOT TRUE", self.columns[system_columns::DELETED]);
                self.condition.push_str(&live);
            }
        }
        Ok(())
    }

    fn set(&mut self, column: &str, value: &str) {
        self.columns.insert(column.to_owned(), value.to_owned());
    }

    fn copy(&self, connection: &Connection, from: &str, to: &str) -> Result<()> {
        let names = self.columns.keys().map(|name| identifier(name)).collect::<Vec<_>>().join(", ");
        let values = self.columns.values().cloned().collect::<Vec<_>>().join(", ");
        let condition = &self.condition;
        connection.execute_batch(&format!(
            "INSERT INTO {to} ({names}) SELECT {values} FROM {from} AS held WHERE {condition}"
        ))
    }
}
