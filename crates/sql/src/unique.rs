//! SQL that looks for values that two live rows have.

use engine::{TableMode, system_columns};

use crate::{Arrived, Dialect, identifier};

/// The rows that arrive, and the column of their table that must be unique.
#[derive(Clone, Copy, Debug)]
pub struct Unique<'a, D> {
    pub arrived: Arrived<'a, D>,
    pub mode: TableMode,
    pub column: &'a str,
    /// The column of the rows that tells their place, by a number.
    pub place: &'a str,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    /// Before the rows are written: the places of those whose key has the same value already.
    Kept,
    /// Afterwards: the places of the rows whose value another live row has, a number for each value, and how many
    /// rows have it that are not among those that arrived.
    Twins,
}

impl<D: Dialect> Unique<'_, D> {
    pub fn find(&self, look: Look) -> String {
        match look {
            Look::Kept => self.find_kept(),
            Look::Twins => self.find_twins(),
        }
    }

    fn is_live(&self) -> String {
        match self.mode {
            TableMode::History => format!("held.{}", identifier(system_columns::ACTIVE)),
            _ if self.arrived.soft_deletes => {
                format!("held.{} IS NOT TRUE", identifier(system_columns::DELETED))
            }
            _ => "TRUE".to_owned(),
        }
    }

    fn find_kept(&self) -> String {
        let Arrived { table, rows, .. } = self.arrived;
        let (held, value) = self.arrived.pair(self.column);
        format!(
            "SELECT incoming.{} FROM {table} AS held JOIN {rows} AS incoming ON {} \
             WHERE {held} = {value} AND {}",
            self.place,
            self.arrived.same(),
            self.is_live(),
        )
    }

    fn find_twins(&self) -> String {
        let Arrived { table, rows, .. } = self.arrived;
        let (held, value) = self.arrived.pair(self.column);
        format!(
            "SELECT place, number, others FROM (\
             SELECT incoming.{place} AS place, dense_rank() OVER (ORDER BY {held}) AS number, \
             count(*) FILTER (WHERE incoming.{place} IS NULL) OVER same AS others, \
             count(*) OVER same AS those \
             FROM {table} AS held LEFT JOIN {rows} AS incoming ON {} \
             WHERE {} AND {held} IN (SELECT {value} FROM {rows} AS incoming) \
             WINDOW same AS (PARTITION BY {held})) AS twins \
             WHERE those > 1 AND place IS NOT NULL",
            self.arrived.same(),
            self.is_live(),
            place = self.place,
        )
    }
}
