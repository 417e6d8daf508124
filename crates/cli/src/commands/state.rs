use std::io::Read;
use std::path::Path;

use engine::{Batch, Destination, Position, Resync, Run};
use protocol::{CustomPayload, Secrets, State};
use serde_json::json;
use serde_json::value::RawValue;

use crate::arguments::{
    GlobalArguments, StateCommand, StateHistoryArguments, StateResetArguments,
    StateRollbackArguments, StateSetArguments, StateShowArguments, StoredConnection,
};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::grid::{self, Grid};
use crate::lock::{Lock, Work};
use crate::log::{Level, Log};
use crate::output::outln;
use crate::paint::Paint;
use crate::store::{self, Stored};
use crate::words;

/// Shows or changes what a function is told with the next call. A change goes through the same door as
/// a batch of rows, so it cannot cross a sync under way.
pub(crate) fn run(
    global: &GlobalArguments,
    command: &StateCommand,
    log: &Log,
) -> Result<Exit, Failure> {
    super::runtime().block_on(async {
        match command {
            StateCommand::Show(arguments) => show(global, arguments).await?,
            StateCommand::Set(arguments) => set(global, arguments, log).await?,
            StateCommand::History(arguments) => history(global, arguments).await?,
            StateCommand::Rollback(arguments) => rollback(global, arguments).await?,
            StateCommand::Reset(arguments) => reset(global, arguments).await?,
        }
        Ok(Exit::Landed)
    })
}

/// The state alone on standard output, so that it can be kept in a file and set again.
async fn show(global: &GlobalArguments, arguments: &StateShowArguments) -> Result<(), Failure> {
    let stored = store::one(global, &arguments.stored).await?;
    let position = landed(&stored, store::look(&stored).await?.position().await?)?;
    if arguments.json {
        outln!("{}", position_json(&stored, &position));
    } else {
        outln!("{}", position.state().as_json());
    }
    Ok(())
}

async fn set(
    global: &GlobalArguments,
    arguments: &StateSetArguments,
    log: &Log,
) -> Result<(), Failure> {
    let text = match (&arguments.state, &arguments.file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => read_state(path)?,
        (None, None) => unreachable!("one of them is required"),
    };
    let state = State::from_json(&text).map_err(|error| {
        Failure::new("invalid_state", format!("the new state is not JSON: {error}"))
    })?;
    if !state.is_object() {
        let line = "warning[unusual_state]: the new state is no object; it is kept as it is";
        log.say(Level::Normal, line);
    }
    let plan = |position: &Position, run: &Run| Batch::set_state(position, state.clone(), run);
    change(global, &arguments.stored, plan).await
}

async fn rollback(
    global: &GlobalArguments,
    arguments: &StateRollbackArguments,
) -> Result<(), Failure> {
    let stored = store::one(global, &arguments.stored).await?;
    let commit = arguments.commit;
    let past = store::look(&stored)
        .await?
        .history()
        .await?
        .into_iter()
        .find(|past| past.ordinal == commit);
    let Some(past) = past else {
        return Err(Failure::new(
            "unknown_commit",
            format!("connection {:.60} has no commit {commit} in its history", stored.connection),
        ));
    };
    let plan = |position: &Position, run: &Run| Batch::set_state(position, past.state.clone(), run);
    change(global, &arguments.stored, plan).await
}

async fn reset(global: &GlobalArguments, arguments: &StateResetArguments) -> Result<(), Failure> {
    let mark_missing = !arguments.keep_missing;
    let resync = Resync { mark_missing, ..Resync::default() };
    let plan = |position: &Position, run: &Run| Batch::resync(position, &resync, run);
    change(global, &arguments.stored, plan).await?;
    outln!(
        "the next sync begins again with {{}}; tables and rows stay{}",
        if mark_missing {
            ", and what it does not see is marked as deleted at its end"
        } else {
            ""
        }
    );
    Ok(())
}

/// A batch without rows, planned where the destination is; refused while a sync runs (F-085).
async fn change(
    global: &GlobalArguments,
    arguments: &StoredConnection,
    plan: impl Fn(&Position, &Run) -> Batch,
) -> Result<(), Failure> {
    let stored = store::one(global, arguments).await?;
    let ordinal = land_change(&stored, plan).await?;
    outln!(
        "{}: commit {ordinal} holds the new state; commit {} held the one before",
        stored.connection,
        ordinal - 1
    );
    Ok(())
}

/// Commits a batch without rows; answers its ordinal.
pub(super) async fn land_change(
    stored: &Stored,
    plan: impl Fn(&Position, &Run) -> Batch,
) -> Result<u64, Failure> {
    let lock = |file| Lock::acquire(file, Work::Change, &stored.connection);
    let _lock = stored.location.file_to_lock().map(lock).transpose()?;
    let mut destination = store::open_to_change(stored).await?;
    let position = landed(stored, destination.position().await?)?;
    let batch = plan(&position, &run_of(stored));
    destination.commit(&batch).await?;
    Ok(batch.leaves().ordinal())
}

async fn history(
    global: &GlobalArguments,
    arguments: &StateHistoryArguments,
) -> Result<(), Failure> {
    let stored = store::one(global, &arguments.stored).await?;
    let mut history = store::look(&stored).await?.history().await?;
    history.truncate(arguments.limit);
    if arguments.json {
        for past in &history {
            let state = RawValue::from_string(past.state.as_json().to_owned());
            outln!(
                "{}",
                json!({
                    "commit": past.ordinal,
                    "sync_id": past.sync_id.0,
                    "committed_at": clock::milliseconds_text(past.committed_at),
                    "state": state.expect("a state is JSON"),
                })
            );
        }
        return Ok(());
    }
    let mut grid =
        Grid::default().right("commit").left("at").left("sync").right("state size").left("state");
    for past in &history {
        grid.row([
            words::number(past.ordinal),
            clock::milliseconds_text(past.committed_at),
            past.sync_id.0.chars().take(8).collect(),
            words::bytes(past.state.as_json().len() as u64),
            past.state.as_json().to_owned(),
        ]);
    }
    let lines = grid.lines(grid::terminal_width());
    let paint = Paint::of(&std::io::stdout());
    lines.titles.iter().for_each(|line| outln!("{}", paint.dim(line)));
    lines.rows.iter().for_each(|line| outln!("{line}"));
    Ok(())
}

/// F-086: a connection that has never landed anything has no state.
fn landed(stored: &Stored, position: Position) -> Result<Position, Failure> {
    if position.ordinal() == 0 {
        let message = format!("connection {:.60} has no state yet", stored.connection);
        return Err(Failure::new("no_state", message));
    }
    Ok(position)
}

fn position_json(stored: &Stored, position: &Position) -> serde_json::Value {
    let state = RawValue::from_string(position.state().as_json().to_owned());
    json!({
        "connection": stored.connection,
        "commit": position.ordinal(),
        "sync_id": position.committed_by().0,
        "state": state.expect("a state is JSON"),
    })
}

fn read_state(path: &Path) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new("invalid_state", format!("{} cannot be read: {error}", path.display()))
    };
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(unreadable)?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

/// An operator's edit is a sync of its own, which calls nobody.
fn run_of(stored: &Stored) -> Run {
    Run {
        sync_id: clock::new_sync_id(),
        started_at: clock::now(),
        clock: std::sync::Arc::new(clock::now),
        agent: format!("hasmore state of {}", stored.connection),
        secrets: Secrets::default(),
        custom_payload: CustomPayload::default(),
        options: engine::Options::default(),
        limits: engine::Limits::default(),
    }
}
