use std::collections::BTreeMap;

use protocol::Warning;

use crate::Position;
use crate::contract::Doubles;
use crate::destination::DestinationError;
use crate::policy::{HeldCounts, Share};
use crate::schema::{SchemaChange, Table};
use crate::table_batch::TableBatch;
use crate::time::Timestamp;

/// Pages ready to land: schema changes, rows, sweeps, and the state they earn.
///
/// Made whole from one response, joined only with the batch of the page after it, and never taken
/// apart, so a state cannot be saved without its rows, nor rows without their state.
#[derive(Debug)]
#[must_use = "a batch that is never committed is lost work"]
pub struct Batch {
    pub(crate) after: u64,
    /// Of the pages, in their order: a column that two pages widen goes through both types, so that
    /// old values have the same text however pages are joined.
    pub(crate) changes: Vec<SchemaChange>,
    pub(crate) leaves: Position,
    pub(crate) tables: BTreeMap<String, TableBatch>,
    pub(crate) sweeps: BTreeMap<String, Sweep>,
    /// In the order of pages; the last steps of the batch.
    pub(crate) replacements: Vec<Replacement>,
    pub(crate) synced_at: Timestamp,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) pages: u64,
    /// What the policy left out or altered, by the names that the function gives to tables.
    pub(crate) held_back: BTreeMap<String, HeldCounts>,
    /// Bytes of rows as they came.
    pub(crate) wire_bytes: u64,
}

/// What becomes of the rows of a table that were synced before a moment; their `_fivetran_synced`
/// stays (F-126). A table that is not there is left alone (F-123).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    pub table: String,
    pub before: Timestamp,
    pub verb: SweepVerb,
    /// Where more of the table's live rows would be swept, the batch is refused
    /// (`too_many_deletes`).
    pub max_share: Option<Share>,
}

impl Sweep {
    /// Refuses a sweep of more rows than the user allows: often a source that answered with less than it
    /// has.
    ///
    /// # Errors
    /// `too_many_deletes`, with both counts.
    pub fn check(&self, rows: u64, live: u64) -> Result<(), DestinationError> {
        let Some(max) = self.max_share.filter(|max| max.is_exceeded(rows, live)) else {
            return Ok(());
        };
        Err(DestinationError::Refused {
            code: "too_many_deletes",
            message: format!(
                "table {}: {rows} of {live} live rows were not sent again, and max_deletes is {max}",
                self.table
            ),
            hint: "look whether the source still has them; if they are gone, sync once with --allow-deletes"
                .to_owned(),
        })
    }
}

/// The end of a resync that makes a table anew beside the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The table that was made anew; it is gone afterwards.
    pub made: String,
    /// The table whose name and place it takes; none where the resync was given up.
    pub table: Option<String>,
}

/// How a sweep deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepVerb {
    Mark,
    Remove,
    /// Ends the current version, at the moment of the batch.
    Close,
}

impl Batch {
    /// The ordinal this batch lands on; it is void at any other.
    pub fn after(&self) -> u64 {
        self.after
    }

    /// The position that the destination holds once the batch has landed.
    pub fn leaves(&self) -> &Position {
        &self.leaves
    }

    pub(crate) fn into_leaves(self) -> Position {
        self.leaves
    }

    /// The steps of evolution to take before the rows are written, in this order.
    pub fn changes(&self) -> Vec<SchemaChange> {
        self.changes.clone()
    }

    /// A table that the batch creates or writes to, as it will be. One that is made anew has another name
    /// in what the batch leaves.
    pub fn table(&self, name: &str) -> &Table {
        let by_now = self.replacements.iter().find(|replacement| replacement.made == name);
        let by_now = by_now.and_then(|replacement| replacement.table.as_deref()).unwrap_or(name);
        &self.leaves.schema.tables[by_now]
    }

    /// The tables that have rows to write.
    pub fn tables(&self) -> impl Iterator<Item = &TableBatch> {
        self.tables.values()
    }

    pub fn sweeps(&self) -> impl Iterator<Item = &Sweep> {
        self.sweeps.values()
    }

    /// The rows to leave out when the page is planned anew, since the destination refused them.
    pub(crate) fn doubles(&self, refused: &DestinationError) -> Doubles {
        let mut doubles = Doubles::new();
        let DestinationError::NotUnique { table, column, places } = refused else {
            return doubles;
        };
        let table = self.tables.get(table);
        for (source, row) in
            places.iter().filter_map(|place| table.and_then(|table| table.origin(*place)))
        {
            doubles.entry(source.to_owned()).or_default().insert(row, column.clone());
        }
        doubles
    }

    /// The tables to replace by others, or to drop, when the rows are written and the sweeps are done.
    pub fn replacements(&self) -> &[Replacement] {
        &self.replacements
    }

    /// The value of `_fivetran_synced` for every row written or marked by this batch.
    pub fn synced_at(&self) -> Timestamp {
        self.synced_at
    }

    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// What the policy left out or altered, by the names that the function gives to tables.
    pub fn held_back(&self) -> &BTreeMap<String, HeldCounts> {
        &self.held_back
    }

    /// Pages joined into it.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Bytes of rows as they came.
    pub fn wire_bytes(&self) -> u64 {
        self.wire_bytes
    }

    /// Rows sent, in `insert` and in `delete`.
    pub fn rows(&self) -> u64 {
        self.tables.values().map(TableBatch::rows_sent).sum()
    }
}
