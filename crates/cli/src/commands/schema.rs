use std::collections::BTreeMap;

use engine::{
    Approval, Batch, ColumnPolicy, Destination, Evidence, HeldBack, Policy, Position, Resync,
};
use serde_json::{Value, json};

use crate::arguments::{
    GlobalArguments, SchemaApproveArguments, SchemaCommand, SchemaShowArguments,
};
use crate::config::Config;
use crate::connection;
use crate::failure::{Exit, Failure};
use crate::grid::{self, Grid};
use crate::output::outln;
use crate::paint::Paint;
use crate::store::{self, Stored};
use crate::words;

/// Shows what has been decided about tables and columns, and lets in what was held back. An approval is
/// kept in the destination beside the position; what the configuration file says is said there.
pub(crate) fn run(global: &GlobalArguments, command: &SchemaCommand) -> Result<Exit, Failure> {
    super::runtime().block_on(async {
        match command {
            SchemaCommand::Show(arguments) => show(global, arguments, true).await?,
            SchemaCommand::Diff(arguments) => show(global, arguments, false).await?,
            SchemaCommand::Approve(arguments) => approve(global, arguments).await?,
        }
        Ok(Exit::Landed)
    })
}

async fn show(
    global: &GlobalArguments,
    arguments: &SchemaShowArguments,
    all: bool,
) -> Result<(), Failure> {
    let paint = Paint::of(&std::io::stdout());
    for stored in store::all(global, &arguments.stored).await? {
        let position = store::look(&stored).await?.position().await?;
        let policy = policy_of(global, arguments.stored.to.is_some(), &stored)?;
        let rows = Rows::of(&position, &policy, all);
        if arguments.json {
            outln!("{}", rows.json(&stored));
        } else {
            rows.show(&stored, paint);
        }
    }
    Ok(())
}

/// What the configuration file decides; nothing where no file is looked into.
fn policy_of(
    global: &GlobalArguments,
    is_without_file: bool,
    stored: &Stored,
) -> Result<Policy, Failure> {
    if is_without_file {
        return Ok(Policy::default());
    }
    let config = Config::load(&global.config)?;
    Ok((*connection::named(&config, &stored.connection)?.policy()).clone())
}

/// One line for each table, and for each column of it.
struct Rows(Vec<Row>);

struct Row {
    table: String,
    column: Option<String>,
    column_type: Option<String>,
    standing: &'static str,
    /// Rows or values that went by.
    count: u64,
    first: Option<Evidence>,
}

impl Rows {
    /// Everything, or only what is held back. Names are the function's.
    fn of(position: &Position, policy: &Policy, all: bool) -> Rows {
        let mut rows: BTreeMap<(String, Option<String>), Row> = BTreeMap::new();
        let tables = position.schema().tables.values();
        for table in tables.filter(|_| all) {
            for source in &table.sources {
                let decided = policy.tables.get(source);
                let blocked = decided.is_some_and(|table| table.block);
                let standing = if blocked { "blocked" } else { "there" };
                add(&mut rows, Row::new(source, None, standing));
                for column in &table.columns {
                    let decided = decided.and_then(|table| table.columns.get(&column.source));
                    let standing = match decided {
                        Some(ColumnPolicy::Block) => "blocked",
                        Some(ColumnPolicy::Hash) => "hashed",
                        Some(ColumnPolicy::Lock(_)) => "locked",
                        Some(ColumnPolicy::Allow) | None => "there",
                    };
                    let row = Row::new(source, Some(&column.source), standing);
                    let column_type = Some(column.column_type().to_string());
                    add(&mut rows, Row { column_type, ..row });
                }
            }
        }
        for (table, held) in &position.held_back().tables {
            if held.first.is_some() {
                let row = Row::new(table, None, "held back");
                add(&mut rows, Row { count: held.rows, first: held.first.clone(), ..row });
            }
            for (column, held) in &held.columns {
                let row = Row::new(table, Some(column), "held back");
                let first = Some(held.first.clone());
                add(&mut rows, Row { count: held.values, first, ..row });
            }
        }
        Rows(rows.into_values().collect())
    }

    fn show(&self, stored: &Stored, paint: Paint) {
        if self.0.is_empty() {
            outln!("{}: nothing is held back", paint.bold(&stored.connection));
            return;
        }
        outln!("{}", paint.bold(&stored.connection));
        let mut grid =
            Grid::default().left("table").left("column").left("type").left("standing").long("what");
        for row in &self.0 {
            let (column, column_type) = (row.column.clone(), row.column_type.clone());
            grid.row([
                row.table.clone(),
                column.unwrap_or_default(),
                column_type.unwrap_or_default(),
                row.standing.to_owned(),
                row.what(),
            ]);
        }
        let lines = grid.lines(grid::terminal_width());
        lines.titles.iter().for_each(|line| outln!("  {}", paint.dim(line)));
        lines.rows.iter().for_each(|line| outln!("  {line}"));
    }

