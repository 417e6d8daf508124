//! SQL for tables of versions, for switching to them and back, and for sweeps of every kind.

use engine::{ColumnType, Sweep, SweepVerb, Timestamp, system_columns};

use super::{Incoming, Place, identifier, instant, sql_type};

/// The rows that arrive for a table of versions, and when what they say begins to hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Versions<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) incoming: Incoming<'a>,
    pub(crate) keys: &'a [(String, ColumnType)],
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
    let same = |key: &(String, ColumnType)| same_key(&key.0, key.1);
    let same = keys.iter().map(same).collect::<Vec<_>>().join(" AND ");
    format!(
        "UPDATE {table} AS held SET {active} = TRUE, {end} = {max} FROM {rows} AS incoming \
         WHERE {keys} AND held.{start} < {at} AND held.{active} IS NOT TRUE \
         AND (held.{end} = {at} OR (held.{end} = {before} AND EXISTS \
         (SELECT 1 FROM {table} AS later WHERE {same} AND later.{start} = {at})))",
        table = place.quoted(),
        max = instant(system_columns::END_MAX),
        rows = incoming.name(),
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
        incoming.name(),
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
        incoming.name(),
        incoming.keys_equal(keys),
        incoming.differs(keys)
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
        incoming.name(),
        incoming.keys_equal(keys),
        incoming.differs(keys)
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
        incoming.name(),
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
        incoming.name(),
        incoming.keys_equal(keys),
    )
}

pub(super) fn history_columns() -> [String; 3] {
    [system_columns::ACTIVE, system_columns::START, system_columns::END].map(identifier)
}

/// What a table of versions begins with: each row that is there is a version, since it was last sent;
/// one that is marked ended then (F-214).
///
/// Where the source says since when a row holds, and it said so, the version began then; one that is marked
/// ended when it was marked, or where it began if that is later.
pub(crate) fn start_history(
    place: Place<'_>,
    had_deleted: bool,
    time: Option<(&str, ColumnType)>,
) -> Vec<String> {
    let table = place.quoted();
    let [active, start, end] = history_columns();
    let (deleted, synced) =
        (identifier(system_columns::DELETED), identifier(system_columns::SYNCED));
    let is_deleted = if had_deleted { format!("{deleted} IS TRUE") } else { "FALSE".to_owned() };
    let mut statements: Vec<String> = system_columns::OF_HISTORY
        .iter()
        .map(|(name, kind)| {
            format!("ALTER TABLE {table} ADD COLUMN {} {}", identifier(name), sql_type(*kind))
        })
        .collect();
    let since = match time {
        None => synced.clone(),
        Some((column, ColumnType::Instant)) => {
            format!("coalesce({}, {synced})", identifier(column))
        }
        Some((column, _)) => {
            format!("coalesce({}::timestamp AT TIME ZONE 'UTC', {synced})", identifier(column))
        }
    };
    statements.push(format!(
        "UPDATE {table} SET {active} = NOT ({is_deleted}), {start} = {since}, \
         {end} = CASE WHEN {is_deleted} THEN greatest({synced}, {since}) ELSE {} END",
        instant(system_columns::END_MAX)
    ));
    if had_deleted {
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
    let [active, start, end] = history_columns();
    let deleted = identifier(system_columns::DELETED);
    let same = |key: &(String, ColumnType)| same_key(&key.0, key.1);
    let same = keys.iter().map(same).collect::<Vec<_>>().join(" AND ");
    let is_older = format!(
        "EXISTS (SELECT 1 FROM {table} AS later WHERE {same} AND later.{start} > held.{start})"
    );
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

/// Whether two rows of one table have the same value in a key column.
pub(super) fn same_key(name: &str, column_type: ColumnType) -> String {
    let name = identifier(name);
    let text = if column_type == ColumnType::Json { "::text" } else { "" };
    format!("later.{name}{text} = held.{name}{text}")
}
