//! The tables that a sync writes to, in a DuckDB file of the sync's own: batches land there by the same
//! steps as in any DuckDB file, and what they have changed becomes files of the lake.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use arrow_array::RecordBatch;
use destination_duckdb::{DuckDb, DuckDbOptions};
use engine::{Batch, DestinationError, Landed, Schema, Table};
use futures_util::TryStreamExt;
use object_store::path::Path;
use tempfile::TempDir;

use crate::actions::{Action, Add, Column, MetaData, Protocol, Remove, schema_string};
use crate::data::{self, Writing};
use crate::failure::refused;
use crate::place::Lake;
use crate::records::now;
use crate::table_log::TableLog;

pub(crate) struct Mirror {
    duckdb: DuckDb,
    held: BTreeMap<String, Vec<HeldFile>>,
    _folder: TempDir,
}

/// A file of the lake, as the row ids that its rows have here.
#[derive(Clone, Debug)]
struct HeldFile {
    path: String,
    rows: Range<i64>,
    count: u64,
    print: String,
}

/// Files of more rows are not joined with others, and none is written with more.
const FILE_ROWS_MAX: i64 = 1_000_000;
/// Rows read in one go: it bounds the memory of writing.
const READ_ROWS_MAX: i64 = 16_384;

impl Mirror {
    pub(crate) fn new(connection: &str, namespace: &str) -> Result<Mirror, DestinationError> {
        let folder = TempDir::with_prefix("hasmore-lake-").map_err(|error| {
            let message = format!("no temporary folder: {error}");
            refused("disk_full", message, "make room in the folder that TMPDIR names")
        })?;
        let file = folder.path().join("mirror.duckdb");
        let duckdb = DuckDb::open(&file, connection, namespace, &DuckDbOptions::default())?;
        Ok(Mirror { duckdb, held: BTreeMap::new(), _folder: folder })
    }

    /// Brings a table here, if it is not.
    pub(crate) async fn load(
        &mut self,
        lake: &Lake,
        folder: &Path,
        name: &str,
        table: &Table,
        log: &TableLog,
    ) -> Result<(), DestinationError> {
        let files: BTreeSet<&str> = log.files.keys().map(String::as_str).collect();
        if let Some(held) = self.held.get(name)
            && held.iter().map(|file| file.path.as_str()).collect::<BTreeSet<_>>() == files
        {
            return Ok(());
        }
        self.duckdb.forget_table(name)?;
        self.duckdb.make_table(name, table)?;
        let columns = table.all_columns();
        let mut held = Vec::new();
        for (path, file) in &log.files {
            let start = self.duckdb.end_of_rows(name)?;
            let mut rows = std::pin::pin!(data::read(lake, folder, file, &columns).await?);
            while let Some(rows) = rows.try_next().await? {
                self.duckdb.copy_rows(name, table, vec![rows])?;
            }
            held.push(self.hold(
                name,
                &columns,
                path.clone(),
                start..self.duckdb.end_of_rows(name)?,
            )?);
        }
        self.held.insert(name.to_owned(), held);
        Ok(())
    }

    pub(crate) fn land(&self, before: &Schema, batch: &Batch) -> Result<Landed, DestinationError> {
        self.duckdb.land_on(before, batch)
    }

    pub(crate) fn copy_rows(
        &mut self,
        name: &str,
        table: &Table,
        rows: Vec<RecordBatch>,
    ) -> Result<u64, DestinationError> {
        self.duckdb.copy_rows(name, table, rows)
    }

