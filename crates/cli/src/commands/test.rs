use std::sync::Arc;

use engine::SetupTest;
use protocol::State;
use serde_json::json;

use crate::arguments::{GlobalArguments, TestArguments};
use crate::connection::{self, Connection};
use crate::failure::{Exit, Failure};
use crate::function::OpenFunction;
use crate::interrupt::Stop;
use crate::log::{ConnectionLog, Log};
use crate::output::outln;
use crate::paint::Paint;
use crate::report;
use crate::words;

/// Asks each function once, with `setup_test: true`; nothing is stored (Dec-10).
pub(crate) fn run(
    global: &GlobalArguments,
    arguments: &TestArguments,
    log: &Arc<Log>,
) -> Result<Exit, Failure> {
    let connections = connection::selected(global, &arguments.connections, &arguments.given)?;
    Ok(super::each(connections, arguments.json, log, async |connection, stop| {
        test_one(connection, arguments.json, log, stop).await
    }))
}

async fn test_one(connection: Arc<Connection>, json: bool, log: &Arc<Log>, stop: &Stop) -> Exit {
    let run = super::begin(&connection);
    let out = ConnectionLog::new(log, &connection, &run.sync_id);
    out.warn_all(&connection.warnings);
    let asked = async {
        let function = OpenFunction::open(&connection, out.for_transport(), stop.receiver())?;
        let answer = engine::setup_test(&run, &State::default(), &function).await;
        function.close().await;
        answer.map_err(Failure::from)
    };
    let verdict = asked.await.map_err(|failure| failure.of(&connection.name));
    if let Ok(SetupTest { warnings, .. }) = &verdict {
        out.warn_all(warnings);
    }
    if json {
        outln!("{}", verdict_json(&connection, &verdict));
    }
    match verdict {
        Ok(SetupTest { rows, .. }) => {
            if !json {
                let paint = Paint::of(&std::io::stdout());
                let rows = match rows {
                    0 => String::new(),
                    rows => format!(" ({} were sent along and dropped)", words::count(rows, "row")),
                };
                outln!("{}: {}{rows}", paint.bold(&connection.name), paint.green("passed"));
            }
            Exit::Landed
        }
        Err(failure) => {
            out.fail(&failure);
            failure.exit()
        }
    }
}

fn verdict_json(
    connection: &Connection,
    verdict: &Result<SetupTest, Failure>,
) -> serde_json::Value {
    let warnings = verdict.iter().flat_map(|test| &test.warnings);
    let warnings: Vec<_> = warnings
        .map(|w| json!({ "code": w.code, "message": connection.redact(&w.message) }))
        .collect();
    json!({
        "connection": connection.name,
        "passed": verdict.is_ok(),
        "rows": verdict.as_ref().map_or(0, |test| test.rows),
        "warnings": warnings,
        "error": verdict.as_ref().err().map(|failure| report::error(connection, failure)),
    })
}
