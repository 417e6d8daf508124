//! One batch inside its transaction: changes, rows, sweeps.

use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use engine::{
    Batch, ColumnType, Counts, DestinationError, HeldColumns, Landed, PrimaryKey, Schema,
    SchemaChange, TableBatch, TableMode, system_columns,
};
use rusqlite::{Connection, Result};

use crate::destination::of;
use crate::rebuild::rebuild;
use crate::rows::Rows;
use crate::statements::{
    self, CLOSE_VERSION, END_VERSION, INSERT, INSERT_VERSION, MARK, Place, REMOVE, REMOVE_VERSIONS,
    REOPEN_VERSIONS, RowStatements, STAMP, TOUCH, TOUCH_VERSION, UPDATE,
};

/// A transaction under way for one connection.
pub(crate) struct Landing<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) namespace: &'a str,
    /// What the destination holds by its own account.
    pub(crate) before: &'a Schema,
}

impl Landing<'_> {
    /// Writes everything but the position.
    pub(crate) fn land(&self, batch: &Batch) -> Result<Landed, DestinationError> {
        batch.check_as_left(self.before, statements::sql_type, |table| {
            self.describe(table).map_err(of("looking at the tables"))
        })?;
        let changes = batch.changes();
        for name in changes.iter().map(SchemaChange::table).collect::<BTreeSet<_>>() {
            let changed = self.change(batch, &changes, name);
            changed.map_err(of(format!("changing table {name}")))?;
        }
        let mut landed = Landed::default();
        for table in batch.tables() {
            let name = table.table().to_owned();
            let counts = self.write(table, batch).map_err(of(format!("writing table {name}")))?;
            landed.tables.insert(name, counts);
        }
        for sweep in batch.sweeps() {
            if !batch.leaves().schema().tables.contains_key(&sweep.table) {
                continue;
            }
            let failed = of(format!("sweeping table {}", sweep.table));
            let (count, delete) =
                statements::sweep(self.place(&sweep.table), sweep, batch.synced_at());
            let number = |row: &rusqlite::Row<'_>, column| row.get(column).map(i64::unsigned_abs);
            let counted =
                self.connection.query_row(&count, [], |row| Ok((number(row, 0)?, number(row, 1)?)));
            let (swept, live) = counted.map_err(&failed)?;
            sweep.check(swept, live)?;
            self.connection.execute(&delete, []).map_err(&failed)?;
            landed.tables.entry(sweep.table.clone()).or_default().swept += swept;
        }
        for replacement in batch.replacements() {
            let made = self.place(&replacement.made).quoted();
            let statements = match &replacement.table {
                None => format!("DROP TABLE {made}"),
                Some(table) => {
                    let table = self.place(table).quoted();
                    format!("DROP TABLE {table}; ALTER TABLE {made} RENAME TO {table}")
                }
            };
            self.connection
                .execute_batch(&statements)
                .map_err(of(format!("replacing by {made}")))?;
        }
        Ok(landed)
    }

    fn place<'b>(&'b self, table: &'b str) -> Place<'b> {
        Place { namespace: self.namespace, table }
    }

    fn describe(&self, table: &str) -> Result<Option<HeldColumns>> {
        let mut statement =
            self.connection.prepare("SELECT name, type FROM pragma_table_info(?1)")?;
        let columns = statement
            .query_map([self.place(table).name()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let columns: HeldColumns = columns.collect::<Result<_>>()?;
        Ok((!columns.is_empty()).then_some(columns))
    }

    /// Evolves one table.
    fn change(&self, batch: &Batch, changes: &[SchemaChange], name: &str) -> Result<()> {
        let (place, after) = (self.place(name), batch.table(name));
        let Some(before) = self.before.tables.get(name) else {
            return self.connection.execute_batch(&statements::create_table(&place.name(), after));
        };
        let changes: Vec<_> = changes.iter().filter(|change| change.table() == name).collect();
        let added = changes.iter().map(|change| match change {
            SchemaChange::AddColumn { column, column_type, .. } => {
                Some((column.as_str(), *column_type))
            }
            SchemaChange::AddSoftDeletes { .. } => {
                Some((system_columns::DELETED, ColumnType::Boolean))
            }
            _ => None,
        });
        let Some(added) = added.collect::<Option<Vec<_>>>() else {
            return rebuild(self.connection, self.namespace, before, after, &changes);
        };
        added.into_iter().try_for_each(|(column, kind)| {
            let column = statements::column(column, kind);
            self.connection
                .execute_batch(&format!("ALTER TABLE {} ADD COLUMN {column}", place.quoted()))
        })
    }

    /// Upserts, then deletes: a key with both ends deleted (F-116).
    fn write(&self, table: &TableBatch, batch: &Batch) -> Result<Counts> {
        let statements = RowStatements::of(self.place(table.table()), table, batch.synced_at());
        let mut counts = Counts::default();
        if table.mode() == TableMode::History {
            self.write_versions(table, &statements, &mut counts)?;
            counts.deleted += self.each(table, &table.marks(), &statements.fill(END_VERSION))?;
            return Ok(counts);
        }
        self.upsert(table, &statements, &mut counts)?;
        if table.soft_deletes() {
            counts.deleted += self.each(table, &table.marks(), &statements.fill(MARK))?;
            self.each(table, &table.marks(), &statements.fill(STAMP))?;
        }
        counts.deleted += self.each(table, &table.removals(), &statements.fill(REMOVE))?;
        Ok(counts)
    }

    /// Runs a statement for each row, or each key; answers how many rows it wrote.
    fn each(&self, table: &TableBatch, rows: &[RecordBatch], statement: &str) -> Result<u64> {
        let mut written = 0;
        for chunk in rows {
            let mut statement = self.connection.prepare(statement)?;
            let rows = Rows::of(chunk, table);
            for row in rows.numbers() {
                written += rows.execute(&mut statement, row)?;
            }
        }
        Ok(written)
    }

    fn upsert(
        &self,
        table: &TableBatch,
        statements: &RowStatements,
        counts: &mut Counts,
    ) -> Result<()> {
        let prepare = |template| self.connection.prepare(&statements.fill(template));
        if *table.primary_key() == PrimaryKey::BatchIndex {
            counts.inserted += self.each(table, &table.upserts(), &statements.fill(INSERT))?;
            return Ok(());
        }
        let (mut insert, mut update) = (prepare(INSERT)?, prepare(UPDATE)?);
        let mut touch = prepare(TOUCH)?;
        for chunk in table.upserts() {
            let rows = Rows::of(&chunk, table);
            for row in rows.numbers() {
                if rows.execute(&mut insert, row)? > 0 {
                    counts.inserted += 1;
                } else if rows.execute(&mut update, row)? > 0 {
                    counts.updated += 1;
                } else {
                    counts.unchanged += rows.execute(&mut touch, row)?;
                }
            }
        }
        Ok(())
    }

    /// Writes a version for each row that is new or changed, and ends the one before it.
    ///
    /// What a sync leaves depends on the last word that it has on each key, however its pages are joined:
    /// what the sync itself has made of a key so far is undone first, and made anew.
    fn write_versions(
        &self,
        table: &TableBatch,
        statements: &RowStatements,
        counts: &mut Counts,
    ) -> Result<()> {
        let prepare = |template| self.connection.prepare(&statements.fill(template));
        let (mut reopen, mut remove) = (prepare(REOPEN_VERSIONS)?, prepare(REMOVE_VERSIONS)?);
        let (mut touch, mut close) = (prepare(TOUCH_VERSION)?, prepare(CLOSE_VERSION)?);
        let mut insert = prepare(INSERT_VERSION)?;
        for chunk in table.upserts() {
            let rows = Rows::of(&chunk, table);
            for row in rows.numbers() {
                rows.execute(&mut reopen, row)?;
                rows.execute(&mut remove, row)?;
                counts.unchanged += rows.execute(&mut touch, row)?;
                let closed = rows.execute(&mut close, row)?;
                counts.updated += closed;
                counts.inserted += rows.execute(&mut insert, row)? - closed;
            }
        }
        Ok(())
    }
}
