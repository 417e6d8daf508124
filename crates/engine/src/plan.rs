//! A response becomes a batch: names, keys, types and columns, against what the destination holds.

mod contracts;
mod deletes;
mod edits;
mod error;
mod hold_back;
mod modes;
mod resync;
mod values;

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;

pub use error::PlanError;
pub use hold_back::Approval;
use protocol::{Records, Response, State, TableName, Warning};
pub use resync::Resync;

use crate::columns::{self, CellValue, PageColumns, Reading};
use crate::contract::Doubles;
use crate::evolution::Evolution;
use crate::naming;
use crate::policy::{self, HeldCounts, Share, TableMode, Treatment};
use crate::run::{Keyless, Naming, Run, StringInference};
use crate::schema::{PrimaryKey, Schema, Table};
use crate::table_batch::{Origin, TableBatch};
use crate::time::Timestamp;
use crate::{Batch, Position, Replacement, Sweep};

/// Columns of a table. Data used as names (an id as a key of each row) would otherwise fill memory.
const COLUMNS_MAX: usize = 5000;

impl Batch {
    /// Types a response against what the destination holds.
    ///
    /// A pure function: the same response, position and run give the same batch.
    ///
    /// # Errors
    /// When a row cannot be placed; the page then changes nothing.
    pub fn plan(response: Response, position: &Position, run: &Run) -> Result<Batch, PlanError> {
        Batch::plan_without(response, position, run, &Doubles::new())
    }

    /// As [`Batch::plan`]; rows that the destination found to have a value that is another row's break
    /// their contract.
    pub(crate) fn plan_without(
        response: Response,
        position: &Position,
        run: &Run,
        doubles: &Doubles,
    ) -> Result<Batch, PlanError> {
        let mut planner = Planner::new(position, run);
        planner.doubles = doubles.clone();
        planner.keep_naming(position)?;
        planner.switch_modes()?;
        planner.warnings = response.warnings;
        let told = response.max_deletes.into_iter();
        planner.max_deletes =
            told.map(|most| (most.table, Share(u32::from(most.percent) * 100))).collect();
        planner.declare_keys(&response.schema)?;
        for (source, records) in &response.insert {
            planner.wire_bytes += records.as_json().len() as u64;
            planner.insert(source, records)?;
        }
        let named = response
            .soft_delete
            .iter()
            .filter(|source| !planner.is_held_back(&source.0) && !planner.is_passed_over(source));
        let named = named.map(|source| planner.table_name(source)).collect();
        for (source, records) in &response.delete {
            planner.wire_bytes += records.as_json().len() as u64;
            planner.delete(source, records, &named)?;
        }
        let chain = planner.name_soft_deletes(named, response.has_more);
        let state = match chain.only {
            Some(only) if !response.has_more => {
                planner.leaves.chain = only.chain.map(|chain| *chain);
                only.state
            }
            _ => response.state,
        };
        let replaced = if response.has_more { BTreeSet::new() } else { chain.rebuilding };
        Ok(planner.finish_replacing(state, replaced))
    }

    /// Adds the page after this one: one commit for both, the later word on a key and the later state.
    ///
    /// # Panics
    /// When `next` was not planned on what this batch leaves.
    pub fn join(mut self, next: Batch) -> Batch {
        assert_eq!(
            next.after,
            self.leaves.ordinal(),
            "a batch is joined by the one that was planned on what it leaves"
        );
        for (name, table) in next.tables {
            match self.tables.get_mut(&name) {
                Some(known) => known.join(table),
                None => {
                    self.tables.insert(name, table);
                }
            }
        }
        self.changes.extend(next.changes);
        self.leaves = next.leaves;
        self.leaves.ordinal = self.after + 1;
        for (name, table) in &mut self.tables {
            // One that was made anew has the name of the old one by now.
            let by_now = next.replacements.iter().find(|replacement| replacement.made == *name);
            let by_now = by_now.and_then(|replacement| replacement.table.as_ref()).unwrap_or(name);
            if self.leaves.schema.tables.get(by_now).is_some_and(|table| table.soft_deletes) {
                table.set_soft_deletes();
            }
        }
        self.replacements.extend(next.replacements);
        self.sweeps.extend(next.sweeps);
        self.warnings.extend(next.warnings);
        for (table, counts) in next.held_back {
            self.held_back.entry(table).or_default().add(counts);
        }
        self.pages += next.pages;
        self.wire_bytes += next.wire_bytes;
        self
    }
}

