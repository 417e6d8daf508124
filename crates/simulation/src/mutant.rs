//! Broken destinations and broken uses of them, to prove that the harness would notice.
//!
//! Each does one thing wrong and everything else right.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{
    Batch, DestinationError, Landed, Position, SchemaChange, Sweep, SweepVerb, TableMode,
    system_columns,
};
use protocol::{Request, Response, State};
use serde_json::Value;

use crate::cell::Cell;
use crate::memory::Database;
use crate::source::{self, pages_sent};
use crate::table::Table;
use crate::world::{Disk, unavailable};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Nothing is wrong.
    None,
    /// Two transactions: the position, then the rows.
    StateBeforeRows,
    /// Two transactions: the rows, then the position.
    RowsBeforeState,
    /// A batch planned elsewhere lands all the same.
    OrdinalIgnored,
    /// A batch planned elsewhere is left out, and the answer is Ok.
    MovedIsOk,
    /// `ALTER TABLE` commits at once.
    SchemaOutsideTransaction,
    /// Each table has its own transaction.
    TableByTable,
    SweepBeforeTransaction,
    SweepAfterTransaction,
    /// Tables are swept as soon as they are named.
    SweepBeforeTheEnd,
    /// Rows of an earlier sync of the same chain are swept too.
    SweepFromOwnStart,
    SweepStampsRows,
    UpsertAppends,
    /// `INSERT … ON CONFLICT DO NOTHING`.
    UpsertKeepsOldRow,
    /// A field that is not sent keeps its old value.
    UpsertKeepsOldFields,
    DeletesBeforeUpserts,
    WideningLosesValues,
    /// The stored position lacks the running index of tables without key.
    IndexForgotten,
    /// The stored position lacks the chain of syncs and what it named.
    ChainForgotten,
    /// The stored position lacks what was held back.
    HeldBackForgotten,
    /// The version before a new one is not ended.
    VersionStaysOpen,
    /// A row that is sent again unchanged becomes a new version.
    VersionOfNothing,
    /// Versions that the sync itself has made are not undone.
    VersionsPileUp,
    /// The position is answered from what was sent last, landed or not.
    PositionFromCache,
    /// A commit without answer counts as landed.
    OkOnNothing,
    /// A commit without answer is made again without looking.
    RetriesBlindly,
    /// The function goes on from where it was, whatever state it is sent.
    FunctionKeepsItsPlace,
}

/// What a commit is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Schema,
    FirstTable,
    OtherTables,
    Sweeps,
    Position,
}

use Part::{FirstTable, OtherTables, Position as StoredState, Schema, Sweeps};

impl Mutant {
    pub const ALL: [Mutant; 26] = [
        Mutant::StateBeforeRows,
        Mutant::RowsBeforeState,
        Mutant::OrdinalIgnored,
        Mutant::MovedIsOk,
        Mutant::SchemaOutsideTransaction,
        Mutant::TableByTable,
        Mutant::SweepBeforeTransaction,
        Mutant::SweepAfterTransaction,
        Mutant::SweepBeforeTheEnd,
        Mutant::SweepFromOwnStart,
        Mutant::SweepStampsRows,
        Mutant::UpsertAppends,
        Mutant::UpsertKeepsOldRow,
        Mutant::UpsertKeepsOldFields,
        Mutant::DeletesBeforeUpserts,
        Mutant::WideningLosesValues,
        Mutant::IndexForgotten,
        Mutant::ChainForgotten,
        Mutant::HeldBackForgotten,
        Mutant::VersionStaysOpen,
        Mutant::VersionOfNothing,
        Mutant::VersionsPileUp,
        Mutant::PositionFromCache,
        Mutant::OkOnNothing,
        Mutant::RetriesBlindly,
        Mutant::FunctionKeepsItsPlace,
    ];

    /// The parts in the transaction before the one that counts, in that one, and in the one after it.
    fn parts(self) -> [&'static [Part]; 3] {
        match self {
            Mutant::StateBeforeRows => {
                [&[StoredState], &[Schema, FirstTable, OtherTables, Sweeps], &[]]
            }
            Mutant::RowsBeforeState => {
                [&[Schema, FirstTable, OtherTables, Sweeps], &[StoredState], &[]]
            }
            Mutant::SchemaOutsideTransaction => {
                [&[Schema], &[FirstTable, OtherTables, Sweeps, StoredState], &[]]
            }
            Mutant::TableByTable => {
                [&[Schema, FirstTable], &[OtherTables, Sweeps, StoredState], &[]]
            }
            Mutant::SweepBeforeTransaction => {
                [&[Sweeps], &[Schema, FirstTable, OtherTables, StoredState], &[]]
            }
            Mutant::SweepAfterTransaction => {
                [&[], &[Schema, FirstTable, OtherTables, StoredState], &[Sweeps]]
            }
            _ => [&[], &[Schema, FirstTable, OtherTables, Sweeps, StoredState], &[]],
        }
    }

