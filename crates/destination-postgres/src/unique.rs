//! Columns of which no two live rows may have one value.

use std::collections::BTreeSet;

use engine::{DestinationError, TableBatch, Twin};
use sql::{Look, Unique};
use tokio_postgres::{Client, Error};

use crate::failure;
use crate::rows;
use crate::statements::{Incoming, PLACE, Place};

/// The upserts of a table with such columns, staged with their places, and what was there before.
pub(crate) struct Staged<'a> {
    table: &'a TableBatch,
    place: Place<'a>,
    incoming: Incoming<'a>,
    /// The columns, with the places of the rows whose key had the same value before.
    columns: Vec<(&'a str, BTreeSet<u64>)>,
}

/// Stages the rows before they are written, and looks which of them keep their value.
pub(crate) async fn stage<'a>(
    client: &Client,
    place: Place<'a>,
    table: &'a TableBatch,
    number: usize,
) -> Result<Option<Staged<'a>>, Error> {
    let upserts = table.upserts();
    if table.unique().is_empty() || upserts.is_empty() {
        return Ok(None);
    }
    let (columns, soft_deletes) = (table.columns(), table.soft_deletes());
    let incoming = Incoming { number, columns, soft_deletes };
    client.batch_execute(&incoming.create_counted()).await?;
    rows::copy(client, &incoming.copy_counted(), &upserts).await?;
    let mut staged = Staged { table, place, incoming, columns: Vec::new() };
    for column in table.unique() {
        let keys = table.key_columns();
        let kept = staged.query(client, (column, &keys), Look::Kept).await?;
        let places = kept.iter().map(place_of).collect();
        staged.columns.push((column, places));
    }
    Ok(Some(staged))
}

impl Staged<'_> {
    /// Looks when everything is written whether a value is there twice.
    pub(crate) async fn check(&self, client: &Client) -> Result<(), DestinationError> {
        for (column, kept) in &self.columns {
            let keys = self.table.upsert_key_columns();
            let twins = self.query(client, (column, &keys), Look::Twins).await;
            let twins = twins.map_err(|error| {
                failure::of(&error, &format!("comparing the values of column {column}"))
            })?;
            let twin = |row: &tokio_postgres::Row| Twin {
                place: place_of(row),
                group: row.get::<_, i64>(1).unsigned_abs(),
                is_held: row.get::<_, i64>(2) > 0,
                had_it: kept.contains(&place_of(row)),
            };
            self.table.check_unique(column, &twins.iter().map(twin).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    async fn query(
        &self,
        client: &Client,
        (column, keys): (&str, &[&str]),
        look: Look,
    ) -> Result<Vec<tokio_postgres::Row>, Error> {
        let (quoted, rows, mode) = (self.place.quoted(), self.incoming.name(), self.table.mode());
        let arrived = self.incoming.arrived(&quoted, &rows, keys);
        let unique = Unique { arrived, mode, column, place: PLACE };
        client.query_typed(&unique.find(look), &[]).await
    }
}

/// From 0.
fn place_of(row: &tokio_postgres::Row) -> u64 {
    row.get::<_, i64>(0).unsigned_abs() - 1
}
