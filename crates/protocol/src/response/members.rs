//! The members of the root object, found in one validating walk; rows are counted and left as they are.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::declarations::is_empty_array;
use super::read::not_json;
use super::{MaxDeletes, PagesLeft, Reading, TableName};
use crate::json::{self, Validator};
use crate::{FunctionError, Records, Request, Warning};

/// The members of the root object as slices of the body, before anything is made of them.
#[derive(Default)]
pub(super) struct Members {
    pub(super) state: Option<Bytes>,
    pub(super) insert: Tables,
    pub(super) delete: Tables,
    pub(super) schema: Option<Bytes>,
    pub(super) soft_delete: Option<Bytes>,
    pub(super) has_more: Option<Bytes>,
    pub(super) readings: Vec<Reading>,
    pub(super) pages_left: Option<PagesLeft>,
    pub(super) max_deletes: Vec<MaxDeletes>,
    pub(super) error_message: Option<Bytes>,
    pub(super) error_type: Option<Bytes>,
    pub(super) stack_trace: Option<Bytes>,
    pub(super) status_code: bool,
    pub(super) body: bool,
    /// The first member of the wrong type: reported only if the answer is no error report (Dec-28).
    pub(super) wrong_type: Option<String>,
    pub(super) warnings: Vec<Warning>,
}

pub(super) type Tables = Vec<(TableName, Records)>;

/// Walks the root object once; rows are validated, counted and left as they are.
pub(super) fn read_members(value: &Bytes, request: &Request) -> Result<Members, FunctionError> {
    let mut members = Members::default();
    let mut seen = BTreeSet::new();
    let mut validator = Validator::default();
    let end = walk_object(value, 0, &mut |name, at| {
        let rows = matches!(name.as_str(), "insert" | "delete");
        let (end, tables) = if rows && value[at] == b'{' {
            let (end, tables) = read_tables(value, at, &name, &mut members)?;
            (end, Some(tables))
        } else {
            let end = validator.value(value, at)?;
            if let Some(at) = validator.non_finite {
                return Err(json::JsonError {
                    at,
                    expected: "expected a number that JSON can hold, not NaN or Infinity,",
                });
            }
            (end, None)
        };
        let text = value.slice(at..end);
        if !seen.insert(name.clone()) {
            members.warnings.push(Warning::new(
                "duplicate_key",
                format!("the answer names {name} twice; the last one counts"),
            ));
        }
        match name.as_str() {
            "state" => members.state = Some(text),
            "insert" | "delete" => {
                let tables = tables.unwrap_or_else(|| {
                    // Seen in the field: `delete: null` and `delete: []`.
                    if !matches!(&text[..], b"null") && !is_empty_array(&text) {
                        wrong_type(&mut members, format!("{name} is not an object of tables"));
                    }
                    Tables::new()
                });
                *(if name == "insert" { &mut members.insert } else { &mut members.delete }) =
                    tables;
            }
            "schema" => members.schema = Some(text),
            "softDelete" => members.soft_delete = Some(text),
            "hasMore" => members.has_more = Some(text),
            // What is not in our form is somebody else's member of that name.
            "readings" => members.readings = serde_json::from_slice(&text).unwrap_or_default(),
            "pagesLeft" => members.pages_left = serde_json::from_slice(&text).unwrap_or_default(),
            "maxDeletes" => {
                members.max_deletes = serde_json::from_slice(&text).unwrap_or_default();
            }
            "errorMessage" => members.error_message = Some(text),
            "errorType" => members.error_type = Some(text),
            "stackTrace" | "trace" => members.stack_trace = Some(text),
            other => {
                members.status_code |= other == "statusCode";
                members.body |= other == "body";
                members.warnings.push(unknown_member(other));
            }
        }
        Ok(end)
    })
    .map_err(|error| not_json(value, request, &error.to_string()))?;
    match json::skip_whitespace(value, end) {
        at if at == value.len() => Ok(members),
        at => {
            Err(not_json(value, request, &format!("there is more text after its end at byte {at}")))
        }
    }
}

