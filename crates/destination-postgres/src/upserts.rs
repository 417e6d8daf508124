//! Rows to insert, or to replace the row with the same key.

use engine::{Counts, PrimaryKey, TableBatch, Timestamp};
use tokio_postgres::{Client, Error};

use crate::rows;
use crate::statements::{self, Incoming, Place};

/// Writes the rows whose key is new, replaces those that changed, and stamps those that did not.
///
/// Into an empty table rows go straight, each key once. Else they are staged in a temporary table, and
/// merged in one statement by the key.
pub(crate) async fn write(
    client: &Client,
    place: Place<'_>,
    table: &TableBatch,
    incoming: Incoming<'_>,
    synced_at: Timestamp,
    counts: &mut Counts,
) -> Result<(), Error> {
    let upserts = table.upserts();
    let sent: u64 = upserts.iter().map(|rows| rows.num_rows() as u64).sum();
    if sent == 0 {
        return Ok(());
    }
    if *table.primary_key() == PrimaryKey::BatchIndex || is_empty(client, place).await? {
        let copy = statements::copy_into(place, table.columns());
        counts.inserted += rows::copy(client, &copy, &upserts).await?;
        return Ok(());
    }
    let key = statements::key_of(table.primary_key(), table.columns());
    client.batch_execute(&incoming.create()).await?;
    rows::copy(client, &incoming.copy(), &upserts).await?;
    let upsert = statements::upsert(place, incoming, &key);
    let written = client.query_typed_one(&upsert, &[]).await?;
    let number = |column| written.get::<_, i64>(column).unsigned_abs();
    let (inserted, updated) = (number(0), number(1));
    let unchanged = sent - inserted - updated;
    if unchanged > 0 {
        let (quoted, rows, keys) = (place.quoted(), incoming.name(), table.key_columns());
        let touch = incoming.arrived(&quoted, &rows, &keys).touch(synced_at);
        client.batch_execute(&touch).await?;
    }
    counts.inserted += inserted;
    counts.updated += updated;
    counts.unchanged += unchanged;
    Ok(())
}

async fn is_empty(client: &Client, place: Place<'_>) -> Result<bool, Error> {
    Ok(client.query_typed_one(&statements::is_empty(place), &[]).await?.get(0))
}
