//! Reads tables page by page. Every step reads one page, or fails and changes nothing.

mod fetching;
mod files;
mod streaming;

use std::sync::Arc;

use protocol::Warning;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::connector::{Clock, Connector};
use crate::manifest::{CursorConfig, CursorKind, End, ParentErrors, Source};
use crate::page::{self, Page};
use crate::paginator::{self, Next, PageAt, PageFacts, PagingError, StopReason};
use crate::plan::{Plan, TablePlan, TableSource};
use crate::progress::{PARENT_CURSORS_MAX, Progress, Reading};
use crate::read_error::ReadError;
use crate::reshape::HashKey;
use crate::rows::{Around, take_rows};
use crate::selector::scalar;
use crate::shift::Shift;
use crate::template::{Scope, TemplateError};
use crate::window::{Window, commit};

pub(crate) use streaming::{KeptAnswer, Streamed};

/// What one call of the function knows.
pub(crate) struct Call {
    pub(crate) scope: Scope,
    /// The sync's name, for tokens that must not outlive it.
    pub(crate) sync: String,
    pub(crate) hash_key: Option<HashKey>,
    pub(crate) now: Clock,
    /// The time after which no page begins.
    pub(crate) deadline: Instant,
}

/// A token that leads nowhere is tried so often from the start of its window.
const RESTARTS_MAX: u64 = 3;

/// Reads for one call.
pub(crate) struct Reader<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) call: &'a Call,
}

