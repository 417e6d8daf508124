//! A page's rows on their way into the answer.

use std::collections::BTreeSet;

use bytes::Bytes;
use protocol::Warning;

use crate::answer::{Answer, Door};
use crate::cursor::CursorValue;
use crate::explode::Inside;
use crate::manifest::{CursorConfig, CursorKind, CursorOrder, Deletes, Filtering};
use crate::page::{self, Page};
use crate::paginator::PagingError;
use crate::plan::{Landing, Plan, TablePlan};
use crate::progress::Reading;
use crate::read_error::ReadError;
use crate::reshape::HashKey;
use crate::shift;
use crate::template::Scope;
use crate::window::Window;

/// What became of a page.
pub(crate) struct Taken {
    /// Whether all its rows are in the answer; the rest waits for the next call.
    pub(crate) is_whole: bool,
    /// Whether it came to rows that are older than the cursor.
    pub(crate) reached: bool,
}

/// Gives a page's rows to the answer.
///
/// # Errors
/// When it is the page before it again, or a row is not what the manifest says.
pub(crate) fn take_rows(
    table: &TablePlan,
    reading: &mut Reading,
    window: &Window,
    page: &Page,
    around: &Around<'_>,
    answer: &mut Answer,
) -> Result<Taken, ReadError> {
    let fingerprint = page.fingerprint();
    let skip = match reading.sent.take() {
        Some((rows, seen)) if seen == fingerprint => usize::try_from(rows).unwrap_or(0),
        Some(_) if table.primary_key.is_empty() => return Err(ReadError::page_changed()),
        _ => 0,
    };
    let repeats = skip == 0 && reading.seen.as_ref() == Some(&fingerprint);
    if repeats && page.rows() > 0 {
        return Err(PagingError::RepeatedPage.into());
    }
    let mut rows = Rows::new(table, window, around, reading.newest.as_deref());
    let mut index = skip;
    if table.lands() {
        while index < page.rows() {
            let row = page.row(index);
            if !answer.has_room_for(row.len()) {
                break;
            }
            rows.take(&row, index, page.non_finite(), answer)?;
            index += 1;
        }
    } else {
        index = page.rows();
    }
    let Rows { newest, reached, without_cursor, seen, inside, .. } = rows;
    tell_unused(table, &seen, answer);
    inside.tell_unused(around.plan, answer);
    inside.count(around.plan, &mut reading.exploded);
    reading.newest = newest.map(|newest| newest.text);
    if without_cursor > 0 {
        answer.warnings.push(Warning::new(
            "missing_cursor",
            format!(
                "table {}: rows lack the cursor's field; they are kept, and will be read again only with others",
                table.name
            ),
        ));
    }
    if page.bad_rows > 0 {
        answer.warnings.push(Warning::new(
            "bad_rows",
            format!(
                "table {}: {} rows of a page do not fit and are left out",
                table.name, page.bad_rows
            ),
        ));
    }
    if index < page.rows() {
        reading.sent = Some((index as u64, fingerprint));
        return Ok(Taken { is_whole: false, reached });
    }
    if let Some(token) = page.cursor(table) {
        reading.newest = Some(token);
    }
    shift::remember(table, reading, page, around.hash_key);
    reading.seen = Some(fingerprint);
    reading.pages += 1;
    reading.rows += page.rows() as u64;
    Ok(Taken { is_whole: true, reached })
}

/// The rows of one page on their way into the answer.
struct Rows<'a> {
    table: &'a TablePlan,
    cursor: Option<&'a CursorConfig>,
    window: &'a Window,
    around: &'a Around<'a>,
    newest: Option<CursorValue>,
    /// The cursor of the row before, where the API answers in a declared order.
    last: Option<CursorValue>,
    reached: bool,
    without_cursor: u64,
    /// The names of fields that rules were held against.
    seen: BTreeSet<String>,
    inside: Inside,
}

/// What stands around the rows of a page.
pub(crate) struct Around<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) scope: &'a Scope,
    pub(crate) hash_key: Option<&'a HashKey>,
    /// The row that they are children of, and its table.
    pub(crate) parent: Option<(Bytes, &'a TablePlan)>,
}

