//! The bounds of a reading, and the cursor that it moves when it is whole.

use crate::cursor::CursorValue;
use crate::manifest::{CursorConfig, CursorFormat, CursorKind, Step, Target};
use crate::paginator::PageAt;
use crate::plan::TablePlan;
use crate::progress::{PARENT_CURSORS_MAX, Progress, Reading};
use crate::read_error::ReadError;
use crate::request_builder::Written;

/// The bounds of one reading, written as the API wants them.
#[derive(Default)]
pub(crate) struct Window {
    pub(crate) since: Option<String>,
    pub(crate) until: Option<String>,
    /// Older rows are not wanted.
    pub(crate) oldest: Option<CursorValue>,
    /// Nor are newer ones, where a range is read.
    pub(crate) newest: Option<CursorValue>,
    /// Where the next step begins, if there is one.
    pub(crate) next_step: Option<String>,
}

impl Window {
    /// The bounds of the reading at `depth`.
    pub(crate) fn of(
        table: &TablePlan,
        progress: &Progress,
        depth: usize,
    ) -> Result<Window, ReadError> {
        let Some(cursor) = &table.config.cursor else { return Ok(Window::default()) };
        let kind = cursor.kind();
        let reading = &progress.reading[depth];
        let refused = |what: &str| {
            ReadError::new(
                "invalid_cursor",
                format!("{what} is no value of the cursor"),
                "correct `cursor`, or reset the state",
            )
        };
        let read =
            |text: &str, what: &str| CursorValue::read(text, kind).map_err(|_| refused(what));
        let committed = match committed(progress, depth) {
            Some(text) => {
                let value = read(text, "the state's cursor")?;
                Some(cursor.lookback.map_or(value.clone(), |lookback| value.before(lookback)))
            }
            None => cursor.first().map_err(|_| refused("`start`"))?,
        };
        let mut since = committed.clone();
        let mut until = match &reading.until {
            Some(text) => Some(read(text, "the state's upper bound")?),
            None => None,
        };
        let mut last = true;
        if let Some(step) = cursor.step {
            if let Some(from) = &reading.from {
                since = Some(read(from, "the state's step")?);
            }
            let step_end = since.as_ref().and_then(|since| since.after(step));
            (until, last) = step_until(step, step_end, until);
        }
        let format = |value: &Option<CursorValue>| {
            value.as_ref().map(|value| value.format(cursor.format.as_ref()))
        };
        Ok(Window {
            since: format(&since),
            until: format(&until),
            oldest: committed,
            newest: match &cursor.range_end {
                Some(text) => Some(read(text, "the range's end")?),
                None => None,
            },
            next_step: until.filter(|_| !last).map(|until| until.text),
        })
    }
}

/// The upper bound of a step, and whether it is the last. Times end before their bound, which is now; a
/// highest number is a number that a row may have.
fn step_until(
    step: Step,
    step_end: Option<CursorValue>,
    end: Option<CursorValue>,
) -> (Option<CursorValue>, bool) {
    match (step, step_end, end) {
        (Step::Numbers(_), Some(step_end), Some(end)) => {
            let is_last = step_end.compare(&end).is_gt();
            (Some(step_end), is_last)
        }
        // Where the end is not known, every step has another after it, until enough of them are empty.
        (Step::Numbers(_), step_end, _) => (step_end, false),
        (Step::Time(_), Some(step_end), Some(end)) if step_end.compare(&end).is_lt() => {
            (Some(step_end), false)
        }
        (Step::Time(_), _, end) => (end, true),
    }
}

impl CursorConfig {
    /// Whether so many steps without rows have been read that no more are.
    pub(crate) fn ends_in_a_gap(&self, reading: &Reading) -> bool {
        self.empty_steps.is_some_and(|most| reading.empty_steps_with_this() >= most)
    }
}

/// The cursor that the reading at `depth` begins at.
fn committed(progress: &Progress, depth: usize) -> Option<&str> {
    let table = progress.tables.get(&progress.reading[depth].table)?;
    let own = (depth > 0).then(|| table.parents.get(&parent_name(progress, depth))).flatten();
    own.or(table.cursor.as_ref()).map(String::as_str)
}