impl Reader<'_> {
    /// Reads the next page of what `progress` says is under way, gives its rows to `answer`, and moves
    /// `progress` on.
    pub(crate) async fn step(
        &self,
        progress: &mut Progress,
        answer: &mut Answer,
    ) -> Result<(), ReadError> {
        if let Some(table) = self.of_files(progress) {
            return self.step_in_files(table, progress, answer).await;
        }
        self.leave_old_tokens(progress);
        let mut levels = self.levels(progress).await?;
        if let Some(error) = levels.failed.take() {
            progress.reading.truncate(levels.tables.len());
            return self.recover(error, progress, answer, &levels);
        }
        if let Some(page) = levels.lost.take() {
            progress.reading.truncate(levels.tables.len());
            let table = levels.tables[levels.tables.len() - 1];
            if !self.may_repeat(table) {
                return Err(ReadError::page_changed().of(table));
            }
            let reading = progress.reading.last_mut().expect("a reading is under way");
            reading.read_page_again(page.rows() as u64);
            levels = self.levels(progress).await?;
        }
        let depth = progress.reading.len() - 1;
        let table = levels.tables[depth];
        let reading = &mut progress.reading[depth];
        if let Some(above) = depth.checked_sub(1).filter(|_| reading.page == PageAt::First) {
            let next = levels.places[above] + 1;
            let scope = &levels.scopes[above];
            self.look_at_children(levels.tables[above], scope, &levels.pages[above], next);
        }
        let scope = levels.scopes[depth].clone();
        self.fix_until(table, reading);
        let window = Window::of(table, progress, depth).map_err(|error| error.of(table))?;
        let page = match self.fetch(table, &progress.reading[depth], &window, &scope).await {
            Ok(page) => page,
            Err(error) => return self.recover(error.of(table), progress, answer, &levels),
        };
        note_end(table, &mut progress.reading[depth], &window, &page)
            .map_err(|error| error.of(table))?;
        if self.has_moved(table, &mut progress.reading[depth], &page, answer) {
            return Ok(());
        }
        let above = depth.checked_sub(1);
        let parent = above.map(|above| (self.parent_row(&levels, above), levels.tables[above]));
        let around = Around {
            plan: &self.connector.plan,
            scope: &scope,
            hash_key: self.call.hash_key.as_ref(),
            parent,
        };
        let reading = &mut progress.reading[depth];
        self.heed_change(table, reading, &page, answer)?;
        if page.streamed.is_some() {
            // Pieces may be alike, and are told apart by their place.
            reading.seen = None;
        }
        let taken = take_rows(table, reading, &window, &page, &around, answer)
            .map_err(|error| error.of(table))?;
        answer.page_read();
        reading.file = page.streamed.clone().and_then(|streamed| streamed.left(taken.is_whole));
        if !taken.is_whole {
            return Ok(());
        }
        if reading.file.is_some() {
            // All its pieces are one page.
            reading.pages = reading.pages.saturating_sub(1);
            return Ok(());
        }
        levels.pages.push(Arc::clone(&page));
        levels.reached = taken.reached;
        self.look_ahead(table, &progress.reading[depth], &window, &scope, &page);
        self.descend_or_advance(progress, answer, &levels)
    }

    /// A token of an earlier sync may be void, so its window begins again, if that doubles no row.
    fn leave_old_tokens(&self, progress: &mut Progress) {
        let is_old = |reading: &Reading| {
            let by_token = matches!(reading.page, PageAt::Token(_) | PageAt::Number(_));
            let table = self.connector.plan.table(&reading.table);
            by_token
                && reading.sync.as_ref() != Some(&self.call.sync)
                && table.is_some_and(|table| is_fleeting(table) && self.may_repeat(table))
        };
        if let Some(depth) = progress.reading.iter().position(is_old) {
            self.connector.forget_pages();
            progress.reading.truncate(depth + 1);
            progress.reading[depth].restart();
        }
    }

    /// Whether rows that are read twice become one: the table and all below it have keys.
    fn may_repeat(&self, table: &TablePlan) -> bool {
        let below = table.children.iter().chain(&table.exploded);
        let mut below = below.map(|index| &self.connector.plan.tables[*index]);
        (!table.lands() || !table.primary_key.is_empty())
            && below.all(|child| self.may_repeat(child))
    }

    /// The first page of a table, for a setup test or a look. A child has no first page of its own.
    pub(crate) async fn first_page(&self, table: &TablePlan) -> Result<Arc<Page>, ReadError> {
        let plan = &self.connector.plan;
        if matches!(table.source, TableSource::Files(_)) {
            return self.look_at_files(table).await;
        }
        let (mut table, mut scope) = (table, self.call.scope.clone());
        // Values are not asked for: the first of them has a page.
        while let (TableSource::Values(values), Some(child)) =
            (&table.source, table.children.first())
        {
            scope = scope.inside(Page::of_values(values).row(0));
            table = &plan.tables[*child];
        }
        let mut progress =
            Progress { reading: vec![Reading::of(&table.name)], ..Progress::default() };
        self.fix_until(table, &mut progress.reading[0]);
        let window = Window::of(table, &progress, 0).map_err(|error| error.of(table))?;
        let page = self.fetch(table, &progress.reading[0], &window, &scope).await;
        page.map_err(|error| error.of(table))
    }

    /// The tables under way, and for each the scope of its templates: parents' rows are found on their
    /// pages again.
    async fn levels(&self, progress: &Progress) -> Result<Levels<'_>, ReadError> {
        let plan = &self.connector.plan;
        let mut levels = Levels::default();
        let mut scope = self.call.scope.clone();
        for (depth, reading) in progress.reading.iter().enumerate() {
            let table = plan.table(&reading.table).ok_or_else(|| {
                ReadError::new(
                    "foreign_state",
                    format!(
                        "the state is about a table `{:.60}` that the manifest lacks",
                        reading.table
                    ),
                    "reset the state to read everything again",
                )
            })?;
            levels.tables.push(table);
            levels.scopes.push(scope.clone());
            let Some(child) = progress.reading.get(depth + 1) else { break };
            let window = Window::of(table, progress, depth).map_err(|error| error.of(table))?;
            let page = match self.fetch(table, reading, &window, &scope).await {
                Ok(page) => page,
                Err(error) => {
                    levels.failed = Some(error.of(table));
                    return Ok(levels);
                }
            };
            let wanted = child.parent.as_deref().unwrap_or_default();
            let parents = page.parents(table, self.call.hash_key.as_ref());
            let place = parents.iter().position(|(name, _)| name == wanted);
            levels.pages.push(Arc::clone(&page));
            let Some(place) = place else {
                // The page has changed and no longer shows this parent: it is read again, and its children.
                levels.lost = levels.pages.pop();
                return Ok(levels);
            };
            levels.places.push(place);
            scope = scope.inside(page.row(parents[place].1));
        }
        Ok(levels)
    }

    /// The upper bound is fixed before the first page (F-095).
    fn fix_until(&self, table: &TablePlan, reading: &mut Reading) {
        let Some(cursor) = &table.config.cursor else { return };
        if let (Some(end), None) = (&cursor.range_end, &reading.until) {
            reading.until = Some(end.clone());
        }
        if cursor.kind() == CursorKind::Integer {
            if let (Some(End::Number(end)), None) = (&cursor.end, &reading.until) {
                reading.until = Some(end.clone());
            }
            return;
        }
        if (cursor.until.is_some() || cursor.step.is_some()) && reading.until.is_none() {
            reading.until = Some((self.call.now)());
        }
    }

    /// Notices rows that move while pages are read by number. Where some may have been passed over, the
    /// reading begins again, or is not whole. Whether it begins again.
    fn has_moved(
        &self,
        table: &TablePlan,
        reading: &mut Reading,
        page: &Page,
        answer: &mut Answer,
    ) -> bool {
        let Some(shift) = Shift::of(table, reading, page, self.call.hash_key.as_ref()) else {
            return false;
        };
        let begins_again =
            shift == Shift::Up && reading.restarts < RESTARTS_MAX && self.may_repeat(table);
        let what = match shift {
            Shift::Down if table.primary_key.is_empty() => {
                "rows came in front while its pages were read; without a key, those that moved are there twice"
            }
            Shift::Down => "rows came in front while its pages were read; none is passed over",
            Shift::Up if begins_again => "rows went while its pages were read, so it is read again",
            Shift::Up => {
                "rows went while its pages were read, and others may have been passed over: the reading is not whole"
            }
        };
        let message = format!("table {}: {what}", table.name);
        answer.warnings.push(Warning::new("table_shifted", message));
        if begins_again {
            self.connector.forget_pages();
            reading.restart();
            reading.restarts += 1;
        } else if shift == Shift::Up {
            reading.skipped = true;
        }
        begins_again
    }

    /// After a page: its rows' children, or the page after it, or the end of its table.
    fn descend_or_advance(
        &self,
        progress: &mut Progress,
        answer: &mut Answer,
        levels: &Levels<'_>,
    ) -> Result<(), ReadError> {
        let depth = progress.reading.len() - 1;
        let (table, page) = (levels.tables[depth], &levels.pages[depth]);
        let parents = page.parents(table, self.call.hash_key.as_ref());
        if let (Some(child), Some((name, _))) = (table.children.first(), parents.first()) {
            progress.reading.push(self.child(*child, name.clone()));
            return Ok(());
        }
        self.advance(progress, answer, levels, levels.reached)
    }

    /// The row that the level below is read for.
    fn parent_row(&self, levels: &Levels<'_>, above: usize) -> bytes::Bytes {
        let page = &levels.pages[above];
        let parents = page.parents(levels.tables[above], self.call.hash_key.as_ref());
        page.row(parents[levels.places[above]].1)
    }

    fn child(&self, index: usize, parent: String) -> Reading {
        Reading { parent: Some(parent), ..Reading::of(&self.connector.plan.tables[index].name) }
    }

    /// Moves the innermost reading to its next page; where it has none, ends it and moves what is
    /// around it.
    fn advance(
        &self,
        progress: &mut Progress,
        answer: &mut Answer,
        levels: &Levels<'_>,
        mut reached: bool,
    ) -> Result<(), ReadError> {
        loop {
            let depth = progress.reading.len() - 1;
            let table = levels.tables[depth];
            let reading = &mut progress.reading[depth];
            let facts = facts(table, reading, &levels.pages[depth]);
            let next = if reached {
                Next::Done(StopReason::CursorReached)
            } else {
                paginator::next(&table.pagination, &reading.page, &facts)
                    .map_err(|error| ReadError::from(error).of(table))?
            };
            reached = false;
            match next {
                Next::Page(page) => {
                    if depth == 0 {
                        answer.expect_pages(table, paginator::left(&facts));
                    }
                    turn_to(reading, page, &self.call.sync).map_err(|error| error.of(table))?;
                    return Ok(());
                }
                Next::Done(reason) => {
                    let window = Window::of(table, progress, depth)?;
                    let reading = &mut progress.reading[depth];
                    let cursor = table.config.cursor.as_ref();
                    let ends = cursor.is_some_and(|cursor| cursor.ends_in_a_gap(reading));
                    if let Some(from) = window.next_step.filter(|_| !ends) {
                        reading.next_step(from);
                        return Ok(());
                    }
                    tell(&self.connector.plan, table, reading, reason, &facts, answer);
                    answer.expect_pages(table, None);
                }
            }
            if self.end(progress, answer, levels) {
                return Ok(());
            }
        }
    }

    /// Ends the innermost reading. Answers whether another one has begun, or all are done; otherwise its
    /// parent's page is to be moved on.
    fn end(&self, progress: &mut Progress, answer: &mut Answer, levels: &Levels<'_>) -> bool {
        let plan = &self.connector.plan;
        let depth = progress.reading.len() - 1;
        let table = levels.tables[depth];
        let visits_only_some =
            levels.tables[..depth].iter().any(|above| above.config.cursor.is_some());
        commit(table, visits_only_some, progress, depth);
        let reading = progress.reading.pop().expect("a reading is under way");
        let Some(above) = depth.checked_sub(1) else {
            let is_whole = !reading.skipped;
            self.end_root(table, is_whole, progress, answer);
            let root = plan.roots.iter().position(|root| plan.tables[*root].name == table.name);
            let next = root.and_then(|root| plan.roots.get(root + 1));
            if let Some(next) = next {
                progress.reading.push(Reading::of(&plan.tables[*next].name));
            }
            return true;
        };
        progress.reading[above].skipped |= reading.skipped;
        let (parent, page) = (levels.tables[above], &levels.pages[above]);
        let place = levels.places[above];
        let sibling =
            parent.children.iter().position(|index| plan.tables[*index].name == table.name);
        let sibling = sibling.and_then(|at| parent.children.get(at + 1));
        let parents = page.parents(parent, self.call.hash_key.as_ref());
        let next = match (sibling, parents.get(place + 1)) {
            (Some(sibling), _) => self.child(*sibling, parents[place].0.clone()),
            (None, Some((name, _))) => self.child(parent.children[0], name.clone()),
            (None, None) => return false,
        };
        progress.reading.push(next);
        true
    }

    /// A table and all its children have been read.
    fn end_root(
        &self,
        table: &TablePlan,
        is_whole: bool,
        progress: &mut Progress,
        answer: &mut Answer,
    ) {
        let plan = &self.connector.plan;
        let is_full = table.config.cursor.is_none();
        let mut open = vec![table];
        while let Some(table) = open.pop() {
            let below = table.children.iter().chain(&table.exploded);
            open.extend(below.map(|index| &plan.tables[*index]));
            let sweeps = table.config.deletes.as_ref().is_some_and(|deletes| deletes.sweep);
            if sweeps && is_whole && is_full && table.config.cursor.is_none() {
                answer.soft_delete.push(table.name.clone());
            }
            if let Some(state) = progress.tables.get_mut(&table.name) {
                state.turn_generation(is_whole);
                if state.before.is_some() {
                    answer.warnings.push(one_cursor(table));
                }
            }
        }
    }

    /// What may be done when a page cannot be read.
    fn recover(
        &self,
        error: ReadError,
        progress: &mut Progress,
        answer: &mut Answer,
        levels: &Levels<'_>,
    ) -> Result<(), ReadError> {
        let depth = progress.reading.len() - 1;
        let table = levels.tables[depth];
        let reading = &mut progress.reading[depth];
        let ReadError::Refused { status: Some(status), message, .. } = &error else {
            return Err(error);
        };
        let by_token = matches!(reading.page, PageAt::Token(_) | PageAt::Number(_));
        let may_be_expired = matches!(status.as_u16(), 400 | 404 | 410 | 422) && by_token;
        let may_restart = is_fleeting(table) && reading.restarts < RESTARTS_MAX;
        if may_be_expired && may_restart && !self.may_repeat(table) {
            return Err(ReadError::Refused {
                code: "token_refused",
                message: format!(
                    "{message}; its window is not read again, since rows without a key would be there twice"
                ),
                hint: "give the table, and those below it, a `primary_key`, or empty the table and reset the state"
                    .into(),
                status: Some(*status),
            });
        }
        if may_be_expired && may_restart {
            // What was fetched before may hold tokens that are void.
            self.connector.forget_pages();
            reading.restart();
            reading.restarts += 1;
            answer.warnings.push(Warning::new(
                "token_expired",
                format!("table {}: a token was refused, so its window is read again", table.name),
            ));
            return Ok(());
        }
        let is_final = !matches!(status.as_u16(), 401);
        if depth > 0 && is_final && table.config.parent_errors == Some(ParentErrors::Skip) {
            answer.warnings.push(Warning::new(
                "parent_skipped",
                format!("{message}; this parent is left out, and will be asked again next time"),
            ));
            for reading in &mut progress.reading {
                reading.skipped = true;
            }
            return if self.end(progress, answer, levels) {
                Ok(())
            } else {
                self.advance(progress, answer, levels, false)
            };
        }
        Err(error)
    }
}

