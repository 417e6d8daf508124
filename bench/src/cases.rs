//! The matrix: rows × page size × kind of sync, each checked before its time is believed.

use crate::start;
use bench::driver::FunctionServer;
use bench::measure::{Cost, measure, median};
use bench::rows::Rows;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct Options {
    /// 100,000 rows only.
    pub(crate) quick: bool,
    pub(crate) hasmore: PathBuf,
    /// An interpreter with the `duckdb` module.
    pub(crate) python: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Into an empty file.
    First,
    /// Every row comes a second time, unchanged.
    Again,
    /// 1 % of the rows were edited.
    Incremental,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::First, Kind::Again, Kind::Incremental];
pub(crate) const PAGE_ROWS: [usize; 2] = [1_000, 100];
pub(crate) const SMALL: usize = 100_000;
pub(crate) const LARGE: usize = 1_000_000;

/// Short cases are repeated, and the run with the median CPU counts.
const REPEATS_OF_SMALL: usize = 3;

pub(crate) struct Table {
    /// Python with its DuckDB module, doing nothing: the CPU taken off each limit.
    pub(crate) start: Cost,
    pub(crate) limits: Vec<Limit>,
    /// From the start of hasmore to its first request.
    pub(crate) first_request_ms: f64,
    pub(crate) syncs: Vec<Sync>,
}

/// L: DuckDB alone, its rows already on disk.
pub(crate) struct Limit {
    pub(crate) rows: usize,
    pub(crate) kind: Kind,
    pub(crate) cost: Cost,
}

pub(crate) struct Sync {
    pub(crate) rows: usize,
    pub(crate) page_rows: usize,
    pub(crate) kind: Kind,
    pub(crate) cost: Cost,
}

pub(crate) fn measure_all(options: &Options) -> Result<Table, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let limit = |words: &[&str]| limit_command(options, words);
    let start =
        median(REPEATS_OF_SMALL, || measure(&limit(&["start"]), &folder.path().join("log")))?;
    let first_request_ms = start::milliseconds(&options.hasmore, folder.path())?;
    let mut table = Table { start, first_request_ms, limits: Vec::new(), syncs: Vec::new() };
    let row_counts: &[usize] = if options.quick { &[SMALL] } else { &[SMALL, LARGE] };
    for row_count in row_counts {
        let rows = Rows::generate(*row_count);
        let mut scale = Scale {
            options,
            folder: folder.path(),
            repeats: if *row_count == SMALL { REPEATS_OF_SMALL } else { 1 },
            rows,
        };
        scale.measure_limits(&mut table)?;
        scale.measure_syncs(&mut table)?;
    }
    Ok(table)
}

/// One number of rows, and where its files lie.
struct Scale<'a> {
    options: &'a Options,
    folder: &'a Path,
    repeats: usize,
    rows: Rows,
}

impl Scale<'_> {
    fn measure_limits(&mut self, table: &mut Table) -> Result<(), String> {
        let count = self.rows.count();
        let (all, edited) = (self.folder.join("all.ndjson"), self.folder.join("edited.ndjson"));
        write(&all, &self.rows.lines(0..count))?;
        write(&edited, &self.rows.lines(count..count + self.rows.edited()))?;
        for kind in KINDS {
            let lines = if kind == Kind::Incremental { &edited } else { &all };
            let merge = |database: &Path| {
                limit_command(
                    self.options,
                    &["merge", &database.to_string_lossy(), &lines.to_string_lossy()],
                )
            };
            let cost = self.repeat(kind, "limit", merge)?;
            eprintln!("limit, {count} rows, {kind:?}: {:.2} CPU s", cost.cpu_seconds);
            table.limits.push(Limit { rows: count, kind, cost });
        }
        fs::remove_file(&all).map_err(|error| format!("cannot remove {}: {error}", all.display()))
    }

    fn measure_syncs(&mut self, table: &mut Table) -> Result<(), String> {
        let rows = self.rows.count();
        let mut server = FunctionServer::start(rows)?;
        for page_rows in PAGE_ROWS {
            let url = server.url(page_rows);
            for kind in KINDS {
                server.show(if kind == Kind::Again { 2 } else { 1 }, kind == Kind::Incremental)?;
                let sync = |database: &Path| {
                    let mut command = vec![self.options.hasmore.clone().into_os_string()];
                    command.extend(["sync", "--quiet", "--url", &url, "--to"].map(OsString::from));
                    command.push(database.into());
                    command
                };
                let cost = self.repeat(kind, "sync", sync)?;
                eprintln!(
                    "{rows} rows in pages of {page_rows}, {kind:?}: {:.2} CPU s",
                    cost.cpu_seconds
                );
                table.syncs.push(Sync { rows, page_rows, kind, cost });
            }
        }
        Ok(())
    }

    /// Runs a case as often as its size asks for. A first sync leaves its file for the later kinds,
    /// each of which starts from a copy.
    fn repeat(
        &self,
        kind: Kind,
        name: &str,
        command: impl Fn(&Path) -> Vec<OsString>,
    ) -> Result<Cost, String> {
        let first = self.folder.join(format!("{name}.duckdb"));
        let copy = self.folder.join(format!("{name}-copy.duckdb"));
        median(self.repeats, || {
            let database = if kind == Kind::First {
                remove(&first)?;
                &first
            } else {
                remove(&copy)?;
                fs::copy(&first, &copy)
                    .map_err(|error| format!("cannot copy {}: {error}", first.display()))?;
                &copy
            };
            let cost = measure(&command(database), &self.folder.join("log"))?;
            self.check(database, kind)?;
            Ok(cost)
        })
    }

    /// Counts the rows, their distinct keys, and what the edits changed.
    fn check(&self, database: &Path, kind: Kind) -> Result<(), String> {
        let command = limit_command(self.options, &["check", &database.to_string_lossy()]);
        let log = self.folder.join("check");
        measure(&command, &log)?;
        let found = fs::read_to_string(&log).unwrap_or_default();
        let count = self.rows.count();
        let logins = self.rows.logins(kind == Kind::Incremental);
        let expected = format!("{count} {count} {logins}");
        if found.trim() == expected {
            return Ok(());
        }
        Err(format!(
            "the table is wrong after {kind:?}: rows, keys and logins are {}, expected {expected}",
            found.trim()
        ))
    }
}

fn limit_command(options: &Options, words: &[&str]) -> Vec<OsString> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/limit.py");
    let mut command = vec![options.python.clone().into_os_string(), script.into()];
    command.extend(words.iter().map(OsString::from));
    command
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn remove(database: &Path) -> Result<(), String> {
    for path in [database.to_owned(), database.with_extension("duckdb.wal")] {
        if path.exists() {
            fs::remove_file(&path)
                .map_err(|error| format!("cannot remove {}: {error}", path.display()))?;
        }
    }
    Ok(())
}
