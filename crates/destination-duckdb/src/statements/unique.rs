//! SQL that looks for values that two live rows have.

use engine::{TableMode, system_columns};

use super::{Incoming, Place, identifier};
use crate::rows;

/// The rows that arrive, and the column of their table that must be unique.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unique<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) incoming: Incoming<'a>,
    pub(crate) keys: &'a [&'a str],
    pub(crate) mode: TableMode,
    pub(crate) column: &'a str,
}

impl Unique<'_> {
    fn is_live(self) -> String {
        match self.mode {
            TableMode::History => format!("held.{}", identifier(system_columns::ACTIVE)),
            _ if self.incoming.soft_deletes => {
                format!("held.{} IS NOT TRUE", identifier(system_columns::DELETED))
            }
            _ => "TRUE".to_owned(),
        }
    }
}

/// The places of the rows whose key has the same value already.
pub(crate) fn find_kept(unique: Unique<'_>) -> String {
    let Unique { place, incoming, keys, column, .. } = unique;
    format!(
        "SELECT incoming.{} FROM {} AS held JOIN {}() AS incoming ON {} WHERE held.{} = incoming.c{} AND {}",
        rows::POSITION,
        place.quoted(),
        rows::FUNCTION,
        incoming.keys_equal(keys),
        identifier(column),
        incoming.index(column),
        unique.is_live(),
    )
}

/// The places of the rows whose value another live row has, a number for each value, and whether a row
/// has it that is not among those that arrived.
pub(crate) fn find_twins(unique: Unique<'_>) -> String {
    let Unique { place, incoming, keys, column, .. } = unique;
    format!(
        "SELECT place, number, is_held FROM (\
         SELECT incoming.{position} AS place, dense_rank() OVER (ORDER BY held.{column}) AS number, \
         bool_or(incoming.{position} IS NULL) OVER same AS is_held, count(*) OVER same AS rows \
         FROM {table} AS held LEFT JOIN {function}() AS incoming ON {keys} \
         WHERE {live} AND held.{column} IN (SELECT c{index} FROM {function}()) \
         WINDOW same AS (PARTITION BY held.{column})) \
         WHERE rows > 1 AND place IS NOT NULL",
        position = rows::POSITION,
        table = place.quoted(),
        function = rows::FUNCTION,
        keys = incoming.keys_equal(keys),
        live = unique.is_live(),
        index = incoming.index(column),
        column = identifier(column),
    )
}
