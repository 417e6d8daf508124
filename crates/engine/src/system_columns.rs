//! The columns that we add to a function's own (section 5.1).

use crate::schema::PrimaryKey;

/// When the row was last sent, or marked by a delete: the start of that sync.
pub const SYNCED: &str = "_fivetran_synced";
/// Whether the row is gone from the source. Only in tables that ever had a soft delete (F-118).
pub const DELETED: &str = "_fivetran_deleted";
/// The sync that brought the row, in a table without key (Dec-42).
pub const BATCH: &str = "_fivetran_batch";
/// The row's place among those of its sync, in a table without key (Dec-42).
pub const INDEX: &str = "_fivetran_index";
/// A hash of the row, in a table without key and with `keyless: row_hash` (Dec-42).
pub const ID: &str = "_fivetran_id";
/// A function's own columns may not begin with this (Dec-44).
pub const RESERVED_PREFIX: &str = "_fivetran_";

/// The columns that make up a key.
pub fn key_columns(primary_key: &PrimaryKey) -> Vec<&str> {
    match primary_key {
        PrimaryKey::Columns(columns) => columns.iter().map(String::as_str).collect(),
        PrimaryKey::BatchIndex => vec![BATCH, INDEX],
        PrimaryKey::RowHash => vec![ID],
    }
}

/// The system columns that every row of a table has from its creation, with their Arrow types, in the
/// order in which they follow the table's own.
pub fn of(primary_key: &PrimaryKey) -> Vec<(&'static str, crate::value::ColumnType)> {
    use crate::value::ColumnType;
    let mut columns = vec![(SYNCED, ColumnType::Instant)];
    match primary_key {
        PrimaryKey::Columns(_) => {}
        PrimaryKey::BatchIndex => {
            columns.extend([(BATCH, ColumnType::Instant), (INDEX, ColumnType::Long)]);
        }
        PrimaryKey::RowHash => columns.push((ID, ColumnType::String)),
    }
    columns
}
