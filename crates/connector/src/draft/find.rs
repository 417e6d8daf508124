//! What one answer tells: where its rows are, what names them, how to get the next page. Values in, values out.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use reqwest::Url;
use serde_json::{Map, Value};

use super::paging::{self, Asked};
use super::secret::plain;
use super::{Origin, Sample};
use crate::cursor::CursorValue;
use crate::manifest::CursorKind;

/// A line of the manifest, and why it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) why: String,
}

/// Everything that was found in an answer.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) rows: usize,
    /// Whether they stand in a list, not as the answer itself.
    pub(super) is_list: bool,
    /// The field that names a row, and its values as a path has them.
    pub(super) key_field: Option<String>,
    pub(super) key_values: BTreeSet<String>,
    pub(super) format: Option<Line>,
    pub(super) records: Option<Line>,
    pub(super) key: Option<Line>,
    pub(super) pagination: Option<Line>,
    pub(super) cursor: Option<Line>,
    /// What could not be found out, for the reader to look up.
    pub(super) open: Vec<String>,
    /// Parameters of the request that paging and cursor write now.
    pub(super) written: BTreeSet<String>,
}

/// A value beside the rows.
pub(super) struct Member<'body> {
    pub(super) path: String,
    /// Its name, plain.
    pub(super) name: String,
    pub(super) value: &'body Value,
}

type Rows<'body> = Vec<&'body Map<String, Value>>;

/// Deeper lists are not looked for.
const DEPTH_MAX: usize = 4;

impl Found {
    /// # Errors
    /// Says why there are no rows.
    pub(super) fn of(sample: &Sample) -> Result<Found, String> {
        let mut found = Found {
            rows: 0,
            is_list: true,
            key_field: None,
            key_values: BTreeSet::new(),
            format: None,
            records: None,
            key: None,
            pagination: None,
            cursor: None,
            open: Vec::new(),
            written: BTreeSet::new(),
        };
        let text = std::str::from_utf8(&sample.body).map_err(|_| "it is not UTF-8")?;
        let text = text.trim_start_matches('\u{feff}');
        let kind = sample.headers.get("content-type").and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default();
        if kind.contains("csv") {
            found.csv(text);
            return Ok(found);
        }
        let body: Value = match serde_json::from_str(text) {
            Ok(body) => body,
            Err(_) if text.trim_start().starts_with('{') && text.trim().contains('\n') => {
                let lines = serde_json::Deserializer::from_str(text).into_iter::<Value>();
                let rows = lines.collect::<Result<Vec<_>, _>>();
                let rows = rows.map_err(|_| "it is neither JSON nor JSON lines")?;
                found.format = Some(Line {
                    text: "format: json_lines".into(),
                    why: "The answer is one JSON object after the other.".into(),
                });
                Value::Array(rows)
            }
            Err(_) => return Err("it is neither JSON nor CSV".into()),
        };
        let (path, rows) = found.rows(&body, sample)?;
        found.rows = rows.len();
        found.key_field = key_name(&rows);
        found.key = found.key_field.as_ref().map(|name| Line {
            text: format!("primary_key: {}", super::write::quoted(name)),
            why: match sample.origin {
                Origin::Document => format!("`{name}` is named like a key; check that it is."),
                Origin::Answer | Origin::Recording => format!("Every row has its own `{name}`."),
            },
        });
        if let Some(field) = &found.key_field {
            let values = rows.iter().filter_map(|row| row.get(field));
            found.key_values = values
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect();
        }
        if found.key.is_none() {
            found.open.push(
                "No field has a value of its own in every row: without a `primary_key` a row that is read again is a new row."
                    .into(),
            );
        }
        let mut beside = Vec::new();
        members(&body, "", &path, 0, &mut beside);
        let query = [sample.query(), sample.offered.clone()].concat();
        found.cursor(&rows, &query);
        let asked = Asked { sample, beside: &beside, query: &query };
        let key = found.key_field.clone();
        paging::find(&asked, rows.len(), key.as_deref(), &mut found);
        Ok(found)
    }

