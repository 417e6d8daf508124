//! The connector's state: where every table stands, and where the reading under way is.

use std::collections::BTreeMap;

use protocol::{FunctionError, State, SyncId};
use serde::{Deserialize, Serialize};

use crate::auth::StoredToken;
use crate::files::{FileAt, FilesProgress};
use crate::manifest::{FlatState, Range};
use crate::paginator::PageAt;

/// All that the next call must know. Small, whatever the size of the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The tables that have a cursor.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tables: BTreeMap<String, TableProgress>,
    /// What is under way, the children's tables after their parents'; nothing between syncs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) reading: Vec<Reading>,
    /// A range of the past being read beside all that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<RangeProgress>,
    /// The newest refresh token, encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<StoredToken>,
}

/// How far a given range has been read. Its cursors are its own, and end with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RangeProgress {
    from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tables: BTreeMap<String, TableProgress>,
    reading: Vec<Reading>,
}

/// How far a table has been read. A cursor stands here only when all pages up to it were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableProgress {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<String>,
    /// One cursor a parent, while there are few parents.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) parents: BTreeMap<String, String>,
    /// Where there are too many parents for one cursor each: the newest value seen in the reading under
    /// way …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) newest: Option<String>,
    /// … and in the whole reading before it, which is where the next one begins: a row that came while
    /// its parent had been read already is newer than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    /// What has been read of the files behind each path, by a mark of the path as the manifest has it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) files: BTreeMap<String, FilesProgress>,
}

/// A table being read, page by page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) table: String,
    /// The key of the parent's row that it is read for, or its number on the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
    /// The sync whose token `page` may hold; in another sync the window begins again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sync: Option<String>,
    #[serde(default, skip_serializing_if = "is_first")]
    pub(crate) page: PageAt,
    /// The upper bound, fixed before the first page (F-095).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
    /// The lower bound of the step under way, where a table is read step by step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// The newest value of the cursor so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) newest: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) pages: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) rows: u64,
    /// Pages and rows of the steps before this one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) pages_before: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) rows_before: u64,
    /// Steps before this one, one after the other, that had no rows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) empty_steps: u64,
    /// Rows of the tables that are exploded from it, those that came again counted again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) exploded: BTreeMap<String, u64>,
    /// How many rows there are in all, and a mark of the last row, as of the page before: where pages have
    /// numbers, rows that move are noticed by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) total: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<String>,
    /// What the page before looked like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<String>,
    /// Rows of this page that have been sent, and what the page looked like: a page may be larger than
    /// an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sent: Option<(u64, String)>,
    /// A token met earlier: a circle of tokens comes back to one that was kept (Brent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) landmark: Option<String>,
    /// How often the window has begun again because a token had expired.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) restarts: u64,
    /// Whether a parent was left out: the reading is not whole.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) skipped: bool,
    /// The file under way, where rows are in files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<FileAt>,
    /// Paths of files that have been read to their end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) paths: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn is_false(value: &bool) -> bool {
    !value
}

fn is_first(page: &PageAt) -> bool {
    *page == PageAt::First
}

/// Past so many parents a table keeps one cursor for all of them, so that the state stays small.
pub(crate) const PARENT_CURSORS_MAX: usize = 1000;

impl TableProgress {
    /// A whole reading of all parents has ended: what it saw is where the one after the next begins.
    pub(crate) fn turn_generation(&mut self, is_whole: bool) {
        if self.newest.is_none() && self.before.is_none() {
            return;
        }
        // Of a parent that was left out, the newest value says nothing: the next reading begins where
        // this one began.
        if !is_whole {
            self.newest = None;
            return;
        }
        self.parents.clear();
        self.cursor = self.before.take().or(self.cursor.take());
        self.before = self.newest.take();
    }
}

impl Reading {
    /// A table whose reading begins.
    pub(crate) fn of(table: &str) -> Reading {
        Reading { table: table.to_owned(), ..Reading::default() }
    }

    /// The path of files under way.
    pub(crate) fn path_at(&self) -> usize {
        usize::try_from(self.paths).unwrap_or(usize::MAX)
    }

    /// Goes on to the next path of files.
    pub(crate) fn next_path(&mut self, path_at: usize) {
        (self.paths, self.until) = (path_at as u64, None);
    }

    /// Its page of so many rows is another one now: it counts when it has been read again.
    pub(crate) fn read_page_again(&mut self, rows: u64) {
        self.pages = self.pages.saturating_sub(1);
        self.rows = self.rows.saturating_sub(rows);
        self.seen = None;
    }

    /// Begins the next step, with what is known of the steps before.
    pub(crate) fn next_step(&mut self, from: String) {
        let pages_before = self.pages_before + self.pages;
        let rows_before = self.rows_before + self.rows;
        let empty_steps = self.empty_steps_with_this();
        self.restart();
        *self = Reading {
            from: Some(from),
            pages_before,
            rows_before,
            empty_steps,
            ..std::mem::take(self)
        };
    }

    /// How many steps up to this one, which has been read, had no rows.
    pub(crate) fn empty_steps_with_this(&self) -> u64 {
        if self.rows == 0 { self.empty_steps + 1 } else { 0 }
    }

