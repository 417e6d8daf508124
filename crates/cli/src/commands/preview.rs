use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{Batch, ColumnType, Position, Schema, TableBatch, system_columns};
use protocol::{Function, PagesLeft, Reading};
use serde_json::json;

use crate::arguments::{GlobalArguments, PreviewArguments};
use crate::cells;
use crate::connection::{self, Connection, FunctionSource};
use crate::failure::{Exit, Failure};
use crate::function::OpenFunction;
use crate::grid::{self, Grid};
use crate::interrupt::Stop;
use crate::log::{ConnectionLog, Log};
use crate::output::outln;
use crate::paint::Paint;
use crate::store;
use crate::words;

/// One call, shown as it would land: nothing is written, not even the state.
pub(crate) fn run(
    global: &GlobalArguments,
    arguments: &PreviewArguments,
    log: &Arc<Log>,
) -> Result<Exit, Failure> {
    let connection = connection::one(global, arguments.connection.as_deref(), &arguments.given)?;
    super::runtime().block_on(async {
        let connection = Arc::new(connection.with_stored_secrets().await?);
        let stop = Stop::listen(log);
        let page = call(&connection, arguments.from_start, log, &stop).await;
        match page {
            Ok(page) => {
                page.show(&connection, arguments);
                Ok(Exit::Landed)
            }
            Err(failure) if failure.code == "cancelled" => {
                Ok(stop.exit().unwrap_or(failure.exit()))
            }
            Err(failure) => Err(failure.of(&connection.name).redacted(&connection)),
        }
    })
}

/// An answer, typed.
struct Page {
    batch: Batch,
    has_more: bool,
    bytes: u64,
    known: Schema,
    /// The tables that were read to their end, and what is left of the one that was not.
    readings: Vec<Reading>,
    pages_left: Option<PagesLeft>,
}

async fn call(
    connection: &Arc<Connection>,
    from_start: bool,
    log: &Arc<Log>,
    stop: &Stop,
) -> Result<Page, Failure> {
    let mut run = super::begin(connection);
    store::find_salt(connection, &mut run).await?;
    let out = ConnectionLog::new(log, connection, &run.sync_id);
    out.warn_all(&connection.warnings);
    let stored = store::position_if_any(connection).await?;
    let position = if from_start { Position::default() } else { stored };
    let function = OpenFunction::open(connection, out.for_transport(), stop.receiver())?;
    let answer = function.call(&run.request(position.state().clone())).await;
    let deleted = function.delete_objects().await;
    function.close().await;
    let response = answer?;
    deleted?;
    let (has_more, bytes) = (response.has_more, response.body_bytes);
    let (readings, pages_left) = (response.readings.clone(), response.pages_left.clone());
    let batch = Batch::plan(response, &position, &run)
        .map_err(|source| engine::SyncError::Plan { page: 1, source })?;
    out.warn_all(batch.warnings());
    let known = position.schema().clone();
    Ok(Page { batch, has_more, bytes, known, readings, pages_left })
}

impl Page {
    fn show(&self, connection: &Connection, arguments: &PreviewArguments) {
        if arguments.json {
            outln!("{}", self.json(connection, arguments.rows));
            return;
        }
        let paint = Paint::of(&std::io::stdout());
        for table in self.batch.tables() {
            self.show_table(table, arguments.rows, paint);
        }
        for sweep in self.batch.sweeps() {
            outln!(
                "{}: rows not sent again would be marked as deleted\n",
                paint.bold(&sweep.table)
            );
        }
        let more = if self.has_more {
            "the function has more: a sync would call it again at once"
        } else {
            "the function has no more"
        };
        if let FunctionSource::Manifest(manifest) = &connection.function {
            outln!("How its tables are read:");
            super::manifest::describe(manifest);
            outln!("");
            self.show_calls();
        }
        outln!(
            "{}: one call, {}, {}; {more}. Nothing was written.",
            paint.bold(&connection.name),
            words::count(self.batch.rows(), "row"),
            words::bytes(self.bytes),
        );
    }