/// The names of all parents of a reading.
fn parent_name(progress: &Progress, depth: usize) -> String {
    let names = progress.reading[1..=depth].iter().map(|reading| reading.parent.as_deref());
    names.map(Option::unwrap_or_default).collect::<Vec<_>>().join("\u{1e}")
}

/// The cursor moves, now that all pages of the reading were read (F-093).
///
/// `visits_only_some` says that a reading does not come to every parent, since a table above has a cursor:
/// one cursor for all would pass rows of those it does not come to, so past the limit a parent is read
/// whole each time.
pub(crate) fn commit(
    table: &TablePlan,
    visits_only_some: bool,
    progress: &mut Progress,
    depth: usize,
) {
    let Some(cursor) = &table.config.cursor else { return };
    let reading = &progress.reading[depth];
    let Some(newest) = reading.newest.clone().filter(|_| !reading.skipped) else { return };
    let name = parent_name(progress, depth);
    let state = progress.tables.entry(reading.table.clone()).or_default();
    let newer = |kept: Option<String>, text: &String| {
        let read = |text: &str| CursorValue::read(text, cursor.kind()).ok();
        match (kept.as_deref().and_then(read), read(text)) {
            (Some(kept), Some(value)) => Some(kept.newest(value).text),
            (None, Some(value)) => Some(value.text),
            (_, None) => kept,
        }
    };
    if depth == 0 {
        state.cursor = newer(state.cursor.take(), &newest);
        return;
    }
    let one_for_all = state.newest.is_some() || state.before.is_some();
    if !one_for_all {
        let kept = state.parents.get(&name).cloned();
        state.parents.extend(newer(kept, &newest).map(|newest| (name.clone(), newest)));
        if state.parents.len() > PARENT_CURSORS_MAX && visits_only_some {
            state.parents.remove(&name);
        } else if state.parents.len() > PARENT_CURSORS_MAX {
            state.newest = state.parents.values().fold(None, newer);
        }
        return;
    }
    state.newest = newer(state.newest.take(), &newest);
}

/// What paging and cursor write into a request.
pub(crate) fn written<'a>(
    table: &'a TablePlan,
    reading: &Reading,
    window: &Window,
) -> Vec<(&'a Target, Written)> {
    let style = &table.pagination;
    let number = |number: u64| Written { text: number.to_string(), number: true };
    let mut written = Vec::new();
    if let Some(size) = &style.size {
        written.extend(size.to.as_ref().map(|to| (to, number(size.value))));
    }
    if let Some(cursor) = &table.config.cursor {
        let is_number = cursor.kind() == CursorKind::Integer;
        let epochs = [CursorFormat::EpochSeconds, CursorFormat::EpochMilliseconds];
        let is_epoch = cursor.format.as_ref().is_some_and(|format| epochs.contains(format));
        let is_told = !cursor.first_page_only || reading.page == PageAt::First;
        let mut bound = |to: &'a Option<Target>, value: &Option<String>| {
            if let (Some(to), Some(text), true) = (to, value, is_told) {
                let number = is_number || is_epoch;
                written.push((to, Written { text: text.clone(), number }));
            }
        };
        bound(&cursor.to, &window.since);
        bound(&cursor.until, &window.until);
    }
    match (&style.page, &style.offset, &style.cursor, &reading.page) {
        (Some(page), _, _, PageAt::Page(at)) => written.push((&page.to, number(*at))),
        (Some(page), ..) => written.push((&page.to, number(page.start))),
        (_, Some(offset), _, PageAt::Offset(at)) => written.push((&offset.to, number(*at))),
        (_, Some(offset), ..) => written.push((&offset.to, number(offset.start))),
        (_, _, Some(token), PageAt::Token(text)) => {
            written.push((&token.to, Written { text: text.clone(), number: false }));
        }
        (_, _, Some(token), PageAt::Number(text)) => {
            written.push((&token.to, Written { text: text.clone(), number: true }));
        }
        _ => {}
    }
    written
}
