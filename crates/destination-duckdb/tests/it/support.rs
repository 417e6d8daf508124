//! A file, the connection that lands in it, and a look at what is there.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use destination_duckdb::{DuckDb, DuckDbOptions};
use duckdb::types::ValueRef;
use duckdb::{AccessMode, Config, Connection};
use engine::{
    Batch, Destination, DestinationError, Landed, Limits, Options, Position, Run, Timestamp,
};
use futures_util::FutureExt;
use protocol::{CustomPayload, Request, Response, Secrets, SyncId};
use tempfile::TempDir;

/// 2023-11-14T22:13:20Z, the start of the first sync; each following one is an hour later.
const START: i64 = 1_700_000_000_000_000;
const HOUR: i64 = 3_600_000_000;

pub(crate) struct World {
    folder: TempDir,
    pub(crate) options: Options,
}

impl World {
    pub(crate) fn new() -> World {
        let folder = tempfile::tempdir().expect("a temporary folder");
        World { folder, options: Options::default() }
    }

    pub(crate) fn with(options: Options) -> World {
        World { options, ..World::new() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("warehouse.duckdb")
    }

    pub(crate) fn open(&self) -> DuckDb {
        open(&self.path()).expect("the file can be opened")
    }

    pub(crate) fn run(&self, sync: u32) -> Run {
        let started_at = Timestamp(START + i64::from(sync) * HOUR);
        Run {
            sync_id: SyncId(format!("sync-{sync}")),
            started_at,
            clock: Arc::new(move || started_at),
            agent: String::new(),
            secrets: Secrets::default(),
            custom_payload: CustomPayload::default(),
            options: self.options.clone(),
            limits: Limits::default(),
        }
    }

    pub(crate) fn plan(&self, sync: u32, body: &str, position: &Position) -> Batch {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let response = Response::from_json(body, &Request::default()).expect("an answer");
        Batch::plan(response, position, &self.run(sync)).expect("a page that can be placed")
    }

    /// Lands one page of a sync.
    pub(crate) fn land(&self, sync: u32, body: &str) -> Result<Landed, DestinationError> {
        let mut destination = self.open();
        let batch = self.plan(sync, body, &position(&mut destination));
        commit(&mut destination, &batch)
    }

    /// Changes the file behind our back.
    pub(crate) fn by_hand(&self, sql: &str) {
        let connection = Connection::open(self.path()).expect("the file can be opened");
        connection.execute_batch(sql).expect(sql);
    }

    /// What a query answers, a line for each row.
    pub(crate) fn query(&self, sql: &str) -> String {
        query(&self.path(), sql)
    }
}

pub(crate) fn open(path: &Path) -> Result<DuckDb, DestinationError> {
    DuckDb::open(path, "shop", "shop", &DuckDbOptions::default())
}

pub(crate) fn position(destination: &mut DuckDb) -> Position {
    now(destination.position()).expect("the position can be read")
}

pub(crate) fn commit(destination: &mut DuckDb, batch: &Batch) -> Result<Landed, DestinationError> {
    now(destination.commit(batch))
}

/// The driver blocks, so its futures are ready at once.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("a future that only blocks is ready")
}

/// A page of table `t`.
pub(crate) fn rows(rows: &str, key: &str) -> String {
    let schema = if key.is_empty() {
        String::new()
    } else {
        format!(r#","schema":{{"t":{{"primary_key":["{key}"]}}}}"#)
    };
    format!(r#"{{"state":{{"at":1}},"insert":{{"t":{rows}}}{schema},"hasMore":true}}"#)
}

pub(crate) fn query(path: &Path, sql: &str) -> String {
    let config = Config::default().access_mode(AccessMode::ReadOnly).expect("a known setting");
    let connection = Connection::open_with_flags(path, config).expect("the file can be opened");
    let mut statement = connection.prepare(sql).expect(sql);
    let mut rows = statement.query([]).expect(sql);
    let mut out = String::new();
    while let Some(row) = rows.next().expect(sql) {
        let columns = row.as_ref().column_count();
        let values: Vec<String> = (0..columns)
            .map(|column| match row.get_ref(column).expect(sql) {
                ValueRef::Null => "NULL".to_owned(),
                ValueRef::Text(text) => visible(std::str::from_utf8(text).expect("UTF-8")),
                ValueRef::BigInt(number) => number.to_string(),
                ValueRef::Boolean(value) => value.to_string(),
                ValueRef::Double(value) => format!("{value:?}"),
                other => format!("{other:?}"),
            })
            .collect();
        writeln!(out, "{}", values.join(" | ")).expect("a string can be written to");
    }
    out
}

fn visible(text: &str) -> String {
    let shown =
        |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// What came of a batch, in a line; the counts that are not zero.
pub(crate) fn told(landed: &Result<Landed, DestinationError>) -> String {
    match landed {
        Ok(landed) => {
            let tables = landed.tables.iter().map(|(table, counts)| {
                let all = [
                    ("inserted", counts.inserted),
                    ("updated", counts.updated),
                    ("unchanged", counts.unchanged),
                    ("deleted", counts.deleted),
                    ("swept", counts.swept),
                ];
                let some = all.iter().filter(|(_, count)| *count > 0);
                let some: Vec<String> =
                    some.map(|(what, count)| format!("{count} {what}")).collect();
                format!("{table}: {}", some.join(", "))
            });
            tables.collect::<Vec<_>>().join("; ")
        }
        Err(error) => format!("{}: {error}", error.code()),
    }
}