impl<'a> Rows<'a> {
    fn new(
        table: &'a TablePlan,
        window: &'a Window,
        around: &'a Around<'a>,
        newest: Option<&str>,
    ) -> Rows<'a> {
        let cursor = table.config.cursor.as_ref();
        let newest = newest.zip(cursor);
        Rows {
            table,
            cursor,
            window,
            around,
            newest: newest.and_then(|(text, cursor)| CursorValue::read(text, cursor.kind()).ok()),
            last: None,
            reached: false,
            without_cursor: 0,
            seen: BTreeSet::new(),
            inside: Inside::default(),
        }
    }

    fn take(
        &mut self,
        row: &Bytes,
        index: usize,
        non_finite: bool,
        answer: &mut Answer,
    ) -> Result<(), ReadError> {
        let table = self.table;
        if !self.is_wanted(row, index)? {
            return Ok(());
        }
        let is_gone = match &table.config.deletes {
            _ if matches!(table.landing, Landing::Deletes(_)) => true,
            Some(Deletes { flag: Some(path), .. }) => page::flag(path, row),
            Some(_) | None => false,
        };
        let door = if is_gone { Door::Delete } else { Door::Insert };
        let written =
            write_row(table, row, index, self.around, door, &mut self.seen, answer, non_finite)?;
        if written && !is_gone {
            self.inside.take(table, row, self.around, non_finite, answer)?;
        }
        Ok(())
    }

    /// Moves the newest value on, and leaves out what is older than the cursor where the API does not.
    fn is_wanted(&mut self, row: &Bytes, index: usize) -> Result<bool, ReadError> {
        let Some((cursor, path)) =
            self.cursor.and_then(|cursor| Some((cursor, cursor.field.as_ref()?)))
        else {
            return Ok(true);
        };
        let Some(text) = path.find(row).and_then(crate::selector::scalar) else {
            self.without_cursor += 1;
            return Ok(true);
        };
        let is_newest = self.newest.as_ref().is_some_and(|newest| newest.text == text);
        if is_newest && cursor.order != Some(CursorOrder::Descending) {
            return Ok(true);
        }
        let value = CursorValue::read(&text, cursor.kind()).map_err(|error| {
            ReadError::new(
                "invalid_cursor",
                format!("row {index} of a page, `{path}`: {error}"),
                "name the kind of the cursor: timestamp, date, integer or opaque",
            )
        })?;
        if self.window.newest.as_ref().is_some_and(|newest| value.compare(newest).is_gt()) {
            return Ok(false);
        }
        let is_old =
            self.window.oldest.as_ref().is_some_and(|oldest| value.compare(oldest).is_lt());
        let is_old = is_old && cursor.kind() != CursorKind::Opaque;
        if cursor.order == Some(CursorOrder::Descending) {
            // The reading ends at the first old row, so a wrong order would lose what comes after it.
            if self.last.as_ref().is_some_and(|last| value.compare(last).is_gt()) {
                return Err(ReadError::new(
                    "not_descending",
                    format!("row {index} of a page is newer by `{path}` than the row before it"),
                    "take `order: descending` out, or ask the API for that order",
                ));
            }
            self.reached |= is_old;
            self.last = Some(value.clone());
        }
        if is_old && cursor.filters_here() {
            return Ok(false);
        }
        self.newest = Some(match self.newest.take() {
            Some(newest) => newest.newest(value),
            None => value,
        });
        Ok(true)
    }
}

impl CursorConfig {
    /// Whether old rows are left out here: the API was told of no lower bound.
    fn filters_here(&self) -> bool {
        match self.filter {
            Some(filter) => filter == Filtering::Client,
            None => self.to.is_none(),
        }
    }
}

/// Tells rules that no row of a page had a field for.
pub(crate) fn tell_unused(table: &TablePlan, seen: &BTreeSet<String>, answer: &mut Answer) {
    if seen.is_empty() {
        return;
    }
    let unused: Vec<String> = table.reshape.unused(seen).map(str::to_owned).collect();
    answer.warnings.extend(unused.into_iter().map(|name| {
        Warning::new(
            "rule_unused",
            format!(
                "table {}: no row of a page has a field `{name}`, which a rule hides or drops; it may be misspelt, or stand deeper",
                table.name
            ),
        )
    }));
}

