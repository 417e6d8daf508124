use std::collections::BTreeMap;

use engine::{Column, Destination, Evidence, PrimaryKey, Table, TableMode, system_columns};
use serde_json::{Value, json};

use crate::arguments::{GlobalArguments, TablesArguments};
use crate::failure::{Exit, Failure};
use crate::grid::{self, Grid};
use crate::output::outln;
use crate::paint::Paint;
use crate::store::{self, Stored};
use crate::words;

/// What has landed, and why each column has its type: where the value stood that forced it, never the
/// value.
pub(crate) fn run(global: &GlobalArguments, arguments: &TablesArguments) -> Result<Exit, Failure> {
    let paint = Paint::of(&std::io::stdout());
    super::runtime().block_on(async {
        for stored in store::all(global, &arguments.stored).await? {
            let looked = store::look(&stored).await;
            let asked_for = arguments.stored.connection.is_some() || arguments.stored.to.is_some();
            if !asked_for
                && let Err(failure) = &looked
                && failure.code == "no_destination_file"
            {
                show_nothing(&stored, arguments.json, paint);
                continue;
            }
            let mut destination = looked?;
            let position = destination.position().await?;
            let tables = &position.schema().tables;
            let mut rows: BTreeMap<&String, u64> = BTreeMap::new();
            for table in tables.keys() {
                rows.insert(table, destination.row_count(table).await?);
            }
            if arguments.json {
                let tables = tables.iter();
                let tables = tables.map(|(name, table)| table_json(name, table, rows[name]));
                outln!("{}", head_json(&stored, position.ordinal(), tables.collect()));
                continue;
            }
            show_head(&stored, position.ordinal(), paint);
            for (name, table) in tables {
                show_table(name, table, rows[name], paint);
            }
        }
        Ok(Exit::Landed)
    })
}

/// One of several connections whose first sync is still to come.
fn show_nothing(stored: &Stored, json: bool, paint: Paint) {
    if json {
        outln!("{}", head_json(stored, 0, Vec::new()));
    } else {
        outln!("{}: nothing has landed yet\n", paint.bold(&stored.connection));
    }
}

fn head_json(stored: &Stored, commits: u64, tables: Vec<Value>) -> Value {
    json!({
        "connection": stored.connection,
        "namespace": stored.namespace,
        "destination": stored.location.to_string(),
        "commits": commits,
        "tables": tables,
    })
}

fn show_head(stored: &Stored, commits: u64, paint: Paint) {
    outln!(
        "{} in {}, schema {}, {}\n",
        paint.bold(&stored.connection),
        stored.location,
        stored.namespace,
        words::count(commits, "commit"),
    );
}

fn show_table(name: &str, table: &Table, rows: u64, paint: Paint) {
    let key = match &table.primary_key {
        PrimaryKey::Columns(columns) => {
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            format!("key {}", columns.join(", "))
        }
        PrimaryKey::BatchIndex => "no key: every row is new".to_owned(),
        PrimaryKey::RowHash => "no key: equal rows are one".to_owned(),
    };
    let deletes = match table.mode {
        TableMode::Upsert if table.soft_deletes => ", marks deleted rows",
        TableMode::Upsert => "",
        TableMode::Append => ", appends only",
        TableMode::Live => ", live rows only",
        TableMode::History => ", every version",
    };
    let rows = words::count(rows, "row");
    outln!("{} ({rows}, {key}{deletes})", paint.bold(name));
    let mut grid = Grid::default().left("column").left("type").long("why");
    for column in &table.columns {
        let source = if column.source == column.name {
            column.name.clone()
        } else {
            format!("{} ← {}", column.name, column.source)
        };
        grid.row([source, column.column_type().to_string(), why(column)]);
    }
    let lines = grid.lines(grid::terminal_width());
    lines.titles.iter().for_each(|line| outln!("  {}", paint.dim(line)));
    lines.rows.iter().for_each(|line| outln!("  {line}"));
    outln!("");
}

/// `an integer (page 1, row 1); a number with a point (sync 3f2a…, page 900, row 12)`.
fn why(column: &Column) -> String {
    let sight = |evidence: &Evidence| {
        let seen: Vec<&str> = evidence.seen.iter().map(engine::Feature::describe).collect();
        let sync: String = evidence.sync_id.0.chars().take(8).collect();
        format!(
            "{} (sync {sync}, page {}, row {})",
            seen.join(" and "),
            words::number(evidence.page),
            words::number(evidence.row)
        )
    };
    column.evidence.iter().map(sight).collect::<Vec<_>>().join("; then ")
}

fn table_json(name: &str, table: &Table, rows: u64) -> serde_json::Value {
    let columns = table.columns.iter().map(|column| {
        let evidence = column.evidence.iter().map(|evidence| {
            let seen: Vec<&str> = evidence.seen.iter().map(engine::Feature::describe).collect();
            json!({
                "seen": seen,
                "sync_id": evidence.sync_id.0,
                "page": evidence.page,
                "row": evidence.row,
            })
        });
        json!({
            "name": column.name,
            "source": column.source,
            "type": column.column_type().to_string(),
            "evidence": evidence.collect::<Vec<_>>(),
        })
    });
    json!({
        "name": name,
        "sources": table.sources,
        "rows": rows,
        "primary_key": system_columns::key_columns(&table.primary_key),
        "soft_deletes": table.soft_deletes,
        "mode": table.mode.to_string(),
        "columns": columns.collect::<Vec<_>>(),
    })
}
