//! A policy as a case writes it.

use engine::{
    ColumnPolicy, ColumnType, Policy, Salt, SchemaChanges, Share, TableMode, TablePolicy,
};
use serde_json::Value;

use crate::case::text;

pub(crate) fn read(value: &Value) -> Policy {
    let mut policy = Policy { salt: Salt("a salt".to_owned()), ..Policy::default() };
    for (key, value) in value.as_object().expect("a policy is an object") {
        match (key.as_str(), value.as_str().unwrap_or_default()) {
            ("schema_changes", "allow_columns") => {
                policy.schema_changes = SchemaChanges::AllowColumns;
            }
            ("schema_changes", "block_all") => policy.schema_changes = SchemaChanges::BlockAll,
            ("mode", word) => policy.mode = mode(word),
            ("max_deletes", _) => policy.max_deletes = Some(share(value)),
            ("tables", _) => {
                for (name, value) in value.as_object().expect("tables by name") {
                    policy.tables.insert(name.clone(), table(value));
                }
            }
            other => panic!("a policy has no {other:?}"),
        }
    }
    policy
}

fn table(value: &Value) -> TablePolicy {
    let mut table = TablePolicy::default();
    for (key, value) in value.as_object().expect("a table is an object") {
        match key.as_str() {
            "block" => table.block = value.as_bool().expect("yes or no"),
            "name" => table.name = Some(text(value).to_owned()),
            "mode" => table.mode = Some(mode(text(value))),
            "max_deletes" => table.max_deletes = Some(share(value)),
            "columns" => {
                for (name, value) in value.as_object().expect("columns by name") {
                    table.columns.insert(name.clone(), column(text(value)));
                }
            }
            other => panic!("a table has no {other}"),
        }
    }
    table
}

fn mode(word: &str) -> TableMode {
    match word {
        "upsert" => TableMode::Upsert,
        "append" => TableMode::Append,
        "live" => TableMode::Live,
        "history" => TableMode::History,
        other => panic!("a table cannot be kept as {other}"),
    }
}

/// In percent.
fn share(value: &Value) -> Share {
    let percent = u32::try_from(value.as_u64().expect("a number")).expect("a small one");
    Share(percent * 100)
}

fn column(word: &str) -> ColumnPolicy {
    ColumnPolicy::Lock(match word {
        "allow" => return ColumnPolicy::Allow,
        "block" => return ColumnPolicy::Block,
        "hash" => return ColumnPolicy::Hash,
        "boolean" => ColumnType::Boolean,
        "long" => ColumnType::Long,
        "bigDecimal" => ColumnType::Decimal { scale: 0 },
        "double" => ColumnType::Double,
        "localDate" => ColumnType::LocalDate,
        "localDateTime" => ColumnType::LocalDateTime,
        "instant" => ColumnType::Instant,
        "string" => ColumnType::String,
        "json" => ColumnType::Json,
        other => panic!("a column cannot be {other}"),
    })
}
