//! A policy as a case writes it.

use engine::{
    Bound, ColumnPolicy, ColumnType, Contract, OnBreach, Policy, Salt, SchemaChanges, Share,
    TableMode, TablePolicy,
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
            "version_time" => table.version_time = Some(text(value).to_owned()),
            "columns" => {
                for (name, value) in value.as_object().expect("columns by name") {
                    table.columns.insert(name.clone(), column(text(value)));
                }
            }
            "contracts" => {
                for (name, value) in value.as_object().expect("columns by name") {
                    table.contracts.insert(name.clone(), contract(value));
                }
            }
            other => panic!("a table has no {other}"),
        }
    }
    table
}

fn contract(value: &Value) -> Contract {
    let mut contract = Contract::default();
    for (key, value) in value.as_object().expect("a contract is an object") {
        match key.as_str() {
            "required" => contract.required = true,
            "not_null" => contract.not_null = true,
            "unique" => contract.unique = true,
            "type" => contract.column_type = Some(column_type(text(value))),
            "accepted" => {
                let words = value.as_array().expect("a list").iter();
                contract.accepted = words.map(|word| text(word).to_owned()).collect();
            }
            "min" => contract.min = Bound::parse(text(value)),
            "max" => contract.max = Bound::parse(text(value)),
            "on_breach" => {
                contract.on_breach = match text(value) {
                    "drop_row" => OnBreach::DropRow,
                    "quarantine" => OnBreach::Quarantine,
                    other => panic!("a row cannot {other}"),
                }
            }
            other => panic!("a contract has no {other}"),
        }
    }
    contract
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
    match word {
        "allow" => ColumnPolicy::Allow,
        "block" => ColumnPolicy::Block,
        "hash" => ColumnPolicy::Hash,
        word => ColumnPolicy::Lock(column_type(word)),
    }
}

fn column_type(word: &str) -> ColumnType {
    match word {
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
    }
}
