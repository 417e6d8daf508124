use std::sync::Arc;

use protocol::{Function, State};
use transport::Cancellable;

use crate::arguments::{GlobalArguments, RecordArguments};
use crate::connection::{self, Connection};
use crate::failure::{Exit, Failure};
use crate::folder::TemporaryFolder;
use crate::function::BareFunction;
use crate::interrupt::Stop;
use crate::log::{ConnectionLog, Log};
use crate::output::outln;
use crate::recording::Recorder;
use crate::words;

/// Calls a function from the beginning and keeps every call as files; nothing is stored.
pub(crate) fn run(
    global: &GlobalArguments,
    arguments: &RecordArguments,
    log: &Arc<Log>,
) -> Result<Exit, Failure> {
    let connection = connection::one(global, arguments.connection.as_deref(), &arguments.given)?;
    super::runtime().block_on(async {
        let connection = Arc::new(connection.with_stored_secrets().await?);
        let stop = Stop::listen(log);
        match record(&connection, arguments, log, &stop).await {
            Ok(()) => Ok(Exit::Landed),
            Err(failure) if failure.code == "cancelled" => {
                Ok(stop.exit().unwrap_or(failure.exit()))
            }
            Err(failure) => Err(failure.of(&connection.name).redacted(&connection)),
        }
    })
}

async fn record(
    connection: &Arc<Connection>,
    arguments: &RecordArguments,
    log: &Arc<Log>,
    stop: &Stop,
) -> Result<(), Failure> {
    let run = super::begin(connection);
    let out = ConnectionLog::new(log, connection, &run.sync_id);
    out.warn_all(&connection.warnings);
    let mut recorder = Recorder::begin(&arguments.folder, connection)?;
    let folder = TemporaryFolder::new("record")?;
    let is_seen = !connection.function.hides_its_upstream();
    let proxy = is_seen.then(|| super::upstream_proxy(folder.path())).transpose()?;
    let function = BareFunction::open(connection, &out.for_transport(), proxy.as_ref())?;
    let (mut state, mut calls, mut rows, mut asked) = (State::default(), 0, 0, 0);
    let ended = loop {
        let request = run.request(state.clone());
        let answer = Cancellable::new(&function, stop.receiver()).call(&request).await;
        let upstream = proxy.as_ref().map(transport::UpstreamProxy::take).unwrap_or_default();
        recorder.add(&request, &answer, &upstream)?;
        (calls, asked) = (calls + 1, asked + upstream.len());
        match answer {
            Err(error) => break Err(error),
            Ok(response) => {
                rows += response.rows();
                let goes_on = response.has_more && response.state != state;
                if !goes_on || calls >= arguments.pages {
                    break Ok(());
                }
                state = response.state;
            }
        }
    };
    let deleted = function.delete_objects().await;
    function.close().await;
    ended?;
    deleted?;
    let seen = format!(", {} to its API", words::count(asked as u64, "request"));
    let seen = if is_seen { seen } else { String::new() };
    outln!(
        "{}: {} with {}{seen}, in {}; secrets stand as secret_NAME",
        connection.name,
        words::count(calls as u64, "call"),
        words::count(rows, "row"),
        arguments.folder.display(),
    );
    Ok(())
}
