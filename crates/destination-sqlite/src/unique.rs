//! Columns of which no two live rows may have one value.

use std::collections::{BTreeMap, BTreeSet};

use engine::{DestinationError, TableBatch, TableMode, Twin};
use rusqlite::Result;

use crate::destination::{Sqlite, of};
use crate::rows;
use crate::statements::{RowStatements, identifier};

/// SQLite's name for the row ids of any table. The engine calls no column so.
pub(crate) const ROW_ID: &str = "rowid";

/// The places of the upserts whose key had the same value before, by column.
pub(crate) type Kept = BTreeMap<String, BTreeSet<u64>>;

impl Sqlite {
    /// Looks before the rows are written which of them keep their value.
    pub(crate) fn find_kept(&self, table: &TableBatch) -> Result<Kept> {
        let mut kept = Kept::new();
        for column in table.unique() {
            let had_it = format!("held.{0} = {{value}}", identifier(column));
            let places = self.rows_held(table, column, &had_it)?.into_values().collect();
            kept.insert(column.clone(), places);
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
            let twins = self.twins(table, column, &kept[column]);
            let doing = format!("comparing the values of column {column}");
            table.check_unique(column, &twins.map_err(of(doing))?)?;
        }
        Ok(())
    }

    fn twins(&self, table: &TableBatch, column: &str, kept: &BTreeSet<u64>) -> Result<Vec<Twin>> {
        let (name, value, live) = (self.quoted(table.table()), identifier(column), live(table));
        let mut groups: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        let mut found = self.connection.prepare(&format!(
            "SELECT dense_rank() OVER (ORDER BY {value}), {ROW_ID} FROM {name} AS held \
             WHERE {live} AND {value} IN (SELECT {value} FROM {name} AS held \
             WHERE {live} AND {value} IS NOT NULL GROUP BY {value} HAVING count(*) > 1)"
        ))?;
        let mut found = found.query([])?;
        while let Some(row) = found.next()? {
            groups.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let version = if table.is_timed() { "_fivetran_start = {start}" } else { "TRUE" };
        let places = self.rows_held(table, column, version)?;
        let twins = groups.iter().flat_map(|(group, rows)| {
            let is_held = rows.iter().any(|row| !places.contains_key(row));
            let places = rows.iter().filter_map(|row| places.get(row).copied());
            places.map(move |place| Twin {
                place,
                group: *group,
                is_held,
                had_it: kept.contains(&place),
            })
        });
        Ok(twins.collect())
    }

    /// The live rows that have an upsert's key, with its place, where a condition holds.
    fn rows_held(
        &self,
        table: &TableBatch,
        column: &str,
        condition: &str,
    ) -> Result<BTreeMap<i64, u64>> {
        let (mut held, mut place) = (BTreeMap::new(), 0);
        for chunk in table.upserts() {
            let name = self.quoted(table.table());
            let filled = RowStatements::looking(&name, table, &chunk, column);
            let select = format!(
                "SELECT {ROW_ID} FROM {{table}} AS held WHERE {{row}} AND {} AND {condition}",
                live(table)
            );
            let mut statement = self.connection.prepare(&filled.fill(&select))?;
            let columns = rows::stored_columns(&chunk, table);
            for row in 0..chunk.num_rows() {
                rows::bind(&mut statement, &columns, row)?;
                let mut found = statement.raw_query();
                while let Some(row) = found.next()? {
                    held.insert(row.get(0)?, place);
                }
                place += 1;
            }
        }
        Ok(held)
    }
}

fn live(table: &TableBatch) -> &'static str {
    match table.mode() {
        TableMode::History => "held._fivetran_active",
        _ if table.soft_deletes() => "held._fivetran_deleted IS NOT TRUE",
        _ => "TRUE",
    }
}