    fn csv(&mut self, text: &str) {
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default();
        self.rows = lines.filter(|line| !line.is_empty()).count();
        self.format = Some(Line {
            text: "format: csv".into(),
            why: "The answer says that it is CSV; its first line names the columns.".into(),
        });
        let mut columns = header.split(',').map(|column| column.trim_matches('"').to_owned());
        match columns.find(|column| plain(column) == "id") {
            Some(id) => {
                self.key_field = Some(id.clone());
                self.key = Some(Line {
                    text: format!("primary_key: {}", super::write::quoted(&id)),
                    why: "There is a column of this name; check that it is the key.".into(),
                });
            }
            None => self.open.push("Name the columns that are the `primary_key`.".into()),
        }
    }

    /// The longest list of objects, among equals the shallowest and then the one that is named like
    /// rows; an object without any is one row.
    fn rows<'body>(
        &mut self,
        body: &'body Value,
        sample: &Sample,
    ) -> Result<(String, Rows<'body>), String> {
        let mut lists = Vec::new();
        list_paths(body, "", 0, &mut lists);
        lists.sort_by_key(|(path, rows)| {
            (Reverse(rows.len()), path.matches('.').count(), !is_named_like_rows(path, &sample.url))
        });
        // A document has one row in every list: their lengths tell nothing.
        if sample.origin == Origin::Document {
            lists.retain(|(path, _)| is_named_like_rows(path, &sample.url));
        }
        let Some((path, rows)) = lists.first() else {
            return match body {
                Value::Object(row) => {
                    self.is_list = false;
                    self.records = Some(Line {
                        text: "records: $".into(),
                        why: "The answer has no list of objects: it is one row.".into(),
                    });
                    Ok(("$".into(), vec![row]))
                }
                Value::Array(list) if list.is_empty() => Ok((String::new(), Vec::new())),
                _ => Err("it has no list of objects".into()),
            };
        };
        let others: Vec<_> = lists[1..].iter().map(|(path, _)| format!("`{path}`")).collect();
        if !path.is_empty() {
            let others = match &others[..] {
                [] => String::new(),
                others => format!(" Other lists: {}.", others.join(", ")),
            };
            self.records = Some(Line {
                text: format!("records: {}", super::write::quoted(path)),
                why: match rows.len() {
                    _ if sample.origin == Origin::Document => {
                        format!("The document has the rows here.{others}")
                    }
                    1 => format!("One row stands here.{others}"),
                    count => format!("{count} rows stand here.{others}"),
                },
            });
        }
        Ok((path.clone(), rows.clone()))
    }

    fn cursor(&mut self, rows: &[&Map<String, Value>], query: &[(String, String)]) {
        const BOUNDS: [&str; 16] = [
            "since",
            "updatedsince",
            "updatedafter",
            "updatedatmin",
            "updatedatgte",
            "modifiedsince",
            "modifiedafter",
            "changedsince",
            "lastmodified",
            "ifmodifiedsince",
            "startdate",
            "starttime",
            "from",
            "after",
            "updatedfrom",
            "createdafter",
        ];
        let is_time = |value: &Value| match value {
            Value::String(text) => {
                text.len() >= 10 && CursorValue::read(text, CursorKind::Timestamp).is_ok()
            }
            Value::Number(number) => number.as_u64().is_some_and(|number| number > 1_000_000_000),
            _ => false,
        };
        let begins = |words: &[&str]| {
            let first = rows.first()?;
            let mut fields = first.iter().filter(|(name, _)| {
                let name = plain(name);
                words.iter().any(|word| name.starts_with(word)) && !name.ends_with("by")
            });
            fields.find(|(name, _)| {
                rows.iter().all(|row| row.get(name.as_str()).is_some_and(is_time))
            })
        };
        let changed = begins(&["updated", "modified", "lastmodified", "lastupdate", "changed"]);
        let created = || begins(&["created", "timestamp", "date", "time", "published"]);
        let Some((field, _)) = changed.or_else(created) else { return };
        let is_change = changed.is_some();
        let bound = query.iter().find(|(name, value)| {
            // A number that is no time is the key of a row to begin after.
            BOUNDS.contains(&plain(name).as_str()) && is_time(&Value::String(value.clone()))
        });
        let Some((parameter, start)) = bound else {
            let what = if is_change { "last change" } else { "creation" };
            self.open.push(format!(
                "Rows tell of their {what} in `{field}`. If the API takes a lower bound, read only what is new:\ncursor: {{field: {}, to: query.PARAMETER}}",
                super::write::quoted(field)
            ));
            return;
        };
        self.written.insert(parameter.clone());
        let caution = if is_change { "" } else { " It does not tell of changes." };
        self.cursor = Some(Line {
            text: format!(
                "cursor: {{field: {}, to: {}, start: {}}}",
                super::write::quoted(field),
                super::write::quoted(&format!("query.{parameter}")),
                super::write::quoted(start)
            ),
            why: format!(
                "Rows have `{field}`, and the request has the lower bound `{parameter}`.{caution}"
            ),
        });
    }
}