    /// Begins the window again, with the bounds that it had.
    pub(crate) fn restart(&mut self) {
        let before = std::mem::take(self);
        *self = Reading {
            page: PageAt::First,
            sync: None,
            pages: 0,
            rows: 0,
            seen: None,
            total: None,
            last: None,
            sent: None,
            landmark: None,
            ..before
        };
    }
}

impl Progress {
    /// Reads a state that this manifest answered before; `{}` begins anew.
    ///
    /// # Errors
    /// [`FunctionError::Failed`] when the state was made by something else.
    pub(crate) fn read(state: &State, flat: Option<&Flat<'_>>) -> Result<Progress, FunctionError> {
        let refused = |error: &dyn std::fmt::Display| FunctionError::Refused {
            code: "foreign_state",
            message: format!("the state was not made by this manifest: {error}"),
            hint: "reset the state to read everything again, or name its members with `state`"
                .into(),
        };
        match flat {
            Some(flat) => flat.read(state).map_err(|error| refused(&error)),
            None => {
                let state: WithoutOthers =
                    serde_json::from_str(state.as_json()).map_err(|error| refused(&error))?;
                let WithoutOthers { tables, reading, range, refresh_token } = state;
                Ok(Progress { tables, reading, range, refresh_token })
            }
        }
    }

    /// The part of the state that reading a range goes on with.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] while a sync waits to be ended: what a whole sync promises, such as
    /// marking what it no longer saw, is not for a range to fulfil.
    pub(crate) fn of_range(&self, range: &Range) -> Result<Progress, FunctionError> {
        if !self.reading.is_empty() {
            return Err(FunctionError::Refused {
                code: "sync_under_way",
                message: "a sync was cut short, and a range is read between whole syncs".into(),
                hint: "sync without a range first".into(),
            });
        }
        let known = self
            .range
            .clone()
            .filter(|known| (&known.from, &known.until) == (&range.from, &range.until));
        let RangeProgress { tables, reading, .. } = known.unwrap_or_default();
        Ok(Progress { tables, reading, ..Progress::default() })
    }

    /// The same state, with this progress of a range; one that is read to its end leaves nothing.
    #[must_use]
    pub(crate) fn with_range(self, range: &Range, progress: Progress) -> Progress {
        let Progress { tables, reading, .. } = progress;
        let under_way = (!reading.is_empty()).then(|| RangeProgress {
            from: range.from.clone(),
            until: range.until.clone(),
            tables,
            reading,
        });
        Progress { range: under_way, ..self }
    }

    /// The state to answer with.
    pub(crate) fn write(&self, flat: Option<&Flat<'_>>) -> State {
        let text = match flat {
            Some(flat) => flat.write(self),
            None => serde_json::to_string(self).expect("progress is JSON"),
        };
        State::from_json(&text).expect("progress is JSON")
    }
}

/// [`Progress`] as it is read: a foreign member is an error, not forgotten.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithoutOthers {
    #[serde(default)]
    tables: BTreeMap<String, TableProgress>,
    #[serde(default)]
    reading: Vec<Reading>,
    #[serde(default)]
    range: Option<RangeProgress>,
    #[serde(default)]
    refresh_token: Option<StoredToken>,
}

/// The flat state of one table that pages by number: the cursor as of the last whole reading, and the
/// pages read since (section 4.3 of the protocol).
pub(crate) struct Flat<'manifest> {
    pub(crate) names: &'manifest FlatState,
    pub(crate) table: &'manifest str,
    /// The number of the first page.
    pub(crate) start: u64,
}

impl Flat<'_> {
    fn read(&self, state: &State) -> Result<Progress, String> {
        let members: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(state.as_json()).map_err(|error| error.to_string())?;
        let known = [&self.names.cursor, &self.names.page];
        if let Some(name) = members.keys().find(|name| !known.contains(name)) {
            return Err(format!("it has a member `{name:.60}`"));
        }
        let mut progress = Progress::default();
        match members.get(&self.names.cursor) {
            None | Some(serde_json::Value::Null) => {}
            Some(serde_json::Value::String(cursor)) if cursor.is_empty() => {}
            Some(serde_json::Value::String(cursor)) => {
                let table = progress.tables.entry(self.table.to_owned()).or_default();
                table.cursor = Some(cursor.clone());
            }
            Some(_) => return Err(format!("its `{}` is no text", self.names.cursor)),
        }
        let pages = members.get(&self.names.page).map_or(Some(0), serde_json::Value::as_u64);
        let pages = pages.ok_or_else(|| format!("its `{}` is no number", self.names.page))?;
        if pages > 0 {
            let page = PageAt::Page(self.start + pages);
            progress.reading = vec![Reading { page, pages, ..Reading::of(self.table) }];
        }
        Ok(progress)
    }

    fn write(&self, progress: &Progress) -> String {
        let cursor = progress.tables.get(self.table).and_then(|table| table.cursor.clone());
        let pages = progress.reading.first().map_or(0, |reading| reading.pages);
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        format!(
            "{{{}:{},{}:{pages}}}",
            quoted(&self.names.cursor),
            quoted(&cursor.unwrap_or_default()),
            quoted(&self.names.page),
        )
    }
}

/// The name of a sync, as a reading keeps it: short, since it is in every state.
pub(crate) fn sync_name(sync_id: &SyncId) -> String {
    sync_id.0.chars().take(8).collect()
}
