//! SQL that looks for values that two live rows have.

use engine::{ColumnType, TableMode, system_columns};

use super::{Incoming, Place, identifier, sql_type};

/// The rows that arrive, and the column of their table that must be unique.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unique<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) incoming: Incoming<'a>,
    pub(crate) keys: &'a [(String, ColumnType)],
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

    /// The column's value in a row that is there, and in one that arrives. JSON has no equality of its own.
    fn values(self) -> (String, String) {
        let index = self.incoming.index(self.column);
        let is_json = self.incoming.columns[index].1 == ColumnType::Json;
        let text = if is_json { "::text" } else { "" };
        (format!("held.{}{text}", identifier(self.column)), format!("incoming.c{index}{text}"))
    }
}

impl Incoming<'_> {
    /// The temporary table with one more column, `place`, that counts its rows from 1 as they come.
    pub(crate) fn create_counted(self) -> String {
        let columns = self.columns.iter().enumerate();
        let columns: Vec<String> = columns
            .map(|(index, (_, column_type))| format!("c{index} {}", sql_type(*column_type)))
            .collect();
        format!(
            "CREATE TEMPORARY TABLE {} ({}, place bigint GENERATED ALWAYS AS IDENTITY) ON COMMIT DROP",
            self.name(),
            columns.join(", ")
        )
    }

    pub(crate) fn copy_counted(self) -> String {
        let columns: Vec<String> =
            (0..self.columns.len()).map(|index| format!("c{index}")).collect();
        format!("COPY {} ({}) FROM STDIN (FORMAT binary)", self.name(), columns.join(", "))
    }
}

/// The places of the rows whose key has the same value already.
pub(crate) fn find_kept(unique: Unique<'_>) -> String {
    let Unique { place, incoming, keys, .. } = unique;
    let (held, value) = unique.values();
    format!(
        "SELECT incoming.place FROM {} AS held JOIN {} AS incoming ON {} WHERE {held} = {value} AND {}",
        place.quoted(),
        incoming.name(),
        incoming.keys_equal(keys),
        unique.is_live(),
    )
}

/// The places of the rows whose value another live row has, a number for each value, and whether a row
/// has it that is not among those that arrived.
pub(crate) fn find_twins(unique: Unique<'_>) -> String {
    let Unique { place, incoming, keys, .. } = unique;
    let (held, value) = unique.values();
    format!(
        "SELECT place, number, is_held FROM (\
         SELECT incoming.place, dense_rank() OVER (ORDER BY {held}) AS number, \
         bool_or(incoming.place IS NULL) OVER same AS is_held, count(*) OVER same AS rows \
         FROM {} AS held LEFT JOIN {name} AS incoming ON {} \
         WHERE {} AND {held} IN (SELECT {value} FROM {name} AS incoming) \
         WINDOW same AS (PARTITION BY {held})) AS twins \
         WHERE rows > 1 AND place IS NOT NULL",
        place.quoted(),
        incoming.keys_equal(keys),
        unique.is_live(),
        name = incoming.name(),
    )
}
