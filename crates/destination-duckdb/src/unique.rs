//! Columns of which no two live rows may have one value.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use engine::{DestinationError, TableBatch, Twin};
use sql::{Look, Unique};

use crate::failure;
use crate::rows::{POSITION, Rows};
use crate::session::Session;
use crate::statements::{self, Place};

/// The places of the upserts whose key had the same value before, by column.
pub(crate) type Kept = BTreeMap<String, BTreeSet<u64>>;

/// Looks before the rows are written which of them keep their value.
pub(crate) fn find_kept(
    session: Session<'_>,
    place: Place<'_>,
    table: &TableBatch,
) -> duckdb::Result<Kept> {
    let mut kept = Kept::new();
    for column in table.unique() {
        let keys = table.key_columns();
        let found = query(session, place, table, (column, &keys), Look::Kept)?;
        let places = found.iter().map(|found| found.place).collect();
        kept.insert(column.clone(), places);
    }
    Ok(kept)
}

/// Looks when everything is written whether a value is there twice.
pub(crate) fn check(
    session: Session<'_>,
    place: Place<'_>,
    table: &TableBatch,
    kept: &Kept,
) -> Result<(), DestinationError> {
    for column in table.unique() {
        let keys = table.upsert_key_columns();
        let twins = query(session, place, table, (column, &keys), Look::Twins);
        let twins = twins.map_err(|error| {
            failure::of(&error, &format!("comparing the values of column {column}"))
        })?;
        let had_it = |place| kept.get(column).is_some_and(|kept| kept.contains(&place));
        let twins: Vec<Twin> =
            twins.into_iter().map(|twin| Twin { had_it: had_it(twin.place), ..twin }).collect();
        table.check_unique(column, &twins)?;
    }
    Ok(())
}

fn query(
    session: Session<'_>,
    place: Place<'_>,
    table: &TableBatch,
    (column, keys): (&str, &[&str]),
    look: Look,
) -> duckdb::Result<Vec<Twin>> {
    let rows = Rows::all(table.columns(), table.upserts());
    if rows.count() == 0 {
        return Ok(Vec::new());
    }
    let rows = rows.clone().with(POSITION, (0..).take(rows.count()).collect());
    let (quoted, mode) = (place.quoted(), table.mode());
    let arrived = statements::arrived(&quoted, table.columns(), keys, table.soft_deletes());
    let unique = Unique { arrived, mode, column, place: POSITION };
    let mut twins = Vec::new();
    for batch in session.query(rows, &unique.find(look))? {
        let number = |column: usize, row: usize| {
            let Some(numbers) = batch.columns().get(column) else { return 0 };
            numbers.as_primitive::<Int64Type>().value(row).unsigned_abs()
        };
        let is_held =
            |row: usize| batch.columns().get(2).is_some_and(|held| held.as_boolean().value(row));
        twins.extend((0..batch.num_rows()).map(|row| Twin {
            place: number(0, row),
            group: number(1, row),
            is_held: is_held(row),
            had_it: false,
        }));
    }
    Ok(twins)
}
