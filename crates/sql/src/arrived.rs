use engine::{ColumnType, Timestamp, system_columns};

use crate::{Dialect, identifier};

/// Rows that arrive for a table, or keys to delete, and what is looked at in them.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a, D> {
    pub dialect: D,
    /// The table, quoted.
    pub table: &'a str,
    /// What they are read from, as it stands after FROM.
    pub rows: &'a str,
    /// Name and type of `c0`, `c1`, ….
    pub columns: &'a [(String, ColumnType)],
    /// The columns that tell rows apart.
    pub keys: &'a [&'a str],
    /// Whether the table has a `_fivetran_deleted`; then every row that arrives is live (F-117).
    pub soft_deletes: bool,
}

impl<D: Dialect> Arrived<'_, D> {
    /// The number of a column. Rows have those of their key.
    fn index(&self, name: &str) -> usize {
        let index = self.columns.iter().position(|column| column.0 == name);
        index.expect("a row has the columns of its key")
    }

    /// A column of the rows that are there, and of those that arrive, as they are compared.
    pub(crate) fn pair(&self, name: &str) -> (String, String) {
        let index = self.index(name);
        let kind = self.columns[index].1;
        let held = self.dialect.compared(format!("held.{}", identifier(name)), kind);
        (held, self.dialect.compared(format!("incoming.c{index}"), kind))
    }

    /// Whether a held row has the values of an incoming one in some columns.
    pub(crate) fn equal(&self, names: &[&str]) -> String {
        let pairs = names.iter().map(|name| self.pair(name));
        let equal = pairs.map(|(held, incoming)| format!("{held} = {incoming}"));
        equal.collect::<Vec<_>>().join(" AND ")
    }

    /// Whether a held row has the key of an incoming one.
    pub fn same(&self) -> String {
        self.equal(self.keys)
    }

    /// Whether two rows of the table, under two names, have one key.
    pub(crate) fn same_key(&self, left: &str, right: &str) -> String {
        let value = |row: &str, name: &str| {
            let kind = self.columns[self.index(name)].1;
            self.dialect.compared(format!("{row}.{}", identifier(name)), kind)
        };
        let same = |name: &&str| format!("{} = {}", value(left, name), value(right, name));
        self.keys.iter().map(same).collect::<Vec<_>>().join(" AND ")
    }

    /// Whether a column is the function's own and not part of the key: one that can differ between two rows of
    /// one key.
    pub fn is_payload(&self, name: &str) -> bool {
        !self.keys.contains(&name) && !name.starts_with(system_columns::RESERVED_PREFIX)
    }

    /// Whether a held row differs from the incoming one in a column that can, and that `looked_at` chooses.
    pub fn differs_in(&self, looked_at: impl Fn(ColumnType) -> bool) -> String {
        let payload = self.columns.iter().filter(|column| self.is_payload(&column.0));
        let pairs = payload.filter(|column| looked_at(column.1)).map(|column| self.pair(&column.0));
        let pairs: Vec<_> = pairs.collect();
        if pairs.is_empty() { "FALSE".to_owned() } else { self.dialect.differs(&pairs) }
    }

    /// Whether a held row differs from the incoming one in a column that can.
    pub(crate) fn differs(&self) -> String {
        self.differs_in(|_| true)
    }

    /// The names of the columns that arrive, and their values.
    pub(crate) fn names_and_values(&self) -> (Vec<String>, Vec<String>) {
        let names = self.columns.iter().map(|column| identifier(&column.0)).collect();
        let values = (0..self.columns.len()).map(|index| format!("incoming.c{index}")).collect();
        (names, values)
    }

    /// The same, where a row is live and its table tells so.
    fn live_names_and_values(&self) -> (Vec<String>, Vec<String>) {
        let (mut names, mut values) = self.names_and_values();
        if self.soft_deletes {
            names.push(identifier(system_columns::DELETED));
            values.push("FALSE".to_owned());
        }
        (names, values)
    }

    /// Writes every row as a new one.
    pub fn insert(&self) -> String {
        let (names, values) = self.live_names_and_values();
        let (table, rows) = (self.table, self.rows);
        let (names, values) = (names.join(", "), values.join(", "));
        format!("INSERT INTO {table} ({names}) SELECT {values} FROM {rows} AS incoming")
    }

    /// Writes the rows whose key is not there.
    pub fn insert_new(&self) -> String {
        let (insert, table, same) = (self.insert(), self.table, self.same());
        format!("{insert} WHERE NOT EXISTS (SELECT 1 FROM {table} AS held WHERE {same})")
    }

    /// Replaces the rows whose key is there with other values, or that are marked as deleted.
    pub fn update(&self) -> String {
        let (names, values) = self.live_names_and_values();
        let set = names.iter().zip(values).map(|(name, value)| format!("{name} = {value}"));
        let set = set.collect::<Vec<_>>().join(", ");
        let deleted = identifier(system_columns::DELETED);
        let was =
            if self.soft_deletes { format!(" OR held.{deleted} IS TRUE") } else { String::new() };
        let (table, rows, same) = (self.table, self.rows, self.same());
        let differs = self.differs();
        format!(
            "UPDATE {table} AS held SET {set} FROM {rows} AS incoming WHERE {same} AND ({differs}{was})"
        )
    }

    /// Stamps the rows that were sent and have not been written.
    pub fn touch(&self, at: Timestamp) -> String {
        let (synced, at) = (identifier(system_columns::SYNCED), self.dialect.instant(at));
        let (table, rows, same) = (self.table, self.rows, self.same());
        format!(
            "UPDATE {table} AS held SET {synced} = {at} FROM {rows} AS incoming \
             WHERE {same} AND held.{synced} IS DISTINCT FROM {at}"
        )
    }

    /// How many of the keys name a row that is live.
    pub fn count_live(&self) -> String {
        let (table, rows, same) = (self.table, self.rows, self.same());
        let deleted = identifier(system_columns::DELETED);
        format!(
            "SELECT count(*) FROM {table} AS held JOIN {rows} AS incoming ON {same} \
             WHERE held.{deleted} IS NOT TRUE"
        )
    }

    /// F-111: marked and stamped, other columns kept.
    pub fn mark(&self, at: Timestamp) -> String {
        let (table, rows, same) = (self.table, self.rows, self.same());
        let [deleted, synced] = [system_columns::DELETED, system_columns::SYNCED].map(identifier);
        let at = self.dialect.instant(at);
        format!(
            "UPDATE {table} AS held SET {deleted} = TRUE, {synced} = {at} FROM {rows} AS incoming \
             WHERE {same}"
        )
    }

    /// F-112.
    pub fn remove(&self) -> String {
        self.delete_where(&self.same())
    }

    /// Deletes the held rows that some incoming row meets so.
    pub(crate) fn delete_where(&self, met: &str) -> String {
        self.dialect.delete(self.table, self.rows, met)
    }
}
