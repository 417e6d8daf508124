use crate::arguments::{ConfigCommand, GlobalArguments};
use crate::config::{self, Config};
use crate::connection::Connection;
use crate::failure::{Exit, Failure};
use crate::log::{Level, Log};
use crate::output::outln;

pub(crate) fn run(
    global: &GlobalArguments,
    command: &ConfigCommand,
    log: &Log,
) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Check => check(global, log),
        ConfigCommand::Schema => {
            outln!("{}", config::json_schema().trim_end());
            Ok(Exit::Landed)
        }
    }
}

/// What cannot be looked up here (a variable that only the server has) is told, and is no mistake.
fn check(global: &GlobalArguments, log: &Log) -> Result<Exit, Failure> {
    let config = Config::load(&global.config)?;
    for (name, connection) in &config.content.connections {
        let destination = config.content.destination.as_ref().map(|to| to.to.as_path());
        match Connection::resolve(name, connection, destination, config.folder()) {
            Ok(_) => outln!("{name}: right"),
            Err(failure) => {
                outln!("{name}: right, but not ready here");
                log.say(Level::Normal, &format!("warning[{}]: {}", failure.code, failure.message));
            }
        }
    }
    if config.content.connections.is_empty() {
        outln!("{} is right, and names no connection", config.path.display());
    }
    Ok(Exit::Landed)
}
