//! One batch inside its transaction: changes, rows, sweeps.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    Batch, Counts, DestinationError, Landed, PrimaryKey, Schema, SchemaChange, Table, TableBatch,
    system_columns,
};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use crate::failure::{self, by_hand, refused};
use crate::rows;
use crate::statements::{self, Incoming, Place};
use crate::upserts;

/// A transaction under way for one connection.
pub(crate) struct Landing<'a> {
    pub(crate) client: &'a Client,
    pub(crate) namespace: &'a str,
    /// What the destination holds by its own account.
    pub(crate) before: &'a Schema,
}

/// What has a table's name: its columns with their types, if it is a table.
#[derive(Default)]
struct Held {
    is_table: bool,
    columns: BTreeMap<String, String>,
}

impl Landing<'_> {
    /// Writes everything but the position.
    pub(crate) async fn land(&self, batch: &Batch) -> Result<Landed, DestinationError> {
        let changes = batch.changes();
        let created: BTreeSet<&str> = changes.iter().filter_map(created_table).collect();
        self.check_tables(batch, &changes, &created).await?;
        self.change(batch, &changes, &created).await?;
        let mut landed = Landed::default();
        for (number, table) in batch.tables().enumerate() {
            let (name, counts) = (table.table(), Counts::default());
            let counts = self.write(table, batch, created.contains(name), number * 3, counts).await;
            let counts =
                counts.map_err(|error| failure::of(&error, &format!("writing table {name}")))?;
            landed.tables.insert(name.to_owned(), counts);
        }
        for sweep in batch.sweeps() {
            if !batch.leaves().schema().tables.contains_key(&sweep.table) {
                continue;
            }
            let statement = statements::sweep(self.place(&sweep.table), sweep.before);
            let swept = self
                .execute(&statement)
                .await
                .map_err(|error| failure::of(&error, &format!("sweeping table {}", sweep.table)))?;
            landed.tables.entry(sweep.table).or_default().swept += swept;
        }
        Ok(landed)
    }

    fn place<'b>(&'b self, table: &'b str) -> Place<'b> {
        Place { namespace: self.namespace, table }
    }

    /// Runs one statement; answers how many rows it wrote. Nothing is prepared: a pooler may stand
    /// between.
    async fn execute(&self, statement: &str) -> Result<u64, Error> {
        let messages = self.client.simple_query(statement).await?;
        let count = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::CommandComplete(count) => Some(*count),
            _ => None,
        });
        Ok(count.unwrap_or_default())
    }

    /// Every table that the batch touches and that we know is as we left it, and no other has the name
    /// of a new one: what we did not make is not ours to write to (Dec-59, F-199).
    async fn check_tables(
        &self,
        batch: &Batch,
        changes: &[SchemaChange],
        created: &BTreeSet<&str>,
    ) -> Result<(), DestinationError> {
        let mut touched: BTreeSet<&str> = batch.tables().map(TableBatch::table).collect();
        let sweeps: Vec<_> = batch.sweeps().collect();
        touched.extend(changes.iter().map(table_of));
        touched.extend(sweeps.iter().map(|sweep| sweep.table.as_str()));
        if touched.is_empty() {
            return Ok(());
        }
        let held = self.describe(&touched).await?;
        for name in touched {
            match (self.before.tables.get(name), held.get(name)) {
                (Some(known), Some(held)) => check_table(name, known, held, changes)?,
                (Some(_), None) => {
                    return Err(by_hand(format!("table {name} is not as it was left: it is gone")));
                }
                (None, Some(_)) if created.contains(name) => {
                    return Err(refused(
                        "unmanaged_table",
                        format!(
                            "table {}.{name} is there already, and was not made by this connection",
                            self.namespace
                        ),
                        "sync into another schema, or rename or drop that table",
                    ));
                }
                (None, _) => {}
            }
        }
        Ok(())
    }

    async fn describe(
        &self,
        names: &BTreeSet<&str>,
    ) -> Result<BTreeMap<String, Held>, DestinationError> {
        let names: Vec<&str> = names.iter().copied().collect();
        let described = self
            .client
            .query_typed(
                statements::DESCRIBE,
                &[(&self.namespace, Type::TEXT), (&names, Type::TEXT_ARRAY)],
            )
            .await
            .map_err(|error| failure::of(&error, "looking at the tables"))?;
        let mut held: BTreeMap<String, Held> = BTreeMap::new();
        for row in described {
            let table = held.entry(row.get(0)).or_default();
            table.is_table = row.get(3);
            if let Some(column) = row.get(1) {
                table.columns.insert(column, row.get(2));
            }
        }
        Ok(held)
    }

    /// Evolves the schema.
    async fn change(
        &self,
        batch: &Batch,
        changes: &[SchemaChange],
        created: &BTreeSet<&str>,
    ) -> Result<(), DestinationError> {
        let tables = &batch.leaves().schema().tables;
        let failed = |name: &str| {
            let doing = format!("changing table {name}");
            move |error: Error| failure::of(&error, &doing)
        };
        if !created.is_empty() {
            create_namespace(self.client, self.namespace).await?;
        }
        let has_rows: BTreeSet<&str> = batch.tables().map(TableBatch::table).collect();
        for &name in created {
            let create = statements::create_table(self.place(name), &tables[name]);
            self.client.batch_execute(&create).await.map_err(failed(name))?;
            if !has_rows.contains(name) {
                self.add_key(name, &tables[name]).await.map_err(failed(name))?;
            }
        }
        let mut by_table: BTreeMap<&str, Vec<&SchemaChange>> = BTreeMap::new();
        for change in changes.iter().filter(|change| !created.contains(table_of(change))) {
            by_table.entry(table_of(change)).or_default().push(change);
        }
        for (name, changes) in by_table {
            self.alter(name, &tables[name], &changes).await.map_err(failed(name))?;
        }
        Ok(())
    }

    /// The steps of one table, as many as can be in one statement: all but those that meet a column
    /// again.
    async fn alter(
        &self,
        name: &str,
        after: &Table,
        changes: &[&SchemaChange],
    ) -> Result<(), Error> {
        let key_after = statements::key_of(&after.primary_key, &statements::columns_of(after));
        let key_before =
            self.before.tables.get(name).map(|before| {
                statements::key_of(&before.primary_key, &statements::columns_of(before))
            });
        let json = |key: &[(String, engine::ColumnType)]| {
            key.iter().any(|(_, kind)| *kind == engine::ColumnType::Json)
        };
        // A key that becomes JSON can be no primary key any more.
        let loses_key = json(&key_after) && key_before.is_some_and(|key| !json(&key));
        if loses_key {
            self.drop_key(name).await?;
        }
        let mut met = BTreeSet::new();
        let mut steps = Vec::new();
        for change in changes {
            if !met.insert(column_of(change)) {
                self.client
                    .batch_execute(&statements::alter_table(self.place(name), &steps))
                    .await?;
                steps.clear();
                met = BTreeSet::from([column_of(change)]);
            }
            steps.push(*change);
        }
        self.client.batch_execute(&statements::alter_table(self.place(name), &steps)).await?;
        if loses_key {
            self.add_key(name, after).await?;
        }
        Ok(())
    }

    async fn drop_key(&self, name: &str) -> Result<(), Error> {
        let found = self
            .client
            .query_typed_opt(
                statements::FIND_PRIMARY_KEY,
                &[(&self.namespace, Type::TEXT), (&name, Type::TEXT)],
            )
            .await?;
        let Some(found) = found else { return Ok(()) };
        self.client
            .batch_execute(&statements::drop_constraint(self.place(name), found.get(0)))
            .await
    }

    async fn add_key(&self, name: &str, table: &Table) -> Result<(), Error> {
        let key = statements::key_of(&table.primary_key, &statements::columns_of(table));
        if key.is_empty() {
            return Ok(());
        }
        self.client.batch_execute(&statements::add_key(self.place(name), &key)).await
    }

    /// Upserts, then deletes: a key with both ends deleted (F-116).
    async fn write(
        &self,
        table: &TableBatch,
        batch: &Batch,
        is_created: bool,
        number: usize,
        mut counts: Counts,
    ) -> Result<Counts, Error> {
        let (client, place) = (self.client, self.place(table.table()));
        let soft_deletes = table.soft_deletes();
        let incoming = Incoming { number, columns: table.columns(), soft_deletes };
        upserts::write(client, place, table, incoming, batch.synced_at(), &mut counts).await?;
        if is_created {
            self.add_key(table.table(), &batch.leaves().schema().tables[table.table()]).await?;
        }
        if *table.primary_key() == PrimaryKey::BatchIndex {
            return Ok(counts);
        }
        let key = statements::key_of(table.primary_key(), table.columns());
        let marks = table.marks();
        if !marks.is_empty() {
            let incoming = Incoming { number: number + 1, columns: &key, soft_deletes };
            client.batch_execute(&incoming.create()).await?;
            rows::copy(client, &incoming.copy(), &marks).await?;
            let live = statements::count_live(place, incoming, &key);
            let live = client.query_typed_one(&live, &[]).await?;
            counts.deleted += live.get::<_, i64>(0).unsigned_abs();
            let mark = statements::mark_rows(place, incoming, &key, batch.synced_at());
            client.batch_execute(&mark).await?;
        }
        let removals = table.removals();
        if !removals.is_empty() {
            let incoming = Incoming { number: number + 2, columns: &key, soft_deletes };
            client.batch_execute(&incoming.create()).await?;
            rows::copy(client, &incoming.copy(), &removals).await?;
            counts.deleted += self.execute(&statements::remove_rows(place, incoming, &key)).await?;
        }
        Ok(counts)
    }
}

