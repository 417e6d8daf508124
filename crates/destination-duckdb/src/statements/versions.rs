//! SQL that switches a table to versions and back.

use engine::{ColumnType, system_columns};

use super::{Dialect, Place, identifier, sql_type};

/// What a table of versions begins with: each row that is there is a version (F-214). No statement writes rows:
/// DuckDB cannot commit a table that was written to and altered afterwards.
pub(crate) fn start_history(
    place: Place<'_>,
    had_deleted: bool,
    time: Option<(&str, ColumnType)>,
) -> Vec<String> {
    let table = place.quoted();
    let values = sql::first_version(Dialect, had_deleted, time);
    let mut statements = Vec::new();
    for ((name, kind), value) in system_columns::OF_HISTORY.iter().zip(values) {
        let (name, kind) = (identifier(name), sql_type(*kind));
        statements.push(format!("ALTER TABLE {table} ADD COLUMN {name} {kind}"));
        statements.push(format!(
            "ALTER TABLE {table} ALTER COLUMN {name} SET DATA TYPE {kind} USING {value}"
        ));
    }
    if had_deleted {
        let deleted = identifier(system_columns::DELETED);
        statements.push(format!("ALTER TABLE {table} DROP COLUMN {deleted}"));
    }
    statements
}

/// What is left when versions are no longer kept: the latest of each key, marked where it has ended.
/// The others move to a table of their own, so that none is lost.
pub(crate) fn end_history(
    place: Place<'_>,
    kept_as: Place<'_>,
    keys: &[(String, ColumnType)],
) -> Vec<String> {
    let (table, kept) = (place.quoted(), kept_as.quoted());
    let [active, start, end] = sql::history_columns();
    let deleted = identifier(system_columns::DELETED);
    let is_older = sql::is_older(Dialect, &kept, keys);
    vec![
        format!("ALTER TABLE {table} RENAME TO {}", identifier(kept_as.table)),
        format!(
            "CREATE TABLE {table} AS SELECT * EXCLUDE ({active}, {start}, {end}), \
             NOT {active} AS {deleted} FROM {kept} AS held WHERE NOT {is_older}"
        ),
        format!("DELETE FROM {kept} AS held WHERE NOT {is_older}"),
    ]
}

/// Only live rows are kept from now on.
pub(crate) fn remove_deleted(place: Place<'_>) -> String {
    format!("DELETE FROM {} WHERE {} IS TRUE", place.quoted(), identifier(system_columns::DELETED))
}
