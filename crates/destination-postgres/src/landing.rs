//! One batch inside its transaction: changes, rows, sweeps.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    Batch, ColumnType, Counts, DestinationError, HeldColumns, Landed, PrimaryKey, Schema,
    SchemaChange, Sweep, Table, TableBatch, TableMode, Timestamp, system_columns,
};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use crate::failure::{self, by_hand};
use crate::history;
use crate::rows;
use crate::statements::{self, Dialect, Incoming, Place};
use crate::unique;
use crate::upserts;

/// Temporary tables that one table's rows go through: upserts, marks, removals, and values to compare.
const TABLES_STAGED_MAX: usize = 4;

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
    columns: HeldColumns,
}

impl Landing<'_> {
    /// Writes everything but the position.
    pub(crate) async fn land(&self, batch: &Batch) -> Result<Landed, DestinationError> {
        let changes = batch.changes();
        let created: BTreeSet<&str> = changes.iter().filter_map(created_table).collect();
        self.check_tables(batch).await?;
        self.change(batch, &changes, &created).await?;
        let mut landed = Landed::default();
        let mut staged = Vec::new();
        for (number, table) in batch.tables().enumerate() {
            let (name, counts) = (table.table(), Counts::default());
            let failed = |error| failure::of(&error, &format!("writing table {name}"));
            let number = number * TABLES_STAGED_MAX;
            let unique = unique::stage(self.client, self.place(name), table, number + 3).await;
            staged.extend(unique.map_err(failed)?);
            let counts = self.write(table, batch, created.contains(name), number, counts).await;
            landed.tables.insert(name.to_owned(), counts.map_err(failed)?);
        }
        for sweep in batch.sweeps() {
            if !batch.leaves().schema().tables.contains_key(&sweep.table) {
                continue;
            }
            let swept = self.sweep(sweep, batch.synced_at()).await?;
            landed.tables.entry(sweep.table.clone()).or_default().swept += swept;
        }
        for staged in staged {
            staged.check(self.client).await?;
        }
        for replacement in batch.replacements() {
            let (made, table) = (&replacement.made, replacement.table.as_deref());
            let statements =
                statements::replace_table(self.place(made), table.map(|table| self.place(table)));
            let doing = format!("putting table {made} in its place");
            let replaced = self.client.batch_execute(&statements).await;
            replaced.map_err(|error| failure::to_replace(&error, &doing))?;
        }
        Ok(landed)
    }

    async fn sweep(&self, sweep: &Sweep, at: Timestamp) -> Result<u64, DestinationError> {
        let (client, table) = (self.client, self.place(&sweep.table).quoted());
        let failed = |error| failure::of(&error, &format!("sweeping table {}", sweep.table));
        if sweep.max_share.is_some() {
            let count = sql::count_swept(Dialect, &table, sweep);
            let counted = client.query_typed_one(&count, &[]).await.map_err(failed)?;
            let number = |column| counted.get::<_, i64>(column).unsigned_abs();
            sweep.check(number(0), number(1))?;
        }
        execute(client, &sql::sweep(Dialect, &table, sweep, at)).await.map_err(failed)
    }

    fn place<'b>(&'b self, table: &'b str) -> Place<'b> {
        Place { namespace: self.namespace, table }
    }

    /// What we did not make is not ours to write to (Dec-59, F-199).
    async fn check_tables(&self, batch: &Batch) -> Result<(), DestinationError> {
        let touched = batch.touched();
        if touched.is_empty() {
            return Ok(());
        }
        let held = self.describe(&touched).await?;
        batch.check_as_left(self.before, statements::sql_type, |name| match held.get(name) {
            Some(held) if !held.is_table && self.before.tables.contains_key(name) => {
                let what = format!("table {name} is not as it was left: it is no table any more");
                Err(by_hand(what))
            }
            held => Ok(held.map(|held| held.columns.clone())),
        })
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
        let failed = |name: &str| {
            let doing = format!("changing table {name}");
            move |error: Error| failure::of(&error, &doing)
        };
        if !created.is_empty() {
            create_namespace(self.client, self.namespace).await?;
        }
        let has_rows: BTreeSet<&str> = batch.tables().map(TableBatch::table).collect();
        for &name in created {
            let create = statements::create_table(self.place(name), batch.table(name));
            self.client.batch_execute(&create).await.map_err(failed(name))?;
            if !has_rows.contains(name) {
                self.add_key(name, batch.table(name)).await.map_err(failed(name))?;
            }
        }
        let mut by_table: BTreeMap<&str, Vec<&SchemaChange>> = BTreeMap::new();
        for change in changes.iter().filter(|change| !created.contains(change.table())) {
            by_table.entry(change.table()).or_default().push(change);
        }
        for (name, changes) in by_table {
            let (modes, changes): (Vec<&SchemaChange>, Vec<&SchemaChange>) =
                changes.into_iter().partition(|change| is_of_mode(change));
            for change in modes {
                self.switch_mode(name, change, batch.table(name)).await.map_err(failed(name))?;
            }
            if changes.is_empty() {
                continue;
            }
            self.alter(name, batch.table(name), &changes).await.map_err(failed(name))?;
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
        let key_after = statements::unique_of(after);
        let key_before = self.before.tables.get(name).map(|before| statements::unique_of(before));
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

    /// The rows that are there become versions, or the latest versions become the rows (F-214).
    async fn switch_mode(
        &self,
        name: &str,
        change: &SchemaChange,
        after: &Table,
    ) -> Result<(), Error> {
        let (place, before) = (self.place(name), &self.before.tables[name]);
        let key = statements::key_of(&before.primary_key, &before.all_columns());
        let (statements, unique) = match change {
            SchemaChange::StartHistory { .. } => {
                let start = (system_columns::START.to_owned(), ColumnType::Instant);
                let unique = key.iter().cloned().chain([start]).collect();
                (
                    statements::start_history(
                        place,
                        before.soft_deletes,
                        before.time_column(after),
                    ),
                    unique,
                )
            }
            SchemaChange::EndHistory { kept_as, .. } => {
                (statements::end_history(place, self.place(kept_as), &key), key)
            }
            _ => {
                let remove = statements::remove_deleted(place);
                return self.client.batch_execute(&remove).await;
            }
        };
        self.drop_key(name).await?;
        for statement in statements {
            self.client.batch_execute(&statement).await?;
        }
        self.client.batch_execute(&statements::add_key(place, &unique)).await
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
        let key = statements::unique_of(table);
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
        let at = batch.synced_at();
        if table.mode() == TableMode::History {
            history::write(client, place, table, incoming, at, &mut counts).await?;
        } else {
            upserts::write(client, place, table, incoming, at, &mut counts).await?;
        }
        if is_created {
            self.add_key(table.table(), batch.table(table.table())).await?;
        }
        if *table.primary_key() == PrimaryKey::BatchIndex {
            return Ok(counts);
        }
        let (quoted, key, keys) = (place.quoted(), table.key_types(), table.key_columns());
        let marks = table.marks();
        if !marks.is_empty() {
            let incoming = Incoming { number: number + 1, columns: &key, soft_deletes };
            client.batch_execute(&incoming.create()).await?;
            rows::copy(client, &incoming.copy(), &marks).await?;
            let rows = incoming.name();
            let arrived = incoming.arrived(&quoted, &rows, &keys);
            if table.mode() == TableMode::History {
                counts.deleted += execute(client, &arrived.end_versions(at)).await?;
                return Ok(counts);
            }
            let live = client.query_typed_one(&arrived.count_live(), &[]).await?;
            counts.deleted += live.get::<_, i64>(0).unsigned_abs();
            client.batch_execute(&arrived.mark(at)).await?;
        }
        let removals = table.removals();
        if !removals.is_empty() {
            let incoming = Incoming { number: number + 2, columns: &key, soft_deletes };
            client.batch_execute(&incoming.create()).await?;
            rows::copy(client, &incoming.copy(), &removals).await?;
            let rows = incoming.name();
            let remove = incoming.arrived(&quoted, &rows, &keys).remove();
            counts.deleted += execute(client, &remove).await?;
        }
        Ok(counts)
    }
}

/// Runs one statement; answers how many rows it wrote. Nothing is prepared: a pooler may stand
/// between.
pub(crate) async fn execute(client: &Client, statement: &str) -> Result<u64, Error> {
    let messages = client.simple_query(statement).await?;
    let count = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::CommandComplete(count) => Some(*count),
        _ => None,
    });
    Ok(count.unwrap_or_default())
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

fn column_of(change: &SchemaChange) -> &str {
    match change {
        SchemaChange::AddColumn { column, .. } | SchemaChange::WidenColumn { column, .. } => column,
        _ => system_columns::DELETED,
    }
}

/// Whether a change is one of how rows are kept.
fn is_of_mode(change: &SchemaChange) -> bool {
    matches!(
        change,
        SchemaChange::StartHistory { .. }
            | SchemaChange::EndHistory { .. }
            | SchemaChange::RemoveDeleted { .. }
    )
}

fn created_table(change: &SchemaChange) -> Option<&str> {
    matches!(change, SchemaChange::CreateTable { .. }).then(|| change.table())
}