/// Two connections may come here at once, and the right to create schemas is needed only where there is
/// one to create.
pub(crate) async fn create_namespace(
    client: &Client,
    namespace: &str,
) -> Result<(), DestinationError> {
    let failed = |error| failure::of(&error, &format!("creating schema {namespace}"));
    client
        .batch_execute(&statements::lock(&format!("namespace {namespace}")))
        .await
        .map_err(failed)?;
    let found = client
        .query_typed_opt(
            "SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1",
            &[(&namespace, Type::TEXT)],
        )
        .await
        .map_err(failed)?;
    if found.is_none() {
        client.batch_execute(&statements::create_schema(namespace)).await.map_err(failed)?;
    }
    Ok(())
}

fn check_table(
    name: &str,
    known: &Table,
    held: &Held,
    changes: &[SchemaChange],
) -> Result<(), DestinationError> {
    let by_hand =
        |what: String| Err(by_hand(format!("table {name} is not as it was left: {what}")));
    if !held.is_table {
        return by_hand("it is no table any more".to_owned());
    }
    for (column, column_type) in statements::columns_of(known) {
        let expected = statements::sql_type(column_type);
        match held.columns.get(&column) {
            None => return by_hand(format!("column {column} is gone")),
            Some(found) if *found != expected => {
                return by_hand(format!("column {column} is {found}, not {expected}"));
            }
            Some(_) => {}
        }
    }
    for change in changes.iter().filter(|change| table_of(change) == name) {
        let added = match change {
            SchemaChange::AddColumn { column, .. } => column.as_str(),
            SchemaChange::AddSoftDeletes { .. } => system_columns::DELETED,
            SchemaChange::CreateTable { .. } | SchemaChange::WidenColumn { .. } => continue,
        };
        if held.columns.contains_key(added) {
            return by_hand(format!("a column {added} was added"));
        }
    }
    Ok(())
}

fn table_of(change: &SchemaChange) -> &str {
    match change {
        SchemaChange::CreateTable { table, .. }
        | SchemaChange::AddColumn { table, .. }
        | SchemaChange::WidenColumn { table, .. }
        | SchemaChange::AddSoftDeletes { table } => table,
    }
}

fn column_of(change: &SchemaChange) -> &str {
    match change {
        SchemaChange::CreateTable { .. } | SchemaChange::AddSoftDeletes { .. } => {
            system_columns::DELETED
        }
        SchemaChange::AddColumn { column, .. } | SchemaChange::WidenColumn { column, .. } => column,
    }
}

fn created_table(change: &SchemaChange) -> Option<&str> {
    matches!(change, SchemaChange::CreateTable { .. }).then(|| table_of(change))
}
