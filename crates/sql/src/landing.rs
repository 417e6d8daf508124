//! The rows of a batch, landed by a database that runs statements one after the other.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use engine::{
    Batch, ColumnType, Counts, DestinationError, Landed, PrimaryKey, Sweep, TableBatch, TableMode,
    Timestamp, Twin,
};

use crate::{Arrived, Dialect, Look, Unique, count_swept, history_counts};

/// What runs the statements, inside a transaction.
pub trait Database {
    type Dialect: Dialect;
    type Error;

    const DIALECT: Self::Dialect;
    /// What statements read staged rows from, as it stands after FROM.
    const ROWS: &'static str;
    /// The column of staged rows that counts them, and the number of the first.
    const PLACE: (&'static str, u64);

    /// What a table is called in statements.
    fn quoted(&self, table: &str) -> String;

    /// Brings rows to where statements read them, in place of those before.
    fn stage(
        &self,
        columns: &[(String, ColumnType)],
        chunks: Vec<RecordBatch>,
    ) -> Result<(), Self::Error>;

    /// Runs a statement; answers how many rows it wrote.
    fn execute(&self, statement: &str) -> Result<u64, Self::Error>;

    /// The rows of numbers that a query answers.
    fn numbers(&self, query: &str) -> Result<Vec<Vec<u64>>, Self::Error>;

    /// What it says when it fails, as what to do about it.
    fn failure(error: Self::Error, doing: &str) -> DestinationError;

    /// Writes the rows whose key is new, replaces those that changed, and stamps those that did not.
    fn upsert(&self, table: &TableBatch, at: Timestamp) -> Result<Counts, Self::Error> {
        staged(self, table, table.columns(), table.upserts(), |sent, arrived| {
            if *table.primary_key() == PrimaryKey::BatchIndex {
                return Ok(Counts {
                    inserted: self.execute(&arrived.insert())?,
                    ..Counts::default()
                });
            }
            let updated = self.execute(&arrived.update())?;
            let inserted = self.execute(&arrived.insert_new())?;
            self.execute(&arrived.touch(at))?;
            // A key that is held twice was made so by hand.
            let unchanged = sent.saturating_sub(updated + inserted);
            Ok(Counts { inserted, updated, unchanged, ..Counts::default() })
        })
    }
}

/// Stages rows, if there are any, for what is done with them.
fn staged<D: Database + ?Sized, T: Default>(
    database: &D,
    table: &TableBatch,
    columns: &[(String, ColumnType)],
    chunks: Vec<RecordBatch>,
    work: impl FnOnce(u64, Arrived<'_, D::Dialect>) -> Result<T, D::Error>,
) -> Result<T, D::Error> {
    let sent: u64 = chunks.iter().map(|chunk| chunk.num_rows() as u64).sum();
    if sent == 0 {
        return Ok(T::default());
    }
    database.stage(columns, chunks)?;
    let (name, keys) = (database.quoted(table.table()), table.key_columns());
    let arrived = Arrived {
        dialect: D::DIALECT,
        table: &name,
        rows: D::ROWS,
        columns,
        keys: &keys,
        soft_deletes: table.soft_deletes() && table.mode() != TableMode::History,
    };
    work(sent, arrived)
}

/// Lands all of a batch but its changes, its replacements and its position: rows, then sweeps, and then values that
/// are there twice are looked for.
///
/// # Errors
/// As the database; [`DestinationError::NotUnique`]; where a sweep would delete more than the user allows.
pub fn land<D: Database>(database: &D, batch: &Batch) -> Result<Landed, DestinationError> {
    let mut landed = Landed::default();
    let mut kept = Vec::new();
    for table in batch.tables() {
        kept.push(find_kept(database, table)?);
        let failed = |error| D::failure(error, &format!("writing table {}", table.table()));
        let counts = write(database, table, batch.synced_at()).map_err(failed)?;
        landed.tables.insert(table.table().to_owned(), counts);
    }
    let known = &batch.leaves().schema().tables;
    for one in batch.sweeps().filter(|sweep| known.contains_key(&sweep.table)) {
        let swept = sweep(database, one, batch.synced_at())?;
        landed.tables.entry(one.table.clone()).or_default().swept += swept;
    }
    for (table, kept) in batch.tables().zip(&kept) {
        check_unique(database, table, kept)?;
    }
    Ok(landed)
}

/// Writes the rows of a table: upserts, then deletes: a key with both ends deleted (F-116).
fn write<D: Database>(database: &D, table: &TableBatch, at: Timestamp) -> Result<Counts, D::Error> {
    let is_history = table.mode() == TableMode::History;
    let mut counts = if is_history {
        staged(database, table, table.columns(), table.upserts(), |_, arrived| {
            let mut written = [0; 5];
            let statements = arrived.history(table.is_timed(), at);
            for (statement, written) in statements.iter().zip(&mut written) {
                *written = database.execute(statement)?;
            }
            Ok(history_counts(table.is_timed(), written))
        })?
    } else {
        database.upsert(table, at)?
    };
    let keys = table.key_types();
    counts.deleted += staged(database, table, &keys, table.marks(), |_, arrived| {
        if is_history {
            return database.execute(&arrived.end_versions(at));
        }
        let live = database.numbers(&arrived.count_live())?;
        database.execute(&arrived.mark(at))?;
        Ok(live[0][0])
    })?;
    counts.deleted += staged(database, table, &keys, table.removals(), |_, arrived| {
        database.execute(&arrived.remove())
    })?;
    Ok(counts)
}

/// Deletes what was not seen, if it is not too much; answers how many rows.
fn sweep<D: Database>(database: &D, sweep: &Sweep, at: Timestamp) -> Result<u64, DestinationError> {
    let failed = |error| D::failure(error, &format!("sweeping table {}", sweep.table));
    let table = database.quoted(&sweep.table);
    if sweep.max_share.is_some() {
        let counted = count_swept(D::DIALECT, &table, sweep);
        let counted = database.numbers(&counted).map_err(failed)?;
        sweep.check(counted[0][0], counted[0][1])?;
    }
    database.execute(&crate::sweep(D::DIALECT, &table, sweep, at)).map_err(failed)
}

/// The places of a table's upserts whose key had the same value before, by column that must be unique.
struct Kept(BTreeMap<String, BTreeSet<u64>>);

/// Looks before the rows are written which of them keep their value.
fn find_kept<D: Database>(database: &D, table: &TableBatch) -> Result<Kept, DestinationError> {
    let kept = table.unique().iter().map(|column| {
        let found = look(database, table, (column, &table.key_columns()), Look::Kept)?;
        Ok((column.clone(), found.iter().map(|found| found[0] - D::PLACE.1).collect()))
    });
    kept.collect::<Result<_, _>>().map(Kept)
}

/// Looks when everything is written whether a value is there twice.
fn check_unique<D: Database>(
    database: &D,
    table: &TableBatch,
    kept: &Kept,
) -> Result<(), DestinationError> {
    for column in table.unique() {
        let keys = table.upsert_key_columns();
        let twins = look(database, table, (column, &keys), Look::Twins)?;
        let twin = |found: &Vec<u64>| {
            let place = found[0] - D::PLACE.1;
            Twin {
                place,
                group: found[1],
                is_held: found[2] > 0,
                had_it: kept.0[column].contains(&place),
            }
        };
        table.check_unique(column, &twins.iter().map(twin).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn look<D: Database>(
    database: &D,
    table: &TableBatch,
    (column, keys): (&str, &[&str]),
    look: Look,
) -> Result<Vec<Vec<u64>>, DestinationError> {
    let found = staged(database, table, table.columns(), table.upserts(), |_, arrived| {
        let (arrived, mode) = (Arrived { keys, ..arrived }, table.mode());
        database.numbers(&Unique { arrived, mode, column, place: D::PLACE.0 }.find(look))
    });
    let doing = format!("comparing the values of column {column} of table {}", table.table());
    found.map_err(|error| D::failure(error, &doing))
}
