//! SQL for tables of versions, for switching to them and back, and for sweeps of every kind.

use engine::{ColumnType, Sweep, SweepVerb, Timestamp, system_columns};

use super::{Incoming, Place, identifier, instant, is_payload, sql_type};
use crate::rows;

/// The rows that arrive for a table of versions, and when what they say begins to hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Versions<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) incoming: Incoming<'a>,
    pub(crate) keys: &'a [&'a str],
    pub(crate) at: Timestamp,
}

impl Versions<'_> {
    /// When a version ends that another follows (F-210).
    fn before(self) -> String {
        instant(Timestamp(self.at.0 - system_columns::VERSION_GAP_MICROS))
    }
}

/// Versions that this sync has ended hold again, as before it.
pub(crate) fn reopen_versions(versions: Versions<'_>) -> String {
    let Versions { place, incoming, keys, at } = versions;
    let [active, start, end] = history_columns();
    let same = |key: &&str| format!("later.{0} = held.{0}", identifier(key));
    let same = keys.iter().map(same).collect::<Vec<_>>().join(" AND ");
    format!(
        "UPDATE {table} AS held SET {active} = TRUE, {end} = {max} FROM {rows} AS incoming \
         WHERE {keys} AND held.{start} < {at} AND held.{active} IS NOT TRUE \
         AND (held.{end} = {at} OR (held.{end} = {before} AND EXISTS \
         (SELECT 1 FROM {table} AS later WHERE {same} AND later.{start} = {at})))",
        table = place.quoted(),
        max = instant(system_columns::END_MAX),
        rows = format_args!("{}()", rows::FUNCTION),
        keys = incoming.keys_equal(keys),
        at = instant(at),
        before = versions.before(),
    )
}

/// Versions that this sync has made go.
pub(crate) fn remove_versions(versions: Versions<'_>) -> String {
    let Versions { place, incoming, keys, at } = versions;
    let [_, start, _] = history_columns();
    format!(
        "DELETE FROM {} AS held USING {} AS incoming WHERE {} AND held.{start} >= {}",
        place.quoted(),
        format_args!("{}()", rows::FUNCTION),
        incoming.keys_equal(keys),
        instant(at)
    )
}

/// Stamps the current versions that were sent unchanged (F-213).
pub(crate) fn touch_versions(versions: Versions<'_>) -> String {
    let Versions { place, incoming, keys, at } = versions;
    let [active, ..] = history_columns();
    format!(
        "UPDATE {} AS held SET {} = {} FROM {} AS incoming WHERE {} AND held.{active} AND NOT ({})",
        place.quoted(),
        identifier(system_columns::SYNCED),
        instant(at),
        format_args!("{}()", rows::FUNCTION),
        incoming.keys_equal(keys),
        incoming.differs(&|name, _| is_payload(name, keys))
    )
}

/// Ends the current versions that were sent with other values (F-210).
pub(crate) fn close_versions(versions: Versions<'_>) -> String {
    let Versions { place, incoming, keys, at } = versions;
    let [active, _, end] = history_columns();
    format!(
        "UPDATE {} AS held SET {active} = FALSE, {end} = {}, {} = {} FROM {} AS incoming \
         WHERE {} AND held.{active} AND ({})",
        place.quoted(),
        versions.before(),
        identifier(system_columns::SYNCED),
        instant(at),
        format_args!("{}()", rows::FUNCTION),
        incoming.keys_equal(keys),
        incoming.differs(&|name, _| is_payload(name, keys))
    )
}

/// Writes a current version of every row that has none.
pub(crate) fn insert_versions(versions: Versions<'_>) -> String {
    let Versions { place, incoming, keys, at } = versions;
    let names: Vec<String> = incoming.columns.iter().map(|column| identifier(&column.0)).collect();
    let values: Vec<String> =
        (0..incoming.columns.len()).map(|index| format!("incoming.c{index}")).collect();
    let [active, start, end] = history_columns();
    format!(
        "INSERT INTO {table} ({}, {active}, {start}, {end}) SELECT {}, TRUE, {}, {} FROM {} AS incoming \
         WHERE NOT EXISTS (SELECT 1 FROM {table} AS held WHERE {} AND held.{active})",
        names.join(", "),
        values.join(", "),
        instant(at),
        instant(system_columns::END_MAX),
        format_args!("{}()", rows::FUNCTION),
        incoming.keys_equal(keys),
        table = place.quoted(),
    )
}

/// F-212: the current version ends, and no other follows.
pub(crate) fn end_versions(versions: Versions<'_>) -> String {
    let Versions { place, incoming, keys, at } = versions;
    let [active, start, end] = history_columns();
    // The source may say that a version began later than the sync.
    format!(
        "UPDATE {} AS held SET {active} = FALSE, {end} = greatest({}, held.{start}) FROM {} AS incoming WHERE {} AND held.{active}",
        place.quoted(),
        instant(at),
        format_args!("{}()", rows::FUNCTION),
        incoming.keys_equal(keys),
    )
}

pub(super) fn history_columns() -> [String; 3] {
    [system_columns::ACTIVE, system_columns::START, system_columns::END].map(identifier)
}