/// The tables under way, from the outermost in.
#[derive(Default)]
struct Levels<'plan> {
    tables: Vec<&'plan TablePlan>,
    scopes: Vec<Scope>,
    pages: Vec<Arc<Page>>,
    /// For each page but the innermost: the row whose children are read.
    places: Vec<usize>,
    /// The page of the innermost table, if it no longer shows the parent that was being read for.
    lost: Option<Arc<Page>>,
    /// Why a parent's page could not be read again; the innermost table is that parent's.
    failed: Option<ReadError>,
    /// Whether the page just read came to rows that are older than the cursor.
    reached: bool,
}

/// Whether a token of this table may expire.
fn is_fleeting(table: &TablePlan) -> bool {
    let token = table.pagination.cursor.as_ref();
    token.is_some_and(|token| !token.durable && !matches!(token.from, Source::LastRow(_)))
}

fn facts(table: &TablePlan, reading: &Reading, page: &Page) -> PageFacts {
    PageFacts { rows_so_far: reading.rows, pages_so_far: reading.pages, ..page.facts(table) }
}

/// The highest number is taken from the first answer that tells it, and stays for the whole reading.
fn note_end(
    table: &TablePlan,
    reading: &mut Reading,
    window: &Window,
    page: &Page,
) -> Result<(), ReadError> {
    let Some(source) = table.config.cursor.as_ref().and_then(CursorConfig::told_end) else {
        return Ok(());
    };
    if reading.until.is_some() {
        return Ok(());
    }
    let source_name = source.to_string();
    let Some(end) = page.end(table) else {
        return Err(PagingError::NoTokenForMore { source_name }.into());
    };
    // A table without rows has no highest number: it ends with this step.
    reading.until = if &end[..] == b"null" { window.since.clone() } else { scalar(&end) };
    Ok(())
}

