//! The words of a Delta log, as JSON: one action a line.

use std::collections::BTreeMap;

use engine::{ColumnType, DestinationError, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::failure::damaged;

/// Name and type.
pub(crate) type Column = (String, ColumnType);

/// A line of a log. Others than these say nothing about rows.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Action {
    Protocol(Protocol),
    MetaData(MetaData),
    Add(Add),
    Remove(Remove),
    Txn(Txn),
    CommitInfo(Value),
    #[serde(untagged)]
    Other(Value),
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Protocol {
    pub(crate) min_reader_version: u32,
    pub(crate) min_writer_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reader_features: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) writer_features: Option<Vec<String>>,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetaData {
    pub(crate) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) format: Value,
    pub(crate) schema_string: String,
    pub(crate) partition_columns: Vec<String>,
    #[serde(default)]
    pub(crate) configuration: BTreeMap<String, Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_time: Option<i64>,
}

/// A file whose rows are the table's from here on.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Add {
    /// Relative to the table's folder, encoded as in an address.
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) partition_values: BTreeMap<String, Option<String>>,
    pub(crate) size: u64,
    pub(crate) modification_time: i64,
    pub(crate) data_change: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<BTreeMap<String, Option<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stats: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deletion_vector: Option<Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Remove {
    pub(crate) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deletion_timestamp: Option<i64>,
    pub(crate) data_change: bool,
}

/// The newest commit of an application: for us, the ordinal of a connection.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Txn {
    pub(crate) app_id: String,
    pub(crate) version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_updated: Option<i64>,
}

/// What our commits are called, before the connection's name.
const OUR_PREFIX: &str = "hasmore:";
const FORMAT: &str = "parquet";
/// The feature that a column without a time zone needs.
const LOCAL_TIMES: &str = "timestampNtz";
/// What a writer of version 2 knows anyway must be named as soon as features have names.
const WRITER_FEATURES: [&str; 3] = ["appendOnly", "invariants", LOCAL_TIMES];
/// A Delta type may stand for several of ours.
const OUR_TYPE: &str = "hasmore.type";

impl Add {
    pub(crate) fn new(path: String, size: u64, rows: u64, at: Timestamp) -> Add {
        Add {
            path,
            partition_values: BTreeMap::new(),
            size,
            modification_time: at.0 / 1000,
            data_change: true,
            tags: None,
            stats: Some(json!({ "numRecords": rows }).to_string()),
            deletion_vector: None,
        }
    }

    /// As the statistics tell.
    pub(crate) fn rows(&self) -> Option<u64> {
        let stats: Value = serde_json::from_str(self.stats.as_deref()?).ok()?;
        stats["numRecords"].as_u64()
    }
}

impl Txn {
    /// A commit of a connection.
    pub(crate) fn of(connection: &str, ordinal: u64, at: Timestamp) -> Txn {
        let app_id = app_id(connection);
        Txn { app_id, version: ordinal, last_updated: Some(at.0 / 1000) }
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.app_id.starts_with(OUR_PREFIX)
    }
}

/// What the commits of a connection are called in the logs of tables.
pub(crate) fn app_id(connection: &str) -> String {
    format!("{OUR_PREFIX}{connection}")
}

impl Protocol {
    /// What readers must know to read such a table.
    pub(crate) fn of(columns: &[Column]) -> Protocol {
        let has_local_times = columns.iter().any(|column| column.1 == ColumnType::LocalDateTime);
        if !has_local_times {
            return Protocol {
                min_reader_version: 1,
                min_writer_version: 2,
                reader_features: None,
                writer_features: None,
            };
        }
        Protocol {
            min_reader_version: 3,
            min_writer_version: 7,
            reader_features: Some(vec![LOCAL_TIMES.to_owned()]),
            writer_features: Some(WRITER_FEATURES.map(str::to_owned).to_vec()),
        }
    }

    /// The first thing that it asks of a writer and that we do not do.
    pub(crate) fn unknown(&self) -> Option<String> {
        let Some(features) = &self.writer_features else {
            let version = self.min_writer_version;
            return (version > 2).then(|| format!("version {version} of writers"));
        };
        let unknown = features.iter().find(|name| !WRITER_FEATURES.contains(&name.as_str()));
        unknown.cloned()
    }
}

impl MetaData {
    pub(crate) fn new(columns: &[Column], at: Timestamp) -> MetaData {
        MetaData {
            id: uuid::Uuid::new_v4().to_string(),
            name: None,
            description: None,
            format: json!({ "provider": FORMAT, "options": {} }),
            schema_string: schema_string(columns),
            partition_columns: Vec::new(),
            configuration: BTreeMap::new(),
            created_time: Some(at.0 / 1000),
        }
    }

    /// With other columns; what somebody has said of the table holds.
    pub(crate) fn with(&self, columns: &[Column]) -> MetaData {
        MetaData { schema_string: schema_string(columns), ..self.clone() }
    }

    /// Each column's type, as [`delta_type`] prints it.
    pub(crate) fn columns(&self) -> Result<BTreeMap<String, String>, DestinationError> {
        let schema: Value =
            serde_json::from_str(&self.schema_string).map_err(|_| damaged("a table's schema"))?;
        let fields = schema["fields"].as_array().cloned().unwrap_or_default();
        let column = |field: &Value| {
            let name = field["name"].as_str()?;
            let kind =
                field["type"].as_str().map_or_else(|| field["type"].to_string(), str::to_owned);
            Some((name.to_owned(), kind))
        };
        fields
            .iter()
            .map(|field| column(field).ok_or_else(|| damaged("a table's schema")))
            .collect()
    }
}

pub(crate) fn delta_type(column_type: ColumnType) -> String {
    let name = match column_type {
        ColumnType::Boolean => "boolean",
        ColumnType::Long => "long",
        ColumnType::Decimal { scale } => return format!("decimal(38,{scale})"),
        ColumnType::Double => "double",
        ColumnType::LocalDate => "date",
        ColumnType::LocalDateTime => "timestamp_ntz",
        ColumnType::Instant => "timestamp",
        ColumnType::String | ColumnType::Json => "string",
    };
    name.to_owned()
}

pub(crate) fn schema_string(columns: &[Column]) -> String {
    let field = |(name, kind): &Column| {
        let metadata = match kind {
            ColumnType::Json => json!({ OUR_TYPE: kind.to_string() }),
            _ => json!({}),
        };
        json!({ "name": name, "type": delta_type(*kind), "nullable": true, "metadata": metadata })
    };
    let fields: Vec<Value> = columns.iter().map(field).collect();
    json!({ "type": "struct", "fields": fields }).to_string()
}
