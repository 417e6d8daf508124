use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{Destination, Outcome};
use serde_json::json;

use super::migrate;
use crate::arguments::{DiffArguments, GivenConnection, GlobalArguments};
use crate::connection::{self, Connection, Selected};
use crate::failure::{Exit, Failure};
use crate::folder::TemporaryFolder;
use crate::function::OpenFunction;
use crate::interrupt::Stop;
use crate::location::Location;
use crate::log::{ConnectionLog, Log};
use crate::output::outln;
use crate::paint::Paint;
use crate::store::{self, Stored};
use crate::tables_diff::{Side, TableDiff, compare};
use crate::words;

/// Syncs two functions into files of their own and tells where the tables are not the same; nothing that
/// has landed is touched.
pub(crate) fn run(
    global: &GlobalArguments,
    arguments: &DiffArguments,
    log: &Arc<Log>,
) -> Result<Exit, Failure> {
    let names = [arguments.a.clone(), arguments.b.clone()];
    let selected = connection::selected(global, &names, &GivenConnection::default())?;
    let folder = TemporaryFolder::new("diff")?;
    super::runtime().block_on(async {
        let stop = Stop::listen(log);
        let mut sides = Vec::new();
        for (index, Selected { name, ready }) in selected.into_iter().enumerate() {
            let connection = ready?.without_state()?;
            let file = folder.path().join(format!("{index}.duckdb"));
            let side = if arguments.stored && index == 0 {
                Box::pin(stored(&connection, file)).await
            } else {
                let connection = connection.with_stored_secrets().await?;
                Box::pin(synced(connection, &file, arguments.syncs, log, &stop)).await
            };
            match side {
                Ok(side) => sides.push(side),
                Err(failure) if failure.code == "cancelled" => {
                    return Ok(stop.exit().unwrap_or(failure.exit()));
                }
                Err(failure) => return Err(failure.of(&name)),
            }
        }
        let diffs = compare(&sides[0], &sides[1]).map_err(|error| {
            Failure::new("tables_not_compared", format!("the tables cannot be compared: {error}"))
        })?;
        Ok(tell(arguments, &diffs))
    })
}

/// The tables that a connection has landed; of another database than DuckDB, a copy as of one moment.
async fn stored(connection: &Connection, copy: PathBuf) -> Result<Side, Failure> {
    let location = connection.destination()?.clone();
    let namespace = connection.namespace.clone();
    let landed = Stored { location, connection: connection.name.clone(), namespace };
    let (stored, file) = match &landed.location {
        Location::File(file) => (landed.clone(), file.clone()),
        _ => {
            let copied = Stored { location: Location::File(copy.clone()), ..landed.clone() };
            migrate::copy(&landed, &copied).await?;
            (copied, copy)
        }
    };
    let position = store::look(&stored).await?.position().await?;
    Ok(Side { file, namespace: stored.namespace, schema: position.schema().clone() })
}

/// The tables that its function fills, from the beginning.
async fn synced(
    connection: Connection,
    file: &Path,
    syncs: u64,
    log: &Arc<Log>,
    stop: &Stop,
) -> Result<Side, Failure> {
    let destination = Some(Location::File(file.to_owned()));
    let connection = Arc::new(Connection { destination, ..connection });
    let mut destination = store::open(&connection).await?;
    for _ in 0..syncs {
        let mut run = super::begin(&connection);
        let out = ConnectionLog::new(log, &connection, &run.sync_id);
        let function = OpenFunction::open(&connection, out.for_transport(), stop.receiver())?;
        store::find_salt(&connection, &mut run).await?;
        let ended = Box::pin(engine::sync(&run, &function, &mut destination, &mut |_| {})).await;
        let deleted = function.delete_objects().await;
        function.close().await;
        let summary = ended.map_err(|error| Failure::from(error).redacted(&connection))?;
        deleted?;
        if summary.outcome == Outcome::Cancelled {
            return Err(Failure::new("cancelled", "a stop was asked for"));
        }
    }
    let position = destination.position().await?;
    let namespace = connection.namespace.clone();
    Ok(Side { file: file.to_owned(), namespace, schema: position.schema().clone() })
}

fn tell(arguments: &DiffArguments, diffs: &[TableDiff]) -> Exit {
    let is_same = diffs.iter().all(TableDiff::is_same);
    if arguments.json {
        let tables = diffs.iter().map(|diff| {
            let mut table = json!({
                "table": diff.table,
                "same": diff.is_same(),
                "definition": diff.definition,
                "rows": { "a": diff.rows[0], "b": diff.rows[1] },
                "only": { "a": diff.only[0], "b": diff.only[1] },
                "changed": diff.changed.iter().map(|(column, rows)| json!({ "column": column, "rows": rows })).collect::<Vec<_>>(),
            });
            if arguments.show_values {
                table["examples"] = diff.examples.clone().into();
            }
            table
        });
        let tables = tables.collect::<Vec<_>>();
        outln!(
            "{}",
            json!({ "a": arguments.a, "b": arguments.b, "same": is_same, "tables": tables })
        );
    } else {
        let paint = Paint::of(&std::io::stdout());
        for diff in diffs {
            tell_table(arguments, diff, paint);
        }
        let tables = words::count(diffs.len() as u64, "table");
        let verdict = if is_same { paint.green("the same") } else { paint.red("not the same") };
        outln!("A = {}, B = {}: {tables}, {verdict}", arguments.a, arguments.b);
    }
    if is_same { Exit::Landed } else { Exit::Function }
}

fn tell_table(arguments: &DiffArguments, diff: &TableDiff, paint: Paint) {
    let name = paint.bold(&diff.table);
    if diff.is_same() {
        outln!("{name}: the same, {}", words::count(diff.rows[0], "row"));
        return;
    }
    let [a, b] = diff.rows.map(words::number);
    outln!("{name}: {a} rows in A, {b} in B");
    diff.definition.iter().for_each(|line| outln!("  {line}"));
    for (side, rows) in ["A", "B"].iter().zip(diff.only) {
        if rows > 0 {
            outln!("  {} only in {side}", words::count(rows, "row"));
        }
    }
    for (column, rows) in &diff.changed {
        outln!("  {column} is another in {}", words::count(*rows, "row"));
    }
    if arguments.show_values {
        diff.examples.iter().for_each(|key| outln!("  {}", paint.dim(key)));
    } else if !diff.examples.is_empty() {
        outln!("  {}", paint.dim("--show-values names some of them by their keys"));
    }
}
