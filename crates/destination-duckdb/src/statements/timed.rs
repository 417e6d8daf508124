//! SQL for tables of versions that say since when they hold, by a column of the source (Dec-66).
//!
//! What is left depends on the versions that were sent, each with the last word on it, and not on their
//! order: one that comes late finds its place among the others.

use engine::system_columns;

use super::versions::history_columns;
use super::{Incoming, Versions, identifier, instant, is_payload};
use crate::rows;

fn same_version(incoming: Incoming<'_>, keys: &[&str]) -> String {
    let keys: Vec<&str> = keys.iter().copied().chain([system_columns::START]).collect();
    incoming.keys_equal(&keys)
}

/// Versions that a delete of this sync has ended hold again: their row is sent once more.
pub(crate) fn reopen_timed(versions: Versions<'_>) -> String {
    let Versions { place, incoming, keys, at } = versions;
    let [active, start, end] = history_columns();
    format!(
        "UPDATE {} AS held SET {active} = TRUE, {end} = {} FROM {}() AS incoming \
         WHERE {} AND NOT held.{active} AND held.{end} = greatest({}, held.{start})",
        place.quoted(),
        instant(system_columns::END_MAX),
        rows::FUNCTION,
        incoming.keys_equal(keys),
        instant(at),
    )
}

/// Stamps the versions that were sent again as they are.
pub(crate) fn touch_timed(versions: Versions<'_>) -> String {
    let Versions { place, incoming, keys, at } = versions;
    let [active, _, end] = history_columns();
    format!(
        "UPDATE {} AS held SET {} = {}, {active} = TRUE, {end} = {} FROM {}() AS incoming \
         WHERE {} AND NOT ({})",
        place.quoted(),
        identifier(system_columns::SYNCED),
        instant(at),
        instant(system_columns::END_MAX),
        rows::FUNCTION,
        same_version(incoming, keys),
        incoming.differs(&|name, _| is_payload(name, keys)),
    )
}

/// Versions that were sent again with other values go.
pub(crate) fn remove_timed(versions: Versions<'_>) -> String {
    let Versions { place, incoming, keys, .. } = versions;
    format!(
        "DELETE FROM {} AS held USING {}() AS incoming WHERE {} AND ({})",
        place.quoted(),
        rows::FUNCTION,
        same_version(incoming, keys),
        incoming.differs(&|name, _| is_payload(name, keys)),
    )
}

/// Writes the versions that are not there.
pub(crate) fn insert_timed(versions: Versions<'_>) -> String {
    let Versions { place, incoming, keys, .. } = versions;
    let names: Vec<String> = incoming.columns.iter().map(|column| identifier(&column.0)).collect();
    let values: Vec<String> =
        (0..incoming.columns.len()).map(|index| format!("incoming.c{index}")).collect();
    let [active, _, end] = history_columns();
    format!(
        "INSERT INTO {table} ({}, {active}, {end}) SELECT {}, TRUE, {} FROM {}() AS incoming \
         WHERE NOT EXISTS (SELECT 1 FROM {table} AS held WHERE {})",
        names.join(", "),
        values.join(", "),
        instant(system_columns::END_MAX),
        rows::FUNCTION,
        same_version(incoming, keys),
        table = place.quoted(),
    )
}

/// Each version ends a millisecond before the next of its key begins, unless it had ended before.
pub(crate) fn chain_timed(versions: Versions<'_>) -> String {
    let Versions { place, incoming, keys, .. } = versions;
    let [active, start, end] = history_columns();
    let names: Vec<String> = keys.iter().map(|key| identifier(key)).collect();
    let same: Vec<String> = names.iter().map(|key| format!("held.{key} = later.{key}")).collect();
    // An instant minus an interval takes an extension of DuckDB's, and a time zone.
    let before = format!(
        "CAST(CAST(make_timestamp(epoch_us(later.next) - {}) AS VARCHAR) || '+00' AS TIMESTAMPTZ)",
        system_columns::VERSION_GAP_MICROS
    );
    let before = format!("greatest(held.{start}, {before})");
    format!(
        "UPDATE {table} AS held SET {active} = FALSE, {end} = least(held.{end}, {before}) FROM (\
         SELECT {names}, {start}, lead({start}) OVER (PARTITION BY {names} ORDER BY {start}) AS next \
         FROM {table} AS held WHERE EXISTS (SELECT 1 FROM {}() AS incoming WHERE {})) AS later \
         WHERE {} AND held.{start} = later.{start} AND later.next IS NOT NULL \
         AND (held.{active} OR held.{end} > {before})",
        rows::FUNCTION,
        incoming.keys_equal(keys),
        same.join(" AND "),
        names = names.join(", "),
        table = place.quoted(),
    )
}
