use arrow_array::RecordBatch;

use crate::schema::PrimaryKey;
use crate::system_columns;

/// One table's rows in a batch, as Arrow columns; each key at most once, its last word (Dec-45, F-102).
#[derive(Clone, Debug)]
pub struct TableBatch {
    pub(crate) table: String,
    pub(crate) primary_key: PrimaryKey,
    pub(crate) soft_deletes: bool,
    pub(crate) rows_sent: u64,
    pub(crate) upserts: Vec<RecordBatch>,
    pub(crate) marks: Vec<RecordBatch>,
    pub(crate) removals: Vec<RecordBatch>,
}

impl TableBatch {
    pub fn table(&self) -> &str {
        &self.table
    }

    pub fn primary_key(&self) -> &PrimaryKey {
        &self.primary_key
    }

    /// The columns of the key, system columns where the function declared none.
    pub fn key_columns(&self) -> Vec<&str> {
        system_columns::key_columns(&self.primary_key)
    }

    /// Whether the table has a `_fivetran_deleted` column once the batch's changes are made; then
    /// every upsert makes its row live again (F-117).
    pub fn soft_deletes(&self) -> bool {
        self.soft_deletes
    }

    /// Rows to insert, or to replace the row with the same key. All of one schema: the table's columns
    /// in their order, then `_fivetran_synced` and the key's system columns if it has any;
    /// `_fivetran_deleted` is not among them. Chunks, in the order of arrival; possibly none.
    pub fn upserts(&self) -> Vec<RecordBatch> {
        self.upserts.clone()
    }

    /// Keys of rows to mark as deleted and to stamp with `_fivetran_synced` (F-111): the key columns only.
    pub fn marks(&self) -> Vec<RecordBatch> {
        self.marks.clone()
    }

    /// Keys of rows to remove (F-112): the key columns only.
    pub fn removals(&self) -> Vec<RecordBatch> {
        self.removals.clone()
    }

    /// Rows the function sent, in `insert` and in `delete`, before the last word on each key was chosen.
    pub fn rows_sent(&self) -> u64 {
        self.rows_sent
    }
}
