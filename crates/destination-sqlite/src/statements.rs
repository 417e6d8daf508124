//! SQL text, as pure functions of tables, columns and moments.

use arrow_array::RecordBatch;
use engine::{
    ColumnType, PrimaryKey, Sweep, SweepVerb, Table, TableBatch, TableMode, Timestamp,
    system_columns,
};

use crate::rows;

/// What a table is called in the file: SQLite knows no schemas, so the table `orders` of the namespace
/// `shop` is `shop__orders`. `main`, SQLite's own name for the file, stands for no prefix.
pub fn table_name(namespace: &str, table: &str) -> String {
    if namespace == "main" { table.to_owned() } else { format!("{namespace}__{table}") }
}

/// Any name as an identifier: quoted always, so that reserved words and hostile names are ordinary
/// (F-152).
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) fn instant(moment: Timestamp) -> String {
    format!("'{}'", rows::moment(&moment.to_string()))
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

/// Whether a version in `held` is not the latest of its row.
pub(crate) fn is_older(table: &str, keys: &[&str]) -> String {
    let same = keys.iter().map(|key| format!("later.{0} = held.{0}", identifier(key)));
    let same = same.collect::<Vec<_>>().join(" AND ");
    format!(
        "EXISTS (SELECT 1 FROM {table} AS later WHERE {same} AND later._fivetran_start > held._fivetran_start)"
    )
}

/// What is filled into the templates of statements that bring one row each to a table. The row is bound to
/// `?1`, `?2`, … in the order of its columns; of a delete it is the key alone.
///
/// `{row}` says whether the row in `held` has the key of the one that arrives, `{differs}` whether they
/// differ in a column of the function's own; `{at}` is the moment of the batch, and `{before}` when a version
/// ends that another follows (F-210).
pub(crate) struct RowStatements(Vec<(&'static str, String)>);

/// Inserts a row; if its key is there, replaces it where it differs or was deleted; else stamps it.
pub(crate) const UPSERT: [&str; 3] = [
    "INSERT INTO {table} ({names}) VALUES ({values}) {if_new}",
    "UPDATE {table} AS held SET {set} WHERE {row} AND ({differs} OR {is_deleted})",
    "UPDATE {table} AS held SET _fivetran_synced = {at} WHERE {row}",
];
/// F-111: marks a row that is live, and stamps it even if it is not.
pub(crate) const MARK: [&str; 2] = [
    "UPDATE {table} AS held SET _fivetran_deleted = TRUE WHERE {row} AND _fivetran_deleted IS NOT TRUE",
    "UPDATE {table} AS held SET _fivetran_synced = {at} WHERE {row}",
];
/// F-112.
pub(crate) const REMOVE: [&str; 1] = ["DELETE FROM {table} AS held WHERE {row}"];
/// Versions that this sync has ended hold again, and those that it has made go. Then the current version
/// is stamped if it does not differ (F-213), and ended if it does (F-210); where none is left, one is made.
pub(crate) const VERSION: [&str; 5] = [
    "UPDATE {table} AS held SET _fivetran_active = TRUE, _fivetran_end = {max} \
     WHERE {row} AND _fivetran_start < {at} AND _fivetran_active IS NOT TRUE \
     AND (_fivetran_end = {at} OR (_fivetran_end = {before} AND EXISTS \
     (SELECT 1 FROM {table} AS held WHERE {row} AND _fivetran_start = {at})))",
    "DELETE FROM {table} AS held WHERE {row} AND _fivetran_start >= {at}",
    "UPDATE {table} AS held SET _fivetran_synced = {at} \
     WHERE {row} AND _fivetran_active AND NOT ({differs})",
    "UPDATE {table} AS held \
     SET _fivetran_active = FALSE, _fivetran_end = {before}, _fivetran_synced = {at} \
     WHERE {row} AND _fivetran_active AND ({differs})",
    "INSERT INTO {table} ({names}, _fivetran_active, _fivetran_start, _fivetran_end) \
     SELECT {values}, TRUE, {at}, {max} \
     WHERE NOT EXISTS (SELECT 1 FROM {table} AS held WHERE {row} AND _fivetran_active)",
];
/// Versions that say since when they hold, by a column of the source (Dec-66). One that a delete of this sync
/// has ended holds again; the one that begins at that moment is stamped or written over, or made; each ends
/// before the next begins, unless it had ended earlier.
pub(crate) const TIMED_VERSION: [&str; 5] = [
    "UPDATE {table} AS held SET _fivetran_active = TRUE, _fivetran_end = {max} WHERE {row} \
     AND _fivetran_active IS NOT TRUE AND _fivetran_end = max({at}, _fivetran_start)",
    "UPDATE {table} AS held \
     SET _fivetran_synced = {at}, _fivetran_active = TRUE, _fivetran_end = {max} \
     WHERE {row} AND _fivetran_start = {start} AND NOT ({differs})",
    "UPDATE {table} AS held SET {set}, _fivetran_active = TRUE, _fivetran_end = {max} \
     WHERE {row} AND _fivetran_start = {start} AND ({differs})",
    "INSERT INTO {table} ({names}, _fivetran_active, _fivetran_end) SELECT {values}, TRUE, {max} \
     WHERE NOT EXISTS (SELECT 1 FROM {table} AS held WHERE {row} AND _fivetran_start = {start})",
    "UPDATE {table} AS held SET _fivetran_active = FALSE, \
     _fivetran_end = min(held._fivetran_end, max(held._fivetran_start, \
     strftime('%Y-%m-%dT%H:%M:%f', substr(later.start, 1, 23), '-0.001 seconds') \
     || substr(later.start, 24))) \
     FROM (SELECT _fivetran_start AS start, lag(_fivetran_start) OVER (ORDER BY _fivetran_start) AS \
     previous FROM {table} AS held WHERE {row}) AS later \
     WHERE {row} AND held._fivetran_start = later.previous",
];
// Which is what the modifier of `strftime` takes off.
const _: () = assert!(system_columns::VERSION_GAP_MICROS == 1_000);
/// F-212: the current version ends, and no other follows.
pub(crate) const END_VERSION: [&str; 1] = ["UPDATE {table} AS held SET _fivetran_active = FALSE, \
    _fivetran_end = max({at}, _fivetran_start) WHERE {row} AND _fivetran_active"];

impl RowStatements {
    pub(crate) fn of(
        table: &str,
        batch: &TableBatch,
        rows: &RecordBatch,
        at: Timestamp,
    ) -> RowStatements {
        let keyless = *batch.primary_key() == PrimaryKey::BatchIndex;
        let keys = if keyless { Vec::new() } else { batch.key_columns() };
        let list = |words: &[String]| words.join(", ");
        let (mut names, mut values, mut same) = (Vec::new(), Vec::new(), Vec::new());
        let (mut held, mut arriving) = (Vec::new(), Vec::new());
        let mut start = "NULL".to_owned();
        for (field, number) in rows.schema_ref().fields().iter().zip(1..) {
            let (name, value) = (identifier(field.name()), format!("?{number}"));
            if keys.contains(&field.name().as_str()) {
                same.push(format!("held.{name} = {value}"));
            } else if !field.name().starts_with(system_columns::RESERVED_PREFIX) {
                held.push(format!("held.{name}"));
                arriving.push(value.clone());
            } else if field.name() == system_columns::START {
                start.clone_from(&value);
            }
            names.push(name);
            values.push(value);
        }
        // As a comparison of rows: one of so many columns joined by OR would be nested too deep.
        let differs = format!("({}) IS NOT ({})", list(&held), list(&arriving));
        let differs = if held.is_empty() { "FALSE".to_owned() } else { differs };
        let keys: Vec<String> = keys.iter().map(|name| identifier(name)).collect();
        let if_new = format!("ON CONFLICT ({}) DO NOTHING", list(&keys));
        let mut is_deleted = "FALSE";
        if batch.soft_deletes() && batch.mode() != TableMode::History {
            names.push(system_columns::DELETED.to_owned());
            values.push("FALSE".to_owned());
            is_deleted = "held._fivetran_deleted IS TRUE";
        }
        let set = names.iter().zip(&values).map(|(name, value)| format!("{name} = {value}"));
        let set: Vec<String> = set.collect();
        RowStatements(vec![
            ("table", table.to_owned()),
            ("names", list(&names)),
            ("values", list(&values)),
            ("set", list(&set)),
            ("row", if keyless { "FALSE".to_owned() } else { same.join(" AND ") }),
            ("if_new", if keyless { String::new() } else { if_new }),
            ("start", start),
            ("differs", differs),
            ("is_deleted", is_deleted.to_owned()),
            ("at", instant(at)),
            ("before", instant(Timestamp(at.0 - system_columns::VERSION_GAP_MICROS))),
            ("max", instant(system_columns::END_MAX)),
        ])
    }

    /// For statements that look at a table; `{value}` is what arrives in a column.
    pub(crate) fn looking(
        table: &str,
        batch: &TableBatch,
        rows: &RecordBatch,
        column: &str,
    ) -> RowStatements {
        let mut filled = RowStatements::of(table, batch, rows, system_columns::END_MAX);
        let value = |column: &str| {
            let index = rows.schema_ref().index_of(column);
            format!("?{}", index.expect("upserts have the columns of their table") + 1)
        };
        // Rows without a key of their own are found by the one that hasmore gave them.
        let same = batch.key_columns().into_iter();
        let same = same.map(|key| format!("held.{} = {}", identifier(key), value(key)));
        let row = same.collect::<Vec<_>>().join(" AND ");
        filled.0.retain(|(name, _)| *name != "row");
        filled.0.extend([("row", row), ("value", value(column))]);
        filled
    }

    /// In one pass: what is filled in may have any text.
    pub(crate) fn fill(&self, template: &str) -> String {
        let mut pieces = template.split('{');
        let mut filled = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}').expect("braces are in pairs");
            let found = self.0.iter().find(|(known, _)| *known == name);
            filled.push_str(&found.expect("templates name what there is").1);
            filled.push_str(rest);
        }
        filled
    }
}

/// A query of how many rows a sweep deletes and of how many, and the statement that deletes them: live
/// rows that were synced before a moment. Their `_fivetran_synced` stays (F-126).
pub(crate) fn sweep(table: &str, sweep: &Sweep, at: Timestamp) -> (String, String) {
    let (live, delete) = match sweep.verb {
        SweepVerb::Mark => (
            "_fivetran_deleted IS NOT TRUE",
            format!("UPDATE {table} SET _fivetran_deleted = TRUE"),
        ),
        SweepVerb::Remove => ("TRUE", format!("DELETE FROM {table}")),
        SweepVerb::Close => (
            "_fivetran_active",
            format!(
                "UPDATE {table} SET _fivetran_active = FALSE, _fivetran_end = max({}, _fivetran_start)",
                instant(at)
            ),
        ),
    };
    let unseen = format!("{live} AND _fivetran_synced < {}", instant(sweep.before));
    let count = format!("SELECT count(*) FILTER (WHERE {unseen}), count(*) FILTER (WHERE {live})");
    (format!("{count} FROM {table}"), format!("{delete} WHERE {unseen}"))
}
