//! SQL that finds tables of other hands, and makes them ours.

use engine::{ColumnType, Table, system_columns};

use super::{Place, identifier, sql_type};

/// Table, name, type and whether it must have a value of each column of a schema's tables, in their order.
pub(crate) const FIND_COLUMNS: &str = "SELECT c.relname::text, a.attname::text, \
     format_type(a.atttypid, a.atttypmod), a.attnotnull \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY c.relname, a.attnum";

/// Table and column of each primary key of a schema.
pub(crate) const FIND_KEYS: &str = "SELECT c.relname::text, a.attname::text \
     FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey) \
     WHERE k.contype = 'p' AND n.nspname = $1";

/// Digits before the point of the largest number of a column.
pub(crate) fn integer_digits(place: Place<'_>, column: &str) -> String {
    let column = identifier(column);
    format!(
        "SELECT coalesce(max(length(split_part(ltrim({column}::text, '-'), '.', 1))), 0)::bigint FROM {}",
        place.quoted()
    )
}

/// When the latest row was synced, in microseconds since 1970.
pub(crate) fn last_synced(place: Place<'_>) -> String {
    let synced = identifier(system_columns::SYNCED);
    format!(
        "SELECT coalesce((extract(epoch FROM max({synced})) * 1000000)::bigint, 0) FROM {}",
        place.quoted()
    )
}

/// How many keys are there more than once, or lack a value.
pub(crate) fn count_doubles(place: Place<'_>, keys: &[&str]) -> String {
    let names: Vec<String> = keys.iter().map(|key| identifier(key)).collect();
    let lacking: Vec<String> = names.iter().map(|name| format!("{name} IS NULL")).collect();
    format!(
        "SELECT count(*) FROM (SELECT 1 FROM {} GROUP BY {} HAVING count(*) > 1 OR bool_or({})) AS doubles",
        place.quoted(),
        names.join(", "),
        lacking.join(" OR ")
    )
}

/// Brings columns, given with their types by name and whether they must have a value, to ours; none where
/// they are so already.
pub(crate) fn adopt_table(
    place: Place<'_>,
    table: &Table,
    found: &[(String, String, bool)],
) -> Option<String> {
    let keys = table.unique_columns();
    let mut steps = Vec::new();
    for (name, kind) in table.all_columns() {
        let Some((_, is, must)) = found.iter().find(|found| found.0 == name) else { continue };
        let (column, wanted) = (identifier(&name), sql_type(kind));
        if *is != wanted {
            let value = match kind {
                // By its digits: a number of 32 bits has few, and would get more.
                ColumnType::Double => format!("{column}::text::{wanted}"),
                _ => format!("{column}::{wanted}"),
            };
            steps.push(format!("ALTER COLUMN {column} TYPE {wanted} USING {value}"));
        }
        if *must && !keys.contains(&name.as_str()) {
            steps.push(format!("ALTER COLUMN {column} DROP NOT NULL"));
        }
    }
    (!steps.is_empty()).then(|| format!("ALTER TABLE {} {}", place.quoted(), steps.join(", ")))
}
