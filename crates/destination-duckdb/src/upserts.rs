//! Rows to insert, or to replace the row with the same key.
//!
//! There is no staging table and no index. The keys are joined with those held, looking at dates and
//! times only, which tell most changed rows; the others are compared in full, in slices. What the joins
//! answer is a row id and a verdict, so no row is copied before it is written.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use engine::{Counts, PrimaryKey, TableBatch, Timestamp};

use crate::rows::{POSITION, ROW_ID, Rows};
use crate::session::Session;
use crate::statements::{self, Arrived, Dialect, Place};

/// Rows compared in full in one go: it bounds the memory of the join.
const COMPARED_ROWS_MAX: usize = 20_000;

/// What becomes of an incoming row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Its key is not there.
    New,
    /// Its key is there with other values, or marked as deleted.
    Changed,
    /// Its key is there with the same values.
    Unchanged,
}

/// An incoming row and the held row of its key.
#[derive(Clone, Copy, Debug)]
struct Meeting {
    row_id: i64,
    position: i64,
}

/// Writes the rows whose key is new, replaces those that changed, and stamps those that did not.
///
/// A changed row is deleted and written anew at the end of the table: a checkpoint then rewrites the
/// end alone, where a few rows updated in place, spread over a table, have all of it rewritten.
pub(crate) fn write(
    session: Session<'_>,
    place: Place<'_>,
    table: &TableBatch,
    synced_at: Timestamp,
    counts: &mut Counts,
) -> duckdb::Result<()> {
    let rows = Rows::all(table.columns(), table.upserts());
    if rows.count() == 0 {
        return Ok(());
    }
    let (quoted, keys) = (place.quoted(), table.key_columns());
    let arrived = statements::arrived(&quoted, table.columns(), &keys, table.soft_deletes());
    let insert = arrived.insert();
    if *table.primary_key() == PrimaryKey::BatchIndex || is_empty(session, place)? {
        counts.inserted += session.execute(rows, &insert)?;
        return Ok(());
    }
    let (meetings, verdicts) = meet(session, &arrived, &rows)?;
    let met = |verdict| -> Vec<i64> {
        let met = meetings.iter().filter(|meeting| verdicts[index(meeting.position)] == verdict);
        met.map(|meeting| meeting.row_id).collect()
    };
    let of = |verdict| verdicts.iter().filter(|found| **found == verdict).count() as u64;
    counts.inserted += of(Verdict::New);
    counts.updated += of(Verdict::Changed);
    counts.unchanged += of(Verdict::Unchanged);
    if of(Verdict::Changed) > 0 {
        let changed = Rows::numbers(ROW_ID, met(Verdict::Changed));
        session.execute(changed, &statements::delete_rows(place))?;
    }
    if of(Verdict::Unchanged) > 0 {
        let unchanged = Rows::numbers(ROW_ID, met(Verdict::Unchanged));
        session.execute(unchanged, &statements::touch_rows(place, synced_at))?;
    }
    let written: Vec<i64> = (0..)
        .zip(&verdicts)
        .filter(|(_, verdict)| **verdict != Verdict::Unchanged)
        .map(|(position, _)| position)
        .collect();
    if !written.is_empty() {
        session.execute(rows.at(&written), &insert)?;
    }
    Ok(())
}

fn is_empty(session: Session<'_>, place: Place<'_>) -> duckdb::Result<bool> {
    let held: u64 =
        session.connection.query_row(&statements::count_rows(place), [], |row| row.get(0))?;
    Ok(held == 0)
}

/// Every meeting, and the verdict on each incoming row.
fn meet(
    session: Session<'_>,
    arrived: &Arrived<'_, Dialect>,
    rows: &Rows,
) -> duckdb::Result<(Vec<Meeting>, Vec<Verdict>)> {
    let mut verdicts = vec![Verdict::New; rows.count()];
    let mut meetings = Vec::new();
    let positioned = rows.clone().with(POSITION, (0..).take(rows.count()).collect());
    let matched = session.query(positioned, &statements::match_rows(arrived))?;
    for batch in &matched {
        let row_ids = batch.column(0).as_primitive::<Int64Type>().values();
        let positions = batch.column(1).as_primitive::<Int64Type>().values();
        let differs = batch.column(2).as_boolean();
        for (row, (row_id, position)) in row_ids.iter().zip(positions).enumerate() {
            meetings.push(Meeting { row_id: *row_id, position: *position });
            let verdict = &mut verdicts[index(*position)];
            // A key that is held twice was written by hand: both go, and one comes.
            *verdict = if *verdict == Verdict::New && !differs.value(row) {
                Verdict::Unchanged
            } else {
                Verdict::Changed
            };
        }
    }
    drop(matched);
    let is_hidden =
        |name: &str, column_type| arrived.is_payload(name) && !statements::is_telling(column_type);
    if arrived.columns.iter().any(|(name, column_type)| is_hidden(name, *column_type)) {
        let compare = statements::compare_rows(arrived);
        let mut undecided: Vec<Meeting> = meetings
            .iter()
            .filter(|meeting| verdicts[index(meeting.position)] == Verdict::Unchanged)
            .copied()
            .collect();
        // By row id, each slice reads its own part of the table.
        undecided.sort_unstable_by_key(|meeting| meeting.row_id);
        for slice in undecided.chunks(COMPARED_ROWS_MAX) {
            let positions: Vec<i64> = slice.iter().map(|meeting| meeting.position).collect();
            let row_ids = slice.iter().map(|meeting| meeting.row_id).collect();
            let slice = rows.at(&positions).with(POSITION, positions).with(ROW_ID, row_ids);
            for batch in session.query(slice, &compare)? {
                for position in batch.column(0).as_primitive::<Int64Type>().values() {
                    verdicts[index(*position)] = Verdict::Changed;
                }
            }
        }
    }
    Ok((meetings, verdicts))
}

fn index(position: i64) -> usize {
    usize::try_from(position).expect("positions count from 0")
}
