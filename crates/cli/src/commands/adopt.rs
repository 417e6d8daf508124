use std::collections::BTreeSet;
use std::path::Path;

use engine::{
    Adoption, Batch, Destination, DestinationError, FoundTable, Naming, Timestamp, system_columns,
};
use protocol::State;

use super::state::{read_state, run_of};
use crate::arguments::{AdoptArguments, GlobalArguments, StoredConnection};
use crate::config::{self, Config};
use crate::failure::{Exit, Failure};
use crate::location::Location;
use crate::lock::{Lock, Work};
use crate::output::outln;
use crate::reference;
use crate::store::{self, Store, Stored};
use crate::words;

/// Takes over tables that Fivetran made, and the state that its function goes on from: what disagrees is
/// told, all of it, and nothing is written then.
pub(crate) fn run(global: &GlobalArguments, arguments: &AdoptArguments) -> Result<Exit, Failure> {
    super::runtime().block_on(async {
        let (stored, naming) = place(global, arguments).await?;
        let text = match (&arguments.state, &arguments.file) {
            (Some(text), _) => text.clone(),
            (None, Some(path)) => read_state(path)?,
            (None, None) => unreachable!("one of them is required"),
        };
        let state = State::from_json(&text).map_err(|error| {
            Failure::new("invalid_state", format!("the state is not JSON: {error}"))
        })?;
        let keys = arguments.key.iter().map(|key| read_key(key)).collect::<Result<_, _>>()?;
        let lock = |file| Lock::acquire(file, Work::Change, &stored.connection);
        let _lock = stored.location.file().map(lock).transpose()?;
        let mut store = store::open_to_change(&stored).await?;
        if store.position().await?.ordinal() > 0 {
            let message = format!(
                "connection {:.60} has landed in {} already",
                stored.connection, stored.location
            );
            return Err(Failure::new("connection_exists", message));
        }
        let found = chosen(store.find_tables().await?, &arguments.table, &stored)?;
        let schema = Adoption { naming, keys }.schema(&found).map_err(|all| {
            let message = format!(
                "{} of schema {} cannot be taken over as they are",
                words::count(found.len() as u64, "table"),
                stored.namespace
            );
            let lines: Vec<String> = all.iter().map(|one| format!("  {one}")).collect();
            let failure = Failure::new("adoption_disagrees", message);
            Failure { detail: Some(lines.join("\n")), ..failure }
        })?;
        let mut last = Timestamp::default();
        for table in &found {
            last = last.max(store.last_synced(&table.name).await?);
        }
        for (name, table) in &schema.tables {
            let columns = words::count(table.columns.len() as u64, "column");
            outln!("{name}: {columns}, key {}, {}", table.primary_key, table.mode);
        }
        if arguments.dry_run {
            outln!("nothing was written");
            return Ok(Exit::Landed);
        }
        let mut run = run_of(&stored);
        run.options.naming = naming;
        let tables = schema.tables.len() as u64;
        store.adopt(&Batch::adopt(schema, state, last, &run)).await?;
        outln!(
            "{}: {} taken over; the next sync goes on from the state that was given",
            stored.connection,
            words::count(tables, "table")
        );
        Ok(Exit::Landed)
    })
}

/// Where the tables are, and how names are made.
async fn place(
    global: &GlobalArguments,
    arguments: &AdoptArguments,
) -> Result<(Stored, Naming), Failure> {
    let connection = arguments.connection.clone();
    if let Some(to) = &arguments.to {
        let variable = |name: &str| std::env::var(name).ok();
        let namespace = arguments.namespace.clone();
        let stored = Stored {
            location: Location::resolve(to, Path::new("."), &variable)?,
            namespace: namespace.unwrap_or_else(|| reference::namespace_of(&connection)),
            connection,
        };
        return Ok((stored, Naming::Fivetran));
    }
    let config = Config::load(&global.config)?;
    let naming = config.content.connections.get(&connection);
    let naming = match naming.and_then(|connection| connection.options.naming) {
        Some(config::Naming::Source) => Naming::Source,
        Some(config::Naming::Fivetran) | None => Naming::Fivetran,
    };
    let named = StoredConnection { connection: Some(connection), to: None };
    Ok((store::one(global, &named).await?, naming))
}

