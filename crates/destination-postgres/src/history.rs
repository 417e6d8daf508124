//! Tables that keep every version of their rows (F-210 to F-214).

use engine::{Counts, TableBatch, Timestamp};
use tokio_postgres::{Client, Error};

use crate::landing::execute;
use crate::rows;
use crate::statements::{Incoming, Place};

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
    client.batch_execute(&incoming.create()).await?;
    rows::copy(client, &incoming.copy(), &upserts).await?;
    let (quoted, rows, keys) = (place.quoted(), incoming.name(), table.key_columns());
    let arrived = incoming.arrived(&quoted, &rows, &keys);
    let mut written = [0; 5];
    let statements = arrived.history(table.is_timed(), synced_at);
    for (statement, written) in statements.iter().zip(&mut written) {
        *written = execute(client, statement).await?;
    }
    counts.add(sql::history_counts(table.is_timed(), written));
    Ok(())
}
