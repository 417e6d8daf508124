//! Columns of which no two live rows may have one value.

use std::collections::{BTreeMap, BTreeSet};

use engine::{DestinationError, TableBatch, Twin};
use rusqlite::{Result, Row};
use sql::{Arrived, Look, Unique};

use crate::destination::{Sqlite, of};
use crate::statements::ROW_ID;

/// The places of the upserts whose key had the same value before, by column.
pub(crate) type Kept = BTreeMap<String, BTreeSet<u64>>;

impl Sqlite {
    /// Looks before the rows are written which of them keep their value.
    pub(crate) fn find_kept(&self, table: &TableBatch) -> Result<Kept> {
        let mut kept = Kept::new();
        for column in table.unique() {
            let keys = table.key_columns();
            let places =
                self.ask(table, (column, &keys), Look::Kept, |row| Ok(row.get::<_, u64>(0)? - 1))?;
            kept.insert(column.clone(), places.into_iter().collect());
        }
        Ok(kept)
    }

    /// Looks when everything is written whether a value is there twice.
    pub(crate) fn check_unique(
        &self,
        table: &TableBatch,
        kept: &Kept,
    ) -> std::result::Result<(), DestinationError> {
        for column in table.unique() {
            let keys = table.upsert_key_columns();
            let twin = |row: &Row<'_>| {
                let place = row.get::<_, u64>(0)? - 1;
                let had_it = kept[column].contains(&place);
                Ok(Twin { place, group: row.get(1)?, is_held: row.get(2)?, had_it })
            };
            let twins = self.ask(table, (column, &keys), Look::Twins, twin);
            let doing = format!("comparing the values of column {column}");
            table.check_unique(column, &twins.map_err(of(doing))?)?;
        }
        Ok(())
    }

    fn ask<T>(
        &self,
        table: &TableBatch,
        (column, keys): (&str, &[&str]),
        look: Look,
        row: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        self.arrived(table, table.columns(), &table.upserts(), |_, arrived| {
            let (arrived, mode) = (Arrived { keys, ..arrived }, table.mode());
            let unique = Unique { arrived, mode, column, place: ROW_ID };
            found = self
                .connection
                .prepare(&unique.find(look))?
                .query_map([], row)?
                .collect::<Result<_>>()?;
            Ok(())
        })?;
        Ok(found)
    }
}
