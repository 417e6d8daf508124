//! One batch inside its transaction: changes, rows, sweeps.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use engine::{
    Batch, ColumnType, Counts, DestinationError, Landed, Replacement, Schema, SchemaChange, Table,
    TableBatch, Timestamp,
};

use crate::failure::{self, refused};
use crate::rows::{self, Rows};
use crate::session::Session;
use crate::statements::{self, Dialect, Place};
use crate::upserts;

/// DuckDB's name for the row ids of any table. The engine calls no column so.
const ROW_ID: &str = "rowid";

/// A transaction under way for one connection.
pub(crate) struct Landing<'a> {
    pub(crate) session: Session<'a>,
    pub(crate) catalog: &'a str,
    pub(crate) namespace: &'a str,
    /// What the destination holds by its own account.
    pub(crate) before: &'a Schema,
    /// Rows for statements to read.
    rows: RefCell<Rows>,
}

impl<'a> Landing<'a> {
    pub(crate) fn new(
        session: Session<'a>,
        (catalog, namespace): (&'a str, &'a str),
        before: &'a Schema,
    ) -> Landing<'a> {
        Landing { session, catalog, namespace, before, rows: RefCell::default() }
    }

    /// Writes everything but the position.
    pub(crate) fn land(&self, batch: &Batch) -> Result<Landed, DestinationError> {
        self.check_tables(batch)?;
        self.change(batch)?;
        let landed = sql::land(self, batch)?;
        for replacement in batch.replacements() {
            self.replace(replacement)?;
        }
        Ok(landed)
    }

    /// The rows are copied: DuckDB cannot commit a table that was written to and renamed afterwards.
    fn replace(&self, replacement: &Replacement) -> Result<(), DestinationError> {
        let table = replacement.table.as_ref().map(|table| self.place(table));
        let statements = statements::replace_table(self.place(&replacement.made), table);
        let made = &replacement.made;
        self.session
            .connection
            .execute_batch(&statements)
            .map_err(|error| failure::of(&error, &format!("putting table {made} in its place")))
    }

    fn place<'b>(&'b self, table: &'b str) -> Place<'b> {
        Place { catalog: self.catalog, namespace: self.namespace, table }
    }

    /// Every table that the batch touches and that we know is as we left it.
    fn check_tables(&self, batch: &Batch) -> Result<(), DestinationError> {
        let mut touched: BTreeSet<&str> = batch.tables().map(TableBatch::table).collect();
        let (changes, sweeps) = (batch.changes(), batch.sweeps().collect::<Vec<_>>());
        touched.extend(changes.iter().map(SchemaChange::table));
        touched.extend(sweeps.iter().map(|sweep| sweep.table.as_str()));
        for name in touched {
            if let Some(known) = self.before.tables.get(name) {
                self.check_table(name, known, &changes)?;
            }
        }
        Ok(())
    }

    fn check_table(
        &self,
        name: &str,
        known: &Table,
        changes: &[SchemaChange],
    ) -> Result<(), DestinationError> {
        let by_hand = |what: String| {
            refused(
                "table_changed_by_hand",
                format!("table {name} is not as it was left: {what}"),
                "undo the change by hand, or drop the table and resync into another schema",
            )
        };
        let failed = |error| failure::of(&error, &format!("looking at table {name}"));
        let held = match self.describe(self.place(name)) {
            Ok(held) => held,
            Err(error) if error.to_string().starts_with("Catalog Error") => {
                return Err(refused(
                    "table_changed_by_hand",
                    format!("table {name} is not as it was left: it is gone"),
                    "`hasmore resync CONNECTION --rebuild` makes it anew with the next sync; or restore it",
                ));
            }
            Err(error) => return Err(failed(error)),
        };
        let held_type = |name: &str| {
            held.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, held)| held)
        };
        for (column, column_type) in known.all_columns() {
            let expected = statements::sql_type(column_type);
            match held_type(&column) {
                None => return Err(by_hand(format!("column {column} is gone"))),
                Some(found) if *found != expected => {
                    return Err(by_hand(format!("column {column} is {found}, not {expected}")));
                }
                Some(_) => {}
            }
        }
        if held_type(ROW_ID).is_some() {
            return Err(by_hand(format!("a column {ROW_ID} was added, which hides the row ids")));
        }
        let changes = changes.iter().filter(|change| change.table() == name);
        for added in changes.flat_map(SchemaChange::added_columns) {
            if held_type(added).is_some() {
                return Err(by_hand(format!("a column {added} was added")));
            }
        }
        Ok(())
    }

    fn describe(&self, place: Place<'_>) -> duckdb::Result<Vec<(String, String)>> {
        let mut statement = self.session.connection.prepare(&statements::describe(place))?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    /// Evolves the schema.
    fn change(&self, batch: &Batch) -> Result<(), DestinationError> {
        let mut changes = batch.changes();
        if changes.is_empty() {
            return Ok(());
        }
        // DuckDB cannot commit a column with a default that another change of its table follows, nor a
        // table that was written to and altered afterwards.
        changes.sort_by_key(|change| match change {
            SchemaChange::RemoveDeleted { .. } => 2,
            SchemaChange::AddSoftDeletes { .. } => 1,
            _ => 0,
        });
        let tables = &batch.leaves().schema().tables;
        refuse_collisions(tables)?;
        let created: BTreeSet<&str> = changes.iter().filter_map(created_table).collect();
        if !created.is_empty() {
            self.refuse_unmanaged(&created)?;
        }
        for change in &changes {
            let name = change.table();
            let place = self.place(name);
            let statement = match change {
                SchemaChange::CreateTable { .. } => {
                    statements::create_table(place, batch.table(name))
                }
                // The table was created with it.
                _ if created.contains(name) => continue,
                SchemaChange::AddColumn { column, column_type, .. } => {
                    statements::add_column(place, column, *column_type)
                }
                SchemaChange::WidenColumn { column, from, to, .. } => {
                    statements::widen_column(place, column, *from, *to)
                }
                SchemaChange::AddSoftDeletes { .. } => statements::add_soft_deletes(place),
                SchemaChange::StartHistory { .. } => {
                    let had_deleted = self.before.tables[name].soft_deletes;
                    let time = self.before.tables[name].time_column(batch.table(name));
                    statements::start_history(place, had_deleted, time).join("; ")
                }
                SchemaChange::EndHistory { kept_as, .. } => {
                    let keys = self.before.tables[name].key_types();
                    statements::end_history(place, self.place(kept_as), &keys).join("; ")
                }
                SchemaChange::RemoveDeleted { .. } => statements::remove_deleted(place),
            };
            self.session
                .connection
                .execute_batch(&statement)
                .map_err(|error| failure::of(&error, &format!("changing table {name}")))?;
        }
        Ok(())
    }

    /// Dec-59: what we did not make is not ours to write to (F-199).
    fn refuse_unmanaged(&self, created: &BTreeSet<&str>) -> Result<(), DestinationError> {
        let failed = |error| failure::of(&error, "looking for tables");
        self.session
            .connection
            .execute_batch(&statements::create_namespace(self.catalog, self.namespace))
            .map_err(failed)?;
        let mut statement = self
            .session
            .connection
            .prepare(&statements::find_tables(self.namespace))
            .map_err(failed)?;
        let held = statement.query_map([], |row| row.get(0)).map_err(failed)?;
        let held: Vec<String> = held.collect::<duckdb::Result<_>>().map_err(failed)?;
        match created.iter().find(|name| held.iter().any(|held| held.eq_ignore_ascii_case(name))) {
            None => Ok(()),
            Some(name) => Err(refused(
                "unmanaged_table",
                format!(
                    "table {}.{name} is there already, and was not made by this connection",
                    self.namespace
                ),
                "sync into another schema, or rename or drop that table",
            )),
        }
    }
}

