//! SQLite cannot change the type of a column or its key, so a table that must is written anew.

use std::collections::BTreeMap;

use engine::{SchemaChange, Table, system_columns};
use rusqlite::{Connection, Result};

use crate::rows;
use crate::statements::{self, Place, identifier};

/// Gone again before the commit.
const REBUILT: &str = "_hasmore_rebuilt";
const MADE_BY_HAND: &str = "SELECT sql FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE \
    AND type IN ('index', 'trigger') AND sql IS NOT NULL";

/// Writes the rows of a table, changed, into one of its new shape that takes its name. Indexes and
/// triggers that were made by hand are made again; views go on.
pub(crate) fn rebuild(
    connection: &Connection,
    namespace: &str,
    before: &Table,
    after: &Table,
    changes: &[&SchemaChange],
) -> Result<()> {
    let place = Place { namespace, table: changes[0].table() };
    let by_hand: Vec<String> = connection
        .prepare(MADE_BY_HAND)?
        .query_map([place.name()], |row| row.get(0))?
        .collect::<Result<_>>()?;
    let mut rows = Selected::all(before);
    for change in changes {
        rows.change(connection, change, before, namespace)?;
    }
    rows.copy(connection, &place.quoted(), REBUILT, after)?;
    let (table, rebuilt) = (place.quoted(), identifier(REBUILT));
    connection
        .execute_batch(&format!("DROP TABLE {table}; ALTER TABLE {rebuilt} RENAME TO {table}"))?;
    by_hand.iter().try_for_each(|statement| connection.execute_batch(statement))
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
        connection: &Connection,
        change: &SchemaChange,
        before: &Table,
        namespace: &str,
    ) -> Result<()> {
        match change {
            SchemaChange::CreateTable { .. } => unreachable!("a table is created whole"),
            SchemaChange::AddColumn { column, .. } => self.set(column, "NULL"),
            SchemaChange::AddSoftDeletes { .. } => self.set(system_columns::DELETED, "FALSE"),
            SchemaChange::WidenColumn { column, from, to, .. } => {
                let name = format!("hasmore_{from}_as_{to}");
                rows::register_widening(connection, &name, *from, *to)?;
                let value = format!("{}({})", identifier(&name), self.columns[column]);
                self.set(column, &value);
            }
            SchemaChange::StartHistory { .. } => self.start_history(),
            SchemaChange::EndHistory { kept_as, table } => {
                let keys = system_columns::key_columns(&before.primary_key);
                let mut older = Selected::all(before);
                let (place, kept) =
                    (Place { namespace, table }.quoted(), Place { namespace, table: kept_as });
                older.condition = statements::is_older(&place, &keys);
                older.copy(connection, &place, &kept.name(), before)?;
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

    /// Each row that is there is a version, since it was last sent; one that is marked ended then
    /// (F-214).
    fn start_history(&mut self) {
        let deleted = self.columns.remove(system_columns::DELETED);
        let deleted = deleted.unwrap_or_else(|| "FALSE".to_owned());
        let open = statements::instant(system_columns::END_MAX);
        let end = format!("iif({deleted}, held._fivetran_synced, {open})");
        self.set(system_columns::ACTIVE, &format!("{deleted} IS NOT TRUE"));
        self.set(system_columns::START, "held._fivetran_synced");
        self.set(system_columns::END, &end);
    }

    fn set(&mut self, column: &str, value: &str) {
        self.columns.insert(column.to_owned(), value.to_owned());
    }

    /// Into a new table.
    fn copy(&self, connection: &Connection, from: &str, to: &str, shape: &Table) -> Result<()> {
        let names = self.columns.keys().map(|name| identifier(name)).collect::<Vec<_>>().join(", ");
        let values = self.columns.values().cloned().collect::<Vec<_>>().join(", ");
        connection.execute_batch(&statements::create_table(to, shape))?;
        connection.execute_batch(&format!(
            "INSERT INTO {} ({names}) SELECT {values} FROM {from} AS held WHERE {}",
            identifier(to),
            self.condition
        ))
    }
}
