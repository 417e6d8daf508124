//! The columns that we add to a function's own (section 5.1).

use crate::schema::PrimaryKey;
use crate::time::Timestamp;
use crate::value::ColumnType;

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
/// Whether the version is the current one of a row that is there, in a table of versions (section 5.8).
pub const ACTIVE: &str = "_fivetran_active";
/// When the version began to hold.
pub const START: &str = "_fivetran_start";
/// When it ceased to hold; [`END_MAX`] where it has not.
pub const END: &str = "_fivetran_end";
/// 9999-12-31T23:59:59.999Z.
pub const END_MAX: Timestamp = Timestamp(253_402_300_799_999_000);
/// Between the end of a version and the start of the next, in microseconds (F-210).
pub const VERSION_GAP_MICROS: i64 = 1000;
/// The columns of a table of versions, with their types.
pub const OF_HISTORY: [(&str, ColumnType); 3] =
    [(ACTIVE, ColumnType::Boolean), (START, ColumnType::Instant), (END, ColumnType::Instant)];
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
pub fn of(primary_key: &PrimaryKey) -> Vec<(&'static str, ColumnType)> {
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
