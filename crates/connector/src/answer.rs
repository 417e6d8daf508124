//! One answer being filled: rows of several pages, table by table, until the budget is used up.

use bytes::{Bytes, BytesMut};
use indexmap::IndexMap;
use protocol::{
    MaxDeletes, PagesLeft, Reading, Records, Response, State, TableHint, TableName, Warning,
};
use tokio::time::Instant;

use crate::plan::{Landing, Plan, TablePlan};
use crate::read_error::ReadError;

/// What one call may hold (F-091, F-092).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) pages_max: u64,
    pub(crate) bytes_max: u64,
    /// No page begins after this.
    pub(crate) until: Instant,
    /// The whole answer as JSON, where the function's place has a limit.
    pub(crate) answer_bytes_max: Option<u64>,
    /// What is not read by then is left for the next call.
    pub(crate) end: Option<Instant>,
}

/// Why a page of one row is not made smaller.
const ROW_TOO_LARGE: &str =
    "leave fields out with `drop`, or let the function run where more is let through";

/// Rows gathered so far.
pub(crate) struct Answer {
    budget: Budget,
    insert: IndexMap<String, Rows>,
    delete: IndexMap<String, Rows>,
    pub(crate) soft_delete: Vec<String>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) readings: Vec<Reading>,
    /// Pages that are still to be read, where that is known.
    expected: Option<PagesLeft>,
    pages: u64,
    bytes: u64,
    /// A row was refused.
    full: bool,
}

/// Rows as one JSON array that is not closed yet.
#[derive(Default)]
struct Rows {
    json: BytesMut,
    count: u64,
    non_finite: bool,
}

/// How much an answer held at a moment.
pub(crate) struct Mark {
    /// Bytes and rows by table.
    insert: Vec<(usize, u64)>,
    delete: Vec<(usize, u64)>,
    soft_delete: usize,
    warnings: usize,
    readings: usize,
    pages: u64,
    bytes: u64,
}

/// Where a row goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Insert,
    Delete,
}

impl Answer {
    pub(crate) fn new(budget: Budget) -> Answer {
        Answer {
            budget,
            insert: IndexMap::new(),
            delete: IndexMap::new(),
            soft_delete: Vec::new(),
            warnings: Vec::new(),
            readings: Vec::new(),
            expected: None,
            pages: 0,
            bytes: 0,
            full: false,
        }
    }

    /// Adds a row, given in parts that together are one JSON object.
    pub(crate) fn push(
        &mut self,
        table: &TablePlan,
        door: Door,
        parts: &[&[u8]],
        non_finite: bool,
    ) {
        let tables = match door {
            Door::Insert => &mut self.insert,
            Door::Delete => &mut self.delete,
        };
        let name = table.lands_in();
        if !tables.contains_key(name) {
            tables.insert(name.to_owned(), Rows::default());
        }
        let rows = &mut tables[name];
        let before = rows.json.len();
        rows.json.extend_from_slice(if rows.count == 0 { b"[" } else { b"," });
        for part in parts {
            rows.json.extend_from_slice(part);
        }
        rows.count += 1;
        rows.non_finite |= non_finite;
        self.bytes += (rows.json.len() - before) as u64;
    }

    /// Says how many pages of the table under way are still to be read, if that is known.
    pub(crate) fn expect_pages(&mut self, table: &TablePlan, pages: Option<u64>) {
        self.expected = pages.map(|pages| PagesLeft { table: table.name.clone(), pages });
    }

    /// Where the answer stands, to come back to when a step fails.
    pub(crate) fn mark(&self) -> Mark {
        let lengths = |tables: &IndexMap<String, Rows>| {
            tables.values().map(|rows| (rows.json.len(), rows.count)).collect()
        };
        Mark {
            insert: lengths(&self.insert),
            delete: lengths(&self.delete),
            soft_delete: self.soft_delete.len(),
            warnings: self.warnings.len(),
            readings: self.readings.len(),
            pages: self.pages,
            bytes: self.bytes,
        }
    }

