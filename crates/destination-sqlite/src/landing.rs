//! One batch inside its transaction: changes, rows, sweeps.

use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use engine::{Batch, ColumnType, DestinationError, Landed, Schema, SchemaChange, system_columns};
use rusqlite::{Error, Result, Row};
use sql::Database;

use crate::destination::{Sqlite, of};
use crate::rows;
use crate::statements::{self, Dialect, ROW_ID, STAGED};

impl Sqlite {
    /// Writes everything but the position. `before` is what the file holds by its own account.
    pub(crate) fn land(&self, batch: &Batch, before: &Schema) -> Result<Landed, DestinationError> {
        batch.check_as_left(before, statements::sql_type, |table| {
            let held = self.held_columns(table).map_err(of("looking at the tables"))?;
            Ok((!held.is_empty()).then_some(held))
        })?;
        let changes = batch.changes();
        for name in changes.iter().map(SchemaChange::table).collect::<BTreeSet<_>>() {
            let done = self.change(batch, before, &changes, name);
            done.map_err(of(format!("changing table {name}")))?;
        }
        let landed = sql::land(&Tables(self), batch)?;
        for replacement in batch.replacements() {
            let made = self.quoted(&replacement.made);
            let Some(table) = &replacement.table else {
                self.run(&format!("DROP TABLE {made}"))?;
                continue;
            };
            let table = self.quoted(table);
            self.run(&format!(
                "DROP TABLE IF EXISTS {table}; ALTER TABLE {made} RENAME TO {table}"
            ))?;
        }
        Ok(landed)
    }

    /// Evolves one table.
    fn change(
        &self,
        batch: &Batch,
        before: &Schema,
        changes: &[SchemaChange],
        name: &str,
    ) -> Result<()> {
        let (quoted, after) = (self.quoted(name), batch.table(name));
        let Some(before) = before.tables.get(name) else {
            return self.connection.execute_batch(&statements::create_table(&quoted, after));
        };
        let changes: Vec<_> = changes.iter().filter(|change| change.table() == name).collect();
        let added = changes.iter().map(|change| match change {
            SchemaChange::AddColumn { column, column_type, .. } => Some((&**column, *column_type)),
            SchemaChange::AddSoftDeletes { .. } => {
                Some((system_columns::DELETED, ColumnType::Boolean))
            }
            _ => None,
        });
        let Some(added) = added.collect::<Option<Vec<_>>>() else {
            return self.rebuild(before, after, &changes);
        };
        added.into_iter().try_for_each(|(column, kind)| {
            let column = statements::column(column, kind);
            self.connection.execute_batch(&format!("ALTER TABLE {quoted} ADD COLUMN {column}"))
        })
    }
}

/// The file, as statements are run in it.
struct Tables<'a>(&'a Sqlite);

impl Database for Tables<'_> {
    type Dialect = Dialect;
    type Error = Error;

    const DIALECT: Dialect = Dialect;
    const ROWS: &'static str = STAGED;
    const PLACE: (&'static str, u64) = (ROW_ID, 1);

    fn quoted(&self, table: &str) -> String {
        self.0.quoted(table)
    }

    fn stage(&self, columns: &[(String, ColumnType)], chunks: Vec<RecordBatch>) -> Result<()> {
        self.0.connection.execute_batch(&statements::create_staged(columns))?;
        rows::insert(&self.0.connection, STAGED, columns, &chunks).map(|_| ())
    }

    fn execute(&self, statement: &str) -> Result<u64> {
        Ok(self.0.connection.execute(statement, [])? as u64)
    }

    fn numbers(&self, query: &str) -> Result<Vec<Vec<u64>>> {
        let mut statement = self.0.connection.prepare(query)?;
        let columns = statement.column_count();
        let numbers = |row: &Row<'_>| (0..columns).map(|column| row.get(column)).collect();
        statement.query_map([], numbers)?.collect()
    }

    fn failure(error: Error, doing: &str) -> DestinationError {
        of(doing)(error)
    }
}