    /// How many pages a sync will ask for, as far as the API tells.
    fn show_calls(&self) {
        for Reading { table, pages, .. } in &self.readings {
            outln!("{table}: whole, in {}", words::count(*pages, "page"));
        }
        match &self.pages_left {
            Some(PagesLeft { table, pages }) => outln!(
                "{table}: a sync asks for about {} more, as the API tells",
                words::count(*pages, "page")
            ),
            None if self.has_more => {
                outln!("The API does not tell how many pages there are still to ask for.");
            }
            None => {}
        }
        outln!("");
    }

    fn show_table(&self, table: &TableBatch, rows_max: usize, paint: Paint) {
        let new = if self.known.tables.contains_key(table.table()) { "" } else { ", a new table" };
        let key = match table.primary_key() {
            engine::PrimaryKey::Columns(columns) => {
                let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                format!("key {}", columns.join(", "))
            }
            engine::PrimaryKey::BatchIndex => "no key: every row is new".to_owned(),
            engine::PrimaryKey::RowHash => "no key: equal rows are one".to_owned(),
        };
        let sent = words::count(table.rows_sent(), "row");
        outln!("{} ({sent}, {key}{new})", paint.bold(table.table()));
        let mut grid = Grid::default();
        for (name, column_type) in own_columns(table) {
            grid = grid.typed(name, &column_type.to_string(), cells::is_numeric(*column_type));
        }
        let upserts = cells::rows(&table.upserts(), rows_max, &own_names(table));
        for row in upserts {
            grid.row(row.into_iter().map(|cell| cell.unwrap_or_else(|| "NULL".to_owned())));
        }
        let lines = grid.lines(grid::terminal_width());
        lines.titles.iter().for_each(|line| outln!("{}", paint.dim(line)));
        lines.rows.iter().for_each(|line| outln!("{line}"));
        let count = |batches: &[arrow_array::RecordBatch]| -> usize {
            batches.iter().map(arrow_array::RecordBatch::num_rows).sum()
        };
        let not_shown = count(&table.upserts()).saturating_sub(rows_max);
        if not_shown > 0 {
            outln!("{}", paint.dim(&format!("… {}", words::count(not_shown as u64, "more row"))));
        }
        if lines.left_out > 0 {
            let left_out = words::count(lines.left_out as u64, "more column");
            outln!("{}", paint.dim(&format!("… {left_out}: see --json")));
        }
        let (marks, removals) = (count(&table.marks()), count(&table.removals()));
        if marks > 0 {
            outln!("{} would be marked as deleted", words::count(marks as u64, "row"));
        }
        if removals > 0 {
            outln!("{} would be removed", words::count(removals as u64, "row"));
        }
        outln!("");
    }

    fn json(&self, connection: &Connection, rows_max: usize) -> serde_json::Value {
        let tables = self.batch.tables().map(|table| {
            let names = own_names(table);
            let rows = cells::rows(&table.upserts(), rows_max, &names).into_iter();
            let rows = rows.map(|row| names.iter().zip(row).collect::<BTreeMap<_, _>>());
            json!({
                "table": table.table(),
                "primary_key": system_columns::key_columns(table.primary_key()),
                "rows_sent": table.rows_sent(),
                "columns": own_columns(table)
                    .map(|(name, column_type)| json!({ "name": name, "type": column_type.to_string() }))
                    .collect::<Vec<_>>(),
                "rows": rows.collect::<Vec<_>>(),
            })
        });
        json!({
            "connection": connection.name,
            "has_more": self.has_more,
            "bytes": self.bytes,
            "readings": self.readings,
            "pages_left": self.pages_left,
            "tables": tables.collect::<Vec<_>>(),
            "sweeps": self.batch.sweeps().map(|sweep| sweep.table.clone()).collect::<Vec<_>>(),
        })
    }
}

/// The function's own columns; those of the system are the same everywhere.
fn own_columns(table: &TableBatch) -> impl Iterator<Item = &(String, ColumnType)> {
    table.columns().iter().filter(|(name, _)| !name.starts_with(system_columns::RESERVED_PREFIX))
}

fn own_names(table: &TableBatch) -> Vec<String> {
    own_columns(table).map(|(name, _)| name.clone()).collect()
}
