//! What came of a case, as text that a person can check line by line.

use std::collections::BTreeMap;
use std::fmt::Write;

use engine::{HeldCounts, Outcome, Position, PrimaryKey, Summary, SyncError, system_columns};
use protocol::{Request, json};
use simulation::conformance::bench::{columns_of, print_counts};
use simulation::conformance::{Storage, StoredTable};

/// One sync of a case.
pub(crate) struct PlayedSync {
    pub(crate) requests: Vec<Request>,
    pub(crate) summary: Summary,
    pub(crate) error: Option<SyncError>,
}

/// The syncs and the ending, as one JSON object. States stand in it byte for byte.
pub(crate) fn account(syncs: &[PlayedSync], ending: &str, shows_requests: bool) -> String {
    let syncs: Vec<String> = syncs.iter().map(|sync| sync.print(shows_requests)).collect();
    format!("{{\n  \"syncs\": [{}],\n{ending}}}\n", syncs.join(", "))
}

impl PlayedSync {
    fn print(&self, shows_requests: bool) -> String {
        let mut out = String::from("{\n");
        let sent = self.requests.iter().map(|request| {
            let text =
                if shows_requests { request.to_json() } else { request.state.as_json().to_owned() };
            format!("      {text}")
        });
        let sent = sent.collect::<Vec<_>>().join(",\n");
        let name = if shows_requests { "requests" } else { "states sent" };
        writeln!(out, "    \"{name}\": [\n{sent}\n    ],").expect("a string takes all");
        let outcome = match (&self.error, &self.summary.outcome) {
            // Each destination says it in its own words.
            (Some(SyncError::Destination(error)), _) => error.code().to_owned(),
            (Some(error), _) => format!("{}: {error}", error.code()),
            (None, Outcome::Complete) => "complete".to_owned(),
            (None, Outcome::TimeLimit) => "time limit".to_owned(),
            (None, other) => unreachable!("a case is not stopped: {other:?}"),
        };
        writeln!(out, "    \"outcome\": {},", quoted(&outcome)).expect("a string takes all");
        let warnings = self.summary.warnings.iter().map(|warning| quoted(warning.code));
        let warnings = warnings.collect::<Vec<_>>().join(", ");
        writeln!(out, "    \"warnings\": [{warnings}],").expect("a string takes all");
        let held_back: Vec<String> = self
            .summary
            .held_back
            .iter()
            .map(|(table, counts)| print_held(table, counts))
            .collect();
        if !held_back.is_empty() {
            let held_back = held_back.join(", ");
            writeln!(out, "    \"held back\": [{held_back}],").expect("a string takes all");
        }
        let landed = engine::Landed { tables: self.summary.tables.clone() };
        let landed = print_counts(&landed);
        let landed: Vec<String> =
            landed.lines().map(|line| format!("      {}", quoted(line))).collect();
        let landed = if landed.is_empty() {
            String::new()
        } else {
            format!("\n{}\n    ", landed.join(",\n"))
        };
        write!(out, "    \"landed\": [{landed}]\n  }}").expect("a string takes all");
        out
    }
}

/// The state and the tables.
pub(crate) fn ending<S: Storage>(position: &Position, storage: &S) -> String {
    let mut out = String::new();
    writeln!(out, "  \"state\": {},", position.state().as_json()).expect("a string takes all");
    let tables: Vec<String> = position
        .schema()
        .tables
        .iter()
        .map(|(name, table)| {
            let stored = storage.read(name).expect("a table of the schema is there");
            let columns = columns_of(table);
            let types: BTreeMap<_, _> =
                columns.iter().map(|(name, kind)| (name.clone(), kind.to_string())).collect();
            assert_eq!(stored.columns, types, "the columns of table {name}");
            let order: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
            let columns = columns
                .iter()
                .map(|(name, kind)| format!("        {}: \"{kind}\"", quoted(name)));
            format!(
                "    {}: {{\n      \"key\": {},\n      \"columns\": {{\n{}\n      }},\n      \"rows\": [\n{}\n      ]\n    }}",
                quoted(name),
                print_key(&table.primary_key),
                columns.collect::<Vec<_>>().join(",\n"),
                print_rows(&order, &stored),
            )
        })
        .collect();
    let tables =
        if tables.is_empty() { String::new() } else { format!("\n{}\n  ", tables.join(",\n")) };
    write!(out, "  \"tables\": {{{tables}}}").expect("a string takes all");
    out + &print_record(position) + "\n"
}

fn print_held(table: &str, counts: &HeldCounts) -> String {
    let words = [
        (counts.rows, "rows"),
        (counts.values, "values"),
        (counts.nulled, "nulled"),
        (counts.dropped, "dropped"),
        (counts.quarantined, "quarantined"),
    ];
    let words = words.iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = words.map(|(count, word)| format!("{count} {word}")).collect();
    quoted(&format!("{table}: {}", words.join(", ")))
}

/// What is recorded of what was held back.
fn print_record(position: &Position) -> String {
    let mut lines = Vec::new();
    for (name, table) in &position.held_back().tables {
        if table.first.is_some() {
            lines.push(quoted(&format!("{name}: {} rows", table.rows)));
        }
        for (column, held) in &table.columns {
            let seen: Vec<&str> = held.first.seen.iter().map(engine::Feature::describe).collect();
            lines.push(quoted(&format!(
                "{name}.{column}: {} values, the first {} in row {}",
                held.values,
                seen.join(" and "),
                held.first.row
            )));
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    format!(",\n  \"held back\": [\n    {}\n  ]", lines.join(",\n    "))
}

fn print_key(key: &PrimaryKey) -> String {
    let columns = system_columns::key_columns(key).into_iter().map(quoted);
    format!("[{}]", columns.collect::<Vec<_>>().join(", "))
}

fn print_rows(order: &[&str], stored: &StoredTable) -> String {
    let mut rows: Vec<String> = stored
        .rows
        .iter()
        .map(|row| {
            let cells = order.iter().map(|name| match &row[*name] {
                None => format!("{}: null", quoted(name)),
                Some(text) => format!("{}: {}", quoted(name), quoted(text)),
            });
            format!("        {{{}}}", cells.collect::<Vec<_>>().join(", "))
        })
        .collect();
    rows.sort();
    rows.join(",\n")
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    json::quote(text, &mut out);
    out
}
