mod declarations;
mod members;
mod object;
mod read;

use std::fmt;

use bytes::Bytes;

use self::read::{not_json, read_encoded_twice, read_object, read_other};
use crate::json;
use crate::{FunctionError, ObjectPlace, Records, Request, State, Warning};

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
    /// The answer as it came, of which the rows are slices; empty where it was made in this process.
    pub body: Bytes,
    /// The tables that were read to their end. Ours alone: other platforms ignore the member.
    pub readings: Vec<Reading>,
    /// How much of the table under way is still to be read. Ours alone, too.
    pub pages_left: Option<PagesLeft>,
    /// How much of a table a sweep may mark. Ours alone, too.
    pub max_deletes: Vec<MaxDeletes>,
    /// The object that the rows were read from, where the function wrote them to one (F-055).
    pub object: Option<ObjectPlace>,
}

/// A sweep that would mark more of a table than this is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MaxDeletes {
    pub table: String,
    /// Of the rows that are there.
    pub percent: u8,
}

/// A table that was read to its end, and how one knows that it was the end.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reading {
    pub table: String,
    /// `last_page`, `empty_page`, `no_token`, …
    pub reason: String,
    /// Pages and rows that the source gave, in all calls of the reading.
    pub pages: u64,
    pub rows: u64,
    /// Whether nothing was left out on the way.
    pub whole: bool,
}

/// A table that is being read, and how many pages its source says there are after this answer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PagesLeft {
    pub table: String,
    pub pages: u64,
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
        response.body = body;
        Ok(response)
    }

    /// The answer as a function sends it; the members are those of section 2.1.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(b"{\"state\":");
        out.extend_from_slice(self.state.as_json().as_bytes());
        out.push(b',');
        self.write_rows(&mut out);
        out.push(b',');
        self.write_declarations(&mut out);
        out.push(b'}');
        out
    }

    /// `"insert":…,"delete":…`
    fn write_rows(&self, out: &mut Vec<u8>) {
        for (name, tables) in [("\"insert\":", &self.insert), (",\"delete\":", &self.delete)] {
            out.extend_from_slice(name.as_bytes());
            write_object(out, tables, |records, out| match records.as_json() {
                [] => out.extend_from_slice(b"[]"),
                json => out.extend_from_slice(json),
            });
        }
    }

    /// `"schema":…`, and what else is said beside state and rows.
    fn write_declarations(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"schema\":");
        write_object(out, &self.schema, |hint, out| {
            let keys = hint.primary_key.iter().map(|key| quoted(key)).collect::<Vec<_>>();
            out.extend_from_slice(format!("{{\"primary_key\":[{}]}}", keys.join(",")).as_bytes());
        });
        if !self.soft_delete.is_empty() {
            let names = self.soft_delete.iter().map(|table| quoted(&table.0)).collect::<Vec<_>>();
            out.extend_from_slice(format!(",\"softDelete\":[{}]", names.join(",")).as_bytes());
        }
        if !self.readings.is_empty() {
            let readings = serde_json::to_string(&self.readings).expect("readings are JSON");
            out.extend_from_slice(format!(",\"readings\":{readings}").as_bytes());
        }
        if let Some(left) = &self.pages_left {
            let left = serde_json::to_string(left).expect("a number of pages is JSON");
            out.extend_from_slice(format!(",\"pagesLeft\":{left}").as_bytes());
        }
        if !self.max_deletes.is_empty() {
            let most = serde_json::to_string(&self.max_deletes).expect("limits are JSON");
            out.extend_from_slice(format!(",\"maxDeletes\":{most}").as_bytes());
        }
        out.extend_from_slice(format!(",\"hasMore\":{}", self.has_more).as_bytes());
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

#[cfg(test)]
mod tests;
