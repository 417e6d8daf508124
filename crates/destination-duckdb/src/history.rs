//! Tables that keep every version of their rows (F-210 to F-214).
//!
//! What a sync leaves depends on the last word that it has on each key, however its pages are joined: what
//! the sync itself has made of a key so far is undone first, and made anew.

use engine::{Counts, TableBatch, Timestamp};

use crate::rows::Rows;
use crate::session::Session;
use crate::statements::{self, Incoming, Place, Versions};

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
    let incoming = Incoming { columns: table.columns(), soft_deletes: false };
    let keys = table.key_columns();
    let versions = Versions { place, incoming, keys: &keys, at: synced_at };
    if table.is_timed() {
        session.execute(rows.clone(), &statements::reopen_timed(versions))?;
        let unchanged = session.execute(rows.clone(), &statements::touch_timed(versions))?;
        let updated = session.execute(rows.clone(), &statements::remove_timed(versions))?;
        let inserted = session.execute(rows.clone(), &statements::insert_timed(versions))?;
        session.execute(rows, &statements::chain_timed(versions))?;
        counts.unchanged += unchanged;
        counts.updated += updated;
        counts.inserted += inserted - updated;
        return Ok(());
    }
    session.execute(rows.clone(), &statements::reopen_versions(versions))?;
    session.execute(rows.clone(), &statements::remove_versions(versions))?;
    let unchanged = session.execute(rows.clone(), &statements::touch_versions(versions))?;
    let closed = session.execute(rows.clone(), &statements::close_versions(versions))?;
    let inserted = session.execute(rows, &statements::insert_versions(versions))?;
    counts.unchanged += unchanged;
    counts.updated += closed;
    counts.inserted += inserted - closed;
    Ok(())
}
