//! SQL that switches a table to versions and back.

use engine::{ColumnType, system_columns};

use super::{Dialect, Place, identifier, sql_type};

/// What a table of versions begins with: each row that is there is a version (F-214).
pub(crate) fn start_history(
    place: Place<'_>,
    had_deleted: bool,
    time: Option<(&str, ColumnType)>,
) -> Vec<String> {
    let table = place.quoted();
    let names = sql::history_columns();
    let values = sql::first_version(Dialect, had_deleted, time);
    let mut statements: Vec<String> = system_columns::OF_HISTORY
        .iter()
        .map(|(name, kind)| {
            format!("ALTER TABLE {table} ADD COLUMN {} {}", identifier(name), sql_type(*kind))
        })
        .collect();
    let set = names.iter().zip(values).map(|(name, value)| format!("{name} = {value}"));
    let set = set.collect::<Vec<_>>().join(", ");
    statements.push(format!("UPDATE {table} SET {set}"));
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
    let is_older = sql::is_older(Dialect, &table, keys);
    vec![
        format!("CREATE TABLE {kept} AS SELECT * FROM {table} AS held WHERE {is_older}"),
        format!("DELETE FROM {table} AS held WHERE {is_older}"),
        format!("ALTER TABLE {table} ADD COLUMN {deleted} {}", sql_type(ColumnType::Boolean)),
        format!("UPDATE {table} SET {deleted} = NOT {active}"),
        format!("ALTER TABLE {table} DROP COLUMN {active}"),
        format!("ALTER TABLE {table} DROP COLUMN {start}"),
        format!("ALTER TABLE {table} DROP COLUMN {end}"),
    ]
}

/// Only live rows are kept from now on.
pub(crate) fn remove_deleted(place: Place<'_>) -> String {
    format!("DELETE FROM {} WHERE {} IS TRUE", place.quoted(), identifier(system_columns::DELETED))
}
