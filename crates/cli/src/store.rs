//! What has landed, opened for a sync, or looked into.

use std::path::Path;
use std::sync::Arc;

use destination_delta::{Delta, Lake};
use destination_duckdb::{DuckDb, DuckDbOptions};
use destination_postgres::Postgres;
use destination_sqlite::{Access, Sqlite};
use engine::{
    Batch, Destination, DestinationError, HistoryEntry, Landed, Policy, Position, Run, Salt,
};

use crate::arguments::{GlobalArguments, StoredConnection};
use crate::config::Config;
use crate::connection::{self, Connection};
use crate::failure::Failure;
use crate::location::{LakeAddress, Location};
use crate::lock;
use crate::reference;

/// A connection as it lies in a destination: what is needed to look at it, without its function and
/// secrets.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) location: Location,
    pub(crate) connection: String,
    pub(crate) namespace: String,
}

/// The destination of one connection, of any kind.
pub(crate) enum Store {
    DuckDb(Box<DuckDb>),
    Postgres(Box<Postgres>),
    Sqlite(Box<Sqlite>),
    Delta(Box<Delta>),
}

impl Destination for Store {
    async fn position(&mut self) -> Result<Position, DestinationError> {
        match self {
            Store::DuckDb(duckdb) => duckdb.position().await,
            Store::Postgres(postgres) => postgres.position().await,
            Store::Sqlite(sqlite) => sqlite.position().await,
            Store::Delta(delta) => delta.position().await,
        }
    }

    async fn commit(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        match self {
            Store::DuckDb(duckdb) => duckdb.commit(batch).await,
            Store::Postgres(postgres) => postgres.commit(batch).await,
            Store::Sqlite(sqlite) => sqlite.commit(batch).await,
            Store::Delta(delta) => Box::pin(delta.commit(batch)).await,
        }
    }
}

impl Store {
    /// The connection's commits, the newest first.
    pub(crate) async fn history(&mut self) -> Result<Vec<HistoryEntry>, DestinationError> {
        match self {
            Store::DuckDb(duckdb) => duckdb.history(),
            Store::Postgres(postgres) => postgres.history().await,
            Store::Sqlite(sqlite) => sqlite.history(),
            Store::Delta(delta) => delta.history().await,
        }
    }

    /// The rows of one of the connection's tables, those marked as deleted too.
    pub(crate) async fn row_count(&mut self, table: &str) -> Result<u64, DestinationError> {
        match self {
            Store::DuckDb(duckdb) => duckdb.row_count(table),
            Store::Postgres(postgres) => postgres.row_count(table).await,
            Store::Sqlite(sqlite) => sqlite.row_count(table),
            Store::Delta(delta) => delta.row_count(table).await,
        }
    }

    async fn connections(&mut self) -> Result<Vec<engine::StoredConnection>, DestinationError> {
        match self {
            Store::DuckDb(duckdb) => duckdb.connections(),
            Store::Postgres(postgres) => postgres.connections().await,
            Store::Sqlite(sqlite) => sqlite.connections(),
            Store::Delta(delta) => delta.connections().await,
        }
    }
}

/// The destination of a connection, for a sync; a file is made when it is not there.
pub(crate) async fn open(connection: &Connection) -> Result<Store, Failure> {
    let stored = Stored {
        location: connection.destination()?.clone(),
        connection: connection.name.clone(),
        namespace: connection.namespace.clone(),
    };
    let mut options = DuckDbOptions::default();
    if let Some(bytes) = connection.memory_bytes_max {
        options.memory_max_bytes = bytes;
    }
    open_with(&stored, &options, Access::Write).await
}

/// Where the next call would go on from; the beginning, if nothing has landed.
pub(crate) async fn position_if_any(connection: &Connection) -> Result<Position, Failure> {
    let destination = connection.destination.as_ref();
    let Some(location) = destination.filter(|location| location.is_there()) else {
        return Ok(Position::default());
    };
    let stored = Stored {
        location: location.clone(),
        connection: connection.name.clone(),
        namespace: connection.namespace.clone(),
    };
    Ok(look(&stored).await?.position().await?)
}

/// Values are hashed with one salt in all of a destination, so that equal values give equal digests in
/// every table of it (Dec-65): the salt of a connection that has one already, or a new one.
pub(crate) async fn find_salt(connection: &Connection, run: &mut Run) -> Result<(), Failure> {
    if !run.options.policy.hashes() {
        return Ok(());
    }
    let location = connection.destination()?;
    let mut salt = None;
    if location.is_there() {
        for stored in connections(location).await? {
            let position = look(&stored).await?.position().await?;
            salt = salt.or(position.salt().cloned());
        }
    }
    let salt = salt.unwrap_or_else(|| {
        let words = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
        Salt(words.map(|word| word.simple().to_string()).concat())
    });
    let policy = Policy { salt, ..(*run.options.policy).clone() };
    run.options.policy = Arc::new(policy);
    Ok(())
}