impl sql::Database for Landing<'_> {
    type Dialect = Dialect;
    type Error = duckdb::Error;

    const DIALECT: Dialect = Dialect;
    const ROWS: &'static str = rows::CALL;
    const PLACE: (&'static str, u64) = (rows::POSITION, 0);

    fn quoted(&self, table: &str) -> String {
        self.place(table).quoted()
    }

    fn stage(
        &self,
        columns: &[(String, ColumnType)],
        chunks: Vec<RecordBatch>,
    ) -> duckdb::Result<()> {
        let rows = Rows::all(columns, chunks);
        let positions = (0..).take(rows.count()).collect();
        self.rows.replace(rows.with(rows::POSITION, positions));
        Ok(())
    }

    fn execute(&self, statement: &str) -> duckdb::Result<u64> {
        self.session.execute(self.rows.borrow().clone(), statement)
    }

    fn numbers(&self, query: &str) -> duckdb::Result<Vec<Vec<u64>>> {
        let mut found = Vec::new();
        for batch in self.session.query(self.rows.borrow().clone(), query)? {
            let columns = batch.columns().iter().map(AsArray::as_primitive::<Int64Type>);
            let columns: Vec<_> = columns.collect();
            let row = |row| columns.iter().map(|column| column.value(row).unsigned_abs()).collect();
            found.extend((0..batch.num_rows()).map(row));
        }
        Ok(found)
    }

    fn failure(error: duckdb::Error, doing: &str) -> DestinationError {
        failure::of(&error, doing)
    }

    fn upsert(&self, table: &TableBatch, at: Timestamp) -> duckdb::Result<Counts> {
        let mut counts = Counts::default();
        upserts::write(self.session, self.place(table.table()), table, at, &mut counts)?;
        Ok(counts)
    }
}

/// DuckDB takes `Orders` and `orders` for one name; only source naming gives both (F-151).
fn refuse_collisions(tables: &BTreeMap<String, Arc<Table>>) -> Result<(), DestinationError> {
    let collision = |what: String| {
        refused(
            "name_collision",
            format!("{what}, and DuckDB does not tell upper case from lower case in names"),
            "use Fivetran naming for this connection, or rename one of them in the function",
        )
    };
    let mut names = BTreeSet::new();
    for (name, table) in tables {
        if !names.insert(name.to_ascii_lowercase()) {
            return Err(collision(format!("two tables are called {name}")));
        }
        let mut columns = BTreeSet::new();
        for (column, _) in table.all_columns() {
            if !columns.insert(column.to_ascii_lowercase()) {
                return Err(collision(format!("table {name}: two columns are called {column}")));
            }
        }
    }
    Ok(())
}

fn created_table(change: &SchemaChange) -> Option<&str> {
    matches!(change, SchemaChange::CreateTable { .. }).then(|| change.table())
}
