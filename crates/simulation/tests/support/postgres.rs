//! Postgres as a storage under test: a schema of its own for each test, in a database that they share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use destination_postgres::{Postgres, Server};
use engine::{ColumnType, NulCharacters};
use postgres::{Client, NoTls, Row};
use simulation::cell::{Cell, array, texts};
use simulation::conformance::bench::block_on;
use simulation::conformance::{Storage, StoredTable};

pub(crate) struct PostgresSchema {
    /// Of the schema, and of the connection.
    name: String,
}

impl PostgresSchema {
    pub(crate) fn new() -> PostgresSchema {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nanos =
            SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_nanos();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        PostgresSchema { name: format!("t{}_{nanos}_{number}", std::process::id()) }
    }

    fn connect() -> Client {
        Client::connect(&postgres_cluster::url(), NoTls).expect("the server is there")
    }

    fn table(&self, table: &str) -> String {
        format!("{}.{}", identifier(&self.name), identifier(table))
    }
}

impl Drop for PostgresSchema {
    fn drop(&mut self) {
        let name = &self.name;
        let statements = format!(
            "SET client_min_messages = warning;
             DROP SCHEMA IF EXISTS {name} CASCADE;
             DELETE FROM _hasmore.history WHERE connection = '{name}';
             DELETE FROM _hasmore.positions WHERE connection = '{name}'"
        );
        // Where nothing has landed there are no positions.
        let _ = PostgresSchema::connect().batch_execute(&statements);
    }
}

impl Storage for PostgresSchema {
    type Destination = Postgres;
    const JOINED_STORIES: u64 = 24;
    const NUL_CHARACTERS: NulCharacters = NulCharacters::Remove;

    fn open(&self) -> Postgres {
        let server = Server::read(&postgres_cluster::url(), &|_| None).expect("a URL");
        block_on(Postgres::open(&server, &self.name, &self.name)).expect("the server lets us in")
    }

    fn read(&self, table: &str) -> Option<StoredTable> {
        let mut client = PostgresSchema::connect();
        let described = client
            .query(
                "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a \
                 WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped",
                &[&self.table(table)],
            )
            .expect("the catalogue can be read");
        if described.is_empty() {
            return None;
        }
        let columns: Vec<(String, Option<ColumnType>, String)> = described
            .iter()
            .map(|row| {
                let sql_type: String = row.get(1);
                (row.get(0), column_type(&sql_type), sql_type)
            })
            .collect();
        let read = columns.iter().map(|(name, kind, _)| expression(&identifier(name), *kind));
        let read = read.collect::<Vec<_>>().join(", ");
        let rows = client
            .query(&format!("SELECT {read} FROM {}", self.table(table)), &[])
            .expect("the rows can be read");
        let mut stored =
            StoredTable { rows: vec![BTreeMap::new(); rows.len()], ..StoredTable::default() };
        for (index, (name, kind, sql_type)) in columns.into_iter().enumerate() {
            let cells: Vec<Cell> = rows.iter().map(|row| cell(row, index, kind)).collect();
            let values = texts(&array(cells.iter(), kind.unwrap_or(ColumnType::String)));
            for (row, value) in stored.rows.iter_mut().zip(values) {
                row.insert(name.clone(), value);
            }
            stored.columns.insert(name, kind.map_or(sql_type, |kind| kind.to_string()));
        }
        Some(stored)
    }

    fn create_unmanaged(&self, table: &str) {
        let name = self.table(table);
        let statements = format!(
            "SET client_min_messages = warning;
             CREATE SCHEMA IF NOT EXISTS {};
             CREATE TABLE {name} (mine varchar);
             INSERT INTO {name} VALUES ('a row of somebody else')",
            self.name
        );
        PostgresSchema::connect().batch_execute(&statements).expect("the table can be made");
    }
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Postgres' name for a type as the engine's (section 5.4); `None` for one that it does not make.
fn column_type(sql_type: &str) -> Option<ColumnType> {
    Some(match sql_type {
        "boolean" => ColumnType::Boolean,
        "bigint" => ColumnType::Long,
        "double precision" => ColumnType::Double,
        "date" => ColumnType::LocalDate,
        "timestamp without time zone" => ColumnType::LocalDateTime,
        "timestamp with time zone" => ColumnType::Instant,
        "text" => ColumnType::String,
        "json" => ColumnType::Json,
        other => {
            let scale = other.strip_prefix("numeric(38,")?.strip_suffix(')')?;
            ColumnType::Decimal { scale: scale.parse().ok()? }
        }
    })
}

/// A column as something that the driver reads without rounding.
fn expression(column: &str, kind: Option<ColumnType>) -> String {
    match kind {
        Some(ColumnType::Boolean | ColumnType::Long | ColumnType::Double | ColumnType::String) => {
            column.to_owned()
        }
        Some(ColumnType::LocalDate) => format!("{column} - DATE '1970-01-01'"),
        Some(ColumnType::LocalDateTime) => {
            format!("(extract(epoch FROM {column}) * 1000000)::bigint")
        }
        Some(ColumnType::Instant) => {
            format!("(extract(epoch FROM {column} AT TIME ZONE 'UTC') * 1000000)::bigint")
        }
        Some(ColumnType::Decimal { .. } | ColumnType::Json) | None => format!("{column}::text"),
    }
}

fn cell(row: &Row, index: usize, kind: Option<ColumnType>) -> Cell {
    let value = match kind {
        Some(ColumnType::Boolean) => row.get::<_, Option<bool>>(index).map(Cell::Boolean),
        Some(ColumnType::Long) => row.get::<_, Option<i64>>(index).map(Cell::Long),
        Some(ColumnType::Double) => row.get::<_, Option<f64>>(index).map(Cell::double),
        Some(ColumnType::LocalDate) => row.get::<_, Option<i32>>(index).map(Cell::Date),
        Some(ColumnType::LocalDateTime | ColumnType::Instant) => {
            row.get::<_, Option<i64>>(index).map(Cell::Moment)
        }
        // All its digits are there: those after the point are as many as the scale.
        Some(ColumnType::Decimal { .. }) => row.get::<_, Option<&str>>(index).map(|text| {
            Cell::Decimal(text.replace('.', "").parse().expect("the digits of a decimal"))
        }),
        Some(ColumnType::String | ColumnType::Json) | None => {
            row.get::<_, Option<&str>>(index).map(Cell::text)
        }
    };
    value.unwrap_or(Cell::Null)
}
