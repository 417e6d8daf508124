use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::function::Failure;
use crate::json::{self, Validator};
use crate::{FunctionError, Records, Request, State, Warning};

/// What the function answers (section 2.1): everything parsed but the rows, which stay the bytes that came.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub state: State,
    /// Rows to upsert, or to append where no key is declared; in the order of the answer.
    pub insert: Vec<(TableName, Records)>,
    /// Rows to delete, matched by primary key.
    pub delete: Vec<(TableName, Records)>,
    pub schema: Vec<(TableName, TableHint)>,
    /// Tables to sweep, each once; `true` on the wire means every table of this answer (Dec-20).
    pub soft_delete: Vec<TableName>,
    pub has_more: bool,
    /// What was tolerated while reading.
    pub warnings: Vec<Warning>,
    /// The size of the answer on the wire.
    pub body_bytes: u64,
}

/// A table as the function names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName(pub String);

/// All that the protocol lets a function declare about a table (section 2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableHint {
    /// Source names; empty means keyless.
    pub primary_key: Vec<String>,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Response {
    /// Reads the answer to `request`, tolerantly (section 2.2) and in the order of Dec-28: not JSON,
    /// not an object, an error report, wrong types, no state.
    ///
    /// The answer to a setup test may lack its state or be the bare value `true` (Dec-10, Q-06).
    ///
    /// # Errors
    /// [`FunctionError::Malformed`] when it is not the protocol, [`FunctionError::Failed`] when the
    /// function reports that it failed.
    pub fn from_json(body: Bytes, request: &Request) -> Result<Response, FunctionError> {
        let body_bytes = body.len() as u64;
        let text = simdutf8::compat::from_utf8(&body).map_err(|error| {
            not_json(&body, request, &format!("it is not UTF-8 from byte {}", error.valid_up_to()))
        })?;
        let text = text.trim_start_matches('\u{feff}').trim_matches(json::is_whitespace_char);
        let value = body.slice_ref(text.as_bytes());
        let mut response = match text.as_bytes().first() {
            Some(b'{') => read_object(&value, request)?,
            Some(b'"') => read_encoded_twice(&value, request)?,
            _ => read_other(&value, request)?,
        };
        response.body_bytes = body_bytes;
        Ok(response)
    }

    /// The answer as a function sends it; the members are those of section 2.1.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = String::from("{\"state\":");
        out.push_str(self.state.as_json());
        let mut out = out.into_bytes();
        for (name, tables) in [("insert", &self.insert), ("delete", &self.delete)] {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            write_object(&mut out, tables, |records, out| match records.as_json() {
                [] => out.extend_from_slice(b"[]"),
                json => out.extend_from_slice(json),
            });
        }
        out.extend_from_slice(b",\"schema\":");
        write_object(&mut out, &self.schema, |hint, out| {
            let keys = hint.primary_key.iter().map(|key| quoted(key)).collect::<Vec<_>>();
            out.extend_from_slice(format!("{{\"primary_key\":[{}]}}", keys.join(",")).as_bytes());
        });
        if !self.soft_delete.is_empty() {
            let names = self.soft_delete.iter().map(|table| quoted(&table.0)).collect::<Vec<_>>();
            out.extend_from_slice(format!(",\"softDelete\":[{}]", names.join(",")).as_bytes());
        }
        out.extend_from_slice(format!(",\"hasMore\":{}}}", self.has_more).as_bytes());
        out
    }

    /// Rows in `insert` and `delete` together.
    pub fn rows(&self) -> u64 {
        self.insert.iter().chain(&self.delete).map(|(_, records)| records.rows()).sum()
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    json::quote(text, &mut out);
    out
}