    pub(crate) fn has_second_transaction(self) -> bool {
        !self.parts()[2].is_empty()
    }

    /// What the function answers.
    pub(crate) fn answer(self, request: &Request, warm_pages: &mut usize) -> Response {
        if self != Mutant::FunctionKeepsItsPlace {
            return source::answer(request);
        }
        let state = State::from_json(&format!(r#"{{"pages":{warm_pages}}}"#)).expect("a state");
        let response = source::answer(&Request { state, ..request.clone() });
        *warm_pages = pages_sent(&response.state);
        response
    }

    pub(crate) fn position(
        self,
        disk: &Disk,
        cached: Option<&Position>,
    ) -> Result<Position, DestinationError> {
        match cached {
            Some(cached) if self == Mutant::PositionFromCache => Ok(cached.clone()),
            _ => disk.database.position(),
        }
    }

    pub(crate) fn remember(self, batch: &Batch, cached: &mut Option<Position>) {
        if self == Mutant::PositionFromCache {
            *cached = Some(batch.leaves().clone());
        }
    }

    /// The transaction before the one that counts.
    pub(crate) fn before(self, disk: &mut Disk, batch: &Batch) -> Result<(), DestinationError> {
        if self.parts()[0].is_empty() {
            return Ok(());
        }
        disk.database.check_ordinal(batch)?;
        self.write(disk, batch, self.parts()[0]).map(|_| ())
    }

    /// The transaction that counts.
    pub(crate) fn commit(self, disk: &mut Disk, batch: &Batch) -> Result<Landed, DestinationError> {
        let parts = self.parts()[1];
        let checked = disk.database.check_ordinal(batch);
        match (self, &checked) {
            (Mutant::MovedIsOk, Err(_)) => return Ok(Landed::default()),
            (Mutant::OrdinalIgnored, Err(_)) => {
                return self.write(disk, batch, &[FirstTable, OtherTables, Sweeps]);
            }
            (Mutant::StateBeforeRows, _) => {}
            _ => checked?,
        }
        self.write(disk, batch, parts)
    }

    /// The transaction after the one that counts.
    pub(crate) fn after(self, disk: &mut Disk, batch: &Batch) -> Result<(), DestinationError> {
        self.write(disk, batch, self.parts()[2]).map(|_| ())
    }

    /// What a caller hears when no answer came.
    pub(crate) fn without_answer(
        self,
        disk: &mut Disk,
        batch: &Batch,
    ) -> Result<Landed, DestinationError> {
        match self {
            Mutant::OkOnNothing => Ok(Landed::default()),
            Mutant::RetriesBlindly if disk.database.check_ordinal(batch).is_ok() => {
                self.commit(disk, batch)
            }
            Mutant::RetriesBlindly => self.write(disk, batch, &[FirstTable, OtherTables, Sweeps]),
            _ => Err(unavailable()),
        }
    }

    /// A commit to which nothing happens, by a rival that runs the same software.
    pub(crate) fn rival_commits(
        self,
        disk: &mut Disk,
        batch: &Batch,
    ) -> Result<(), DestinationError> {
        self.before(disk, batch)?;
        self.commit(disk, batch)?;
        self.after(disk, batch)
    }

    /// One transaction: all of these parts or none.
    fn write(
        self,
        disk: &mut Disk,
        batch: &Batch,
        parts: &[Part],
    ) -> Result<Landed, DestinationError> {
        let mut next = disk.clone();
        let mut landed = Landed::default();
        for part in parts {
            match part {
                Schema => {
                    next.database.change_schema(batch)?;
                    if self == Mutant::WideningLosesValues {
                        lose_widened(&mut next.database, batch);
                    }
                }
                FirstTable => self.write_rows(&mut next.database, batch, 0..1, &mut landed)?,
                OtherTables => {
                    self.write_rows(&mut next.database, batch, 1..usize::MAX, &mut landed)?;
                }
                Sweeps => self.sweep(&mut next.database, batch, &mut landed)?,
                StoredState => next.write_position(batch, &self.stored(batch)),
            }
        }
        *disk = next;
        Ok(landed)
    }

    fn write_rows(
        self,
        database: &mut Database,
        batch: &Batch,
        tables: std::ops::Range<usize>,
        landed: &mut Landed,
    ) -> Result<(), DestinationError> {
        for rows in batch.tables().skip(tables.start).take(tables.len()) {
            let breaks_rows = matches!(
                self,
                Mutant::UpsertAppends
                    | Mutant::UpsertKeepsOldRow
                    | Mutant::UpsertKeepsOldFields
                    | Mutant::DeletesBeforeUpserts
                    | Mutant::VersionStaysOpen
                    | Mutant::VersionOfNothing
                    | Mutant::VersionsPileUp
            );
            let old = breaks_rows.then(|| database.tables.get(rows.table()).cloned()).flatten();
            let counts = database.write_table(rows, batch)?;
            landed.tables.entry(rows.table().to_owned()).or_default().add(counts);
            let (Some(old), table) = (old, database.table_of(rows.table())?) else { continue };
            match self {
                Mutant::UpsertAppends => append_old(table, &old),
                Mutant::UpsertKeepsOldRow => keep_old(table, &old, |_, _| true),
                Mutant::UpsertKeepsOldFields => {
                    keep_old(table, &old, |new, column| new[column] == Cell::Null);
                }
                Mutant::DeletesBeforeUpserts => revive(table, rows),
                _ if rows.mode() != TableMode::History => {}
                Mutant::VersionStaysOpen => keep_open(table, &old),
                Mutant::VersionOfNothing => version_unchanged(table, batch.synced_at().0),
                Mutant::VersionsPileUp => pile_up(table, &old, batch.synced_at().0),
                _ => {}
            }
        }
        Ok(())
    }

    fn sweep(
        self,
        database: &mut Database,
        batch: &Batch,
        landed: &mut Landed,
    ) -> Result<(), DestinationError> {
        let old = database.tables.clone();
        match self {
            Mutant::SweepBeforeTheEnd => {
                let chain = batch.leaves().chain().cloned().unwrap_or_default();
                let Some(started_at) = chain.started_at else {
                    return database.sweep(batch, landed);
                };
                for name in chain.soft_delete {
                    if database.tables.contains_key(&name) {
                        let verb = SweepVerb::Mark;
                        let sweep = Sweep {
                            table: name.clone(),
                            before: started_at,
                            verb,
                            max_share: None,
                        };
                        let is_marked = database.tables[&name].index_of(system_columns::DELETED);
                        if is_marked.is_some() {
                            database.table_of(&name)?.sweep(&sweep, batch.synced_at().0)?;
                        }
                    }
                }
            }
            Mutant::SweepFromOwnStart => {
                for sweep in batch.sweeps() {
                    let own = Sweep { before: batch.synced_at(), ..sweep.clone() };
                    database.table_of(&sweep.table)?.sweep(&own, batch.synced_at().0)?;
                }
            }
            Mutant::SweepBeforeTransaction => {
                // The columns that the batch brings are not there yet.
                for sweep in batch.sweeps() {
                    let table = database.tables.get(&sweep.table);
                    if table.is_some_and(|table| table.index_of(system_columns::DELETED).is_some())
                    {
                        database.table_of(&sweep.table)?.sweep(sweep, batch.synced_at().0)?;
                    }
                }
            }
            _ => database.sweep(batch, landed)?,
        }
        if self == Mutant::SweepStampsRows {
            stamp_swept(database, &old, batch.synced_at().0);
        }
        Ok(())
    }

    /// The written form of the position.
    fn stored(self, batch: &Batch) -> String {
        let stored = batch.leaves().stored();
        let forgotten = match self {
            Mutant::IndexForgotten => "next_index",
            Mutant::ChainForgotten => "chain",
            Mutant::HeldBackForgotten => "held_back",
            _ => return stored,
        };
        let mut stored: Value = serde_json::from_str(&stored).expect("a position is JSON");
        stored.as_object_mut().expect("a position is an object").remove(forgotten);
        stored.to_string()
    }
}

fn lose_widened(database: &mut Database, batch: &Batch) {
    for change in batch.changes() {
        let SchemaChange::WidenColumn { table, column, .. } = change else { continue };
        let table = database.table_of(&table).expect("it was widened just now");
        let index = table.index_of(&column).expect("it was widened just now");
        table.rows.iter_mut().for_each(|row| row[index] = Cell::Null);
    }
}

/// The rows that were replaced stay beside the new ones.
fn append_old(table: &mut Table, old: &Table) {
    let replaced = old.rows.iter().filter(|row| !table.rows.contains(row)).cloned();
    let replaced: Vec<_> = replaced.collect();
    table.rows.extend(replaced);
}

/// The values that were replaced come back where `keeps` says so of the new row and the column.
fn keep_old(table: &mut Table, old: &Table, keeps: impl Fn(&[Cell], usize) -> bool) {
    let old: BTreeMap<Vec<Cell>, &Vec<Cell>> =
        old.rows.iter().map(|row| (old.key_of(row), row)).collect();
    let is_own = |name: &str| !name.starts_with(system_columns::RESERVED_PREFIX);
    let columns: Vec<usize> =
        (0..table.columns.len()).filter(|index| is_own(&table.columns[*index].0)).collect();
    let keys: Vec<Vec<Cell>> = table.rows.iter().map(|row| table.key_of(row)).collect();
    for (row, key) in table.rows.iter_mut().zip(keys) {
        let Some(old) = old.get(&key) else { continue };
        for &column in &columns {
            if keeps(row, column) {
                row[column] = old[column].clone();
            }
        }
    }
}

/// Rows that a batch both sends and deletes end alive.
fn revive(table: &mut Table, rows: &engine::TableBatch) {
    let Some(deleted) = table.index_of(system_columns::DELETED) else { return };
    let sent: Vec<Vec<Cell>> = rows
        .upserts()
        .iter()
        .flat_map(|chunk| {
            let keys = rows.key_columns();
            let column =
                |key: &&str| crate::cell::cells(chunk.column_by_name(key).expect("a key column"));
            let columns: Vec<Vec<Cell>> = keys.iter().map(column).collect();
            let key = |row: usize| columns.iter().map(|column| column[row].clone()).collect();
            (0..chunk.num_rows()).map(key).collect::<Vec<_>>()
        })
        .collect();
    let keys: Vec<Vec<Cell>> = table.rows.iter().map(|row| table.key_of(row)).collect();
    for (row, key) in table.rows.iter_mut().zip(keys) {
        if sent.contains(&key) {
            row[deleted] = Cell::Boolean(false);
        }
    }
}

/// The index of a column of versions.
fn version_column(table: &Table, name: &str) -> usize {
    table.index_of(name).expect("a table of versions has its columns")
}

fn keep_open(table: &mut Table, old: &Table) {
    let (active, start) = (
        version_column(table, system_columns::ACTIVE),
        version_column(table, system_columns::START),
    );
    for was in old.rows.iter().filter(|row| row[active] == Cell::Boolean(true)) {
        let key = old.key_of(was);
        let newer =
            table.rows.iter().any(|row| table.key_of(row) == key && row[start] > was[start]);
        let keys = table.key_indices();
        let same = |row: &[Cell]| keys.iter().zip(&key).all(|(index, value)| row[*index] == *value);
        if let Some(row) =
            table.rows.iter_mut().find(|row| newer && same(row) && row[start] == was[start])
        {
            row[active] = Cell::Boolean(true);
        }
    }
}

fn version_unchanged(table: &mut Table, at: i64) {
    let (active, start, synced) = (
        version_column(table, system_columns::ACTIVE),
        version_column(table, system_columns::START),
        version_column(table, system_columns::SYNCED),
    );
    let unchanged: Vec<Vec<Cell>> = table
        .rows
        .iter()
        .filter(|row| row[active] == Cell::Boolean(true) && row[synced] == Cell::Moment(at))
        .filter(|row| row[start] < Cell::Moment(at))
        .cloned()
        .collect();
    for mut row in unchanged {
        row[start] = Cell::Moment(at);
        table.rows.push(row);
    }
}

fn pile_up(table: &mut Table, old: &Table, at: i64) {
    let start = version_column(table, system_columns::START);
    let own = old.rows.iter().filter(|row| row[start] == Cell::Moment(at));
    let undone: Vec<Vec<Cell>> = own.filter(|row| !table.rows.contains(row)).cloned().collect();
    table.rows.extend(undone);
}

fn stamp_swept(database: &mut Database, old: &BTreeMap<String, Arc<Table>>, synced: i64) {
    for (name, table) in &mut database.tables {
        let table = Arc::make_mut(table);
        let Some(deleted) = table.index_of(system_columns::DELETED) else { continue };
        let stamp = table.index_of(system_columns::SYNCED).expect("every table has it");
        let old = &old[name].rows;
        for (row, old) in table.rows.iter_mut().zip(old) {
            if row[deleted] != old[deleted] {
                row[stamp] = Cell::Moment(synced);
            }
        }
    }
}