/// Whether a list at this path is the rows that were asked for, as its name says.
fn is_named_like_rows(path: &str, url: &Url) -> bool {
    const ROWS: [&str; 9] =
        ["data", "items", "results", "records", "rows", "values", "entries", "list", "hits"];
    let name = plain(path.rsplit('.').next().unwrap_or(path));
    let mut words = url.path().split('/').map(plain);
    name.is_empty() || ROWS.contains(&name.as_str()) || words.any(|word| word == name)
}

/// A field whose value no other row has, by how likely its name makes it a key.
fn key_name(rows: &[&Map<String, Value>]) -> Option<String> {
    let likely = |name: &str| match plain(name).as_str() {
        "id" => 0,
        "uuid" | "guid" | "objectid" => 1,
        name if name.ends_with("id") => 2,
        "key" | "code" | "slug" | "sku" | "number" => 3,
        "name" | "url" => 4,
        _ => 9,
    };
    let mut names: Vec<&String> = rows.first()?.keys().filter(|name| likely(name) < 9).collect();
    names.sort_by_key(|name| likely(name));
    let is_own = |name: &&String| {
        let values = rows.iter().map(|row| row.get(name.as_str()));
        let scalar = |value: Option<&Value>| {
            value.filter(|value| value.is_string() || value.is_number()).map(Value::to_string)
        };
        let values: Option<BTreeSet<String>> = values.map(scalar).collect();
        values.is_some_and(|values| values.len() == rows.len())
    };
    names.into_iter().find(is_own).cloned()
}

/// A name that can stand in a path.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['.', '[', ']', '*', '$'])
}

fn list_paths<'body>(
    value: &'body Value,
    path: &str,
    depth: usize,
    lists: &mut Vec<(String, Rows<'body>)>,
) {
    let inner =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Array(items) => {
            let rows: Option<Vec<_>> = items.iter().map(Value::as_object).collect();
            match rows {
                Some(rows) if !rows.is_empty() => lists.push((path.to_owned(), rows)),
                _ if depth == 0 => {
                    for (index, item) in items.iter().enumerate().take(DEPTH_MAX) {
                        list_paths(item, &inner(&index.to_string()), depth + 1, lists);
                    }
                }
                _ => {}
            }
        }
        Value::Object(entries) if depth < DEPTH_MAX => {
            for (name, value) in entries.iter().filter(|(name, _)| is_plain_name(name)) {
                list_paths(value, &inner(name), depth + 1, lists);
            }
        }
        _ => {}
    }
}

/// Every single value beside the rows.
fn members<'body>(
    value: &'body Value,
    path: &str,
    rows: &str,
    depth: usize,
    found: &mut Vec<Member<'body>>,
) {
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(entries) if depth < DEPTH_MAX => {
            entries.iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(items) if depth == 0 && !rows.is_empty() => {
            items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => return,
    };
    for (name, value) in entries.into_iter().filter(|(name, _)| is_plain_name(name)) {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if path == rows {
            continue;
        }
        if value.is_object() {
            members(value, &path, rows, depth + 1, found);
        } else {
            found.push(Member { path, name: plain(&name), value });
        }
    }
}