/// To look at what has landed.
pub(crate) async fn look(stored: &Stored) -> Result<Store, Failure> {
    must_exist(&stored.location)?;
    open_with(stored, &DuckDbOptions::default(), Access::Look).await
}

/// To change the state of what has landed.
pub(crate) async fn open_to_change(stored: &Stored) -> Result<Store, Failure> {
    must_exist(&stored.location)?;
    open_to_fill(stored).await
}

/// To fill with a connection that comes from elsewhere; a file is made when it is not there.
pub(crate) async fn open_to_fill(stored: &Stored) -> Result<Store, Failure> {
    open_with(stored, &DuckDbOptions::default(), Access::Write).await
}

async fn open_with(
    stored: &Stored,
    options: &DuckDbOptions,
    access: Access,
) -> Result<Store, Failure> {
    let (name, namespace) = (stored.connection.as_str(), stored.namespace.as_str());
    match &stored.location {
        Location::File(file) => {
            let duckdb = match access {
                Access::Write => DuckDb::open(file, name, namespace, options),
                Access::Look => DuckDb::open_read_only(file, name, namespace, options),
            };
            let duckdb = duckdb.map_err(|error| explained(error, file))?;
            Ok(Store::DuckDb(Box::new(duckdb)))
        }
        Location::Postgres(server) => {
            let opened = Postgres::open(server, name, namespace).await;
            Ok(Store::Postgres(Box::new(opened?)))
        }
        Location::Sqlite(file) => {
            Ok(Store::Sqlite(Box::new(Sqlite::open(file, name, namespace, access)?)))
        }
        Location::Lake(address) => {
            let lake = open_lake(address)?;
            let delta = match access {
                Access::Write => Delta::open(lake, name, namespace),
                Access::Look => Delta::open_to_look(lake, name, namespace),
            };
            Ok(Store::Delta(Box::new(delta?)))
        }
    }
}

fn open_lake(address: &LakeAddress) -> Result<Lake, Failure> {
    match address {
        LakeAddress::Folder(path) => Ok(Lake::folder(path)?),
        LakeAddress::S3 { bucket, prefix } => {
            let store = transport::open_bucket(bucket)?;
            Ok(Lake::new(store, prefix)?)
        }
    }
}

/// The one connection that a command is about.
pub(crate) async fn one(
    global: &GlobalArguments,
    arguments: &StoredConnection,
) -> Result<Stored, Failure> {
    let mut found = all(global, arguments).await?;
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

/// The connections that a command is about: the one named, or all of the destination.
pub(crate) async fn all(
    global: &GlobalArguments,
    arguments: &StoredConnection,
) -> Result<Vec<Stored>, Failure> {
    let name = arguments.connection.as_deref();
    match &arguments.to {
        Some(to) => {
            let variable = |name: &str| std::env::var(name).ok();
            in_destination(&Location::resolve(to, Path::new("."), &variable)?, name).await
        }
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
        let variable = |name: &str| std::env::var(name).ok();
        Ok(Stored {
            location: Location::resolve(&destination.to, config.folder(), &variable)
                .map_err(|failure| failure.of(name))?,
            connection: name.to_owned(),
            namespace: connection
                .namespace
                .clone()
                .unwrap_or_else(|| reference::namespace_of(name)),
        })
    });
    stored.collect()
}

async fn in_destination(location: &Location, name: Option<&str>) -> Result<Vec<Stored>, Failure> {
    let found = connections(location).await?;
    if found.is_empty() {
        let message = format!("{location} holds no connection: nothing has landed in it");
        let hint = format!("sync into it first: hasmore sync … --to {location}");
        return Err(Failure::new("no_connection", message).hint(hint));
    }
    let known: Vec<&str> = found.iter().map(|stored| stored.connection.as_str()).collect();
    if let Some(name) = name.filter(|name| !known.contains(name)) {
        let message = format!("{location} has no connection {name:.60}");
        let hint = format!("it has {}", known.join(", "));
        return Err(Failure::new("unknown_connection", message).hint(hint));
    }
    Ok(found
        .into_iter()
        .filter(|stored| name.is_none_or(|name| stored.connection == name))
        .collect())
}

/// Every connection that has landed something in a destination.
pub(crate) async fn connections(location: &Location) -> Result<Vec<Stored>, Failure> {
    // Which connection it is opened for makes no difference to the list.
    let any = Stored {
        location: location.clone(),
        connection: String::new(),
        namespace: "main".to_owned(),
    };
    let connections = look(&any).await?.connections().await?;
    let stored = |found: engine::StoredConnection| Stored {
        location: location.clone(),
        connection: found.name,
        namespace: found.namespace,
    };
    Ok(connections.into_iter().map(stored).collect())
}

fn must_exist(location: &Location) -> Result<(), Failure> {
    if location.is_there() {
        return Ok(());
    }
    let what = if location.file().is_some() { "file" } else { "folder" };
    Err(Failure::new("no_destination_file", format!("there is no {what} {location}")))
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
