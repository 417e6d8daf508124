//! A lake as a storage under test: a folder of its own for each test, read back by delta-rs and pyarrow.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use arrow_array::Array;
use arrow_ipc::reader::StreamReader;
use destination_delta::{Delta, Lake};
use engine::ColumnType;
use serde_json::{Value, json};
use simulation::cell::texts;
use simulation::conformance::{Storage, StoredTable};
use tempfile::TempDir;

const NAMESPACE: &str = "shop";

pub(crate) struct DeltaFolder {
    folder: TempDir,
}

impl DeltaFolder {
    pub(crate) fn new() -> DeltaFolder {
        DeltaFolder { folder: TempDir::new().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("lake")
    }
}

impl Storage for DeltaFolder {
    type Destination = Delta;
    const JOINED_STORIES: u64 = 8;

    fn open(&self) -> Delta {
        let lake = Lake::folder(&self.path()).expect("a folder");
        Delta::open(lake, "shop", NAMESPACE).expect("the lake opens")
    }

    fn read(&self, table: &str) -> Option<StoredTable> {
        read(&json!({ "read": self.path().join(NAMESPACE).join(folder_name(table)) }))
    }

    fn create_unmanaged(&self, table: &str) {
        ask(&json!({ "make": self.path().join(NAMESPACE).join(folder_name(table)) }));
    }
}

/// As the guide says that tables are called.
fn folder_name(table: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => char::from(byte).to_string(),
        byte => format!("!{byte:02X}"),
    };
    table.bytes().map(byte).collect()
}

/// A table as delta-rs reads it: `{"read": ADDRESS}`, with `"options"` for a store.
pub(crate) fn read(asked: &Value) -> Option<StoredTable> {
    let (schema, rows) = ask(asked)?;
    let mut stored = StoredTable::default();
    let fields: Value = serde_json::from_str(&schema).expect("a schema is JSON");
    let mut kinds = BTreeMap::new();
    for field in fields["fields"].as_array().expect("fields") {
        let name = field["name"].as_str().expect("a name");
        let kind = column_type(field);
        stored.columns.insert(
            name.to_owned(),
            kind.map_or_else(|| field["type"].to_string(), |kind| kind.to_string()),
        );
        kinds.insert(name.to_owned(), kind.unwrap_or(ColumnType::String));
    }
    for batch in StreamReader::try_new(rows.as_slice(), None).expect("rows are a stream of Arrow") {
        let batch = batch.expect("rows");
        let mut rows = vec![BTreeMap::new(); batch.num_rows()];
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            let array = arrow_cast::cast(array, &kinds[field.name()].arrow()).expect("of its type");
            assert_eq!(array.len(), rows.len());
            for (row, value) in rows.iter_mut().zip(texts(&array)) {
                row.insert(field.name().clone(), value);
            }
        }
        stored.rows.extend(rows);
    }
    Some(stored)
}

/// A field of a schema as one of the engine's types; `None` for one that it does not make.
fn column_type(field: &Value) -> Option<ColumnType> {
    let is_json = field["metadata"]["hasmore.type"] == "json";
    Some(match field["type"].as_str()? {
        "boolean" => ColumnType::Boolean,
        "long" => ColumnType::Long,
        "double" => ColumnType::Double,
        "date" => ColumnType::LocalDate,
        "timestamp_ntz" => ColumnType::LocalDateTime,
        "timestamp" => ColumnType::Instant,
        "string" if is_json => ColumnType::Json,
        "string" => ColumnType::String,
        other => {
            let scale = other.strip_prefix("decimal(38,")?.strip_suffix(')')?;
            ColumnType::Decimal { scale: scale.parse().ok()? }
        }
    })
}

/// One Python for all tests of a process.
struct Reader {
    _process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

static READER: Mutex<Option<Reader>> = Mutex::new(None);

const PROGRAM: &str = r#"
import json, os, sys
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

BY_HAND = {
    "append": lambda table: write_deltalake(table, table.to_pyarrow_table(), mode="append"),
    "remove": lambda table: table.delete("id = 1"),
    "optimize": lambda table: table.optimize.compact(),
    "vacuum": lambda table: table.vacuum(0, dry_run=False, enforce_retention_duration=False),
    "checkpoint": lambda table: table.create_checkpoint(),
    "describe": lambda table: table.alter.set_table_properties(
        {"delta.logRetentionDuration": "interval 2 days"}),
}

def answer(asked):
    if "make" in asked:
        write_deltalake(asked["make"], pa.table({"mine": ["a row of somebody else"]}))
        return b"", b""
    for done in asked.keys() & BY_HAND.keys():
        BY_HAND[done](DeltaTable(asked[done]))
        return b"", b""
    options = asked.get("options")
    if not DeltaTable.is_deltatable(asked["read"], options):
        return b"", b""
    table = DeltaTable(asked["read"], storage_options=options)
    rows = table.to_pyarrow_table()
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, rows.schema) as stream:
        stream.write_table(rows)
    return table.schema().to_json().encode(), out.getvalue().to_pybytes()

for line in sys.stdin:
    schema, rows = answer(json.loads(line))
    sys.stdout.buffer.write(f"{len(schema)} {len(rows)}\n".encode() + schema + rows)
    sys.stdout.buffer.flush()
"#;

/// A schema and the rows; `None` where there is no table.
pub(crate) fn ask(asked: &Value) -> Option<(String, Vec<u8>)> {
    let mut reader = READER.lock().unwrap_or_else(PoisonError::into_inner);
    let reader = reader.get_or_insert_with(Reader::start);
    writeln!(reader.questions, "{asked}").expect("Python listens");
    let mut lengths = String::new();
    reader.answers.read_line(&mut lengths).expect("Python answers");
    let (schema, rows) = lengths.trim().split_once(' ').expect("two lengths");
    let mut read = |length: &str| {
        let mut bytes = vec![0; length.parse().expect("a length")];
        reader.answers.read_exact(&mut bytes).expect("Python answers");
        bytes
    };
    let (schema, rows) = (read(schema), read(rows));
    let schema = String::from_utf8(schema).expect("a schema is text");
    (!schema.is_empty()).then_some((schema, rows))
}

impl Reader {
    fn start() -> Reader {
        let venv = std::env::var_os("HASMORE_TEST_VENV");
        let venv =
            venv.expect("HASMORE_TEST_VENV names a virtual environment: run `cargo xtask test`");
        let mut process = Command::new(Path::new(&venv).join("bin/python"))
            .args(["-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let questions = process.stdin.take().expect("its input is a pipe");
        let answers = BufReader::new(process.stdout.take().expect("its output is a pipe"));
        Reader { _process: process, questions, answers }
    }
}
