use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use destination_delta::Delta;
use destination_duckdb::DuckDb;
use destination_postgres::Arrival;
use destination_sqlite::Sqlite;
use engine::{Batch, ColumnType, Counts, DestinationError, Landed, NulCharacters, Position, Table};

use super::state::{landed, run_of};
use crate::arguments::{GlobalArguments, MigrateArguments, StoredConnection};
use crate::failure::{Exit, Failure};
use crate::location::Location;
use crate::lock::{Lock, Work};
use crate::log::{Level, Log};
use crate::output::outln;
use crate::store::{self, Store, Stored};
use crate::words;

/// Copies all of a connection to another destination: its tables, and the position that the next sync goes
/// on from. What is copied is as of one moment, and is committed there all at once; what is here stays.
pub(crate) fn run(
    global: &GlobalArguments,
    arguments: &MigrateArguments,
    log: &Log,
) -> Result<Exit, Failure> {
    super::runtime().block_on(async {
        let from = StoredConnection {
            connection: arguments.connection.clone(),
            to: arguments.from.clone(),
        };
        let from = store::one(global, &from).await?;
        let variable = |name: &str| std::env::var(name).ok();
        let location = Location::resolve(&arguments.to, std::path::Path::new("."), &variable)?;
        let to = Stored { location, ..from.clone() };
        if from.location.is_same(&to.location) {
            let message = format!("connection {:.60} is in {} already", from.connection, to.location);
            return Err(Failure::new("same_destination", message));
        }
        let lock = |stored: &Stored| match stored.location.file() {
            Some(file) => Lock::acquire(file, Work::Change, &stored.connection).map(Some),
            None => Ok(None),
        };
        let (_here, _there) = (lock(&from)?, lock(&to)?);
        let (moved, nuls) = copy(&from, &to).await?;
        for (table, column) in nuls {
            log.say(
                Level::Normal,
                &format!("warning[nul_removed]: table {table}, column {column}: NUL characters were removed, which Postgres cannot hold"),
            );
        }
        for (table, counts) in &moved.tables {
            outln!("{}: {}", table, words::count(counts.inserted, "row"));
        }
        let name = &from.connection;
        outln!(
            "{name}: {} and the position are in {}; {} keeps them as they were",
            words::count(moved.tables.len() as u64, "table"),
            to.location,
            from.location
        );
        outln!("say `destination: {{to: …}}` for {name} in the configuration file; the next sync goes on there");
        Ok(Exit::Landed)
    })
}

/// Tables and columns from whose texts NUL characters were removed.
type Nuls = Vec<(String, String)>;

/// Copies a connection as of one moment, and commits it there all at once.
pub(crate) async fn copy(from: &Stored, to: &Stored) -> Result<(Landed, Nuls), Failure> {
    let mut here = store::look(from).await?;
    let mut source = Source::begin(&mut here).await?;
    let position = landed(from, source.position().await?)?;
    let batch = Batch::migrate(&position, &run_of(from));
    let mut there = store::open_to_fill(to).await?;
    let mut goal = Goal::begin(&mut there, &batch).await?;
    let (mut moved, mut nuls) = (Landed::default(), Nuls::new());
    for (name, table) in &position.schema().tables {
        let mut counts = Counts::default();
        source.begin_table();
        loop {
            let mut rows = source.read_rows(name, table).await?;
            if rows.is_empty() {
                break;
            }
            if to.location.nul_characters() == NulCharacters::Remove {
                for rows in &mut rows {
                    remove_nuls(name, table, rows, &mut nuls);
                }
            }
            let sent: u64 = rows.iter().map(|rows| rows.num_rows() as u64).sum();
            let written = goal.copy_rows(name, table, rows).await?;
            assert_eq!(written, sent, "each row that was sent is written");
            counts.inserted += written;
        }
        moved.tables.insert(name.clone(), counts);
    }
    goal.end_copy(&batch, &moved).await?;
    Ok((moved, nuls))
}