/// What a table of versions begins with: each row that is there is a version, since it was last sent;
/// one that is marked ended then (F-214). No statement writes rows: DuckDB cannot commit a table that was
/// written to and altered afterwards.
///
/// Where the source says since when a row holds, and it said so, the version began then; one that is marked
/// ended when it was marked, or where it began if that is later.
pub(crate) fn start_history(
    place: Place<'_>,
    had_deleted: bool,
    time: Option<(&str, ColumnType)>,
) -> Vec<String> {
    let table = place.quoted();
    let (deleted, synced) =
        (identifier(system_columns::DELETED), identifier(system_columns::SYNCED));
    let is_deleted = if had_deleted { format!("{deleted} IS TRUE") } else { "FALSE".to_owned() };
    let start = match time {
        None => synced.clone(),
        Some((column, ColumnType::Instant)) => {
            format!("coalesce({}, {synced})", identifier(column))
        }
        Some((column, _)) => {
            let text = format!("CAST(CAST({} AS TIMESTAMP) AS VARCHAR)", identifier(column));
            format!("coalesce(CAST({text} || '+00' AS TIMESTAMPTZ), {synced})")
        }
    };
    let end = format!(
        "CASE WHEN {is_deleted} THEN greatest({synced}, {start}) ELSE {} END",
        instant(system_columns::END_MAX)
    );
    let values = [format!("NOT ({is_deleted})"), start, end];
    let mut statements = Vec::new();
    for ((name, kind), value) in system_columns::OF_HISTORY.iter().zip(values) {
        let (name, kind) = (identifier(name), sql_type(*kind));
        statements.push(format!("ALTER TABLE {table} ADD COLUMN {name} {kind}"));
        statements.push(format!(
            "ALTER TABLE {table} ALTER COLUMN {name} SET DATA TYPE {kind} USING {value}"
        ));
    }
    if had_deleted {
        statements.push(format!("ALTER TABLE {table} DROP COLUMN {deleted}"));
    }
    statements
}

/// What is left when versions are no longer kept: the latest of each key, marked where it has ended.
/// The others move to a table of their own, so that none is lost.
pub(crate) fn end_history(place: Place<'_>, kept_as: Place<'_>, keys: &[&str]) -> Vec<String> {
    let (table, kept) = (place.quoted(), kept_as.quoted());
    let [active, start, end] = history_columns();
    let deleted = identifier(system_columns::DELETED);
    let same = |key: &&str| format!("later.{0} = held.{0}", identifier(key));
    let same = keys.iter().map(same).collect::<Vec<_>>().join(" AND ");
    let later =
        format!("(SELECT 1 FROM {kept} AS later WHERE {same} AND later.{start} > held.{start})");
    vec![
        format!("ALTER TABLE {table} RENAME TO {}", identifier(kept_as.table)),
        format!(
            "CREATE TABLE {table} AS SELECT * EXCLUDE ({active}, {start}, {end}), \
             NOT {active} AS {deleted} FROM {kept} AS held WHERE NOT EXISTS {later}"
        ),
        format!("DELETE FROM {kept} AS held WHERE NOT EXISTS {later}"),
    ]
}

/// Only live rows are kept from now on.
pub(crate) fn remove_deleted(place: Place<'_>) -> String {
    format!("DELETE FROM {} WHERE {} IS TRUE", place.quoted(), identifier(system_columns::DELETED))
}

/// Which rows of a table are live, as far as it tells.
fn live(verb: SweepVerb) -> String {
    match verb {
        SweepVerb::Mark => format!("{} IS NOT TRUE", identifier(system_columns::DELETED)),
        SweepVerb::Close => identifier(system_columns::ACTIVE),
        SweepVerb::Remove => "TRUE".to_owned(),
    }
}

/// How many rows a sweep would delete, and of how many.
pub(crate) fn count_swept(place: Place<'_>, sweep: &Sweep) -> String {
    format!(
        "SELECT count(*) FILTER (WHERE {} < {}), count(*) FROM {} WHERE {}",
        identifier(system_columns::SYNCED),
        instant(sweep.before),
        place.quoted(),
        live(sweep.verb)
    )
}

/// Deletes live rows that were synced before a moment; their `_fivetran_synced` stays (F-126).
pub(crate) fn sweep(place: Place<'_>, sweep: &Sweep, at: Timestamp) -> String {
    let (table, live) = (place.quoted(), live(sweep.verb));
    let unseen =
        format!("{} < {} AND {live}", identifier(system_columns::SYNCED), instant(sweep.before));
    match sweep.verb {
        SweepVerb::Mark => {
            let deleted = identifier(system_columns::DELETED);
            format!("UPDATE {table} SET {deleted} = TRUE WHERE {unseen}")
        }
        SweepVerb::Remove => format!("DELETE FROM {table} WHERE {unseen}"),
        SweepVerb::Close => {
            let [active, start, end] = history_columns();
            format!(
                "UPDATE {table} SET {active} = FALSE, {end} = greatest({}, {start}) WHERE {unseen}",
                instant(at)
            )
        }
    }
}
