use std::sync::Arc;

use engine::{Destination, Outcome, Summary, SyncEvent};
use protocol::State;
use transport::Ahead;

use crate::arguments::{GlobalArguments, SyncArguments};
use crate::connection::{self, Connection};
use crate::failure::{Exit, Failure};
use crate::function::OpenFunction;
use crate::interrupt::Stop;
use crate::location::Location;
use crate::lock::{Lock, Work};
use crate::log::{ConnectionLog, Level, Log, SyncLog};
use crate::objects::Objects;
use crate::output::outln;
use crate::paint::Paint;
use crate::report;
use crate::store;

/// Syncs connections one after the other; one that fails does not keep the others. The worst of their
/// ends is the exit code.
pub(crate) fn run(
    global: &GlobalArguments,
    arguments: &SyncArguments,
    log: &Arc<Log>,
) -> Result<Exit, Failure> {
    let connections = connection::selected(global, &arguments.connections, &arguments.given)?;
    let connections =
        connections.into_iter().map(|selected| selected.within(&arguments.range)).collect();
    Ok(super::each(connections, arguments.json, log, async |connection, stop| {
        sync_one(connection, arguments, log, stop).await
    }))
}

async fn sync_one(
    connection: Arc<Connection>,
    arguments: &SyncArguments,
    log: &Arc<Log>,
    stop: &Stop,
) -> Exit {
    let mut run = super::begin(&connection);
    if arguments.allow_deletes {
        Arc::make_mut(&mut run.options.policy).allow_deletes();
    }
    let out = ConnectionLog::new(log, &connection, &run.sync_id);
    out.warn_all(&connection.warnings);
    let mut sync_log = SyncLog::new(&out);
    let mut summary = None;
    let ended = {
        let on_event = &mut |event: SyncEvent<'_>| {
            sync_log.event(&event);
            if let SyncEvent::Finished { summary: finished } = event {
                summary = Some(finished.clone());
            }
        };
        pull(&connection, &mut run, arguments, &out, stop, on_event).await
    };
    let failure = ended.err().map(|failure| failure.of(&connection.name));
    if let Some(failure) = &failure {
        if summary.is_some() { sync_log.fail(failure) } else { sync_log.never_began(failure) }
    }
    let summary = summary.unwrap_or_else(|| never_began(failure.as_ref()));
    if arguments.json {
        outln!("{}", report::json(&connection, &run.sync_id.0, &summary, failure.as_ref()));
    } else if log.level > Level::Quiet
        && let Some(location) = &connection.destination
    {
        print_text(&connection, location, &summary);
    }
    match (failure, summary.outcome) {
        (Some(failure), _) => failure.exit(),
        (None, Outcome::Cancelled) => stop.exit().unwrap_or(Exit::Interrupted),
        (None, _) => Exit::Landed,
    }
}

/// Opens both ends and lets the engine go from one to the other.
async fn pull(
    connection: &Connection,
    run: &mut engine::Run,
    arguments: &SyncArguments,
    out: &Arc<ConnectionLog>,
    stop: &Stop,
    on_event: &mut (impl FnMut(SyncEvent<'_>) + Send),
) -> Result<(), Failure> {
    let _lock = match connection.destination()?.file_to_lock() {
        Some(file) if arguments.force => {
            Some(Lock::acquire_by_force(file, Work::Sync, &connection.name)?)
        }
        Some(file) => Some(Lock::acquire(file, Work::Sync, &connection.name)?),
        None => None,
    };
    let function = OpenFunction::open(connection, out.for_transport(), stop.receiver())?;
    let function = Arc::new(function);
    store::find_salt(connection, run).await?;
    let mut destination = store::open(connection).await?;
    if arguments.range.from.is_some() {
        check_for_range(&mut destination).await?;
    }
    let (objects, calls) = Objects::of(&function, Ahead::new(Arc::clone(&function)));
    let on_event = &mut |event: SyncEvent<'_>| {
        if let SyncEvent::Landed { batch, .. } = &event {
            objects.landed(batch.pages());
        }
        on_event(event);
    };
    let ended = engine::sync(run, &calls, &mut destination, on_event).await;
    drop(calls);
    out.warn_all(objects.close().await.as_slice());
    function.close().await;
    ended.map(|_| ()).map_err(Failure::from)
}

/// A range is no first sync, and no end of one that was interrupted, nor of a resync: what these do not see
/// may be marked as deleted, or left behind.
async fn check_for_range(destination: &mut impl Destination) -> Result<(), Failure> {
    let position = destination.position().await?;
    let refused = |code, message: &str| {
        Err(Failure::new(code, message.to_owned()).hint("sync without `--from` first"))
    };
    if *position.state() == State::default() {
        return refused("nothing_synced", "nothing has been synced yet, or the state was reset");
    }
    if position.chain().is_some() {
        return refused("sync_under_way", "the last sync, or a resync, has not reached its end");
    }
    Ok(())
}

fn never_began(failure: Option<&Failure>) -> Summary {
    let outcome = failure
        .map(|failure| Outcome::Failed { code: failure.code, message: failure.message.clone() });
    Summary { outcome: outcome.unwrap_or_default(), ..Summary::default() }
}

fn print_text(connection: &Connection, location: &Location, summary: &Summary) {
    let paint = Paint::of(&std::io::stdout());
    outln!("{}", report::text(connection, location, summary, paint));
}