    /// Writes what a batch has changed in a table, and answers what its log needs for that; `None` where the
    /// table is not here any more.
    pub(crate) async fn export(
        &mut self,
        lake: &Lake,
        folder: &Path,
        name: &str,
        log: &TableLog,
    ) -> Result<Option<Vec<Action>>, DestinationError> {
        let Some(columns) = self.duckdb.columns_of(name)? else {
            self.held.remove(name);
            return Ok(None);
        };
        let mut actions = Vec::new();
        let before = log.meta_data.as_ref();
        let is_same = before.is_some_and(|before| before.schema_string == schema_string(&columns));
        if !is_same {
            let meta_data = match before {
                Some(before) => before.with(&columns),
                None => MetaData::new(&columns, now()),
            };
            actions.push(Action::Protocol(Protocol::of(&columns)));
            actions.push(Action::MetaData(meta_data));
        }
        let held = self.held.get(name).filter(|_| is_same).cloned().unwrap_or_default();
        let (mut held, ranges) = self.compare(name, &columns, held)?;
        for range in ranges {
            if let Some(file) = self.write(lake, folder, name, &columns, range.clone()).await? {
                held.push(self.hold(name, &columns, file.path.clone(), range)?);
                actions.push(Action::Add(file));
            }
        }
        let kept: BTreeSet<&str> = held.iter().map(|file| file.path.as_str()).collect();
        for path in log.files.keys().filter(|path| !kept.contains(path.as_str())) {
            let deletion_timestamp = Some(now().0 / 1000);
            let path = path.clone();
            actions.push(Action::Remove(Remove { path, deletion_timestamp, data_change: true }));
        }
        held.sort_by_key(|file| file.rows.start);
        self.held.insert(name.to_owned(), held);
        Ok(Some(actions))
    }

    /// The files whose rows are as they were, and the row ids of all others. New rows take files with them
    /// that are no larger, so that a table of many commits is not one of as many files.
    fn compare(
        &self,
        name: &str,
        columns: &[Column],
        held: Vec<HeldFile>,
    ) -> Result<(Vec<HeldFile>, Vec<Range<i64>>), DestinationError> {
        let (mut kept, mut changed) = (Vec::<HeldFile>::new(), Vec::new());
        let mut start = 0;
        for file in held {
            // DuckDB may move rows where others have gone.
            let gap = start..file.rows.start;
            if !gap.is_empty() && self.duckdb.print_rows(name, columns, gap.clone())?.0 > 0 {
                changed.push(gap);
            }
            start = file.rows.end;
            let (_, print) = self.duckdb.print_rows(name, columns, file.rows.clone())?;
            if print == file.print { kept.push(file) } else { changed.push(file.rows) }
        }
        let end = self.duckdb.end_of_rows(name)?;
        let (mut count, _) = self.duckdb.print_rows(name, columns, start..end)?;
        while let Some(last) = kept.pop_if(|last| {
            let joined = last.count + count;
            count > 0
                && last.rows.end == start
                && last.count <= count
                && joined <= FILE_ROWS_MAX.unsigned_abs()
        }) {
            (start, count) = (last.rows.start, last.count + count);
        }
        while start < end {
            let until = end.min(start + FILE_ROWS_MAX);
            changed.push(start..until);
            start = until;
        }
        Ok((kept, changed))
    }

    async fn write(
        &self,
        lake: &Lake,
        folder: &Path,
        name: &str,
        columns: &[Column],
        range: Range<i64>,
    ) -> Result<Option<Add>, DestinationError> {
        let mut file = None;
        let mut start = range.start;
        while start < range.end {
            let until = range.end.min(start + READ_ROWS_MAX);
            for rows in self.duckdb.rows_between(name, columns, start..until)? {
                let file = match &mut file {
                    Some(file) => file,
                    None => file.insert(Writing::begin(lake, folder, columns)?),
                };
                file.write(&rows).await?;
            }
            start = until;
        }
        match file {
            Some(file) => file.finish(lake).await.map(Some),
            None => Ok(None),
        }
    }

    fn hold(
        &self,
        name: &str,
        columns: &[Column],
        path: String,
        rows: Range<i64>,
    ) -> Result<HeldFile, DestinationError> {
        let (count, print) = self.duckdb.print_rows(name, columns, rows.clone())?;
        Ok(HeldFile { path, rows, count, print })
    }
}
