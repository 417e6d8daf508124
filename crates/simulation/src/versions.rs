//! Tables of versions in the in-memory destination: row by row, by the rules and not by the SQL of others.

use engine::{ColumnType, Counts, DestinationError, TableBatch, system_columns};

use crate::cell::Cell;
use crate::table::{Table, keys_of};

/// Where the columns of versions are.
#[derive(Clone, Copy)]
struct Columns {
    active: usize,
    start: usize,
    end: usize,
    synced: usize,
}

const OPEN: Cell = Cell::Moment(system_columns::END_MAX.0);

impl Table {
    fn version_columns(&self) -> Result<Columns, DestinationError> {
        Ok(Columns {
            active: self.there(system_columns::ACTIVE)?,
            start: self.there(system_columns::START)?,
            end: self.there(system_columns::END)?,
            synced: self.there(system_columns::SYNCED)?,
        })
    }

    /// Each row is a version since it was last sent; one that is marked has ended then (F-214).
    ///
    /// Where the source says in the column `time` since when a row holds, it is a version since then.
    pub(crate) fn start_history(&mut self, time: Option<&str>) -> Result<(), DestinationError> {
        for (name, column_type) in system_columns::OF_HISTORY {
            self.add_column(name, column_type, Cell::Null)?;
        }
        let columns = self.version_columns()?;
        let deleted = self.index_of(system_columns::DELETED);
        let time = time.and_then(|time| self.index_of(time));
        for row in &mut self.rows {
            let gone = deleted.is_some_and(|deleted| row[deleted] == Cell::Boolean(true));
            row[columns.active] = Cell::Boolean(!gone);
            row[columns.start] = match time.map(|time| &row[time]) {
                Some(Cell::Date(days)) => Cell::Moment(i64::from(*days) * 86_400_000_000),
                Some(Cell::Moment(micros)) => Cell::Moment(*micros),
                _ => row[columns.synced].clone(),
            };
            let ended = row[columns.synced].clone().max(row[columns.start].clone());
            row[columns.end] = if gone { ended } else { OPEN };
        }
        if let Some(deleted) = deleted {
            self.drop_column(deleted);
        }
        Ok(())
    }

    /// Keeps the latest version of each row; answers a table of the older ones.
    pub(crate) fn end_history(&mut self) -> Result<Table, DestinationError> {
        let columns = self.version_columns()?;
        let mut older = self.clone();
        let is_latest = |table: &Table, row: &[Cell]| {
            let key = table.key_of(row);
            let later = |other: &Vec<Cell>| {
                table.key_of(other) == key && other[columns.start] > row[columns.start]
            };
            !table.rows.iter().any(later)
        };
        let all = self.clone();
        self.rows.retain(|row| is_latest(&all, row));
        older.rows.retain(|row| !is_latest(&all, row));
        self.add_column(system_columns::DELETED, ColumnType::Boolean, Cell::Null)?;
        let deleted = self.there(system_columns::DELETED)?;
        for row in &mut self.rows {
            row[deleted] = Cell::Boolean(row[columns.active] != Cell::Boolean(true));
        }
        for (name, _) in system_columns::OF_HISTORY {
            let index = self.there(name)?;
            self.drop_column(index);
        }
        Ok(older)
    }

    fn drop_column(&mut self, index: usize) {
        self.columns.remove(index);
        for row in &mut self.rows {
            row.remove(index);
        }
    }

    /// Upserts, then deletes, as of one moment (F-210 to F-213).
    pub(crate) fn write_versions(
        &mut self,
        batch: &TableBatch,
        at: i64,
        counts: &mut Counts,
    ) -> Result<(), DestinationError> {
        let columns = self.version_columns()?;
        for chunk in batch.upserts() {
            for row in self.rows_of(&chunk)? {
                if batch.is_timed() {
                    self.write_timed(row, columns, at, counts);
                } else {
                    self.write_version(row, columns, at, counts);
                }
            }
        }
        let keys = self.key_indices();
        for gone in keys_of(batch.marks()) {
            let is_current = |row: &&mut Vec<Cell>| {
                row[columns.active] == Cell::Boolean(true)
                    && keys.iter().zip(&gone).all(|(index, value)| row[*index] == *value)
            };
            if let Some(current) = self.rows.iter_mut().find(is_current) {
                current[columns.active] = Cell::Boolean(false);
                current[columns.end] = Cell::Moment(at).max(current[columns.start].clone());
                counts.deleted += 1;
            }
        }
        Ok(())
    }

