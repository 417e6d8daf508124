//! The last lines of a sync: why it stopped, what it did, what to do next.

use std::path::Path;

use destination_delta::folder_of;
use destination_sqlite::table_name as sqlite_name;
use engine::{ColumnType, Counts, Outcome, SchemaChange, Summary};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::grid::{self, Grid};
use crate::location::Location;
use crate::paint::Paint;
use crate::words;

/// For a person.
pub(crate) fn text(
    connection: &Connection,
    location: &Location,
    summary: &Summary,
    paint: Paint,
) -> String {
    let mut lines = vec![headline(connection, summary, paint)];
    let why = match &summary.outcome {
        Outcome::Complete => "the function has no more".to_owned(),
        Outcome::TimeLimit => "the time limit came; the next sync goes on from here".to_owned(),
        Outcome::Cancelled => "a stop was asked for; the next sync goes on from here".to_owned(),
        Outcome::Failed { code, .. } if summary.commits == 0 => {
            format!("{code}; this sync landed nothing, and the next one begins where it did")
        }
        Outcome::Failed { code, .. } => {
            format!("{code}; what had landed stays, and the next sync goes on from there")
        }
    };
    lines.push(format!("  {why}"));
    lines.extend(counts(summary).into_iter().map(|line| format!("  {line}")));
    lines.extend(readings(summary, paint).into_iter().map(|line| format!("  {line}")));
    lines.extend(held_back(summary).into_iter().map(|line| paint.yellow(&format!("  {line}"))));
    lines.extend(changes(summary).into_iter().map(|line| format!("  schema: {line}")));
    if !summary.warnings.is_empty() {
        let count = words::count(summary.warnings.len() as u64, "warning");
        lines.push(paint.yellow(&format!("  {count}")));
    }
    if let Some(table) = summary.tables.keys().next() {
        let line = line_to_paste(location, &connection.namespace, table);
        lines.push(format!("  {}", paint.cyan(&line)));
    }
    lines.join("\n")
}

/// For a machine: one object.
pub(crate) fn json(
    connection: &Connection,
    sync_id: &str,
    summary: &Summary,
    failure: Option<&Failure>,
) -> Value {
    let (status, outcome) = match summary.outcome {
        Outcome::Complete => ("SUCCESSFUL", "complete"),
        Outcome::TimeLimit => ("SUCCESSFUL", "time_limit"),
        Outcome::Cancelled => ("CANCELED", "cancelled"),
        Outcome::Failed { .. } => ("FAILURE", "failed"),
    };
    let tables = summary.tables.iter().map(|(table, counts)| {
        let Counts { inserted, updated, unchanged, deleted, swept } = counts;
        let counts = json!({
            "inserted": inserted, "updated": updated, "unchanged": unchanged,
            "deleted": deleted, "swept": swept,
        });
        (table.clone(), counts)
    });
    let warnings = summary.warnings.iter().map(
        |warning| json!({ "code": warning.code, "message": connection.redact(&warning.message) }),
    );
    json!({
        "connection": connection.name,
        "namespace": connection.namespace,
        "destination": connection.destination.as_ref().map(ToString::to_string),
        "sync_id": sync_id,
        "status": status,
        "outcome": outcome,
        "error": failure.map(|failure| error(connection, failure)),
        "pages": summary.pages,
        "commits": summary.commits,
        "bytes": summary.bytes,
        "took_ms": u64::try_from(summary.took.as_millis()).unwrap_or(u64::MAX),
        "tables": tables.collect::<serde_json::Map<_, _>>(),
        "readings": summary.readings.iter().map(|(table, readings)| (table.clone(), json!({
            "count": readings.count, "pages": readings.pages, "rows": readings.rows,
            "whole": readings.partial == 0, "reason": readings.reason,
        }))).collect::<serde_json::Map<_, _>>(),
        "held_back": summary.held_back.iter().map(|(table, held)| (table.clone(), json!({
            "rows": held.rows, "values": held.values, "nulled": held.nulled,
            "dropped": held.dropped, "quarantined": held.quarantined,
        }))).collect::<serde_json::Map<_, _>>(),
        "changes": summary.changes.iter().map(change_json).collect::<Vec<_>>(),
        "warnings": warnings.collect::<Vec<_>>(),
    })
}

/// For a machine: a connection that could not even be made ready.
pub(crate) fn unready(name: &str, failure: &Failure) -> Value {
    let error =
        json!({ "code": failure.code, "message": failure.message, "hint": failure.advice() });
    json!({ "connection": name, "status": "FAILURE", "outcome": "failed", "error": error })
}

/// A failure as a member of a JSON answer.
pub(crate) fn error(connection: &Connection, failure: &Failure) -> Value {
    json!({
        "code": failure.code,
        "message": connection.redact(&failure.message),
        "hint": failure.advice(),
    })
}

