//! A page's rows on their way into the answer.

use bytes::Bytes;
use protocol::Warning;

use crate::answer::{Answer, Door};
use crate::cursor::CursorValue;
use crate::manifest::{CursorConfig, CursorKind, CursorOrder, Deletes, Filtering};
use crate::page::{self, Page};
use crate::paginator::PagingError;
use crate::plan::TablePlan;
use crate::progress::Reading;
use crate::read_error::ReadError;
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
    parent: Option<Bytes>,
    answer: &mut Answer,
) -> Result<Taken, ReadError> {
    let fingerprint = page.fingerprint();
    let skip = match reading.sent.take() {
        Some((rows, seen)) if seen == fingerprint => usize::try_from(rows).unwrap_or(0),
        _ => 0,
    };
    let repeats = skip == 0 && reading.seen.as_ref() == Some(&fingerprint);
    if repeats && page.rows() > 0 && table.lands() {
        return Err(PagingError::RepeatedPage.into());
    }
    let mut rows = Rows::new(table, window, parent, reading.newest.as_deref());
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
    let Rows { newest, reached, without_cursor, .. } = rows;
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
    if index < page.rows() {
        reading.sent = Some((index as u64, fingerprint));
        return Ok(Taken { is_whole: false, reached });
    }
    if let Some(token) = page.cursor(table) {
        reading.newest = Some(token);
    }
    reading.seen = Some(fingerprint);
    reading.pages += 1;
    reading.rows += page.rows() as u64;
    Ok(Taken { is_whole: true, reached })
}

/// The rows of one page on their way into the answer.
struct Rows<'a> {
    table: &'a TablePlan,
    cursor: Option<&'a CursorConfig>,
    oldest: Option<&'a CursorValue>,
    parent: Option<Bytes>,
    newest: Option<CursorValue>,
    reached: bool,
    without_cursor: u64,
}

impl<'a> Rows<'a> {
    fn new(
        table: &'a TablePlan,
        window: &'a Window,
        parent: Option<Bytes>,
        newest: Option<&str>,
    ) -> Rows<'a> {
        let cursor = table.config.cursor.as_ref();
        let newest = newest.zip(cursor);
        Rows {
            table,
            cursor,
            oldest: window.oldest.as_ref(),
            parent,
            newest: newest.and_then(|(text, cursor)| CursorValue::read(text, cursor.kind()).ok()),
            reached: false,
            without_cursor: 0,
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
        match &table.config.deletes {
            Some(Deletes::Flag(path)) if page::flag(path, row) => {
                answer.push(table, Door::Delete, &[&key_only(table, row, index)?], non_finite);
            }
            _ if table.include.is_empty() => {
                answer.push(table, Door::Insert, &[row], non_finite);
            }
            _ => {
                let included = included(table, row, self.parent.as_ref(), index)?;
                answer.push(table, Door::Insert, &[&included, &row[1..]], non_finite);
            }
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
        if self.newest.as_ref().is_some_and(|newest| newest.text == text) {
            return Ok(true);
        }
        let value = CursorValue::read(&text, cursor.kind()).map_err(|error| {
            ReadError::new(
                "invalid_cursor",
                format!("row {index} of a page, `{path}`: {error}"),
                "name the kind of the cursor: timestamp, date, integer or opaque",
            )
        })?;
        let is_old = self.oldest.is_some_and(|oldest| value.compare(oldest).is_lt());
        let is_old = is_old && cursor.kind() != CursorKind::Opaque;
        if is_old && cursor.order == Some(CursorOrder::Descending) {
            self.reached = true;
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

/// The row's beginning: an open brace and the fields of its parent. The row follows without its brace.
fn included(
    table: &TablePlan,
    row: &[u8],
    parent: Option<&Bytes>,
    index: usize,
) -> Result<Vec<u8>, ReadError> {
    let mut out = vec![b'{'];
    for (name, path) in &table.include {
        let found = parent.and_then(|parent| path.find(parent)).ok_or_else(|| {
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
        out.extend_from_slice(found);
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
