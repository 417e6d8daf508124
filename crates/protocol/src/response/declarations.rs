//! What a function declares beside its rows: keys, tables to sweep, whether there is more.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::value::RawValue;

use super::{Response, TableHint, TableName};
use crate::FunctionError;
use crate::json;

pub(super) fn read_schema(text: &[u8]) -> Result<Vec<(TableName, TableHint)>, FunctionError> {
    #[derive(serde::Deserialize)]
    struct Wire {
        primary_key: Option<PrimaryKey>,
    }
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum PrimaryKey {
        One(String),
        Many(Vec<String>),
    }
    if text == b"null" || is_empty_array(text) {
        return Ok(Vec::new());
    }
    let tables: Vec<(String, &RawValue)> = serde_json::from_slice::<Object<'_>>(text)
        .map_err(|_| FunctionError::invalid_response("schema is not an object of tables"))?
        .0;
    tables
        .into_iter()
        .filter(|(_, hint)| hint.get() != "null")
        .map(|(table, hint)| {
            let hint: Wire = serde_json::from_str(hint.get()).map_err(|_| {
                FunctionError::invalid_response(format!(
                    "table {table:.80}: schema.primary_key is not a list of column names"
                ))
            })?;
            let primary_key = match hint.primary_key {
                None => Vec::new(),
                Some(PrimaryKey::One(column)) => vec![column],
                Some(PrimaryKey::Many(columns)) => columns,
            };
            Ok((TableName(table), TableHint { primary_key }))
        })
        .collect()
}

/// An object's members in their order, values unread.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Object<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Object<'de>, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Object<'de>, A::Error> {
                let mut members: Vec<(String, &RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.retain(|(known, _)| *known != name);
                    members.push((name, value));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// A boolean, or the strings that real functions send for one (Dec-11, Q-01).
pub(super) fn read_flag(name: &str, text: &[u8]) -> Result<bool, FunctionError> {
    match text {
        b"true" => Ok(true),
        b"false" | b"null" => Ok(false),
        _ if text.eq_ignore_ascii_case(b"\"true\"") => Ok(true),
        _ if text.eq_ignore_ascii_case(b"\"false\"") => Ok(false),
        _ => Err(FunctionError::invalid_response(format!("{name} is neither true nor false"))),
    }
}

/// A list of tables, or a flag that means all tables of this answer or none (Dec-20).
pub(super) fn read_soft_delete(
    text: &[u8],
    response: &Response,
) -> Result<Vec<TableName>, FunctionError> {
    if text.starts_with(b"[") {
        let names: Vec<String> = serde_json::from_slice(text).map_err(|_| {
            FunctionError::invalid_response(
                "softDelete is neither a list of table names nor a boolean",
            )
        })?;
        return Ok(unique(names.into_iter().map(TableName)));
    }
    if !read_flag("softDelete", text)? {
        return Ok(Vec::new());
    }
    let rows = response.insert.iter().chain(&response.delete).map(|(table, _)| table);
    Ok(unique(rows.chain(response.schema.iter().map(|(table, _)| table)).cloned()))
}

fn unique(names: impl Iterator<Item = TableName>) -> Vec<TableName> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(name.clone())).collect()
}

pub(super) fn is_empty_array(text: &[u8]) -> bool {
    text.first() == Some(&b'[') && text.get(json::skip_whitespace(text, 1)) == Some(&b']')
}
