//! SQL text, as pure functions of tables, columns and moments.
//!
//! Rows reach a statement through the table function of [`crate::rows`]: its columns are `c0`, `c1`, …
//! in the order of the batch, and it is called `incoming`. The table that the statement is about is
//! called `held`.

use engine::{ColumnType, Table, Timestamp, system_columns};

use crate::rows;
use crate::widening;

mod adopting;
mod versions;

pub(crate) use adopting::{
    FIND_COLUMNS, FIND_KEYS, count_doubles, integer_digits, last_synced, remake_table,
};
pub(crate) use sql::{Arrived, identifier, instant};
pub(crate) use versions::{end_history, remove_deleted, start_history};

/// Where a table is in the database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// DuckDB's name for the file: `orders.orders` could be a schema of this file or a file.
    pub(crate) catalog: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) table: &'a str,
}

impl Place<'_> {
    pub(crate) fn quoted(self) -> String {
        let Place { catalog, namespace, table } = self;
        format!("{}.{}.{}", identifier(catalog), identifier(namespace), identifier(table))
    }
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// DuckDB as [`sql`] writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect;

impl sql::Dialect for Dialect {
    /// An instant minus an interval takes an extension of DuckDB's, and a time zone.
    fn before(self, instant: &str) -> String {
        format!(
            "CAST(CAST(make_timestamp(epoch_us({instant}) - {}) AS VARCHAR) || '+00' AS TIMESTAMPTZ)",
            system_columns::VERSION_GAP_MICROS
        )
    }

    fn as_instant(self, value: &str, kind: ColumnType) -> String {
        if kind == ColumnType::Instant {
            return value.to_owned();
        }
        format!("CAST(CAST(CAST({value} AS TIMESTAMP) AS VARCHAR) || '+00' AS TIMESTAMPTZ)")
    }
}

/// Rows that are given to a statement of DuckDB.
pub(crate) fn arrived<'a>(
    table: &'a str,
    columns: &'a [(String, ColumnType)],
    keys: &'a [&'a str],
    soft_deletes: bool,
) -> Arrived<'a, Dialect> {
    Arrived { dialect: Dialect, table, rows: rows::CALL, columns, keys, soft_deletes }
}

/// The types of Dec-63.
pub(crate) fn sql_type(column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Boolean => "BOOLEAN".to_owned(),
        ColumnType::Long => "BIGINT".to_owned(),
        ColumnType::Decimal { scale } => format!("DECIMAL(38,{scale})"),
        ColumnType::Double => "DOUBLE".to_owned(),
        ColumnType::LocalDate => "DATE".to_owned(),
        ColumnType::LocalDateTime => "TIMESTAMP".to_owned(),
        ColumnType::Instant => "TIMESTAMP WITH TIME ZONE".to_owned(),
        ColumnType::String => "VARCHAR".to_owned(),
        ColumnType::Json => "JSON".to_owned(),
    }
}

/// The type that [`sql_type`] prints so.
pub(crate) fn column_type(printed: &str) -> Option<ColumnType> {
    const PLAIN: [ColumnType; 8] = [
        ColumnType::Boolean,
        ColumnType::Long,
        ColumnType::Double,
        ColumnType::LocalDate,
        ColumnType::LocalDateTime,
        ColumnType::Instant,
        ColumnType::String,
        ColumnType::Json,
    ];
    let scale = printed.strip_prefix("DECIMAL(38,").and_then(|rest| rest.strip_suffix(')'));
    match scale {
        Some(scale) => scale.parse().ok().map(|scale| ColumnType::Decimal { scale }),
        None => PLAIN.into_iter().find(|plain| sql_type(*plain) == printed),
    }
}

pub(crate) fn create_namespace(catalog: &str, namespace: &str) -> String {
    format!("CREATE SCHEMA IF NOT EXISTS {}.{}", identifier(catalog), identifier(namespace))
}

/// Without a primary key or index: merging without one is half the cost, and each key is written once.
pub(crate) fn create_table(place: Place<'_>, table: &Table) -> String {
    let columns: Vec<String> = table
        .all_columns()
        .into_iter()
        .map(|(name, column_type)| {
            // Rows written by hand are live, like ours.
            let default = if name == system_columns::DELETED { " DEFAULT FALSE" } else { "" };
            format!("{} {}{default}", identifier(&name), sql_type(column_type))
        })
        .collect();
    format!("CREATE TABLE {} ({})", place.quoted(), columns.join(", "))
}

pub(crate) fn add_column(place: Place<'_>, column: &str, column_type: ColumnType) -> String {
    let (column, column_type) = (identifier(column), sql_type(column_type));
    format!("ALTER TABLE {} ADD COLUMN {column} {column_type}", place.quoted())
}

/// Rows that are there are live (Dec-43).
pub(crate) fn add_soft_deletes(place: Place<'_>) -> String {
    let deleted = identifier(system_columns::DELETED);
    format!("ALTER TABLE {} ADD COLUMN {deleted} BOOLEAN DEFAULT FALSE", place.quoted())
}

pub(crate) fn widen_column(
    place: Place<'_>,
    column: &str,
    from: ColumnType,
    to: ColumnType,
) -> String {
    let column = identifier(column);
    let value = widening::expression(&column, from, to);
    format!(
        "ALTER TABLE {} ALTER COLUMN {column} SET DATA TYPE {} USING {value}",
        place.quoted(),
        sql_type(to)
    )
}