    fn json(&self, stored: &Stored) -> Value {
        let rows = self.0.iter().map(|row| {
            json!({
                "table": row.table, "column": row.column, "type": row.column_type,
                "standing": row.standing, "went_by": row.count,
                "first": row.first.as_ref().map(|first| json!({
                    "seen": seen(first), "sync_id": first.sync_id.0,
                    "page": first.page, "row": first.row,
                })),
            })
        });
        json!({ "connection": stored.connection, "schema": rows.collect::<Vec<_>>() })
    }
}

fn add(rows: &mut BTreeMap<(String, Option<String>), Row>, row: Row) {
    rows.insert((row.table.clone(), row.column.clone()), row);
}

impl Row {
    fn new(table: &str, column: Option<&str>, standing: &'static str) -> Row {
        Row {
            table: table.to_owned(),
            column: column.map(str::to_owned),
            column_type: None,
            standing,
            count: 0,
            first: None,
        }
    }

    /// `12 values went by, the first a text (sync 3f2a…, page 1, row 2)`.
    fn what(&self) -> String {
        let Some(first) = &self.first else { return String::new() };
        let one = if self.column.is_some() { "value" } else { "row" };
        let sync: String = first.sync_id.0.chars().take(8).collect();
        let seen = seen(first);
        let like = if seen.is_empty() { String::new() } else { seen.join(" and ") + " " };
        format!(
            "{} went by, the first {like}(sync {sync}, page {}, row {})",
            words::count(self.count, one),
            words::number(first.page),
            words::number(first.row),
        )
    }
}

fn seen(first: &Evidence) -> Vec<&'static str> {
    first.seen.iter().map(engine::Feature::describe).collect()
}

async fn approve(
    global: &GlobalArguments,
    arguments: &SchemaApproveArguments,
) -> Result<(), Failure> {
    let stored = store::one(global, &arguments.stored).await?;
    let position = store::look(&stored).await?.position().await?;
    let approvals = approvals(position.held_back(), arguments)?;
    let policy = policy_of(global, arguments.stored.to.is_some(), &stored)?;
    if let Some(blocked) = approvals.iter().find(|approval| is_blocked(&policy, approval)) {
        let what = told(blocked);
        return Err(Failure::new(
            "blocked_by_configuration",
            format!("{what} is blocked in {}", global.config.display()),
        ));
    }
    super::state::land_change(&stored, |position, run| Batch::approve(position, &approvals, run))
        .await?;
    for approval in &approvals {
        outln!("{}: {} is let in from the next sync on", stored.connection, told(approval));
    }
    if arguments.resync {
        let resync = Resync { mark_missing: true, ..Resync::default() };
        super::state::land_change(&stored, |position, run| Batch::resync(position, &resync, run))
            .await?;
        outln!("the next sync begins again with {{}}, and fetches what went by");
    } else {
        outln!(
            "what went by is not there: hasmore resync {} fetches it with the next sync",
            stored.connection
        );
    }
    Ok(())
}

fn is_blocked(policy: &Policy, approval: &Approval) -> bool {
    policy.tables.get(&approval.table).is_some_and(|table| match &approval.column {
        Some(column) => table.columns.get(column) == Some(&ColumnPolicy::Block),
        None => table.block,
    })
}

fn told(approval: &Approval) -> String {
    match &approval.column {
        Some(column) => format!("column {column:.60} of table {:.60}", approval.table),
        None => format!("table {:.60}", approval.table),
    }
}

/// What is asked for, if it is held back.
fn approvals(
    held: &HeldBack,
    arguments: &SchemaApproveArguments,
) -> Result<Vec<Approval>, Failure> {
    let mut known = Vec::new();
    for (table, held) in &held.tables {
        if held.first.is_some() {
            known.push(Approval { table: table.clone(), column: None });
        }
        let columns = held.columns.keys();
        known.extend(
            columns.map(|column| Approval { table: table.clone(), column: Some(column.clone()) }),
        );
    }
    if let Some(table) = &arguments.table {
        known.retain(|known| known.table == *table && known.column == arguments.column);
    }
    if known.is_empty() {
        let what = match &arguments.table {
            Some(table) => {
                told(&Approval { table: table.clone(), column: arguments.column.clone() })
            }
            None => "nothing".to_owned(),
        };
        let is = if arguments.table.is_some() { "is not held back" } else { "is held back" };
        return Err(Failure::new("not_held_back", format!("{what} {is}")));
    }
    Ok(known)
}
