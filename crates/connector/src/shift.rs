//! Tables whose rows move while their pages are read by number: a page number says where a page begins
//! only as long as nothing before it comes or goes.

use crate::page::{self, Page};
use crate::plan::TablePlan;
use crate::progress::Reading;
use crate::reshape::HashKey;

/// How a page shows that rows have moved since the page before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shift {
    /// There are fewer rows in all: those after them moved up, and some of them to a page that was read.
    Up,
    /// The last row of the page before is here again: rows came before it. Nothing is passed over.
    Down,
}

/// So many rows of a page are held against the last row of the page before.
const ROWS_MAX: usize = 32;

impl Shift {
    /// What a page that has just come shows, before its rows are taken.
    pub(crate) fn of(
        table: &TablePlan,
        reading: &Reading,
        page: &Page,
        hash_key: Option<&HashKey>,
    ) -> Option<Shift> {
        if reading.pages == 0 || reading.sent.is_some() {
            return None;
        }
        if let (Some(before), Some(now)) = (reading.total, page.facts(table).total)
            && now < before
        {
            return Some(Shift::Up);
        }
        let last = reading.last.as_ref()?;
        let rows = 0..page.rows().min(ROWS_MAX);
        let again = rows.into_iter().any(|index| mark_of(table, page, index, hash_key) == *last);
        again.then_some(Shift::Down)
    }
}

/// Keeps what the page after this one is held against.
pub(crate) fn remember(
    table: &TablePlan,
    reading: &mut Reading,
    page: &Page,
    hash_key: Option<&HashKey>,
) {
    let style = &table.pagination;
    if style.page.is_none() && style.offset.is_none() {
        return;
    }
    reading.total = page.facts(table).total;
    let last = page.rows().checked_sub(1);
    reading.last = last.map(|index| mark_of(table, page, index, hash_key));
}

/// A row by its key, or by all that it holds where it has none.
fn mark_of(table: &TablePlan, page: &Page, index: usize, hash_key: Option<&HashKey>) -> String {
    if table.primary_key.is_empty() {
        return page::mark(&page.row(index));
    }
    page::mark(page.row_name(table, index, hash_key).as_bytes())
}
