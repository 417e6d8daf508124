//! SQL that finds tables of other hands, and makes them ours.

use engine::{ColumnType, Table, system_columns};

use super::{Place, identifier, sql_type};

/// Table, name and type of each column of a schema's tables, in their order.
pub(crate) const FIND_COLUMNS: &str = "SELECT table_name, column_name, data_type FROM duckdb_columns() \
     JOIN duckdb_tables() USING (database_name, schema_name, table_name) \
     WHERE database_name = ? AND schema_name = ? ORDER BY table_name, column_index";

/// Table and column of each primary key of a schema.
pub(crate) const FIND_KEYS: &str = "SELECT table_name, unnest(constraint_column_names) \
     FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY' \
     AND database_name = ? AND schema_name = ?";

/// Digits before the point of the largest number of a column.
pub(crate) fn integer_digits(place: Place<'_>, column: &str) -> String {
    let column = identifier(column);
    format!(
        "SELECT coalesce(max(length(split_part(ltrim(CAST({column} AS VARCHAR), '-'), '.', 1))), 0) \
         FROM {}",
        place.quoted()
    )
}

/// When the latest row was synced, in microseconds since 1970.
pub(crate) fn last_synced(place: Place<'_>) -> String {
    let synced = identifier(system_columns::SYNCED);
    format!("SELECT coalesce(max(epoch_us({synced})), 0) FROM {}", place.quoted())
}

/// How many keys are there more than once, or lack a value.
pub(crate) fn count_doubles(place: Place<'_>, keys: &[&str]) -> String {
    let names: Vec<String> = keys.iter().map(|key| identifier(key)).collect();
    let lacking: Vec<String> = names.iter().map(|name| format!("{name} IS NULL")).collect();
    format!(
        "SELECT count(*) FROM (SELECT 1 FROM {} GROUP BY {} HAVING count(*) > 1 OR bool_or({}))",
        place.quoted(),
        names.join(", "),
        lacking.join(" OR ")
    )
}

/// The same rows in a table of our types, without constraints and indexes.
pub(crate) fn remake_table(place: Place<'_>, made: Place<'_>, table: &Table) -> String {
    let values = table.all_columns().into_iter().map(|(name, kind)| {
        let name = identifier(&name);
        match kind {
            // By its digits: a number of 32 bits has few, and would get more.
            ColumnType::Double => format!("CAST(CAST({name} AS VARCHAR) AS DOUBLE) AS {name}"),
            kind => format!("CAST({name} AS {}) AS {name}", sql_type(kind)),
        }
    });
    let values = values.collect::<Vec<_>>().join(", ");
    format!(
        "CREATE TABLE {made} AS SELECT {values} FROM {table}; {replace}",
        made = made.quoted(),
        table = place.quoted(),
        replace = super::replace_table(made, Some(place)),
    )
}