/// Where a connection is read, as of one moment; of a file, where the reading of its table goes on.
enum Source<'a> {
    DuckDb(&'a DuckDb, destination_duckdb::RowsRead),
    Postgres(Box<destination_postgres::Reading>),
    Sqlite(&'a Sqlite, destination_sqlite::RowsRead),
    Delta(Box<destination_delta::Reading>),
}

impl<'a> Source<'a> {
    async fn begin(store: &'a mut Store) -> Result<Source<'a>, DestinationError> {
        Ok(match store {
            Store::DuckDb(duckdb) => {
                duckdb.begin_reading()?;
                Source::DuckDb(duckdb, destination_duckdb::RowsRead::default())
            }
            Store::Postgres(postgres) => {
                Source::Postgres(Box::new(postgres.begin_reading().await?))
            }
            Store::Sqlite(sqlite) => {
                sqlite.begin_reading()?;
                Source::Sqlite(sqlite, destination_sqlite::RowsRead::default())
            }
            Store::Delta(delta) => Source::Delta(Box::new(delta.begin_reading().await?)),
        })
    }

    /// The position as of that moment.
    async fn position(&mut self) -> Result<Position, DestinationError> {
        match self {
            Source::DuckDb(duckdb, _) => duckdb.position_in_view(),
            Source::Postgres(reading) => reading.position().await,
            Source::Sqlite(sqlite, _) => sqlite.position_in_view(),
            Source::Delta(reading) => Ok(reading.position()),
        }
    }

    fn begin_table(&mut self) {
        match self {
            Source::DuckDb(_, read) => *read = destination_duckdb::RowsRead::default(),
            Source::Sqlite(_, read) => *read = destination_sqlite::RowsRead::default(),
            Source::Postgres(_) | Source::Delta(_) => {}
        }
    }

    async fn read_rows(
        &mut self,
        name: &str,
        table: &Table,
    ) -> Result<Vec<RecordBatch>, DestinationError> {
        match self {
            Source::DuckDb(duckdb, read) => duckdb.read_rows(name, table, read),
            Source::Postgres(reading) => reading.read_rows(name, table).await,
            Source::Sqlite(sqlite, read) => sqlite.read_rows(name, table, read),
            Source::Delta(reading) => reading.read_rows(name, table).await,
        }
    }
}

/// Where a connection arrives, in one transaction.
enum Goal<'a> {
    DuckDb(&'a mut DuckDb),
    Postgres(Box<Arrival>),
    Sqlite(&'a mut Sqlite),
    Delta(&'a mut Delta),
}

impl<'a> Goal<'a> {
    async fn begin(store: &'a mut Store, batch: &Batch) -> Result<Goal<'a>, DestinationError> {
        Ok(match store {
            Store::DuckDb(duckdb) => {
                duckdb.begin_copy(batch)?;
                Goal::DuckDb(duckdb)
            }
            Store::Postgres(postgres) => {
                Goal::Postgres(Box::new(postgres.begin_copy(batch).await?))
            }
            Store::Sqlite(sqlite) => {
                sqlite.begin_copy(batch)?;
                Goal::Sqlite(sqlite)
            }
            Store::Delta(delta) => {
                delta.begin_copy(batch).await?;
                Goal::Delta(delta)
            }
        })
    }

    async fn copy_rows(
        &mut self,
        name: &str,
        table: &Table,
        rows: Vec<RecordBatch>,
    ) -> Result<u64, DestinationError> {
        match self {
            Goal::DuckDb(duckdb) => duckdb.copy_rows(name, table, rows),
            Goal::Postgres(arrival) => arrival.copy_rows(name, table, rows).await,
            Goal::Sqlite(sqlite) => sqlite.copy_rows(name, table, &rows),
            Goal::Delta(delta) => delta.copy_rows(name, table, rows),
        }
    }

    async fn end_copy(self, batch: &Batch, moved: &Landed) -> Result<(), DestinationError> {
        match self {
            Goal::DuckDb(duckdb) => duckdb.end_copy(batch, moved),
            Goal::Postgres(arrival) => arrival.end_copy(batch, moved).await,
            Goal::Sqlite(sqlite) => sqlite.end_copy(batch, moved),
            Goal::Delta(delta) => delta.end_copy(batch, moved).await,
        }
    }
}

/// Postgres holds no U+0000 in a text (Dec-62); in JSON it is written as an escape.
fn remove_nuls(name: &str, table: &Table, rows: &mut RecordBatch, nuls: &mut Nuls) {
    let mut arrays: Vec<ArrayRef> = rows.columns().to_vec();
    let mut is_altered = false;
    for ((column, kind), array) in table.all_columns().into_iter().zip(&mut arrays) {
        let texts = array.as_string_opt::<i32>().filter(|_| kind == ColumnType::String);
        let Some(texts) = texts.filter(|texts| texts.value_data().contains(&0)) else { continue };
        let without: StringArray =
            texts.iter().map(|text| text.map(|text| text.replace('\0', ""))).collect();
        *array = Arc::new(without);
        is_altered = true;
        let place = (name.to_owned(), column);
        if !nuls.contains(&place) {
            nuls.push(place);
        }
    }
    if is_altered {
        *rows = RecordBatch::try_new(rows.schema(), arrays).expect("texts became texts");
    }
}
