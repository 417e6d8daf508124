//! One answer being filled: rows of several pages, table by table, until the budget is used up.

use bytes::{Bytes, BytesMut};
use indexmap::IndexMap;
use protocol::{Reading, Records, Response, State, TableHint, TableName, Warning};
use tokio::time::Instant;

use crate::plan::{Plan, TablePlan};

/// What one call may hold (F-091, F-092).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) pages_max: u64,
    pub(crate) bytes_max: u64,
    /// No page begins after this.
    pub(crate) until: Instant,
}

/// Rows gathered so far.
pub(crate) struct Answer {
    budget: Budget,
    insert: IndexMap<String, Rows>,
    delete: IndexMap<String, Rows>,
    pub(crate) soft_delete: Vec<String>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) readings: Vec<Reading>,
    pages: u64,
    bytes: u64,
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
            pages: 0,
            bytes: 0,
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
        if !tables.contains_key(&table.name) {
            tables.insert(table.name.clone(), Rows::default());
        }
        let rows = &mut tables[&table.name];
        let before = rows.json.len();
        rows.json.extend_from_slice(if rows.count == 0 { b"[" } else { b"," });
        for part in parts {
            rows.json.extend_from_slice(part);
        }
        rows.count += 1;
        rows.non_finite |= non_finite;
        self.bytes += (rows.json.len() - before) as u64;
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
    /// has time, so that empty windows are skipped and not answered (F-094).
    pub(crate) fn is_full(&self) -> bool {
        let Budget { pages_max, bytes_max, until } = self.budget;
        let page = self.bytes / self.pages.max(1);
        self.pages >= pages_max || self.bytes + page > bytes_max || Instant::now() >= until
    }

    /// Whether rows of `bytes` more still fit.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        self.bytes == 0 || self.bytes + bytes as u64 <= self.budget.bytes_max
    }

    /// The answer; every table's key is declared each time.
    pub(crate) fn response(self, plan: &Plan, state: State, has_more: bool) -> Response {
        let records = |tables: IndexMap<String, Rows>| {
            tables.into_iter().map(|(name, rows)| (TableName(name), rows.close())).collect()
        };
        let hint = |table: &TablePlan| {
            (TableName(table.name.clone()), TableHint { primary_key: table.primary_key.clone() })
        };
        Response {
            state,
            insert: records(self.insert),
            delete: records(self.delete),
            schema: plan.tables.iter().filter(|table| table.lands()).map(hint).collect(),
            soft_delete: self.soft_delete.into_iter().map(TableName).collect(),
            has_more,
            warnings: self.warnings,
            readings: self.readings,
            body_bytes: self.bytes,
            body: Bytes::new(),
        }
    }
}

impl Rows {
    fn close(mut self) -> Records {
        self.json.extend_from_slice(b"]");
        let json: Bytes = self.json.freeze();
        Records::from_valid(json, self.count, self.non_finite)
    }
}
