//! DuckDB as a storage under test: a file of its own for each test.

use std::path::PathBuf;

use destination_duckdb::{DuckDb, DuckDbOptions};
use duckdb::Connection;
use simulation::cell::texts;
use simulation::conformance::{Storage, StoredTable};
use tempfile::TempDir;

const NAMESPACE: &str = "shop";

pub(crate) struct DuckDbFile {
    folder: TempDir,
}

impl DuckDbFile {
    pub(crate) fn new() -> DuckDbFile {
        DuckDbFile { folder: TempDir::new().expect("a temporary folder") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("warehouse.duckdb")
    }

    /// A look at the file, while no destination has it open.
    fn connect(&self) -> Connection {
        Connection::open(self.path()).expect("the file opens")
    }
}

impl Storage for DuckDbFile {
    type Destination = DuckDb;
    const JOINED_STORIES: u64 = 24;

    fn open(&self) -> DuckDb {
        DuckDb::open(&self.path(), "shop", NAMESPACE, &DuckDbOptions::default())
            .expect("the file opens")
    }

    fn read(&self, table: &str) -> Option<StoredTable> {
        let connection = self.connect();
        let table = format!("{NAMESPACE}.{}", identifier(table));
        let mut described = connection
            .prepare(&format!("SELECT column_name, column_type FROM (DESCRIBE {table})"))
            .ok()?;
        let columns = described.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
        let columns = columns
            .ok()?
            .map(|column| column.expect("a column has a name and a type"))
            .map(|(name, sql_type)| (name, column_type(&sql_type)));
        let mut stored = StoredTable { columns: columns.collect(), rows: Vec::new() };
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).expect("a query");
        for batch in statement.query_arrow([]).expect("the rows can be read") {
            let first = stored.rows.len();
            stored.rows.resize_with(first + batch.num_rows(), Default::default);
            for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
                for (row, text) in stored.rows[first..].iter_mut().zip(texts(array)) {
                    row.insert(field.name().clone(), text);
                }
            }
        }
        Some(stored)
    }

    fn create_unmanaged(&self, table: &str) {
        let name = identifier(table);
        let statements = format!(
            "CREATE SCHEMA IF NOT EXISTS {NAMESPACE};
             CREATE TABLE {NAMESPACE}.{name} (mine VARCHAR);
             INSERT INTO {NAMESPACE}.{name} VALUES ('a row of somebody else')"
        );
        self.connect().execute_batch(&statements).expect("the table can be made");
    }
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// DuckDB's name for a type as the engine's (Dec-63).
fn column_type(sql_type: &str) -> String {
    let name = match sql_type {
        "BOOLEAN" => "boolean",
        "BIGINT" => "long",
        "DOUBLE" => "double",
        "DATE" => "localDate",
        "TIMESTAMP" => "localDateTime",
        "TIMESTAMP WITH TIME ZONE" => "instant",
        "VARCHAR" => "string",
        "JSON" => "json",
        other => return other.replace("DECIMAL", "bigDecimal"),
    };
    name.to_owned()
}
