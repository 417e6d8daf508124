//! Tables that keep every version of their rows (F-210 to F-214).
//!
//! What a sync leaves depends on the last word that it has on each key, however its pages are joined: what
//! the sync itself has made of a key so far is undone first, and made anew.

use engine::{Counts, TableBatch, Timestamp};
use tokio_postgres::{Client, Error};

use crate::landing::execute;
use crate::rows;
use crate::statements::{self, Incoming, Place, Versions};

/// Writes a version for each row that is new or changed, and ends the one before it.
pub(crate) async fn write(
    client: &Client,
    place: Place<'_>,
    table: &TableBatch,
    incoming: Incoming<'_>,
    synced_at: Timestamp,
    counts: &mut Counts,
) -> Result<(), Error> {
    let upserts = table.upserts();
    if upserts.is_empty() {
        return Ok(());
    }
    let keys = statements::key_of(table.primary_key(), table.columns());
    client.batch_execute(&incoming.create()).await?;
    rows::copy(client, &incoming.copy(), &upserts).await?;
    let versions = Versions { place, incoming, keys: &keys, at: synced_at };
    if table.is_timed() {
        execute(client, &statements::reopen_timed(versions)).await?;
        let unchanged = execute(client, &statements::touch_timed(versions)).await?;
        let updated = execute(client, &statements::remove_timed(versions)).await?;
        let inserted = execute(client, &statements::insert_timed(versions)).await?;
        execute(client, &statements::chain_timed(versions)).await?;
        counts.unchanged += unchanged;
        counts.updated += updated;
        counts.inserted += inserted - updated;
        return Ok(());
    }
    execute(client, &statements::reopen_versions(versions)).await?;
    execute(client, &statements::remove_versions(versions)).await?;
    let unchanged = execute(client, &statements::touch_versions(versions)).await?;
    let closed = execute(client, &statements::close_versions(versions)).await?;
    let inserted = execute(client, &statements::insert_versions(versions)).await?;
    counts.unchanged += unchanged;
    counts.updated += closed;
    counts.inserted += inserted - closed;
    Ok(())
}
