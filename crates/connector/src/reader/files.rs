//! Tables whose rows are in files: the new ones are found, and each is read piece by piece.

use std::sync::Arc;

use protocol::Warning;
use tokio::runtime::Handle;

use super::{Levels, Reader, facts, tell};
use crate::answer::Answer;
use crate::files::{FileAt, FileError, FilesProgress, Listed, Listing, Opened, Place, StoredFile};
use crate::format::{self, FormatError, Piece, Position};
use crate::page::Page;
use crate::paginator::StopReason;
use crate::plan::{FilesPlan, TablePlan, TableSource};
use crate::progress::Progress;
use crate::read_error::ReadError;
use crate::rows::{Around, take_rows};
use crate::window::Window;

/// Rows are read until they make so much JSON, which is a page.
const PIECE_BYTES: usize = 1 << 20;

/// A piece of a file, and where what comes after it begins.
struct Read {
    piece: Arc<Piece>,
    /// Nothing comes after it where there is none.
    next: Option<Position>,
}

impl Reader<'_> {
    /// The table under way, if its rows are in files.
    pub(super) fn of_files(&self, progress: &Progress) -> Option<&TablePlan> {
        let [reading] = &progress.reading[..] else { return None };
        let table = self.connector.plan.table(&reading.table)?;
        matches!(table.source, TableSource::Files(_)).then_some(table)
    }

    /// Reads the next piece of the file under way, or begins the next file, or ends the table.
    pub(super) async fn step_in_files(
        &self,
        table: &TablePlan,
        progress: &mut Progress,
        answer: &mut Answer,
    ) -> Result<(), ReadError> {
        let TableSource::Files(files) = &table.source else {
            unreachable!("the table's rows are in files")
        };
        let Some(path) = files.paths.get(progress.reading[0].path_at()) else {
            self.end_files(table, files, progress, answer);
            return Ok(());
        };
        let reached = self.step_in_path(table, files, &path.mark, progress, answer).await;
        reached.map_err(|error| error.of(table))
    }

    async fn step_in_path(
        &self,
        table: &TablePlan,
        files: &FilesPlan,
        mark: &str,
        progress: &mut Progress,
        answer: &mut Answer,
    ) -> Result<(), ReadError> {
        let path_at = progress.reading[0].path_at();
        let (place, listing) = self.listing(table, files, path_at).await?;
        let known = progress.tables.entry(table.name.clone()).or_default();
        let known = known.files.entry(mark.to_owned()).or_default();
        let reading = &mut progress.reading[0];
        if reading.until.is_none() {
            tell_about(table, &listing, known, answer);
            reading.until = newest(&listing).map(|newest| newest.to_string());
        }
        let until = reading.until.as_ref().and_then(|until| until.parse().ok());
        if let Some(at) = &reading.file
            && !listing.iter().any(|file| file.mark == at.mark)
        {
            let changed = listing.iter().find(|file| file.path == at.path);
            let begun = at.position != Position::default()
                || reading.sent.as_ref().is_some_and(|(rows, _)| *rows > 0);
            if begun && !self.may_repeat(table) {
                return Err(ReadError::page_changed());
            }
            tell_changed(table, at, changed.is_some(), answer);
            reading.file = changed.map(FileAt::of);
            reading.sent = None;
        }
        let under_way = reading.file.as_ref().map(|at| (at.mark.clone(), at.position));
        let file = match &under_way {
            Some((mark, _)) => listing.iter().find(|file| file.mark == *mark),
            None => known.next(&listing, until),
        };
        let Some(file) = file else {
            known.end(&listing, until, files.lookback_ms(), self.now_ms());
            reading.next_path(path_at + 1);
            return Ok(());
        };
        let position = under_way.map_or_else(Position::default, |(_, position)| position);
        let read = match self.read_piece(table, &place, file, position).await {
            Ok(read) => read,
            // It is listed anew, and what has become of it is found out then.
            Err(Ok(FileError::Changed | FileError::Gone)) => {
                self.connector.forget_listing(&table.name);
                let (_, listing) = self.listing(table, files, path_at).await?;
                if listing.iter().any(|listed| listed == file) {
                    return Err(ReadError::from(FileError::Changed));
                }
                return Ok(());
            }
            Err(Ok(error)) => return Err(error.into()),
            Err(Err(error)) => {
                return Err(ReadError::new(
                    "invalid_file",
                    format!("{}: {error}", file.path),
                    "correct the file, or `format` and what is said of it in the table",
                ));
            }
        };
        let page = Page::of_file(file, &read.piece);
        // Pieces of a file may be alike, and are told apart by their place.
        reading.seen = None;
        let around = Around {
            plan: &self.connector.plan,
            scope: &self.call.scope,
            hash_key: self.call.hash_key.as_ref(),
            parent: None,
        };
        let taken = take_rows(table, reading, &Window::default(), &page, &around, answer)?;
        answer.page_read();
        reading.file = if taken.is_whole {
            read.next.map(|position| FileAt { position, ..FileAt::of(file) })
        } else {
            Some(FileAt { position, ..FileAt::of(file) })
        };
        if reading.file.is_none() {
            known.note(file, &listing);
        }
        Ok(())
    }

    /// The files behind a path, as they were when the sync first looked.
    async fn listing(
        &self,
        table: &TablePlan,
        files: &FilesPlan,
        path_at: usize,
    ) -> Result<(Place, Listing), ReadError> {
        let connector = self.connector;
        let named = (table.name.clone(), path_at, self.call.sync.clone());
        if let Some(kept) = connector.kept_listing(&named) {
            return Ok(kept);
        }
        let plan = &connector.plan;
        let render = |template| plan.templates.render(template, &self.call.scope);
        let path = render(&files.paths[path_at].template).map_err(super::failed)?;
        let storage = plan.storage.render(&plan.templates, &self.call.scope);
        let storage = storage.map_err(super::failed)?;
        let place = connector.stores.place(&path, &storage, connector.folder(), &connector.http)?;
        let listing: Listing = Arc::new(place.list().await?);
        connector.keep_listing(named, (place.clone(), Arc::clone(&listing)));
        Ok((place, listing))
    }

    /// Lists the files of a table, and reads none: for a setup test.
    pub(super) async fn look_at_files(&self, table: &TablePlan) -> Result<Arc<Page>, ReadError> {
        if let TableSource::Files(files) = &table.source {
            for path_at in 0..files.paths.len() {
                self.listing(table, files, path_at).await.map_err(|error| error.of(table))?;
            }
        }
        Ok(Arc::new(Page::empty(table, reqwest::header::HeaderMap::new())))
    }

    /// The piece that begins at `position`. The file stays open for the one after it.
    async fn read_piece(
        &self,
        table: &TablePlan,
        place: &Place,
        file: &Listed,
        position: Position,
    ) -> Result<Read, Result<FileError, FormatError>> {
        let connector = self.connector;
        let opened = connector.take_opened().filter(|opened| opened.source.file == *file);
        let opened = match opened {
            Some(opened) if opened.last.as_ref().is_some_and(|(at, ..)| *at == position) => {
                let (_, piece, more) = opened.last.clone().expect("there is a last piece");
                let next = more.then(|| opened.rows.position());
                connector.keep_opened(opened);
                return Ok(Read { piece, next });
            }
            Some(opened) => (opened.rows.position() == position).then_some(opened),
            None => None,
        };
        let source = Arc::new(StoredFile::new(place.clone(), file.clone(), Handle::current()));
        let (plan, name) = (Arc::clone(&connector.plan), table.name.clone());
        let bytes_max = connector.http.body_bytes_max();
        let read = move || {
            let mut opened = match opened {
                Some(opened) => opened,
                None => open(&plan, &name, source, position, bytes_max)?,
            };
            let mut piece = Piece::default();
            let more = format::fill(opened.rows.as_mut(), &mut piece, PIECE_BYTES);
            let more = match more {
                Ok(more) => more,
                Err(error) => return Err(opened.source.failure().ok_or(error)),
            };
            opened.last = Some((position, Arc::new(piece), more));
            Ok(opened)
        };
        let opened = tokio::task::spawn_blocking(read).await.expect("a reader does not panic")?;
        let (_, piece, more) = opened.last.clone().expect("a piece was read");
        let next = more.then(|| opened.rows.position());
        connector.keep_opened(opened);
        Ok(Read { piece, next })
    }

    fn end_files(
        &self,
        table: &TablePlan,
        files: &FilesPlan,
        progress: &mut Progress,
        answer: &mut Answer,
    ) {
        // Paths that the manifest no longer names are forgotten.
        if let Some(known) = progress.tables.get_mut(&table.name) {
            known.files.retain(|mark, _| files.paths.iter().any(|path| path.mark == *mark));
        }
        self.connector.forget_listing(&table.name);
        let page = Page::empty(table, reqwest::header::HeaderMap::new());
        let reading = &progress.reading[0];
        tell(
            &self.connector.plan,
            table,
            reading,
            StopReason::FilesRead,
            &facts(table, reading, &page),
            answer,
        );
        let levels = Levels { tables: vec![table], ..Levels::default() };
        let is_root = self.end(progress, answer, &levels);
        assert!(is_root, "a table of files has no parent");
    }

    fn now_ms(&self) -> i64 {
        let now = (self.call.now)().parse::<jiff::Timestamp>();
        now.map_or(i64::MAX, jiff::Timestamp::as_millisecond)
    }
}