fn unknown_member(name: &str) -> Warning {
    if name == "update" {
        return Warning::new(
            "update_ignored",
            "the answer has a member update, which is not part of the protocol: its rows are NOT applied; send changed rows in insert",
        );
    }
    Warning::new(
        "unknown_member",
        format!(
            "the answer has a member {name:.80?}, which the protocol does not know; it is ignored"
        ),
    )
}

fn wrong_type(members: &mut Members, message: String) {
    members.wrong_type.get_or_insert(message);
}

/// One of `insert` and `delete`: each table's rows as a slice, the end of the whole.
fn read_tables(
    value: &Bytes,
    at: usize,
    member: &str,
    members: &mut Members,
) -> Result<(usize, Tables), json::JsonError> {
    let mut tables = Tables::new();
    let mut validator = Validator::default();
    let end = walk_object(value, at, &mut |name, at| {
        let table = TableName(name);
        let (end, records) = match value[at] {
            b'[' => read_records(value, at, member, &table, members)?,
            _ => {
                let end = validator.value(value, at)?;
                if &value[at..end] != b"null" {
                    wrong_type(
                        members,
                        format!(
                            "table {table:.80}: {member} holds something other than an array of rows"
                        ),
                    );
                }
                (end, Records::default())
            }
        };
        if let Some(known) = tables.iter_mut().find(|(known, _)| *known == table) {
            members.warnings.push(Warning::new(
                "duplicate_key",
                format!("table {table:.80}: {member} names it twice; the last one counts"),
            ));
            known.1 = records;
        } else {
            tables.push((table, records));
        }
        Ok(end)
    })?;
    Ok((end, tables))
}

/// An array of rows: every element validated and counted.
fn read_records(
    value: &Bytes,
    start: usize,
    member: &str,
    table: &TableName,
    members: &mut Members,
) -> Result<(usize, Records), json::JsonError> {
    let mut validator = Validator::default();
    let mut rows = 0;
    let mut at = json::skip_whitespace(value, start + 1);
    if value.get(at) == Some(&b']') {
        return Ok((at + 1, Records::default()));
    }
    loop {
        rows += 1;
        if value.get(at).is_some_and(|&first| first != b'{') {
            wrong_type(
                members,
                format!(
                    "table {table:.80}, row {rows}: {member} holds something other than an object"
                ),
            );
        }
        at = json::skip_whitespace(value, validator.value(value, at)?);
        match value.get(at) {
            Some(b',') => at = json::skip_whitespace(value, at + 1),
            Some(b']') => break,
            _ => return Err(json::JsonError { at, expected: "expected `,` or `]` after a row" }),
        }
    }
    let json = value.slice(start..=at);
    Ok((at + 1, Records::from_valid(json, rows, validator.non_finite.is_some())))
}

/// Calls `member` with each name and the place of its value; it answers the value's end.
fn walk_object(
    text: &[u8],
    at: usize,
    member: &mut dyn FnMut(String, usize) -> Result<usize, json::JsonError>,
) -> Result<usize, json::JsonError> {
    let mut validator = Validator::default();
    let mut at = json::skip_whitespace(text, at + 1);
    if text.get(at) == Some(&b'}') {
        return Ok(at + 1);
    }
    loop {
        if text.get(at) != Some(&b'"') {
            return Err(json::JsonError { at, expected: "expected a key in quotes" });
        }
        let end = validator.value(text, at)?;
        let literal = std::str::from_utf8(&text[at..end]).expect("the body is UTF-8");
        let colon = json::skip_whitespace(text, end);
        if text.get(colon) != Some(&b':') {
            return Err(json::JsonError { at: colon, expected: "expected `:`" });
        }
        let start = json::skip_whitespace(text, colon + 1);
        if start == text.len() {
            return Err(json::JsonError { at: start, expected: "expected a value" });
        }
        at = json::skip_whitespace(text, member(json::unescape(literal), start)?);
        match text.get(at) {
            Some(b',') => at = json::skip_whitespace(text, at + 1),
            Some(b'}') => return Ok(at + 1),
            _ => return Err(json::JsonError { at, expected: "expected `,` or `}`" }),
        }
    }
}
