//! One batch inside its transaction: changes, rows, sweeps.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use engine::{
    Batch, ColumnType, Counts, DestinationError, Landed, Schema, SchemaChange, TableBatch,
    TableMode, system_columns,
};
use rusqlite::{Result, Row};

use crate::destination::{Sqlite, of};
use crate::rows;
use crate::statements::{
    self, END_VERSION, MARK, REMOVE, RowStatements, TIMED_VERSION, UPSERT, VERSION,
};
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
            let (count, delete) = statements::sweep(&table, sweep, batch.synced_at());
            let counted = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let counted = self.connection.query_row(&count, [], counted);
            let (swept, live) = counted.map_err(of(format!("sweeping {table}")))?;
            sweep.check(swept, live)?;
            self.run(&delete)?;
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
    ///
    /// What a sync leaves in a table of versions depends on the last word that it has on each key, however
    /// its pages are joined: what the sync itself has made of a key so far is undone first, and made anew.
    fn write_table(&self, table: &TableBatch, batch: &Batch) -> Result<Counts> {
        let (name, at) = (self.quoted(table.table()), batch.synced_at());
        let fill = |rows: &_| RowStatements::of(&name, table, rows, at);
        let (upserts, marks, removals) = (table.upserts(), table.marks(), table.removals());
        if table.mode() == TableMode::History {
            let [unchanged, updated, new] = if table.is_timed() {
                let [_, unchanged, updated, new, _] =
                    self.each(table, &upserts, TIMED_VERSION, fill)?;
                [unchanged, updated, new + updated]
            } else {
                let [.., unchanged, updated, new] = self.each(table, &upserts, VERSION, fill)?;
                [unchanged, updated, new]
            };
            let [deleted] = self.each(table, &marks, END_VERSION, fill)?;
            return Ok(Counts { inserted: new - updated, updated, unchanged, deleted, swept: 0 });
        }
        let [inserted, updated, unchanged] = self.each(table, &upserts, UPSERT, fill)?;
        let [marked, _] = self.each(table, &marks, MARK, fill)?;
        let [removed] = self.each(table, &removals, REMOVE, fill)?;
        Ok(Counts { inserted, updated, unchanged, deleted: marked + removed, swept: 0 })
    }

    /// Runs some statements for each row, or each key; answers how many rows each has written. What an
    /// `INSERT` of a whole row has written needs no other.
    fn each<const N: usize>(
        &self,
        table: &TableBatch,
        chunks: &[RecordBatch],
        templates: [&str; N],
        fill: impl Fn(&RecordBatch) -> RowStatements,
    ) -> Result<[u64; N]> {
        let mut written = [0; N];
        for chunk in chunks {
            let (filled, columns) = (fill(chunk), rows::stored_columns(chunk, table));
            let prepare = |template| self.connection.prepare(&filled.fill(template));
            let mut statements = templates.into_iter().map(prepare).collect::<Result<Vec<_>>>()?;
            for row in 0..chunk.num_rows() {
                for (statement, written) in statements.iter_mut().zip(&mut written) {
                    let count = rows::execute(statement, &columns, row)?;
                    *written += count;
                    if count > 0 && templates[0] == UPSERT[0] {
                        break;
                    }
                }
            }
        }
        Ok(written)
    }
}