fn write_object<T>(
    out: &mut Vec<u8>,
    members: &[(TableName, T)],
    write: impl Fn(&T, &mut Vec<u8>),
) {
    out.push(b'{');
    for (index, (table, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(quoted(&table.0).as_bytes());
        out.push(b':');
        write(value, out);
    }
    out.push(b'}');
}

/// The members of the root object as slices of the body, before anything is made of them.
#[derive(Default)]
struct Members {
    state: Option<Bytes>,
    insert: Tables,
    delete: Tables,
    schema: Option<Bytes>,
    soft_delete: Option<Bytes>,
    has_more: Option<Bytes>,
    error_message: Option<Bytes>,
    error_type: Option<Bytes>,
    stack_trace: Option<Bytes>,
    status_code: bool,
    body: bool,
    /// The first member of the wrong type: reported only if the answer is no error report (Dec-28).
    wrong_type: Option<String>,
    warnings: Vec<Warning>,
}

type Tables = Vec<(TableName, Records)>;

fn read_object(value: &Bytes, request: &Request) -> Result<Response, FunctionError> {
    let members = read_members(value, request)?;
    if let Some(message) = members.error_message.as_ref().filter(|text| &text[..] != b"null") {
        return Err(FunctionError::Failed(Failure {
            message: request.secrets.redact(&text_of(message)),
            error_type: members.error_type.as_ref().map(|text| text_of(text)),
            stack_trace: members
                .stack_trace
                .as_ref()
                .map(|trace| lines_of(&request.secrets.redact(str_of(trace))))
                .unwrap_or_default(),
        }));
    }
    if members.state.is_none() && members.status_code && members.body {
        return Err(FunctionError::invalid_response(
            "the answer is an API Gateway envelope with statusCode and body; return the object in body itself",
        ));
    }
    if let Some(message) = members.wrong_type {
        return Err(FunctionError::invalid_response(message));
    }
    let mut warnings = members.warnings;
    let state = match members.state.as_ref().map(|text| str_of(text)) {
        None | Some("null") if request.setup_test => State::default(),
        None | Some("null") => {
            return Err(FunctionError::Malformed {
                code: "missing_state",
                message: "the answer has no state; return the state to send with the next call, or {} if there is none".into(),
            });
        }
        Some(text) => State::from_valid(text),
    };
    if !state.is_object() {
        warnings.push(Warning::new(
            "unusual_state",
            "the state is not an object; it is kept and sent back as it came",
        ));
    }
    let schema = members.schema.map(|text| read_schema(&text)).transpose()?.unwrap_or_default();
    let mut response = Response {
        state,
        insert: members.insert,
        delete: members.delete,
        schema,
        soft_delete: Vec::new(),
        has_more: members
            .has_more
            .map(|text| read_flag("hasMore", &text))
            .transpose()?
            .unwrap_or(false),
        warnings,
        body_bytes: 0,
    };
    if let Some(text) = members.soft_delete {
        response.soft_delete = read_soft_delete(&text, &response)?;
    }
    Ok(response)
}

/// Walks the root object once; rows are validated, counted and left as they are.
fn read_members(value: &Bytes, request: &Request) -> Result<Members, FunctionError> {
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

/// `return json.dumps(…)` from a Lambda: one extra level is accepted (Dec-17, Q-12).
fn read_encoded_twice(value: &Bytes, request: &Request) -> Result<Response, FunctionError> {
    json::validate(value).map_err(|error| not_json(value, request, &error.to_string()))?;
    let inner = Bytes::from(json::unescape(str_of(value)));
    let start = json::skip_whitespace(&inner, 0);
    if inner.get(start) != Some(&b'{') {
        return Err(FunctionError::invalid_response(
            "the answer is a JSON string; return an object",
        ));
    }
    let mut response = read_object(&inner.slice(start..), request)?;
    response.warnings.push(Warning::new(
        "encoded_twice",
        "the answer is a JSON string that holds the object; return the object itself",
    ));
    Ok(response)
}

/// Anything that is neither an object nor a string.
fn read_other(value: &Bytes, request: &Request) -> Result<Response, FunctionError> {
    json::validate(value).map_err(|error| not_json(value, request, &error.to_string()))?;
    if request.setup_test && &value[..] == b"true" {
        return Ok(Response {
            warnings: vec![Warning::new(
                "bare_true",
                "the setup test was answered by the bare value true",
            )],
            ..Response::default()
        });
    }
    Err(FunctionError::invalid_response("the answer is JSON, but not an object"))
}

fn read_schema(text: &[u8]) -> Result<Vec<(TableName, TableHint)>, FunctionError> {
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
fn read_flag(name: &str, text: &[u8]) -> Result<bool, FunctionError> {
    match text {
        b"true" => Ok(true),
        b"false" | b"null" => Ok(false),
        _ if text.eq_ignore_ascii_case(b"\"true\"") => Ok(true),
        _ if text.eq_ignore_ascii_case(b"\"false\"") => Ok(false),
        _ => Err(FunctionError::invalid_response(format!("{name} is neither true nor false"))),
    }
}

/// A list of tables, or a flag that means all tables of this answer or none (Dec-20).
fn read_soft_delete(text: &[u8], response: &Response) -> Result<Vec<TableName>, FunctionError> {
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

fn is_empty_array(text: &[u8]) -> bool {
    text.first() == Some(&b'[') && text.get(json::skip_whitespace(text, 1)) == Some(&b']')
}

fn str_of(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("the body is UTF-8")
}

/// A string's text, or any other value as it stands (F-047).
fn text_of(text: &[u8]) -> String {
    match text.first() {
        Some(b'"') => json::unescape(str_of(text)),
        _ => str_of(text).to_owned(),
    }
}

/// A stack trace: one string, a list of strings, or a list of lists of them.
fn lines_of(text: &str) -> Vec<String> {
    const LINES_MAX: usize = 50;
    let lines: Vec<String> = match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(lines) => lines.into_iter().map(|line| text_of(line.get().as_bytes())).collect(),
        Err(_) => vec![text_of(text.as_bytes())],
    };
    let lines = lines.iter().flat_map(|line| line.lines());
    lines.map(str::to_owned).take(LINES_MAX).collect()
}

/// The first part of a body that is not JSON at all is shown, redacted; a broken page is not, since it
/// would put row values into logs (F-050, Dec-28).
fn not_json(body: &[u8], request: &Request, why: &str) -> FunctionError {
    const EXCERPT_BYTES: usize = 2048;
    let first = body.get(json::skip_whitespace(body, 0));
    let message = match first {
        None => "the answer is empty".to_owned(),
        Some(b'{' | b'[' | b'"') => format!("the answer is not JSON: {why}"),
        Some(_) => {
            let excerpt = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_BYTES)]);
            format!(
                "the answer is not JSON: {why}; it begins: {}",
                request.secrets.redact(excerpt.trim())
            )
        }
    };
    FunctionError::Malformed { code: "unable_to_parse_json", message }
}

#[cfg(test)]
mod tests;