/// A position on its way to the next.
struct Planner<'a> {
    run: &'a Run,
    before: Schema,
    leaves: Position,
    tables: BTreeMap<String, TableBatch>,
    sweeps: BTreeMap<String, Sweep>,
    /// What the function says may be swept of its tables, by its own names.
    max_deletes: BTreeMap<String, Share>,
    replacements: Vec<Replacement>,
    warnings: Vec<Warning>,
    held_back: BTreeMap<String, HeldCounts>,
    /// Whether the policy has a say: most connections have none.
    has_policy: bool,
    /// Rows that break a contract, as the destination found.
    doubles: Doubles,
    /// Values of the rows at hand that became NULL under a lock.
    nulled: u64,
    wire_bytes: u64,
}

impl<'a> Planner<'a> {
    fn new(position: &Position, run: &'a Run) -> Planner<'a> {
        let mut leaves = position.clone();
        leaves.ordinal += 1;
        if leaves.committed_by != run.sync_id {
            // A clock that stood still or went back must not give two syncs one time: sweeps and the
            // keys of keyless tables tell syncs apart by it.
            let later = Timestamp(position.synced_at.0 + 1000);
            leaves.synced_at =
                run.synced_at().max(if position.ordinal == 0 { run.synced_at() } else { later });
            leaves.committed_by = run.sync_id.clone();
            leaves.next_index.clear();
            leaves.pages = 0;
        }
        leaves.pages += 1;
        let policy = &run.options.policy;
        if policy.hashes() {
            leaves.salt.get_or_insert_with(|| policy.salt.clone());
        }
        Planner {
            run,
            has_policy: !policy.is_open()
                || !leaves.held_back.tables.is_empty()
                || leaves.schema.tables.values().any(|table| table.mode != TableMode::Upsert),
            held_back: BTreeMap::new(),
            doubles: Doubles::new(),
            nulled: 0,
            before: position.schema.clone(),
            leaves,
            tables: BTreeMap::new(),
            sweeps: BTreeMap::new(),
            max_deletes: BTreeMap::new(),
            replacements: Vec::new(),
            warnings: Vec::new(),
            wire_bytes: 0,
        }
    }

    fn finish(self, state: State) -> Batch {
        self.finish_replacing(state, BTreeSet::new())
    }

    fn finish_replacing(mut self, state: State, rebuilt: BTreeSet<String>) -> Batch {
        let after = self.leaves.ordinal - 1;
        let changes = self.leaves.schema.changes_since(&self.before, self.leaves.ordinal);
        self.replace(rebuilt);
        let Planner { mut leaves, tables, sweeps, replacements, .. } = self;
        let Planner { warnings, held_back, wire_bytes, .. } = self;
        let synced_at = leaves.synced_at;
        leaves.state = state;
        Batch {
            after,
            changes,
            leaves,
            tables,
            sweeps,
            replacements,
            synced_at,
            warnings,
            held_back,
            pages: 1,
            wire_bytes,
        }
    }

    /// Names are chosen before the first row and kept for good: others would double every table.
    fn keep_naming(&mut self, position: &Position) -> Result<(), PlanError> {
        let naming = self.run.options.naming;
        match position.naming {
            Some(known) if known != naming && !position.schema.tables.is_empty() => {
                Err(PlanError::NamingChanged { known })
            }
            _ => {
                self.leaves.naming = Some(naming);
                Ok(())
            }
        }
    }

    fn table_name(&self, source: &TableName) -> String {
        let name = self.old_table_name(source);
        match &self.leaves.chain {
            Some(chain) if chain.rebuilding.contains(&name) => resync::made_anew(&name),
            _ => name,
        }
    }

    /// The name, whether or not the table is being made anew.
    fn old_table_name(&self, source: &TableName) -> String {
        let policy = self.run.options.policy.table(&source.0);
        match policy.and_then(|policy| policy.name.as_ref()) {
            Some(name) => naming::table_name(name, Naming::Source),
            None => naming::table_name(&source.0, self.run.options.naming),
        }
    }

    fn warn(&mut self, code: &'static str, message: String) {
        self.warnings.push(Warning::new(code, message));
    }

    /// Takes note of declared keys, and refuses one that differs from that of a table with rows
    /// (Dec-47), or from another in the same answer. A table that has had no row takes the latest:
    /// nothing is stored under another. A hint without key says nothing: a known key stays (F-128).
    fn declare_keys(
        &mut self,
        hints: &[(TableName, protocol::TableHint)],
    ) -> Result<(), PlanError> {
        let mut told: BTreeMap<String, PrimaryKey> = BTreeMap::new();
        for (source, hint) in hints.iter().filter(|(_, hint)| !hint.primary_key.is_empty()) {
            if self.mode_of(&source.0) == TableMode::Append {
                continue;
            }
            let table = self.table_name(source);
            let naming = self.run.options.naming;
            let declared: BTreeSet<String> =
                hint.primary_key.iter().map(|column| naming::column_name(column, naming)).collect();
            let declared = PrimaryKey::Columns(declared);
            let held = self.leaves.schema.tables.get(&table);
            let known = held.map(|held| &held.primary_key).or_else(|| told.get(&table));
            if let Some(known) = known.filter(|known| **known != declared)
                && !self.is_held_back(&source.0)
            {
                return Err(PlanError::PrimaryKeyChanged {
                    known: known.to_string(),
                    declared: declared.to_string(),
                    table,
                });
            }
            if held.is_none() {
                told.insert(table, declared);
            }
        }
        self.leaves.declared_keys.append(&mut told);
        Ok(())
    }

    fn insert(&mut self, source: &TableName, records: &Records) -> Result<(), PlanError> {
        if records.is_empty() {
            return Ok(());
        }
        if self.is_passed_over(source) {
            return Ok(());
        }
        if self.is_held_back(&source.0) {
            self.hold_rows_back(&source.0, records.rows());
            return Ok(());
        }
        let name = self.table_name(source);
        let text = self.checked_text(records, &name);
        let was_there = self.leaves.schema.tables.contains_key(&name);
        self.ensure_table(&name, source)?;
        let mut table = Arc::clone(&self.leaves.schema.tables[&name]);
        let mut page = scan(&text, records, &table, self.run, &|_| true);
        self.refuse_non_finite(&name, &page)?;
        self.enforce_contracts(source, &name, &table, &mut page)?;
        if page.rows == 0 {
            self.take_back(&name, was_there);
            return Ok(());
        }
        self.treat(&source.0, &name, &table, &mut page)?;
        self.place_upserts(Some(source), &name, &mut table, &page)?;
        self.count_nulled(&source.0);
        self.leaves.schema.tables.insert(name, table);
        Ok(())
    }

    /// `source` is what the function calls the table; one of our own has none.
    fn place_upserts(
        &mut self,
        source: Option<&TableName>,
        name: &str,
        table: &mut Arc<Table>,
        page: &PageColumns<'_>,
    ) -> Result<(), PlanError> {
        let known = table.columns.len();
        let places = self.evolution(name).evolve(table, page);
        check_locks(name, table, page, &places)?;
        if table.columns.len() > COLUMNS_MAX {
            return Err(PlanError::TooManyColumns { table: name.to_owned(), max: COLUMNS_MAX });
        }
        if let PrimaryKey::Columns(keys) = &table.primary_key {
            for column in &table.columns[known..] {
                let wanted = naming::column_name(&column.source, self.run.options.naming);
                if column.name != wanted && keys.contains(&wanted) {
                    return Err(PlanError::AmbiguousPrimaryKey {
                        table: name.to_owned(),
                        column: wanted,
                    });
                }
            }
            for key in keys {
                if let Some(row) = missing_key(key, table, page, &places) {
                    return Err(PlanError::NullPrimaryKey {
                        table: name.to_owned(),
                        row,
                        column: key.clone(),
                    });
                }
            }
        }
        let mut arrays = Vec::with_capacity(table.columns.len() + 3);
        for (column, place) in table.columns.iter().zip(&places) {
            arrays.push(self.build(name, column, *place, page));
        }
        arrays.extend(self.system_arrays(name, table, page, &places));
        arrays.extend(self.version_times(name, table, page)?);
        let unique = source.map(|source| self.unique_columns(source, table)).unwrap_or_default();
        let origin = source.filter(|_| !unique.is_empty()).map(|source| Origin {
            source: source.0.clone(),
            numbers: (0..page.rows).map(|row| page.number(row)).collect(),
        });
        let batch = self.table_batch(name, table);
        for column in &unique {
            batch.set_unique(column);
        }
        batch.upsert(arrays, origin);
        Ok(())
    }

    fn evolution<'b>(&'b mut self, table: &'b str) -> Evolution<'b> {
        Evolution {
            table,
            naming: self.run.options.naming,
            sync_id: &self.run.sync_id,
            page: self.leaves.pages,
            warnings: &mut self.warnings,
        }
    }

    /// The batch of a table; it is made, or grown to what the table has become.
    fn table_batch(&mut self, name: &str, table: &Table) -> &mut TableBatch {
        match self.tables.entry(name.to_owned()) {
            Entry::Vacant(vacant) => vacant.insert(TableBatch::new(name, table)),
            Entry::Occupied(known) => {
                let batch = known.into_mut();
                batch.join(TableBatch::new(name, table));
                batch
            }
        }
    }

    /// A table unknown so far is created with the key that was declared for it, now or on an earlier
    /// page; without one it is keyless.
    fn ensure_table(&mut self, name: &str, source: &TableName) -> Result<(), PlanError> {
        if let Some(known) = self.leaves.schema.tables.get_mut(name) {
            if known.sources.is_empty() && known.mode == TableMode::Append {
                return Err(contracts::taken(source, name));
            }
            if known.sources.is_empty() {
                // One that was adopted: now one knows what the function calls it.
                Arc::make_mut(known).sources.insert(source.0.clone());
            } else if !known.sources.contains(&source.0) {
                Arc::make_mut(known).sources.insert(source.0.clone());
                let first = known.sources.iter().find(|known| **known != source.0).cloned();
                self.warn(
                    "tables_merged",
                    format!(
                        "tables {:.80} and {source:.80} both become {name}",
                        first.unwrap_or_default()
                    ),
                );
            }
            return Ok(());
        }
        let old_name = self.old_table_name(source);
        let old = self.leaves.schema.tables.get(&old_name).filter(|_| old_name != name);
        let old_key = old.map(|old| old.primary_key.clone());
        let mut tables = self.leaves.schema.tables.iter();
        if old_key.is_none()
            && let Some((known, _)) = tables.find(|(_, table)| table.sources.contains(&source.0))
        {
            return Err(PlanError::TableNameChanged {
                table: shorten(&source.0),
                known: known.clone(),
                name: name.to_owned(),
            });
        }
        let mode = self.mode_of(&source.0);
        let keyless = match self.run.options.keyless {
            _ if mode == TableMode::Append => PrimaryKey::BatchIndex,
            Keyless::BatchIndex => PrimaryKey::BatchIndex,
            Keyless::RowHash => PrimaryKey::RowHash,
        };
        // A table that is made anew has the key of the old one, unless another is declared.
        let declared = self.leaves.declared_keys.remove(name).or(old_key);
        let primary_key = declared.filter(|_| mode != TableMode::Append).unwrap_or(keyless);
        modes::check_key(name, mode, &primary_key)?;
        let table = Table {
            sources: BTreeSet::from([source.0.clone()]),
            primary_key,
            columns: Vec::new(),
            soft_deletes: mode == TableMode::Upsert && self.was_named(name),
            mode,
            version_time: self
                .run
                .options
                .policy
                .version_time_of(&source.0)
                .filter(|_| mode == TableMode::History)
                .map(str::to_owned),
        };
        self.leaves.schema.tables.insert(name.to_owned(), Arc::new(table));
        Ok(())
    }

    /// Whether `softDelete` named the table on an earlier page: the pages of a chain name theirs
    /// together (Dec-22), for marks as for sweeps, since what was removed cannot be marked any more.
    fn was_named(&self, table: &str) -> bool {
        self.leaves.chain.as_ref().is_some_and(|chain| chain.soft_delete.contains(table))
    }
}

/// A lock that the column's old values stand against is told: a column does not narrow.
fn check_locks(
    name: &str,
    table: &Table,
    page: &PageColumns<'_>,
    places: &[Option<usize>],
) -> Result<(), PlanError> {
    for (column, place) in table.columns.iter().zip(places) {
        let Some(place) = place else { continue };
        let seen = &page.columns[*place];
        if let Treatment::Lock(locked) = seen.treatment
            && seen.shape.column_type().is_some()
            && !policy::keeps_lock(column.column_type(), locked)
        {
            return Err(PlanError::TypeLockConflict {
                table: name.to_owned(),
                column: column.name.clone(),
                column_type: column.column_type(),
                locked,
            });
        }
    }
    Ok(())
}

/// A table that has the column stays shared.
fn set_soft_deletes(table: &mut Arc<Table>) {
    if !table.soft_deletes {
        Arc::make_mut(table).soft_deletes = true;
    }
}

fn scan<'t>(
    text: &'t str,
    records: &Records,
    table: &Table,
    run: &Run,
    wanted: &dyn Fn(&str) -> bool,
) -> PageColumns<'t> {
    let naming = run.options.naming;
    let strings = |source: &str| {
        let PrimaryKey::Columns(keys) = &table.primary_key else {
            return run.options.string_inference;
        };
        let name = match table.columns.iter().find(|column| column.source == source) {
            Some(column) => column.name.clone(),
            None => naming::column_name(source, naming),
        };
        // Keys keep their text (Dec-55, F-186).
        if keys.contains(&name) { StringInference::None } else { run.options.string_inference }
    };
    let known = table.columns.iter().map(|column| column.source.as_str());
    let known = known.filter(|source| !source.is_empty() && wanted(source));
    let reading = Reading { known: known.collect(), strings: &strings, wanted };
    let rows = usize::try_from(records.rows()).expect("the rows of a page fit memory");
    let non_finite = records.has_non_finite() && !run.options.lenient_numbers;
    columns::scan(text, rows, non_finite, &reading)
}

/// The first row, from 1, that has no value for a key column.
fn missing_key(
    key: &str,
    table: &Table,
    page: &PageColumns<'_>,
    places: &[Option<usize>],
) -> Option<u64> {
    let index = table.columns.iter().position(|column| column.name == key);
    match index.and_then(|index| places[index]) {
        None => Some(1),
        Some(place) => {
            let null =
                |cell: &columns::Cell| matches!(cell.value, CellValue::Null | CellValue::NonFinite);
            page.columns[place].cells.iter().position(null).map(|row| page.number(row))
        }
    }
}

/// A source name as it may stand in a message.
fn shorten(name: &str) -> String {
    format!("{name:.80}")
}

#[cfg(test)]
mod tests;
