//! DuckDB files: opened for a sync, or looked into.

use std::path::{Path, PathBuf};

use destination_duckdb::{DuckDb, DuckDbOptions};
use engine::{Destination, DestinationError, Position};

use crate::arguments::{GlobalArguments, StoredConnection};
use crate::config::Config;
use crate::connection::{self, Connection};
use crate::failure::Failure;
use crate::lock;
use crate::reference;

/// A connection as it lies in a file: what is needed to look at it, without its function and secrets.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) database: PathBuf,
    pub(crate) connection: String,
    pub(crate) namespace: String,
}

/// The destination of a connection, for a sync; the file is made when it is not there.
pub(crate) fn open(connection: &Connection) -> Result<DuckDb, Failure> {
    let database = connection.destination()?;
    let mut options = DuckDbOptions::default();
    if let Some(bytes) = connection.memory_bytes_max {
        options.memory_max_bytes = bytes;
    }
    DuckDb::open(database, &connection.name, &connection.namespace, &options)
        .map_err(|error| explained(error, database))
}

/// Where the next call would go on from; the beginning, if nothing has landed.
pub(crate) async fn position_if_any(connection: &Connection) -> Result<Position, Failure> {
    let Some(database) = connection.destination.as_deref().filter(|path| path.exists()) else {
        return Ok(Position::default());
    };
    let stored = Stored {
        database: database.to_owned(),
        connection: connection.name.clone(),
        namespace: connection.namespace.clone(),
    };
    Ok(look(&stored)?.position().await?)
}

/// To look at what has landed.
pub(crate) fn look(stored: &Stored) -> Result<DuckDb, Failure> {
    let Stored { database, connection, namespace } = stored;
    must_exist(database)?;
    DuckDb::open_read_only(database, connection, namespace, &DuckDbOptions::default())
        .map_err(|error| explained(error, database))
}

/// To change the state of what has landed.
pub(crate) fn open_to_change(stored: &Stored) -> Result<DuckDb, Failure> {
    let Stored { database, connection, namespace } = stored;
    must_exist(database)?;
    DuckDb::open(database, connection, namespace, &DuckDbOptions::default())
        .map_err(|error| explained(error, database))
}

/// The one connection that a command is about.
pub(crate) fn one(
    global: &GlobalArguments,
    arguments: &StoredConnection,
) -> Result<Stored, Failure> {
    let mut found = all(global, arguments)?;
    match (found.len(), found.pop()) {
        (1, Some(stored)) => Ok(stored),
        (_, None) => Err(Failure::new("no_connection", "there is no connection to look at")),
        (_, Some(last)) => {
            let names = found.iter().chain([&last]).map(|stored| stored.connection.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            Err(Failure::new("usage", "there are several connections")
                .hint(format!("name one of {names}")))
        }
    }
}

/// The connections that a command is about: the one named, or all of the file.
pub(crate) fn all(
    global: &GlobalArguments,
    arguments: &StoredConnection,
) -> Result<Vec<Stored>, Failure> {
    let name = arguments.connection.as_deref();
    match &arguments.to {
        Some(database) => in_database(database, name),
        None => in_config(&Config::load(&global.config)?, name),
    }
}

fn in_config(config: &Config, name: Option<&str>) -> Result<Vec<Stored>, Failure> {
    let named = match name {
        Some(name) => vec![(name, connection::named(config, name)?)],
        None => {
            let connections = config.content.connections.iter();
            connections.map(|(name, connection)| (name.as_str(), connection)).collect()
        }
    };
    let stored = named.into_iter().map(|(name, connection)| {
        let destination = connection.destination.as_ref().or(config.content.destination.as_ref());
        let destination =
            destination.expect("a connection has a destination: the file was checked");
        Stored {
            database: connection::whole(config.folder(), &destination.to),
            connection: name.to_owned(),
            namespace: connection
                .namespace
                .clone()
                .unwrap_or_else(|| reference::namespace_of(name)),
        }
    });
    Ok(stored.collect())
}

fn in_database(database: &Path, name: Option<&str>) -> Result<Vec<Stored>, Failure> {
    let found = connections(database)?;
    let known: Vec<&str> = found.iter().map(|stored| stored.connection.as_str()).collect();
    if let Some(name) = name.filter(|name| !known.contains(name)) {
        let message = format!("{} has no connection {name:.60}", database.display());
        let failure = Failure::new("unknown_connection", message);
        return Err(if known.is_empty() {
            failure.hint("nothing has landed in it; sync first")
        } else {
            failure.hint(format!("it has {}", known.join(", ")))
        });
    }
    Ok(found
        .into_iter()
        .filter(|stored| name.is_none_or(|name| stored.connection == name))
        .collect())
}

/// Every connection that has landed something in a file.
pub(crate) fn connections(database: &Path) -> Result<Vec<Stored>, Failure> {
    // Which connection it is opened for makes no difference to the list.
    let any = Stored {
        database: database.to_owned(),
        connection: String::new(),
        namespace: "main".to_owned(),
    };
    let connections = look(&any)?.connections()?;
    let stored = |found: engine::StoredConnection| Stored {
        database: database.to_owned(),
        connection: found.name,
        namespace: found.namespace,
    };
    Ok(connections.into_iter().map(stored).collect())
}

fn must_exist(database: &Path) -> Result<(), Failure> {
    if database.exists() {
        return Ok(());
    }
    Err(Failure::new("no_destination_file", format!("there is no file {}", database.display())))
}

/// Where another process of ours is at work on the file, that is the thing to say.
fn explained(error: DestinationError, database: &Path) -> Failure {
    let failure = Failure::from(error);
    if failure.code != "destination_locked" {
        return failure;
    }
    match lock::holder(database) {
        Some(holder) => lock::running(database, Some(&holder)),
        None => failure,
    }
}
