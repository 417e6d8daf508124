use std::sync::Arc;

use protocol::{Function, State, TableName};
use serde_json::value::RawValue;

use crate::arguments::{GlobalArguments, ReadArguments};
use crate::config::nearest;
use crate::connection::{self, Connection, FunctionSource};
use crate::failure::{Exit, Failure};
use crate::function::OpenFunction;
use crate::interrupt::Stop;
use crate::log::{ConnectionLog, Log};
use crate::output::outln;

/// Prints the first rows of one table of a manifest, as they would be sent. Nothing is written.
pub(crate) fn run(
    global: &GlobalArguments,
    arguments: &ReadArguments,
    log: &Arc<Log>,
) -> Result<Exit, Failure> {
    let connection = connection::one(global, arguments.connection.as_deref(), &arguments.given)?;
    let connection = only(connection, &arguments.table)?.within(&arguments.range)?;
    super::runtime().block_on(async {
        let connection = Arc::new(connection.with_stored_secrets().await?);
        let stop = Stop::listen(log);
        match read(&connection, arguments, log, &stop).await {
            Ok(()) => Ok(Exit::Landed),
            Err(failure) if failure.code == "cancelled" => {
                Ok(stop.exit().unwrap_or(failure.exit()))
            }
            Err(failure) => Err(failure.of(&connection.name).redacted(&connection)),
        }
    })
}

/// The same connection with nothing but this table and its parents, a page a call.
fn only(mut connection: Connection, table: &str) -> Result<Connection, Failure> {
    let FunctionSource::Manifest(manifest) = &connection.function else {
        let message = format!("connection {:.60} has no manifest", connection.name);
        return Err(
            Failure::new("usage", message).hint("`hasmore preview` shows the rows of any function")
        );
    };
    let Some(mut manifest) = manifest.only(table) else {
        let known = manifest.tables.keys().map(String::as_str);
        let meant = nearest(table, known.clone());
        let hint = match meant {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("it has {}", known.collect::<Vec<_>>().join(", ")),
        };
        let message = format!("the manifest has no table {table:.60}");
        return Err(Failure::new("usage", message).hint(hint));
    };
    manifest.call.pages = Some(1);
    connection.function = FunctionSource::Manifest(Box::new(manifest));
    Ok(connection)
}

async fn read(
    connection: &Arc<Connection>,
    arguments: &ReadArguments,
    log: &Arc<Log>,
    stop: &Stop,
) -> Result<(), Failure> {
    /// Parents' pages are calls too; a child without rows is not looked for without end.
    const CALLS_A_PAGE_MAX: u64 = 100;
    let run = super::begin(connection);
    let out = ConnectionLog::new(log, connection, &run.sync_id);
    out.warn_all(&connection.warnings);
    let function = OpenFunction::open(connection, out.for_transport(), stop.receiver())?;
    let table = TableName(arguments.table.clone());
    let (mut state, mut pages) = (State::default(), 0);
    for _ in 0..arguments.pages.saturating_mul(CALLS_A_PAGE_MAX) {
        let response = function.call(&run.request(state)).await?;
        out.warn_all(&response.warnings);
        let records = response.insert.iter().find(|(name, _)| *name == table);
        if let Some((_, records)) = records {
            let rows: Vec<&RawValue> = serde_json::from_slice(records.as_json())
                .expect("records are a list of JSON objects");
            for row in rows {
                outln!("{}", one_line(row.get()));
            }
            pages += 1;
        }
        if !response.has_more || pages >= arguments.pages {
            break;
        }
        state = response.state;
    }
    let deleted = function.delete_objects().await;
    function.close().await;
    deleted.map_err(Failure::from)
}

/// JSON without the white space between its values; what it holds stays as it came.
fn one_line(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for character in json.chars() {
        if in_text {
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if character.is_ascii_whitespace() {
            continue;
        } else {
            in_text = character == '"';
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_row_is_one_line_and_its_texts_are_as_they_came() {
        let row = "{\n  \"a b\": [1.0,\t2],\n  \"c\": \"x \\\" \\\\\" , \"d\": null }";
        assert_eq!(super::one_line(row), r#"{"a b":[1.0,2],"c":"x \" \\","d":null}"#);
    }
}