    /// A version that says since when it holds: it takes its place among those of its key.
    fn write_timed(&mut self, mut new: Vec<Cell>, columns: Columns, at: i64, counts: &mut Counts) {
        let key = self.key_of(&new);
        let (mut of_key, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.rows).into_iter().partition(|row| self.key_of(row) == key);
        for row in &mut of_key {
            // What a delete of this sync has ended holds again.
            let deleted = Cell::Moment(at).max(row[columns.start].clone());
            if row[columns.active] != Cell::Boolean(true) && row[columns.end] == deleted {
                (row[columns.active], row[columns.end]) = (Cell::Boolean(true), OPEN);
            }
        }
        (new[columns.active], new[columns.end]) = (Cell::Boolean(true), OPEN);
        match of_key.iter_mut().find(|row| row[columns.start] == new[columns.start]) {
            Some(known) => {
                let is_own = |index: &usize| {
                    !self.columns[*index].0.starts_with(system_columns::RESERVED_PREFIX)
                };
                let same = (0..new.len()).filter(is_own).all(|index| known[index] == new[index]);
                *(if same { &mut counts.unchanged } else { &mut counts.updated }) += 1;
                *known = new;
            }
            None => {
                counts.inserted += 1;
                of_key.push(new);
            }
        }
        of_key.sort_by(|left, right| left[columns.start].cmp(&right[columns.start]));
        let starts: Vec<Cell> = of_key.iter().map(|row| row[columns.start].clone()).collect();
        for (row, next) in of_key.iter_mut().zip(starts.iter().skip(1)) {
            let Cell::Moment(next) = next else { unreachable!("a version has a start") };
            let before = Cell::Moment(next - system_columns::VERSION_GAP_MICROS);
            row[columns.end] = row[columns.end].clone().min(before).max(row[columns.start].clone());
            row[columns.active] = Cell::Boolean(false);
        }
        self.rows = others;
        self.rows.append(&mut of_key);
    }

    fn write_version(
        &mut self,
        mut new: Vec<Cell>,
        columns: Columns,
        at: i64,
        counts: &mut Counts,
    ) {
        let key = self.key_of(&new);
        let keys = self.key_indices();
        let is_same =
            |row: &[Cell]| keys.iter().zip(&key).all(|(index, value)| row[*index] == *value);
        let moment = Cell::Moment(at);
        let before = Cell::Moment(at - system_columns::VERSION_GAP_MICROS);
        // What this sync has made of the key is undone.
        let made = self.rows.iter().any(|row| is_same(row) && row[columns.start] == moment);
        self.rows.retain(|row| !is_same(row) || row[columns.start] < moment);
        for row in self.rows.iter_mut().filter(|row| is_same(row)) {
            if row[columns.end] == moment || (made && row[columns.end] == before) {
                row[columns.active] = Cell::Boolean(true);
                row[columns.end] = OPEN;
            }
        }
        let is_own = |name: &str| !name.starts_with(system_columns::RESERVED_PREFIX);
        let own: Vec<usize> =
            (0..self.columns.len()).filter(|index| is_own(&self.columns[*index].0)).collect();
        let current =
            |row: &&mut Vec<Cell>| is_same(row) && row[columns.active] == Cell::Boolean(true);
        if let Some(current) = self.rows.iter_mut().find(current) {
            current[columns.synced] = moment.clone();
            if own.iter().all(|index| current[*index] == new[*index]) {
                counts.unchanged += 1;
                return;
            }
            current[columns.active] = Cell::Boolean(false);
            current[columns.end] = before;
            counts.updated += 1;
        } else {
            counts.inserted += 1;
        }
        new[columns.active] = Cell::Boolean(true);
        new[columns.start] = moment;
        new[columns.end] = OPEN;
        self.rows.push(new);
    }
}