    /// Forgets what came after the mark.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        for (tables, lengths) in
            [(&mut self.insert, &mark.insert), (&mut self.delete, &mark.delete)]
        {
            tables.truncate(lengths.len());
            for (rows, (bytes, count)) in tables.values_mut().zip(lengths) {
                rows.json.truncate(*bytes);
                rows.count = *count;
            }
        }
        self.soft_delete.truncate(mark.soft_delete);
        self.warnings.truncate(mark.warnings);
        self.readings.truncate(mark.readings);
        (self.pages, self.bytes) = (mark.pages, mark.bytes);
    }

    /// A page has been read.
    pub(crate) fn page_read(&mut self) {
        self.pages += 1;
    }

    /// Whether the next page belongs to the next call. A call that has no rows yet goes on as long as it
    /// has time, so that empty windows are skipped and not answered (F-094). Inside one answer deletes come
    /// after inserts (Dec-25), so what may bring a row back waits for the next one.
    pub(crate) fn is_full(&self) -> bool {
        let Budget { pages_max, bytes_max, until, .. } = self.budget;
        let page = self.bytes / self.pages.max(1);
        self.full
            || self.delete.values().any(|rows| rows.count > 0)
            || self.pages >= pages_max
            || self.bytes + page > bytes_max
            || Instant::now() >= until
    }

    /// Whether a row of `bytes` more still fits; after one that does not, the answer is full.
    pub(crate) fn has_room_for(&mut self, bytes: usize) -> bool {
        self.full |= self.bytes > 0 && self.bytes + bytes as u64 > self.budget.bytes_max;
        !self.full
    }

    /// By how many bytes the answer, as JSON, is over what its place lets through.
    pub(crate) fn excess(&self, plan: &Plan, state: impl FnOnce() -> State) -> Option<u64> {
        let bytes_max = self.budget.answer_bytes_max?;
        let names = |tables: &IndexMap<String, Rows>| {
            tables.keys().map(|name| (TableName(name.clone()), Records::default())).collect()
        };
        let around = Response {
            state: state(),
            insert: names(&self.insert),
            delete: names(&self.delete),
            schema: schema(plan),
            soft_delete: self.soft_delete.iter().cloned().map(TableName).collect(),
            readings: self.readings.clone(),
            pages_left: self.expected.clone(),
            ..Response::default()
        };
        // A list counts its beginning among the rows, and `[]` here, so the sum is never too small.
        let bytes = around.to_json().len() as u64 + self.bytes;
        bytes.checked_sub(bytes_max).filter(|excess| *excess > 0)
    }

    /// A budget that leaves room for `excess` bytes beside the rows.
    ///
    /// # Errors
    /// When the answer holds one row only, or none.
    pub(crate) fn shrunk(&self, excess: u64) -> Result<Budget, ReadError> {
        let rows: u64 = self.insert.values().chain(self.delete.values()).map(|it| it.count).sum();
        if rows <= 1 {
            let limit = self.budget.answer_bytes_max.unwrap_or_default();
            let what = if rows == 1 { "a row and the state" } else { "the state" };
            return Err(ReadError::new(
                "answer_too_large",
                format!(
                    "{what} make an answer that is {excess} bytes over the {limit} that are let through"
                ),
                ROW_TOO_LARGE,
            ));
        }
        let bytes_max = self.bytes.min(self.budget.bytes_max).saturating_sub(excess);
        Ok(Budget { bytes_max, ..self.budget })
    }

    /// The answer; every table's key is declared each time.
    pub(crate) fn response(self, plan: &Plan, state: State, has_more: bool) -> Response {
        let records = |tables: IndexMap<String, Rows>| {
            tables.into_iter().map(|(name, rows)| (TableName(name), rows.close())).collect()
        };
        let limit = |table: &TablePlan| {
            let percent = table.config.deletes.as_ref()?.max_deletes?.0;
            Some(MaxDeletes { table: table.name.clone(), percent })
        };
        let max_deletes = plan.tables.iter().filter_map(limit).collect();
        Response {
            state,
            insert: records(self.insert),
            delete: records(self.delete),
            schema: schema(plan),
            soft_delete: self.soft_delete.into_iter().map(TableName).collect(),
            has_more,
            warnings: self.warnings,
            readings: self.readings,
            pages_left: self.expected,
            max_deletes,
            body_bytes: self.bytes,
            body: Bytes::new(),
            object: None,
        }
    }
}

/// Every table with its key.
fn schema(plan: &Plan) -> Vec<(TableName, TableHint)> {
    let hint = |table: &TablePlan| {
        (TableName(table.name.clone()), TableHint { primary_key: table.primary_key.clone() })
    };
    plan.tables.iter().filter(|table| table.landing == Landing::Rows).map(hint).collect()
}

impl Rows {
    fn close(mut self) -> Records {
        self.json.extend_from_slice(b"]");
        let json: Bytes = self.json.freeze();
        Records::from_valid(json, self.count, self.non_finite)
    }
}
