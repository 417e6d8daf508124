//! Tables that keep every version of their rows (F-210 to F-214).
//!
//! What a sync leaves depends on the last word that it has on each key, however its pages are joined: what the
//! sync itself has made of a key so far is undone first, and made anew.

use engine::{Counts, Timestamp, system_columns};

use crate::{Arrived, Dialect, history_columns, identifier};

impl<D: Dialect> Arrived<'_, D> {
    /// Writes a version for each row that is new or changed, and ends the one before it: statements to run one
    /// after the other. [`history_counts`] says what they have done.
    pub fn history(&self, is_timed: bool, at: Timestamp) -> [String; 5] {
        if is_timed { self.timed(at) } else { self.versions(at) }
    }

    fn versions(&self, at: Timestamp) -> [String; 5] {
        let Arrived { dialect, table, rows, .. } = *self;
        let [active, start, end] = history_columns();
        let synced = identifier(system_columns::SYNCED);
        let (same, differs) = (self.same(), self.differs());
        // When a version ends that another follows (F-210).
        let before = dialect.instant(Timestamp(at.0 - system_columns::VERSION_GAP_MICROS));
        let (max, at) = (dialect.instant(system_columns::END_MAX), dialect.instant(at));
        let of_key = self.same_key("later", "held");
        let (names, values) = self.names_and_values();
        [
            // Versions that this sync has ended hold again, as before it.
            format!(
                "UPDATE {table} AS held SET {active} = TRUE, {end} = {max} FROM {rows} AS incoming \
                 WHERE {same} AND held.{start} < {at} AND held.{active} IS NOT TRUE \
                 AND (held.{end} = {at} OR (held.{end} = {before} AND EXISTS \
                 (SELECT 1 FROM {table} AS later WHERE {of_key} AND later.{start} = {at})))"
            ),
            // Versions that this sync has made go.
            self.delete_where(&format!("{same} AND held.{start} >= {at}")),
            // The current versions that were sent unchanged are stamped (F-213).
            format!(
                "UPDATE {table} AS held SET {synced} = {at} FROM {rows} AS incoming \
                 WHERE {same} AND held.{active} AND NOT ({differs})"
            ),
            // Those that were sent with other values end (F-210).
            format!(
                "UPDATE {table} AS held SET {active} = FALSE, {end} = {before}, {synced} = {at} \
                 FROM {rows} AS incoming WHERE {same} AND held.{active} AND ({differs})"
            ),
            // Every row that has no current version gets one.
            format!(
                "INSERT INTO {table} ({}, {active}, {start}, {end}) \
                 SELECT {}, TRUE, {at}, {max} FROM {rows} AS incoming \
                 WHERE NOT EXISTS (SELECT 1 FROM {table} AS held WHERE {same} AND held.{active})",
                names.join(", "),
                values.join(", "),
            ),
        ]
    }

    /// F-212: the current version ends, and no other follows.
    pub fn end_versions(&self, at: Timestamp) -> String {
        let Arrived { dialect, table, rows, .. } = *self;
        let [active, start, end] = history_columns();
        // The source may say that a version began later than the sync.
        let ended = dialect.greatest(&dialect.instant(at), &format!("held.{start}"));
        format!(
            "UPDATE {table} AS held SET {active} = FALSE, {end} = {ended} FROM {rows} AS incoming \
             WHERE {} AND held.{active}",
            self.same(),
        )
    }
}

/// What the statements of [`Arrived::history`] did, by how many rows each wrote.
pub fn history_counts(is_timed: bool, written: [u64; 5]) -> Counts {
    let [_, first, second, third, last] = written;
    let (unchanged, updated, new) =
        if is_timed { (first, second, third) } else { (second, third, last) };
    Counts { inserted: new.saturating_sub(updated), updated, unchanged, deleted: 0, swept: 0 }
}