/// `orders=id,line`.
fn read_key(text: &str) -> Result<(String, BTreeSet<String>), Failure> {
    let wrong = || {
        Failure::new("usage", format!("--key {text:.60} is not TABLE=COLUMN,COLUMN"))
            .hint("name a table and its key, as they are in the destination: --key orders=id")
    };
    let (table, columns) = text.split_once('=').ok_or_else(wrong)?;
    let columns: BTreeSet<String> =
        columns.split(',').map(|column| column.trim().to_owned()).collect();
    if table.is_empty() || columns.contains("") {
        return Err(wrong());
    }
    Ok((table.to_owned(), columns))
}

/// The tables that are named; else all that say when their rows were synced.
fn chosen(
    found: Vec<FoundTable>,
    named: &[String],
    stored: &Stored,
) -> Result<Vec<FoundTable>, Failure> {
    let all: Vec<String> = found.iter().map(|table| table.name.clone()).collect();
    if let Some(missing) = named.iter().find(|name| !all.contains(name)) {
        let message = format!("schema {} has no table {missing:.60}", stored.namespace);
        return Err(
            Failure::new("unknown_table", message).hint(format!("it has {}", all.join(", ")))
        );
    }
    let is_chosen = |table: &FoundTable| match named {
        [] => table.is_synced(),
        named => named.contains(&table.name),
    };
    let chosen: Vec<FoundTable> = found.into_iter().filter(is_chosen).collect();
    let unsynced = chosen.iter().find(|table| !table.is_synced());
    if let Some(table) = unsynced {
        let message = format!("table {} has no column {}", table.name, system_columns::SYNCED);
        let hint = "tables that Fivetran makes have it; this one can only be made anew, under another name";
        return Err(Failure::new("adoption_disagrees", message).hint(hint));
    }
    if chosen.is_empty() {
        let message = format!("schema {} holds no table that Fivetran made", stored.namespace);
        let hint = "name the schema with `namespace` in the configuration file, or with --to and --namespace";
        return Err(Failure::new("unknown_table", message).hint(hint));
    }
    Ok(chosen)
}

impl Store {
    async fn find_tables(&mut self) -> Result<Vec<FoundTable>, DestinationError> {
        match self {
            Store::DuckDb(duckdb) => duckdb.find_tables(),
            Store::Postgres(postgres) => postgres.find_tables().await,
            Store::Sqlite(_) | Store::Delta(_) => Err(unsupported()),
        }
    }

    async fn last_synced(&mut self, table: &str) -> Result<Timestamp, DestinationError> {
        match self {
            Store::DuckDb(duckdb) => duckdb.last_synced(table),
            Store::Postgres(postgres) => postgres.last_synced(table).await,
            Store::Sqlite(_) | Store::Delta(_) => Err(unsupported()),
        }
    }

    async fn adopt(&mut self, batch: &Batch) -> Result<(), DestinationError> {
        match self {
            Store::DuckDb(duckdb) => duckdb.adopt(batch),
            Store::Postgres(postgres) => postgres.adopt(batch).await,
            Store::Sqlite(_) | Store::Delta(_) => Err(unsupported()),
        }
    }
}

/// Fivetran lands in neither as hasmore does.
fn unsupported() -> DestinationError {
    DestinationError::Refused {
        code: "adopt_unsupported",
        message: "`hasmore adopt` takes over tables in DuckDB and Postgres".to_owned(),
        hint: "adopt them where they are, then `hasmore migrate` the connection here".to_owned(),
    }
}