/// A table that was made anew takes the place of another, or goes.
pub(crate) fn replace_table(made: Place<'_>, table: Option<Place<'_>>) -> String {
    let made = made.quoted();
    match table.map(Place::quoted) {
        Some(table) => {
            // One that was dropped by hand is made anew so.
            format!(
                "DROP TABLE IF EXISTS {table}; CREATE TABLE {table} AS FROM {made}; DROP TABLE {made}"
            )
        }
        None => format!("DROP TABLE {made}"),
    }
}

/// Name and type of each column, in order; fails when there is no such table.
pub(crate) fn describe(place: Place<'_>) -> String {
    format!("SELECT column_name, column_type FROM (DESCRIBE {})", place.quoted())
}

pub(crate) fn count_rows(place: Place<'_>) -> String {
    format!("SELECT count(*) FROM {}", place.quoted())
}

/// The row id after the last.
pub(crate) fn end_of_row_ids(place: Place<'_>) -> String {
    format!("SELECT coalesce(max(rowid) + 1, 0) FROM {}", place.quoted())
}

/// The rows of a range of row ids, JSON as text.
pub(crate) fn read_rows(
    place: Place<'_>,
    columns: &[(String, ColumnType)],
    from: i64,
    until: i64,
) -> String {
    let column = |(name, kind): &(String, ColumnType)| match kind {
        ColumnType::Json => format!("CAST({} AS VARCHAR)", identifier(name)),
        _ => identifier(name),
    };
    let columns = columns.iter().map(column).collect::<Vec<_>>().join(", ");
    format!(
        "SELECT {columns} FROM {} WHERE rowid >= {from} AND rowid < {until} ORDER BY rowid",
        place.quoted()
    )
}

/// How many rows are in a range of row ids, and a text of theirs: two sums of their hashes, so that neither
/// their order nor two equal rows can hide a change.
pub(crate) fn print_rows(
    place: Place<'_>,
    columns: &[(String, ColumnType)],
    rows: std::ops::Range<i64>,
) -> String {
    let columns = columns.iter().map(|(name, _)| identifier(name)).collect::<Vec<_>>().join(", ");
    format!(
        "SELECT count(*), concat(sum(hash({columns})), ' ', sum(hash('again', {columns}))) FROM {} \
         WHERE rowid >= {} AND rowid < {}",
        place.quoted(),
        rows.start,
        rows.end
    )
}

pub(crate) fn forget_table(place: Place<'_>) -> String {
    format!("DROP TABLE IF EXISTS {}", place.quoted())
}

/// Whether something of that name is there already, a view too.
pub(crate) fn find_tables(namespace: &str) -> String {
    format!(
        "SELECT table_name FROM information_schema.tables \
         WHERE table_catalog = current_database() AND lower(table_schema) = lower({})",
        text(namespace)
    )
}

/// Dates and times are the cheapest columns to compare, and most sources have one that moves with
/// every change.
pub(crate) fn is_telling(column_type: ColumnType) -> bool {
    matches!(column_type, ColumnType::LocalDate | ColumnType::LocalDateTime | ColumnType::Instant)
}

/// The held row of each incoming key, and whether it can be told at a glance that it differs: by a
/// date or time, or because it is marked as deleted.
pub(crate) fn match_rows(arrived: &Arrived<'_, Dialect>) -> String {
    let mut differs = arrived.differs_in(is_telling);
    if arrived.soft_deletes {
        differs = format!("{differs} OR held.{} IS TRUE", identifier(system_columns::DELETED));
    }
    format!(
        "SELECT held.rowid, incoming.{position}, ({differs}) \
         FROM {table} AS held JOIN {rows} AS incoming ON {keys}",
        position = rows::POSITION,
        table = arrived.table,
        rows = arrived.rows,
        keys = arrived.same(),
    )
}

/// The places of the rows, among those given with the row they met, that differ from it in a column
/// that [`match_rows`] has not looked at.
pub(crate) fn compare_rows(arrived: &Arrived<'_, Dialect>) -> String {
    let differs = arrived.differs_in(|kind| !is_telling(kind));
    format!(
        "SELECT incoming.{position} FROM {table} AS held JOIN {rows} AS incoming \
         ON held.rowid = incoming.{row_id} WHERE {differs}",
        position = rows::POSITION,
        table = arrived.table,
        rows = arrived.rows,
        row_id = rows::ROW_ID,
    )
}

/// Only `_fivetran_synced` of the rows named by their row ids: a column written in place costs little.
pub(crate) fn touch_rows(place: Place<'_>, synced_at: Timestamp) -> String {
    format!(
        "UPDATE {} SET {} = {} WHERE rowid IN (SELECT {} FROM {}())",
        place.quoted(),
        identifier(system_columns::SYNCED),
        instant(synced_at),
        rows::ROW_ID,
        rows::FUNCTION
    )
}

pub(crate) fn delete_rows(place: Place<'_>) -> String {
    format!(
        "DELETE FROM {} WHERE rowid IN (SELECT {} FROM {}())",
        place.quoted(),
        rows::ROW_ID,
        rows::FUNCTION
    )
}

#[cfg(test)]
mod tests;
