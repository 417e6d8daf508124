//! Tables of versions that say since when they hold, by a column of the source (Dec-66).
//!
//! What is left depends on the versions that were sent, each with the last word on it, and not on their order:
//! one that comes late finds its place among the others.

use engine::{Timestamp, system_columns};

use crate::{Arrived, Dialect, history_columns, identifier};

impl<D: Dialect> Arrived<'_, D> {
    pub(crate) fn timed(&self, at: Timestamp) -> [String; 5] {
        let Arrived { dialect, table, rows, .. } = *self;
        let [active, start, end] = history_columns();
        let synced = identifier(system_columns::SYNCED);
        let (same, differs) = (self.same(), self.differs());
        let version: Vec<&str> = self.keys.iter().copied().chain([system_columns::START]).collect();
        let version = self.equal(&version);
        let (max, at) = (dialect.instant(system_columns::END_MAX), dialect.instant(at));
        let ended = dialect.greatest(&at, &format!("held.{start}"));
        let (names, values) = self.names_and_values();
        [
            // Versions that a delete of this sync has ended hold again: their row is sent once more.
            format!(
                "UPDATE {table} AS held SET {active} = TRUE, {end} = {max} FROM {rows} AS incoming \
                 WHERE {same} AND held.{active} IS NOT TRUE AND held.{end} = {ended}"
            ),
            // Those that were sent again as they are get a stamp.
            format!(
                "UPDATE {table} AS held SET {synced} = {at}, {active} = TRUE, {end} = {max} \
                 FROM {rows} AS incoming WHERE {version} AND NOT ({differs})"
            ),
            // Those that were sent again with other values go.
            self.delete_where(&format!("{version} AND ({differs})")),
            // What is not there is written.
            format!(
                "INSERT INTO {table} ({}, {active}, {end}) SELECT {}, TRUE, {max} \
                 FROM {rows} AS incoming \
                 WHERE NOT EXISTS (SELECT 1 FROM {table} AS held WHERE {version})",
                names.join(", "),
                values.join(", "),
            ),
            self.chain(),
        ]
    }

    /// Each version ends before the next of its key begins, unless it had ended before.
    fn chain(&self) -> String {
        let Arrived { dialect, table, rows, .. } = *self;
        let [active, start, end] = history_columns();
        let pairs = self.keys.iter().map(|key| self.pair(key));
        let (key, sent): (Vec<String>, Vec<String>) = pairs.unzip();
        let (key, sent) = (key.join(", "), sent.join(", "));
        let names = self.keys.iter().map(|key| identifier(key)).collect::<Vec<_>>().join(", ");
        let before = dialect.greatest(&format!("held.{start}"), &dialect.before("later.next"));
        let ended = dialect.least(&format!("held.{end}"), &before);
        format!(
            "UPDATE {table} AS held SET {active} = FALSE, {end} = {ended} FROM (\
             SELECT {names}, {start}, lead({start}) OVER (PARTITION BY {key} ORDER BY {start}) AS next \
             FROM {table} AS held WHERE ({key}) IN (SELECT {sent} FROM {rows} AS incoming)) AS later \
             WHERE {} AND held.{start} = later.{start} AND later.next IS NOT NULL \
             AND (held.{active} OR held.{end} > {before})",
            self.same_key("held", "later"),
        )
    }
}