/// Reshapes a row and gives it to the answer. Whether it is there: a filter may leave it out.
#[expect(clippy::too_many_arguments, reason = "a row, what is around it, and where it goes")]
pub(crate) fn write_row(
    table: &TablePlan,
    row: &Bytes,
    index: usize,
    around: &Around<'_>,
    door: Door,
    seen: &mut BTreeSet<String>,
    answer: &mut Answer,
    non_finite: bool,
) -> Result<bool, ReadError> {
    let mut row = as_object(table, row);
    if !table.reshape.is_nothing() {
        let reshaped =
            table.reshape.apply(&row, &around.plan.templates, around.scope, around.hash_key, seen);
        let reshaped = reshaped.map_err(|error| {
            ReadError::new(
                "invalid_expression",
                format!("row {index} of a page: {error}"),
                "correct `filter` or `add`; a field that may be missing is `row.field | default('')`",
            )
        })?;
        match reshaped {
            Some(reshaped) => row = reshaped.into(),
            None => return Ok(false),
        }
    }
    let included = included(table, &row, around, index)?;
    if door == Door::Delete {
        let whole = [&included, &row[1..]].concat();
        answer.push(table, door, &[&key_only(table, &whole, index)?], non_finite);
    } else if table.include.is_empty() {
        answer.push(table, door, &[&row], non_finite);
    } else {
        answer.push(table, door, &[&included, &row[1..]], non_finite);
    }
    Ok(true)
}

/// What is no object becomes one: a list of keys that are gone, or of values inside a row.
fn as_object(table: &TablePlan, row: &Bytes) -> Bytes {
    if row.starts_with(b"{") {
        return row.clone();
    }
    let name = match (&table.landing, &table.primary_key[..]) {
        (Landing::Deletes(_), [key]) => key,
        _ => "value",
    };
    let mut out = String::from("{");
    protocol::json::quote(name, &mut out);
    out.push(':');
    let mut out = out.into_bytes();
    out.extend_from_slice(row);
    out.push(b'}');
    out.into()
}

/// The row's beginning: an open brace and the fields of its parent. The row follows without its brace.
fn included(
    table: &TablePlan,
    row: &[u8],
    around: &Around<'_>,
    index: usize,
) -> Result<Vec<u8>, ReadError> {
    let mut out = vec![b'{'];
    for (name, path) in &table.include {
        let parent = around.parent.as_ref();
        let found = match path {
            None => Some((index + 1).to_string().into_bytes().into()),
            Some(path) => parent.and_then(|(row, table)| {
                // What the parent's table hides stays hidden in its children.
                let found = path.find(row)?;
                Some(table.reshape.hide(&path.to_string(), found, around.hash_key))
            }),
        };
        let found = found.ok_or_else(|| {
            let path = path.as_ref().map(ToString::to_string).unwrap_or_default();
            ReadError::new(
                "missing_parent_field",
                format!("the parent of row {index} of a page has no `{path}`"),
                "correct `include`",
            )
        })?;
        let mut key = String::new();
        protocol::json::quote(name, &mut key);
        out.extend_from_slice(key.as_bytes());
        out.push(b':');
        out.extend_from_slice(&found);
        out.push(b',');
    }
    let is_empty = row.get(protocol::json::skip_whitespace(row, 1)) == Some(&b'}');
    if is_empty && out.last() == Some(&b',') {
        out.pop();
    }
    Ok(out)
}

/// A row that holds its key and nothing else.
fn key_only(table: &TablePlan, row: &[u8], index: usize) -> Result<Vec<u8>, ReadError> {
    let mut out = vec![b'{'];
    for name in &table.primary_key {
        let range = crate::template::member(row, name).ok_or_else(|| {
            ReadError::new(
                "missing_key",
                format!("row {index} of a page is marked as gone and has no `{name}`"),
                "correct `primary_key`",
            )
        })?;
        let mut key = String::new();
        protocol::json::quote(name, &mut key);
        out.extend_from_slice(key.as_bytes());
        out.push(b':');
        out.extend_from_slice(&row[range]);
        out.push(b',');
    }
    out.pop();
    out.push(b'}');
    Ok(out)
}
