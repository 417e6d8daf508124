//! Large answers of an API, and packed ones: read piece by piece like files, so that memory does not grow
//! with them.

use std::io::Cursor;
use std::sync::{Arc, PoisonError};

use protocol::Warning;
use reqwest::header::HeaderMap;

use super::Reader;
use crate::answer::Answer as Rows;
use crate::connector::Connector;
use crate::files::FileAt;
use crate::format::{self, File, FormatError, Piece, Position, RowReader};
use crate::http::Answer;
use crate::manifest::{CursorOrder, Format};
use crate::page::Page;
use crate::plan::{TablePlan, TableSource};
use crate::progress::Reading;
use crate::read_error::ReadError;
use crate::request_builder::HttpRequest;

/// Rows are read until they make so much JSON, which is a page.
const PIECE_BYTES: usize = 1 << 20;

/// An answer that is being read.
pub(crate) struct KeptAnswer {
    request: HttpRequest,
    headers: HeaderMap,
    mark: String,
    rows: Box<dyn RowReader>,
    /// The last piece that was read: where it began, and whether more may follow.
    last: (Position, Arc<Piece>, bool),
}

/// Where a page that is a piece of an answer stands in it.
#[derive(Clone, Debug)]
pub(crate) struct Streamed {
    pub(crate) at: FileAt,
    /// Where the piece after it begins.
    pub(crate) next: Option<Position>,
}

impl Streamed {
    /// Where the reading goes on: here, while rows are left, or with the piece after it, if there is one.
    pub(super) fn left(self, is_whole: bool) -> Option<FileAt> {
        let position = if is_whole { self.next? } else { self.at.position };
        Some(FileAt { position, ..self.at })
    }
}

impl Connector {
    fn take_answer(&self) -> Option<KeptAnswer> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep_answer(&self, answer: KeptAnswer) {
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    /// What is left of an answer is not read.
    pub(crate) fn forget_answer(&self) {
        self.take_answer();
    }
}

impl TablePlan {
    /// Whether an answer may be read piece by piece: it is the only page of a table that is read for itself,
    /// and in a format that can be read from front to back.
    fn can_stream(&self) -> bool {
        let style = &self.pagination;
        let cursor = self.config.cursor.as_ref();
        let from_front_to_back = match self.config.format {
            Format::Csv | Format::FixedWidth | Format::JsonLines => true,
            // What stands beside the rows is known when all of it is there.
            Format::Json => self.selector.values.is_empty(),
            Format::Xml => self.selector.values.is_empty() && format::reads_xml(&self.selector),
            _ => false,
        };
        from_front_to_back
            && matches!(self.source, TableSource::Requests(_))
            && self.config.for_each.is_none()
            && self.children.is_empty()
            && self.lands()
            && style.page.is_none()
            && style.offset.is_none()
            && style.cursor.is_none()
            && cursor.is_none_or(|cursor| {
                cursor.order != Some(CursorOrder::Descending) && cursor.told_end().is_none()
            })
    }
}

impl Reader<'_> {
    /// Whether a table's answers may be read piece by piece. Where the state has other members than ours,
    /// there is no room in it for a place in an answer.
    pub(super) fn streams(&self, table: &TablePlan) -> bool {
        table.can_stream() && self.connector.flat().is_none()
    }

    /// The next piece of the answer to this request that is being read already.
    pub(super) async fn piece_of_kept(
        &self,
        reading: &Reading,
        request: &HttpRequest,
    ) -> Result<Option<Page>, ReadError> {
        let Some(mut kept) = self.connector.take_answer() else { return Ok(None) };
        let is_wanted = reading.file.as_ref().is_none_or(|at| at.mark == kept.mark);
        if kept.request != *request || !is_wanted {
            return Ok(None);
        }
        let position = reading.file.as_ref().map_or_else(Position::default, |at| at.position);
        if kept.last.0 != position {
            if kept.rows.position() != position {
                return Ok(None);
            }
            kept = fill(kept).await.map_err(|error| invalid(request, &error))?;
        }
        let page = kept.page();
        self.connector.keep_answer(kept);
        Ok(Some(page))
    }

