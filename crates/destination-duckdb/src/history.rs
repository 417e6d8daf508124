//! Tables that keep every version of their rows (F-210 to F-214).

use engine::{Counts, TableBatch, Timestamp};

use crate::rows::Rows;
use crate::session::Session;
use crate::statements::{self, Place};

/// Writes a version for each row that is new or changed, and ends the one before it.
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
    let arrived = statements::arrived(&quoted, table.columns(), &keys, false);
    let mut written = [0; 5];
    let statements = arrived.history(table.is_timed(), synced_at);
    for (statement, written) in statements.iter().zip(&mut written) {
        *written = session.execute(rows.clone(), statement)?;
    }
    counts.add(sql::history_counts(table.is_timed(), written));
    Ok(())
}
