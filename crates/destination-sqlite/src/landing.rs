//! One batch inside its transaction: changes, rows, sweeps.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use engine::{
    Batch, ColumnType, Counts, DestinationError, Landed, PrimaryKey, Schema, SchemaChange,
    TableBatch, TableMode, system_columns,
};
use rusqlite::{Result, Row};
use sql::Arrived;

use crate::destination::{Sqlite, of};
use crate::rows;
use crate::statements::{self, Dialect, STAGED};
use crate::unique::Kept;

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
        let mut landed = Landed::default();
        let mut kept: BTreeMap<&str, Kept> = BTreeMap::new();
        for table in batch.tables() {
            let name = table.table().to_owned();
            let found = self.find_kept(table).map_err(of(format!("looking at table {name}")))?;
            kept.insert(table.table(), found);
            let counts =
                self.write_table(table, batch).map_err(of(format!("writing table {name}")))?;
            landed.tables.insert(name, counts);
        }
        let tables = &batch.leaves().schema().tables;
        for sweep in batch.sweeps().filter(|sweep| tables.contains_key(&sweep.table)) {
            let table = self.quoted(&sweep.table);
            let counted = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let count = sql::count_swept(Dialect, &table, sweep);
            let counted = self.connection.query_row(&count, [], counted);
            let (swept, live) = counted.map_err(of(format!("sweeping {table}")))?;
            sweep.check(swept, live)?;
            self.run(&sql::sweep(Dialect, &table, sweep, batch.synced_at()))?;
            landed.tables.entry(sweep.table.clone()).or_default().swept += swept;
        }
        for table in batch.tables() {
            self.check_unique(table, &kept[table.table()])?;
        }
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

    /// Upserts, then deletes: a key with both ends deleted (F-116).
    fn write_table(&self, table: &TableBatch, batch: &Batch) -> Result<Counts> {
        let (is_history, at) = (table.mode() == TableMode::History, batch.synced_at());
        let mut counts = Counts::default();
        self.arrived(table, table.columns(), &table.upserts(), |sent, arrived| {
            if is_history {
                let written =
                    arrived.history(table.is_timed(), at).map(|statement| self.count(&statement));
                let [first, second, third, fourth, fifth] = written;
                let written = [first?, second?, third?, fourth?, fifth?];
                counts = sql::history_counts(table.is_timed(), written);
                return Ok(());
            }
            if *table.primary_key() == PrimaryKey::BatchIndex {
                counts.inserted = self.count(&arrived.insert())?;
                return Ok(());
            }
            counts.updated = self.count(&arrived.update())?;
            counts.inserted = self.count(&arrived.insert_new())?;
            counts.unchanged = sent - counts.updated - counts.inserted;
            self.count(&arrived.touch(at)).map(|_| ())
        })?;
        let keys = table.key_types();
        self.arrived(table, &keys, &table.marks(), |_, arrived| {
            if is_history {
                counts.deleted = self.count(&arrived.end_versions(at))?;
                return Ok(());
            }
            counts.deleted =
                self.connection.query_row(&arrived.count_live(), [], |row| row.get(0))?;
            self.count(&arrived.mark(at)).map(|_| ())
        })?;
        self.arrived(table, &keys, &table.removals(), |_, arrived| {
            counts.deleted += self.count(&arrived.remove())?;
            Ok(())
        })?;
        Ok(counts)
    }

    /// Brings rows to where statements find them, and says how many there are; does nothing where there are
    /// none.
    pub(crate) fn arrived(
        &self,
        table: &TableBatch,
        columns: &[(String, ColumnType)],
        chunks: &[RecordBatch],
        write: impl FnOnce(u64, Arrived<'_, Dialect>) -> Result<()>,
    ) -> Result<()> {
        if chunks.is_empty() {
            return Ok(());
        }
        let (keys, name) = (table.key_columns(), self.quoted(table.table()));
        self.connection.execute_batch(&statements::create_staged(columns))?;
        let sent = rows::insert(&self.connection, STAGED, columns, chunks)?;
        let soft_deletes = table.soft_deletes() && table.mode() != TableMode::History;
        let (table, rows, keys) = (&*name, STAGED, &*keys);
        write(sent, Arrived { dialect: Dialect, table, rows, columns, keys, soft_deletes })
    }

    /// Runs a statement; answers how many rows it wrote.
    fn count(&self, statement: &str) -> Result<u64> {
        Ok(self.connection.execute(statement, [])? as u64)
    }
}