fn open(
    plan: &crate::plan::Plan,
    table: &str,
    source: Arc<StoredFile>,
    position: Position,
    bytes_max: u64,
) -> Result<Opened, Result<FileError, FormatError>> {
    let table = plan.table(table).expect("the table is being read");
    let rows = format::open_file(table, Box::new(source.reader()), position, bytes_max);
    match rows {
        Ok(rows) => Ok(Opened { source, rows, last: None }),
        Err(error) => Err(source.failure().ok_or(error)),
    }
}

fn newest(listing: &[Listed]) -> Option<i64> {
    listing.iter().filter_map(|file| file.modified).max()
}

/// A file under way is another one now, or gone.
fn tell_changed(table: &TablePlan, at: &FileAt, is_there: bool, answer: &mut Answer) {
    let what = if is_there {
        "has changed while it was read, and is read again"
    } else {
        "is gone before it was read to its end"
    };
    let message = format!("table {}: {} {what}", table.name, at.path);
    answer.warnings.push(Warning::new("file_changed", message));
}

/// What a listing shows that somebody should know.
fn tell_about(table: &TablePlan, listing: &[Listed], known: &FilesProgress, answer: &mut Answer) {
    if listing.is_empty() {
        let message = format!("table {}: there is no file at a path of `files`", table.name);
        answer.warnings.push(Warning::new("no_files", message));
    }
    let late = known.late(listing);
    if late > 0 {
        let message = format!(
            "table {}: {late} files have come that are older than `lookback` allows, and are not read",
            table.name
        );
        answer.warnings.push(Warning::new("late_files", message));
    }
}
