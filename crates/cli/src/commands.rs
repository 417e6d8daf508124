//! What each command does, one file each.

mod config;
mod demo;
mod explain;
mod preview;
mod state;
mod sync;
mod tables;
mod test;

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use crate::arguments::{Arguments, Command};
use crate::clock;
use crate::connection::Connection;
use crate::failure::{Exit, Failure};
use crate::log::Log;

/// Runs the command; how it went is its exit code.
pub(crate) fn run(arguments: &Arguments, log: &Arc<Log>) -> Result<Exit, Failure> {
    let global = &arguments.global;
    match &arguments.command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Sync(arguments) => sync::run(global, arguments, log),
        Command::Preview(arguments) => preview::run(global, arguments, log),
        Command::Test(arguments) => test::run(global, arguments, log),
        Command::State(command) => state::run(global, command, log),
        Command::Tables(arguments) => tables::run(global, arguments),
        Command::Config(command) => config::run(global, command, log),
        Command::Explain(arguments) => explain::run(arguments),
    }
}

/// One worker: calls, signals and what a process prints only ever wait, and a second worker would be
/// woken for each page to find nothing left to do. Landing keeps the main thread.
fn runtime() -> Runtime {
    const WORKERS: usize = 1;
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    runtime.expect("the system lets a process have threads")
}

/// A sync of this connection that begins now.
fn begin(connection: &Connection) -> engine::Run {
    engine::Run {
        sync_id: clock::new_sync_id(),
        started_at: clock::now(),
        clock: Arc::new(clock::now),
        agent: connection.agent.clone(),
        secrets: connection.secrets.clone(),
        custom_payload: connection.custom_payload.clone(),
        options: connection.options.clone(),
        limits: connection.limits.clone(),
    }
}