    /// Begins to read an answer: where the reading left off, or, if it is another answer now, at its
    /// beginning.
    pub(super) async fn begin_answer(
        &self,
        table: &TablePlan,
        reading: &Reading,
        request: HttpRequest,
        answer: Answer,
    ) -> Result<Page, ReadError> {
        let (mark, file): (String, Box<dyn File>) = match answer.stored {
            Some(stored) => {
                let reader = stored.reader().map_err(|error| invalid(&request, &error.into()))?;
                (stored.mark.clone(), Box::new(reader))
            }
            None => (crate::page::mark(&answer.body), Box::new(Cursor::new(answer.body))),
        };
        let left = reading.file.as_ref().filter(|at| at.mark == mark);
        let position = left.map_or_else(Position::default, |at| at.position);
        let plan = Arc::clone(&self.connector.plan);
        let (name, headers) = (table.name.clone(), answer.headers);
        let bytes_max = self.connector.http.body_bytes_max();
        let open = move || {
            let table = plan.table(&name).expect("the table is being read");
            format::open_file(table, file, position, bytes_max)
        };
        let rows = tokio::task::spawn_blocking(open).await.expect("a reader does not panic");
        let rows = rows.map_err(|error| invalid(&request, &error))?;
        let last = (position, Arc::default(), true);
        let kept = KeptAnswer { request: request.clone(), headers, mark, rows, last };
        let kept = fill(kept).await.map_err(|error| invalid(&request, &error))?;
        let page = kept.page();
        self.connector.keep_answer(kept);
        Ok(page)
    }

    /// Holds a page against what was read of the answer before: one that is another answer now is read from
    /// its beginning, if that doubles no row.
    pub(super) fn heed_change(
        &self,
        table: &TablePlan,
        reading: &mut Reading,
        page: &Page,
        answer: &mut Rows,
    ) -> Result<(), ReadError> {
        let Some(at) = &reading.file else { return Ok(()) };
        if page.streamed.as_ref().is_some_and(|streamed| streamed.at.mark == at.mark) {
            return Ok(());
        }
        let has_sent = at.position != Position::default()
            || reading.sent.as_ref().is_some_and(|(rows, _)| *rows > 0);
        if has_sent && !self.may_repeat(table) {
            return Err(ReadError::page_changed().of(table));
        }
        reading.restart();
        reading.file = None;
        let message = format!(
            "table {}: the answer has changed while it was read, and is read again from its beginning",
            table.name
        );
        answer.warnings.push(Warning::new("answer_changed", message));
        Ok(())
    }
}

impl KeptAnswer {
    fn page(&self) -> Page {
        let (position, piece, more) = &self.last;
        let at = FileAt { path: String::new(), mark: self.mark.clone(), position: *position };
        let next = more.then(|| self.rows.position());
        Page::of_answer(self.headers.clone(), piece, Streamed { at, next })
    }
}

/// Reads the piece that comes next.
async fn fill(mut kept: KeptAnswer) -> Result<KeptAnswer, FormatError> {
    let read = move || {
        let position = kept.rows.position();
        let mut piece = Piece::default();
        let more = format::fill(kept.rows.as_mut(), &mut piece, PIECE_BYTES)?;
        kept.last = (position, Arc::new(piece), more);
        Ok(kept)
    };
    tokio::task::spawn_blocking(read).await.expect("a reader does not panic")
}

pub(super) fn invalid(request: &HttpRequest, error: &FormatError) -> ReadError {
    ReadError::new(
        "invalid_page",
        format!("an answer of {}: {error}", request.shown),
        "correct `records` and `pagination` of the table, or `format` and what is said of it",
    )
}
