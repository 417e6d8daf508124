//! SQL that lands rows: the statements that databases share, as pure functions of tables, columns and moments.
//!
//! Rows that arrive are called `incoming`; their columns are `c0`, `c1`, … in the order of the batch. The table
//! that a statement is about is called `held`. A database says in its [`Dialect`] what it writes otherwise, and
//! runs the text.

mod arrived;
mod landing;
mod timed;
mod unique;
mod versions;

use engine::{ColumnType, Sweep, SweepVerb, Timestamp, system_columns};

pub use arrived::Arrived;
pub use landing::{Database, land};
pub use unique::{Look, Unique};
pub use versions::history_counts;

/// What databases write in ways of their own.
pub trait Dialect: Copy {
    /// A moment, written so that no setting of the session can shift it.
    fn instant(self, moment: Timestamp) -> String {
        instant(moment)
    }

    /// The instant that is [`system_columns::VERSION_GAP_MICROS`] before another.
    fn before(self, instant: &str) -> String;

    /// A date or a local time as the instant that it is in UTC; an instant as it is.
    fn as_instant(self, value: &str, kind: ColumnType) -> String;

    /// What is compared of a value: where the type has no equality of its own, another.
    fn compared(self, value: String, _kind: ColumnType) -> String {
        value
    }

    /// Deletes the held rows that some incoming row meets so.
    fn delete(self, table: &str, rows: &str, met: &str) -> String {
        format!("DELETE FROM {table} AS held USING {rows} AS incoming WHERE {met}")
    }

    fn least(self, left: &str, right: &str) -> String {
        format!("least({left}, {right})")
    }

    fn greatest(self, left: &str, right: &str) -> String {
        format!("greatest({left}, {right})")
    }

    /// Whether one of the pairs differs, where two NULLs are the same.
    fn differs(self, pairs: &[(String, String)]) -> String {
        let test = |(left, right): &(String, String)| format!("{left} IS DISTINCT FROM {right}");
        pairs.iter().map(test).collect::<Vec<_>>().join(" OR ")
    }
}

/// A moment as a literal of SQL's own type of instants, so that no setting of the session can shift it.
pub fn instant(moment: Timestamp) -> String {
    format!("TIMESTAMPTZ '{moment}'")
}

/// Any name as an identifier: quoted always, so that reserved words and hostile names are ordinary (F-152).
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether the version in `held` is not the latest of its row.
pub fn is_older(dialect: impl Dialect, table: &str, keys: &[(String, ColumnType)]) -> String {
    let value = |row: &str, (name, kind): &(String, ColumnType)| {
        dialect.compared(format!("{row}.{}", identifier(name)), *kind)
    };
    let same = keys.iter().map(|key| format!("{} = {}", value("later", key), value("held", key)));
    let same = same.collect::<Vec<_>>().join(" AND ");
    let [_, start, _] = history_columns();
    format!("EXISTS (SELECT 1 FROM {table} AS later WHERE {same} AND later.{start} > held.{start})")
}

/// The first version of a row that is there, as `_fivetran_active`, `_fivetran_start` and `_fivetran_end`: since
/// it was last sent; one that is marked ended then (F-214).
///
/// Where the source says since when a row holds, in the column `time`, and it said so, the version began then; one
/// that is marked ended when it was marked, or where it began if that is later.
pub fn first_version(
    dialect: impl Dialect,
    had_deleted: bool,
    time: Option<(&str, ColumnType)>,
) -> [String; 3] {
    let (synced, deleted) =
        (identifier(system_columns::SYNCED), identifier(system_columns::DELETED));
    let is_deleted = if had_deleted { format!("{deleted} IS TRUE") } else { "FALSE".to_owned() };
    let start = match time {
        None => synced.clone(),
        Some((column, kind)) => {
            format!("coalesce({}, {synced})", dialect.as_instant(&identifier(column), kind))
        }
    };
    let ended = dialect.greatest(&synced, &start);
    let max = dialect.instant(system_columns::END_MAX);
    let end = format!("CASE WHEN {is_deleted} THEN {ended} ELSE {max} END");
    [format!("NOT ({is_deleted})"), start, end]
}

/// `_fivetran_active`, `_fivetran_start` and `_fivetran_end`, as identifiers.
pub fn history_columns() -> [String; 3] {
    [system_columns::ACTIVE, system_columns::START, system_columns::END].map(identifier)
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
pub fn count_swept(dialect: impl Dialect, table: &str, sweep: &Sweep) -> String {
    format!(
        "SELECT count(*) FILTER (WHERE {} < {}), count(*) FROM {table} WHERE {}",
        identifier(system_columns::SYNCED),
        dialect.instant(sweep.before),
        live(sweep.verb)
    )
}

/// Deletes live rows that were synced before a moment; their `_fivetran_synced` stays (F-126).
pub fn sweep(dialect: impl Dialect, table: &str, sweep: &Sweep, at: Timestamp) -> String {
    let unseen = format!(
        "{} < {} AND {}",
        identifier(system_columns::SYNCED),
        dialect.instant(sweep.before),
        live(sweep.verb)
    );
    match sweep.verb {
        SweepVerb::Mark => {
            let deleted = identifier(system_columns::DELETED);
            format!("UPDATE {table} SET {deleted} = TRUE WHERE {unseen}")
        }
        SweepVerb::Remove => format!("DELETE FROM {table} WHERE {unseen}"),
        SweepVerb::Close => {
            let [active, start, end] = history_columns();
            let ended = dialect.greatest(&dialect.instant(at), &start);
            format!("UPDATE {table} SET {active} = FALSE, {end} = {ended} WHERE {unseen}")
        }
    }
}

#[cfg(test)]
mod tests;
