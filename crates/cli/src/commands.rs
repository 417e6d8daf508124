//! What each command does, one file each.

mod adopt;
mod check;
mod config;
pub(crate) mod demo;
mod diff;
mod explain;
mod init;
mod manifest;
mod migrate;
mod package;
mod preview;
mod read;
mod record;
mod replay;
mod resync;
mod schema;
mod serve;
mod state;
mod sync;
mod tables;
mod test;

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use crate::arguments::{Arguments, Command};
use crate::clock;
use crate::connection::{Connection, Selected};
use crate::failure::{Exit, Failure};
use crate::interrupt::Stop;
use crate::log::Log;
use crate::output::outln;
use crate::report;

/// Runs the command; how it went is its exit code.
pub(crate) fn run(arguments: &Arguments, log: &Arc<Log>) -> Result<Exit, Failure> {
    let global = &arguments.global;
    match &arguments.command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Init(arguments) => init::run(arguments),
        Command::Read(arguments) => read::run(global, arguments, log),
        Command::Package(arguments) => package::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Sync(arguments) => sync::run(global, arguments, log),
        Command::Preview(arguments) => preview::run(global, arguments, log),
        Command::Test(arguments) => test::run(global, arguments, log),
        Command::Resync(arguments) => resync::run(global, arguments),
        Command::Migrate(arguments) => migrate::run(global, arguments, log),
        Command::Adopt(arguments) => adopt::run(global, arguments),
        Command::Schema(command) => schema::run(global, command),
        Command::Check(arguments) => check::run(global, arguments, log),
        Command::Record(arguments) => record::run(global, arguments, log),
        Command::Replay(arguments) => replay::run(global, arguments, log),
        Command::Diff(arguments) => diff::run(global, arguments, log),
        Command::State(command) => state::run(global, command, log),
        Command::Tables(arguments) => tables::run(global, arguments),
        Command::Config(command) => config::run(global, command, log),
        Command::Manifest(command) => manifest::run(command),
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

/// Does its work for each connection, one after the other, until a stop is asked for; one that fails, or
/// is not ready, does not keep the others. The worst of their ends counts.
fn each(
    connections: Vec<Selected>,
    json: bool,
    log: &Arc<Log>,
    work: impl AsyncFn(Arc<Connection>, &Stop) -> Exit,
) -> Exit {
    runtime().block_on(async {
        let stop = Stop::listen(log);
        let mut worst = Exit::Landed;
        let mut connections = connections.into_iter();
        while let Some(Selected { name, ready }) = connections.next() {
            let ready = match ready {
                Ok(connection) => connection.with_stored_secrets().await,
                Err(failure) => Err(failure),
            };
            let exit = match ready {
                Ok(connection) => work(Arc::new(connection), &stop).await,
                Err(failure) => {
                    log.fail(&failure);
                    if json {
                        outln!("{}", report::unready(&name, &failure));
                    }
                    failure.exit()
                }
            };
            worst = worst.max(exit);
            if let Some(stopped) = stop.exit() {
                // A stop that came too late to change anything has stopped nothing.
                let all_done = exit == Exit::Landed && connections.len() == 0;
                return if all_done { worst } else { worst.max(stopped) };
            }
        }
        worst
    })
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

/// A proxy between a function on this machine and its API; its authority's certificate goes to `folder`.
fn upstream_proxy(folder: &std::path::Path) -> Result<transport::UpstreamProxy, Failure> {
    transport::UpstreamProxy::start(folder).map_err(|error| {
        Failure::new("no_port", format!("the proxy for the API cannot be started: {error}"))
    })
}
