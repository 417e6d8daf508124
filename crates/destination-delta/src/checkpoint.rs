//! A table's log up to a version, in one file: readers need none of the versions before it.
//! <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#checkpoints>

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_json::writer::LineDelimited;
use arrow_json::{ReaderBuilder, WriterBuilder};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use bytes::Bytes;
use engine::DestinationError;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use crate::actions::Action;
use crate::failure::{self, damaged};
use crate::place::Lake;

/// One is written with every so many versions, as Delta's own writers do.
pub(crate) const INTERVAL: u64 = 10;

/// A checkpoint, of one file or of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) version: u64,
    files: Vec<Path>,
}

/// The checkpoints that are whole among the files of a log, the oldest first. Tables with checkpoints of other
/// kinds than the classic ones ask for more than we do anyway.
pub(crate) fn find<'a>(files: impl IntoIterator<Item = &'a Path>) -> Vec<Checkpoint> {
    let mut found: BTreeMap<(u64, usize), Vec<Path>> = BTreeMap::new();
    for file in files {
        let parts: Vec<&str> = file.filename().unwrap_or_default().split('.').collect();
        let (version, of) = match parts[..] {
            [version, "checkpoint", "parquet"] => (version.parse(), Ok(1)),
            [version, "checkpoint", _, of, "parquet"] => (version.parse(), of.parse()),
            _ => continue,
        };
        if let (Ok(version), Ok(of)) = (version, of) {
            found.entry((version, of)).or_default().push(file.clone());
        }
    }
    let whole = found.into_iter().filter(|((_, of), files)| files.len() == *of);
    whole.map(|((version, _), files)| Checkpoint { version, files }).collect()
}

/// The version of the newest checkpoint, where one was noted.
pub(crate) async fn noted(lake: &Lake, log: &Path) -> Result<Option<u64>, DestinationError> {
    let failed = |error| failure::of(&error, &format!("reading the log {log}"));
    match lake.store.get(&log.clone().join(NOTE)).await {
        Ok(note) => {
            let note = note.bytes().await.map_err(failed)?;
            // It is a hint: without it, all files of the log are looked at.
            Ok(serde_json::from_slice::<Note>(&note).ok().map(|note| note.version))
        }
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

impl Checkpoint {
    /// What the table was at its version, an action each.
    pub(crate) async fn read(&self, lake: &Lake) -> Result<Vec<Action>, DestinationError> {
        let mut actions = Vec::new();
        for file in &self.files {
            let failed = |error| failure::of(&error, &format!("reading {file}"));
            let bytes =
                lake.store.get(file).await.map_err(failed)?.bytes().await.map_err(failed)?;
            actions.extend(actions_of(bytes).map_err(|_| damaged(file.as_ref()))?);
        }
        Ok(actions)
    }
}

/// Writes a checkpoint, and notes that it is the newest.
pub(crate) async fn write(
    lake: &Lake,
    log: &Path,
    version: u64,
    actions: &[Action],
) -> Result<(), DestinationError> {
    let failed = |error| failure::of(&error, &format!("writing a checkpoint of {log}"));
    let file = file_of(actions).expect("actions are of the checkpoint's columns");
    let path = log.clone().join(format!("{version:020}.checkpoint.parquet"));
    lake.store.put(&path, file.into()).await.map_err(failed)?;
    let note = Note { version, size: actions.len() };
    let note = serde_json::to_string(&note).expect("a note is JSON");
    lake.store.put(&log.clone().join(NOTE), note.into()).await.map(drop).map_err(failed)
}

fn actions_of(file: Bytes) -> Result<Vec<Action>, Unreadable> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let read = ProjectionMask::columns(builder.parquet_schema(), READ);
    let mut lines = WriterBuilder::new().build::<_, LineDelimited>(Vec::new());
    for rows in builder.with_projection(read).build()? {
        lines.write(&rows?)?;
    }
    lines.finish()?;
    let lines = lines.into_inner();
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines.map(serde_json::from_slice).collect::<Result<_, _>>()?)
}

fn file_of(actions: &[Action]) -> Result<Vec<u8>, Unreadable> {
    let schema = schema();
    let mut rows = ReaderBuilder::new(Arc::clone(&schema)).build_decoder()?;
    let snappy = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut file = ArrowWriter::try_new(Vec::new(), schema, Some(snappy))?;
    for actions in actions.chunks(ROWS) {
        rows.serialize(actions)?;
        if let Some(rows) = rows.flush()? {
            file.write(&rows)?;
        }
    }
    Ok(file.into_inner()?)
}

/// Where the newest checkpoint is noted.
const NOTE: &str = "_last_checkpoint";

/// What is noted of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Note {
    version: u64,
    /// Its actions.
    size: usize,
}

/// Actions in one go.
const ROWS: usize = 1_000;

type Unreadable = Box<dyn std::error::Error + Send + Sync>;

/// What is read of a checkpoint: others may keep more in theirs, such as statistics by column.
const READ: [&str; 14] = [
    "protocol",
    "metaData",
    "txn",
    "add.path",
    "add.partitionValues",
    "add.size",
    "add.modificationTime",
    "add.dataChange",
    "add.tags",
    "add.stats",
    "add.deletionVector",
    "remove.path",
    "remove.deletionTimestamp",
    "remove.dataChange",
];

/// The columns of a checkpoint, of which each row fills one.
fn schema() -> SchemaRef {
    let texts = || DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
    let map = || {
        let entry = Fields::from(vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", DataType::Utf8, true),
        ]);
        DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entry), false)), false)
    };
    let fields = |fields: Vec<(&str, DataType)>| -> Fields {
        fields.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect()
    };
    let (text, long, boolean) = (DataType::Utf8, DataType::Int64, DataType::Boolean);
    let of = |members| DataType::Struct(fields(members));
    let columns = fields(vec![
        (
            "txn",
            of(vec![
                ("appId", text.clone()),
                ("version", long.clone()),
                ("lastUpdated", long.clone()),
            ]),
        ),
        (
            "add",
            of(vec![
                ("path", text.clone()),
                ("partitionValues", map()),
                ("size", long.clone()),
                ("modificationTime", long.clone()),
                ("dataChange", boolean.clone()),
                ("tags", map()),
                ("stats", text.clone()),
            ]),
        ),
        (
            "remove",
            of(vec![
                ("path", text.clone()),
                ("deletionTimestamp", long.clone()),
                ("dataChange", boolean),
            ]),
        ),
        (
            "metaData",
            of(vec![
                ("id", text.clone()),
                ("name", text.clone()),
                ("description", text.clone()),
                ("format", of(vec![("provider", text.clone()), ("options", map())])),
                ("schemaString", text),
                ("partitionColumns", texts()),
                ("configuration", map()),
                ("createdTime", long),
            ]),
        ),
        (
            "protocol",
            of(vec![
                ("minReaderVersion", DataType::Int32),
                ("minWriterVersion", DataType::Int32),
                ("readerFeatures", texts()),
                ("writerFeatures", texts()),
            ]),
        ),
    ]);
    Arc::new(Schema::new(columns))
}