fn headline(connection: &Connection, summary: &Summary, paint: Paint) -> String {
    let rows =
        summary.tables.values().map(|counts| counts.inserted + counts.updated + counts.unchanged);
    let rows = rows.sum();
    let word = match summary.outcome {
        Outcome::Complete => paint.green("complete"),
        Outcome::TimeLimit => paint.yellow("stopped at the time limit"),
        Outcome::Cancelled => paint.yellow("stopped"),
        Outcome::Failed { .. } => paint.red("failed"),
    };
    format!(
        "{}: {word}: {}, {} in {} ({} rows/s)",
        paint.bold(&connection.name),
        words::count(summary.pages, "page"),
        words::count(rows, "row"),
        words::time(summary.took),
        words::number(words::rate(rows, summary.took)),
    )
}

/// One line for each table; columns that hold only zeros are left out.
fn counts(summary: &Summary) -> Vec<String> {
    type Kind = (&'static str, fn(&Counts) -> u64);
    const KINDS: [Kind; 5] = [
        ("inserted", |counts| counts.inserted),
        ("updated", |counts| counts.updated),
        ("unchanged", |counts| counts.unchanged),
        ("deleted", |counts| counts.deleted),
        ("swept", |counts| counts.swept),
    ];
    let told: Vec<Kind> = KINDS
        .into_iter()
        .filter(|(_, of)| summary.tables.values().any(|counts| of(counts) > 0))
        .collect();
    if told.is_empty() {
        return Vec::new();
    }
    let mut grid = Grid::default().left("table");
    for (title, _) in &told {
        grid = grid.right(title);
    }
    for (table, counts) in &summary.tables {
        let numbers = told.iter().map(|(_, of)| words::number(of(counts)));
        grid.row(std::iter::once(table.clone()).chain(numbers));
    }
    let lines = grid.lines(grid::terminal_width().saturating_sub(2));
    lines.titles.into_iter().chain(lines.rows).collect()
}

/// What the policy left out or altered, one line for each table.
fn held_back(summary: &Summary) -> Vec<String> {
    let line = |(table, held): (&String, &engine::HeldCounts)| {
        let kinds = [
            (held.rows, "row", "held back"),
            (held.values, "value", "held back"),
            (held.nulled, "value", "became NULL under a lock"),
            (held.dropped, "row", "dropped: a contract is broken"),
            (held.quarantined, "row", "quarantined: a contract is broken"),
        ];
        let kinds = kinds.into_iter().filter(|(count, ..)| *count > 0);
        let kinds =
            kinds.map(|(count, what, done)| format!("{} {done}", words::count(count, what)));
        format!("{table}: {}", kinds.collect::<Vec<_>>().join(", "))
    };
    summary.held_back.iter().map(line).collect()
}

/// What changed in the schema: a new table in one line, whatever it went through since; another
/// table's changes in one line each.
/// The verdict on each table of a function that tells how it read them.
fn readings(summary: &Summary, paint: Paint) -> Vec<String> {
    let (whole, partial): (Vec<_>, Vec<_>) =
        summary.readings.iter().partition(|(_, readings)| readings.partial == 0);
    let shown = |(table, readings): &(&String, &engine::Readings)| {
        let times = match readings.count {
            1 => String::new(),
            count => format!(", {} times", words::number(count)),
        };
        let pages = words::count(readings.pages, "page");
        format!("{table} ({pages}{times}, {})", readings.reason)
    };
    let list = |tables: &[_]| tables.iter().map(shown).collect::<Vec<_>>().join(", ");
    let mut lines = Vec::new();
    if !whole.is_empty() {
        lines.push(format!("read whole: {}", list(&whole)));
    }
    if !partial.is_empty() {
        lines.push(paint.yellow(&format!("read with gaps: {}", list(&partial))));
    }
    lines
}

fn changes(summary: &Summary) -> Vec<String> {
    let is_new = |table: &str| {
        let created = |change: &SchemaChange| matches!(change, SchemaChange::CreateTable { table: created, .. } if created == table);
        summary.changes.iter().any(created)
    };
    let columns_of = |table: &str| {
        let added = |change: &&SchemaChange| matches!(change, SchemaChange::AddColumn { table: grown, .. } if grown == table);
        summary.changes.iter().filter(added).count() as u64
    };
    let line = |change: &SchemaChange| match change {
        SchemaChange::CreateTable { table, .. } => {
            Some(format!("created {table} with {}", words::count(columns_of(table), "column")))
        }
        SchemaChange::AddColumn { table, column, column_type } if !is_new(table) => {
            Some(format!("{table} has a new column {column} ({column_type})"))
        }
        SchemaChange::WidenColumn { table, column, from, to } if !is_new(table) => {
            Some(format!("{table}.{column} was widened from {from} to {to}"))
        }
        SchemaChange::AddSoftDeletes { table } if !is_new(table) => {
            Some(format!("{table} has a new column {}", engine::system_columns::DELETED))
        }
        SchemaChange::StartHistory { table } => {
            Some(format!("{table} keeps every version of its rows from now on"))
        }
        SchemaChange::EndHistory { table, kept_as } => Some(format!(
            "{table} keeps the latest version of its rows; older ones are in {kept_as}, which is yours"
        )),
        SchemaChange::RemoveDeleted { table } => {
            Some(format!("{table} keeps live rows only; those marked as deleted are gone"))
        }
        _ => None,
    };
    summary.changes.iter().filter_map(line).collect()
}

fn change_json(change: &SchemaChange) -> Value {
    let text = ColumnType::to_string;
    match change {
        SchemaChange::CreateTable { table, .. } => {
            json!({ "change": "create_table", "table": table })
        }
        SchemaChange::AddColumn { table, column, column_type } => {
            json!({ "change": "add_column", "table": table, "column": column, "type": text(column_type) })
        }
        SchemaChange::WidenColumn { table, column, from, to } => json!({
            "change": "widen_column", "table": table, "column": column, "from": text(from), "to": text(to),
        }),
        SchemaChange::AddSoftDeletes { table } => {
            json!({ "change": "add_soft_deletes", "table": table })
        }
        SchemaChange::StartHistory { table } => {
            json!({ "change": "start_history", "table": table })
        }
        SchemaChange::EndHistory { table, kept_as } => {
            json!({ "change": "end_history", "table": table, "kept_as": kept_as })
        }
        SchemaChange::RemoveDeleted { table } => {
            json!({ "change": "remove_deleted", "table": table })
        }
    }
}

/// A line to paste into a shell.
fn line_to_paste(location: &Location, namespace: &str, table: &str) -> String {
    match location {
        Location::File(file) => duckdb_line(file, namespace, table),
        Location::Postgres(server) => psql_line(server.shown(), namespace, table),
        Location::Sqlite(file) => sqlite_line(file, namespace, table),
        Location::Lake(lake) => lake_line(&lake.to_string(), namespace, table),
    }
}

pub(crate) fn duckdb_line(database: &Path, namespace: &str, table: &str) -> String {
    let path = database.to_string_lossy();
    let query = format!("FROM {} LIMIT 10", table_name(database, namespace, table));
    format!("duckdb {} {}", quoted(&path), quoted(&query))
}

fn sqlite_line(file: &Path, namespace: &str, table: &str) -> String {
    let query = format!("SELECT * FROM {} LIMIT 10", identifier(&sqlite_name(namespace, table)));
    format!("sqlite3 {} {}", quoted(&file.to_string_lossy()), quoted(&query))
}

/// DuckDB fetches its extension for Delta by itself.
fn lake_line(lake: &str, namespace: &str, table: &str) -> String {
    let folder = format!("{lake}/{}", folder_of(namespace, table)).replace('\'', "''");
    format!("duckdb -c {}", quoted(&format!("FROM delta_scan('{folder}') LIMIT 10")))
}

fn psql_line(url: &str, namespace: &str, table: &str) -> String {
    let query = format!("TABLE {}.{} LIMIT 10", identifier(namespace), identifier(table));
    format!("psql {} -c {}", quoted(url), quoted(&query))
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}

/// DuckDB names the file's catalog after the file; where the namespace has the same name, only the
/// whole path of a table is unambiguous.
fn table_name(database: &Path, namespace: &str, table: &str) -> String {
    let catalog = database.file_stem().unwrap_or_default().to_string_lossy();
    let (namespace_part, table_part) = (identifier(namespace), identifier(table));
    if catalog.eq_ignore_ascii_case(namespace) {
        format!("{}.{namespace_part}.{table_part}", identifier(&catalog))
    } else {
        format!("{namespace_part}.{table_part}")
    }
}

/// Quoted where it is no plain lower-case word; a few reserved words are such words, so a quoted
/// form is always right and a plain one only nicer.
fn identifier(name: &str) -> String {
    const RESERVED: [&str; 12] = [
        "select", "order", "group", "table", "user", "from", "where", "all", "end", "default",
        "limit", "offset",
    ];
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !RESERVED.contains(&name);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_paste_is_quoted_for_shell_and_sql() {
        let check = |path: &str, namespace: &str, table: &str, expected: &str| {
            assert_eq!(duckdb_line(Path::new(path), namespace, table), expected);
        };
        check("a.duckdb", "shop", "orders", "duckdb a.duckdb 'FROM shop.orders LIMIT 10'");
        check(
            "shop.duckdb",
            "shop",
            "orders",
            "duckdb shop.duckdb 'FROM shop.shop.orders LIMIT 10'",
        );
        check(
            "my data.duckdb",
            "shop",
            "order",
            "duckdb 'my data.duckdb' 'FROM shop.\"order\" LIMIT 10'",
        );
        assert_eq!(
            psql_line("postgres://ada@db/shop", "shop", "order"),
            "psql postgres://ada@db/shop -c 'TABLE shop.\"order\" LIMIT 10'"
        );
        check("a.duckdb", "shop", "it's", "duckdb a.duckdb \"FROM shop.\\\"it's\\\" LIMIT 10\"");
    }
}