fn failed(error: TemplateError) -> ReadError {
    ReadError::new("invalid_template", error.to_string(), "correct the manifest")
}

fn one_cursor(table: &TablePlan) -> Warning {
    Warning::new(
        "one_cursor_for_all",
        format!(
            "table {}: there are more than {PARENT_CURSORS_MAX} parents, so one cursor stands for all; of a parent that appears later, rows older than it are not read",
            table.name
        ),
    )
}

/// Tells that a table has been read to its end, and how one knows.
fn tell(
    plan: &Plan,
    table: &TablePlan,
    reading: &Reading,
    reason: StopReason,
    facts: &PageFacts,
    answer: &mut Answer,
) {
    let is_full = table.pagination.size.as_ref().is_some_and(|size| facts.rows >= size.value);
    if reason == StopReason::NoToken && reading.pages == 1 && is_full {
        answer.warnings.push(Warning::new(
            "full_page_without_token",
            format!(
                "table {}: its only page is full, and says nothing of another; check `from` of `pagination`",
                table.name
            ),
        ));
    }
    if !table.lands() {
        return;
    }
    let reason = if reading.from.is_some() { StopReason::WindowEnd } else { reason };
    let own = protocol::Reading {
        table: table.name.clone(),
        reason: reason.name().to_owned(),
        pages: reading.pages + reading.pages_before,
        rows: reading.rows + reading.rows_before,
        whole: !reading.skipped,
    };
    // What stands in rows is as whole as they are.
    let mut inside = table.exploded.clone();
    while let Some(place) = inside.pop() {
        let table = &plan.tables[place];
        let rows = reading.exploded.get(&table.name).copied().unwrap_or_default();
        answer.readings.push(protocol::Reading { table: table.name.clone(), rows, ..own.clone() });
        inside.extend(&table.exploded);
    }
    answer.readings.push(own);
}

/// Turns to the next page, and notices tokens that lead in a circle.
fn turn_to(reading: &mut Reading, page: PageAt, sync: &str) -> Result<(), ReadError> {
    reading.sync = None;
    if let PageAt::Token(token) | PageAt::Number(token) = &page {
        let mark = page::mark(token.as_bytes());
        if reading.landmark.as_ref() == Some(&mark) {
            return Err(PagingError::RepeatedToken.into());
        }
        if reading.pages.is_power_of_two() {
            reading.landmark = Some(mark);
        }
        reading.sync = Some(sync.to_owned());
    }
    reading.page = page;
    Ok(())
}
