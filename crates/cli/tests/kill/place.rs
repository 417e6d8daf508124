//! Where the facts land: a DuckDB file, a SQLite file, a schema in Postgres, or a lake.

use std::path::{Path, PathBuf};
use std::process::Command;

use destination_delta::{Delta, Lake};
use engine::Destination;
use postgres::NoTls;

/// The connection's name is that of its schema.
pub(crate) enum Place {
    File(PathBuf),
    Sqlite(PathBuf),
    Lake(PathBuf),
    Postgres { name: String },
}

impl Place {
    pub(crate) fn file(folder: &Path, name: &str) -> Place {
        Place::File(folder.join(name))
    }

    pub(crate) fn sqlite(folder: &Path, name: &str) -> Place {
        Place::Sqlite(folder.join(name))
    }

    pub(crate) fn lake(folder: &Path, name: &str) -> Place {
        Place::Lake(folder.join(name))
    }

    /// A schema that no other test has.
    pub(crate) fn postgres(name: &str) -> Place {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("it is after 1970")
            .as_nanos();
        Place::Postgres { name: format!("{name}_{}_{nanos}", std::process::id()) }
    }

    pub(crate) fn connection(&self) -> &str {
        match self {
            Place::File(_) | Place::Sqlite(_) | Place::Lake(_) => "facts",
            Place::Postgres { name } => name,
        }
    }

    /// As `--to` takes it. The server knows its sessions by the name of the connection.
    pub(crate) fn to(&self) -> String {
        match self {
            Place::File(path) | Place::Sqlite(path) => {
                path.to_str().expect("a path of UTF-8").to_owned()
            }
            Place::Lake(path) => format!("delta:{}", path.to_str().expect("a path of UTF-8")),
            Place::Postgres { name } => {
                let url = postgres_cluster::url();
                let separator = if url.contains('?') { '&' } else { '?' };
                format!("{url}{separator}application_name={name}")
            }
        }
    }

    /// The state that the last commit left; `None` before the first.
    pub(crate) fn state(&self) -> Option<String> {
        match self {
            Place::File(path) => {
                let database = open(path);
                let count = "SELECT count(*) FROM information_schema.tables WHERE table_schema = '_hasmore' AND table_name = 'positions'";
                let tables: i64 = database.query_row(count, [], |row| row.get(0)).expect("a count");
                let query = "SELECT state FROM _hasmore.positions WHERE connection = 'facts'";
                (tables > 0)
                    .then(|| database.query_row(query, [], |row| row.get(0)).expect("a position"))
            }
            Place::Sqlite(path) => {
                let database = open_sqlite(path);
                if !database.table_exists(None, "_hasmore_history").expect("the catalogue") {
                    return None;
                }
                let query = "SELECT state FROM _hasmore_history WHERE connection = 'facts' \
                             ORDER BY ordinal DESC LIMIT 1";
                Some(database.query_row(query, [], |row| row.get(0)).expect("a position"))
            }
            Place::Lake(path) => {
                // Opened for a sync, so that what was decided is finished.
                let lake = Lake::folder(path).expect("a folder");
                let mut delta = Delta::open(lake, "facts", "facts").expect("the lake opens");
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                let position = runtime.expect("a runtime").block_on(delta.position());
                let position = position.expect("a position");
                (position.ordinal() > 0).then(|| position.state().as_json().to_owned())
            }
            Place::Postgres { name } => {
                let mut client = connect();
                let found =
                    client.query_one("SELECT to_regclass('_hasmore.positions') IS NULL", &[]);
                if found.expect("the catalogue").get(0) {
                    return None;
                }
                let query = "SELECT state FROM _hasmore.positions WHERE connection = $1";
                client.query_opt(query, &[name]).expect("a look").map(|row| row.get(0))
            }
        }
    }

    /// Subject, fact and note of each row, in the order of facts.
    pub(crate) fn rows(&self, table: &str) -> Vec<(i64, i64, String)> {
        match self {
            Place::File(path) => {
                let database = open(path);
                let sql = format!(
                    "SELECT subject, fact, note::VARCHAR FROM facts.{table} ORDER BY fact, subject"
                );
                let columns = |row: &duckdb::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
                let mut statement = database.prepare(&sql).expect("a table");
                let rows = statement.query_map([], columns).expect("rows");
                rows.map(|row| row.expect("a row")).collect()
            }
            Place::Sqlite(path) => {
                let database = open_sqlite(path);
                let sql = format!(
                    "SELECT subject, fact, CAST(note AS TEXT) FROM facts__{table} ORDER BY fact, subject"
                );
                let columns = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
                let mut statement = database.prepare(&sql).expect("a table");
                let rows = statement.query_map([], columns).expect("rows");
                rows.map(|row| row.expect("a row")).collect()
            }
            Place::Lake(path) => {
                let table = path.join("facts").join(table);
                let read = Command::new(python()).args(["-c", READ_LAKE]).arg(table).output();
                let read = read.expect("Python runs");
                assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
                serde_json::from_slice(&read.stdout).expect("rows")
            }
            Place::Postgres { name } => {
                let sql = format!(
                    "SELECT subject, fact, note::text FROM {name}.{table} ORDER BY fact, subject"
                );
                let rows = connect().query(&sql, &[]).expect("rows");
                rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Place::Postgres { name } = self {
            let drop =
                format!("SET client_min_messages = warning; DROP SCHEMA IF EXISTS {name} CASCADE");
            // What is left over is in nobody's way.
            let _ = connect().batch_execute(&drop);
        }
    }
}

const READ_LAKE: &str = r#"
import json, os, sys
from deltalake import DeltaTable
rows = DeltaTable(sys.argv[1]).to_pyarrow_table(columns=["subject", "fact", "note"]).to_pylist()
rows = [(row["subject"], row["fact"], str(row["note"])) for row in rows]
print(json.dumps(sorted(rows, key=lambda row: (row[1], row[0]))), flush=True)
# The threads of pyarrow and delta-rs sometimes abort a process that ends in the usual way.
os._exit(0)
"#;

fn python() -> PathBuf {
    let folder = std::env::var_os("HASMORE_TEST_VENV");
    Path::new(&folder.expect("HASMORE_TEST_VENV: run `cargo xtask test`")).join("bin/python")
}

fn open(path: &Path) -> duckdb::Connection {
    duckdb::Connection::open(path).expect("the file opens after any death")
}

fn open_sqlite(path: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(path).expect("the file opens after any death")
}

pub(crate) fn connect() -> postgres::Client {
    postgres::Client::connect(&postgres_cluster::url(), NoTls).expect("the server lets us in")
}
