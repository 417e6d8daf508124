//! SQL text, as pure functions of tables, columns and moments.

use engine::{ColumnType, Table, Timestamp, system_columns};
pub(crate) use sql::identifier;

use crate::rows;

/// What a table is called in the file: SQLite knows no schemas, so the table `orders` of the namespace
/// `shop` is `shop__orders`. `main`, SQLite's own name for the file, stands for no prefix.
pub fn table_name(namespace: &str, table: &str) -> String {
    if namespace == "main" { table.to_owned() } else { format!("{namespace}__{table}") }
}

/// SQLite as [`sql`] writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect;

impl sql::Dialect for Dialect {
    fn instant(self, moment: Timestamp) -> String {
        format!("'{}'", rows::moment(&moment.to_string()))
    }

    /// The modifier takes off a thousand microseconds; the digits after the thousandths stay.
    fn before(self, instant: &str) -> String {
        const { assert!(system_columns::VERSION_GAP_MICROS == 1_000) };
        format!(
            "strftime('%Y-%m-%dT%H:%M:%f', substr({instant}, 1, 23), '-0.001 seconds') || substr({instant}, 24)"
        )
    }

    fn as_instant(self, value: &str, kind: ColumnType) -> String {
        match kind {
            ColumnType::LocalDate => format!("{value} || 'T00:00:00.000000Z'"),
            ColumnType::LocalDateTime => format!("{value} || 'Z'"),
            _ => value.to_owned(),
        }
    }

    fn least(self, left: &str, right: &str) -> String {
        format!("min({left}, {right})")
    }

    fn greatest(self, left: &str, right: &str) -> String {
        format!("max({left}, {right})")
    }

    /// As a comparison of rows: one of so many columns joined by OR would be nested too deep.
    fn differs(self, pairs: &[(String, String)]) -> String {
        let [held, incoming]: [Vec<&str>; 2] = [
            pairs.iter().map(|pair| &*pair.0).collect(),
            pairs.iter().map(|pair| &*pair.1).collect(),
        ];
        format!("({}) IS NOT ({})", held.join(", "), incoming.join(", "))
    }

    /// By the rows that arrive, not by those that are there.
    fn delete(self, table: &str, rows: &str, met: &str) -> String {
        format!(
            "DELETE FROM {table} WHERE {ROW_ID} IN (SELECT held.{ROW_ID} FROM {rows} AS incoming CROSS JOIN {table} AS held WHERE {met})"
        )
    }
}

/// SQLite's name for the row ids of any table. The engine calls no column so.
pub(crate) const ROW_ID: &str = "rowid";

/// Where rows are that arrive; their row ids count from 1.
pub(crate) const STAGED: &str = "temp.hasmore_incoming";

pub(crate) fn create_staged(columns: &[(String, ColumnType)]) -> String {
    let column = |(index, (_, kind)): (usize, &(String, ColumnType))| {
        format!("c{index} {}", sql_type(*kind))
    };
    let columns = columns.iter().enumerate().map(column).collect::<Vec<_>>().join(", ");
    format!("DROP TABLE IF EXISTS {STAGED}; CREATE TABLE {STAGED} ({columns})")
}

/// The declared types. SQLite only takes an affinity from them: those with `TEXT` in their name keep texts
/// as they are, where digits would else become a double.
pub(crate) fn sql_type(column_type: ColumnType) -> String {
    let name = match column_type {
        ColumnType::Boolean => "BOOLEAN",
        ColumnType::Long => "BIGINT",
        ColumnType::Decimal { scale } => return format!("DECIMAL_TEXT(38,{scale})"),
        ColumnType::Double => "DOUBLE",
        ColumnType::LocalDate => "DATE",
        ColumnType::LocalDateTime => "DATETIME",
        ColumnType::Instant => "TIMESTAMP",
        ColumnType::String => "TEXT",
        ColumnType::Json => "JSON_TEXT",
    };
    name.to_owned()
}

pub(crate) fn column(name: &str, column_type: ColumnType) -> String {
    // Rows written by hand are live, like ours.
    let default = if name == system_columns::DELETED { " DEFAULT 0" } else { "" };
    format!("{} {}{default}", identifier(name), sql_type(column_type))
}

pub(crate) fn create_table(quoted: &str, table: &Table) -> String {
    let columns = table.all_columns().into_iter();
    let mut parts: Vec<String> = columns.map(|(name, kind)| column(&name, kind)).collect();
    let unique = table.unique_columns().into_iter().map(identifier).collect::<Vec<_>>().join(", ");
    if !unique.is_empty() {
        parts.push(format!("PRIMARY KEY ({unique})"));
    }
    format!("CREATE TABLE {quoted} ({})", parts.join(", "))
}
