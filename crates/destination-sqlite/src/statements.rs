//! SQL text, as pure functions of tables, columns and moments.

use engine::{
    ColumnType, PrimaryKey, Sweep, SweepVerb, Table, TableBatch, TableMode, Timestamp,
    system_columns,
};

use crate::rows;

/// Where a table is in the file: SQLite knows no schemas, so the table `orders` of the namespace `shop`
/// is `shop__orders`. `main`, SQLite's own name for the file, stands for no prefix.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) table: &'a str,
}

impl Place<'_> {
    pub(crate) fn name(self) -> String {
        match self.namespace {
            "main" => self.table.to_owned(),
            namespace => format!("{namespace}__{}", self.table),
        }
    }

    pub(crate) fn quoted(self) -> String {
        identifier(&self.name())
    }
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

pub(crate) fn create_table(name: &str, table: &Table) -> String {
    let columns = table.all_columns().into_iter();
    let mut parts: Vec<String> = columns.map(|(name, kind)| column(&name, kind)).collect();
    let unique = table.unique_columns().into_iter().map(identifier).collect::<Vec<_>>().join(", ");
    if !unique.is_empty() {
        parts.push(format!("PRIMARY KEY ({unique})"));
    }
    format!("CREATE TABLE {} ({})", identifier(name), parts.join(", "))
}

/// Whether a version in `held` is not the latest of its row.
pub(crate) fn is_older(table: &str, keys: &[&str]) -> String {
    let same = keys.iter().map(|key| format!("later.{0} = held.{0}", identifier(key)));
    let same = same.collect::<Vec<_>>().join(" AND ");
    format!(
        "EXISTS (SELECT 1 FROM {table} AS later WHERE {same} AND later._fivetran_start > held._fivetran_start)"
    )
}

/// The statements that bring one row each to a table. The row is bound to `?1`, `?2`, … in the order of
/// its columns; of a delete it is the key alone.
///
/// In their text `{table}` is the table; `{row}` says whether the row in `held` has the key of the one that
/// arrives, `{key}` the same of a key that arrives alone; `{differs}` whether they differ in a column of the
/// function's own; `{at}` is the moment of the batch, and `{before}` when a version ends that another
/// follows (F-210).
pub(crate) struct RowStatements(Vec<(&'static str, String)>);

pub(crate) const INSERT: &str = "INSERT INTO {table} ({names}) VALUES ({values}) {if_new}";
pub(crate) const UPDATE: &str =
    "UPDATE {table} AS held SET {set} WHERE {row} AND ({differs} OR {is_deleted})";
pub(crate) const TOUCH: &str = "UPDATE {table} AS held SET _fivetran_synced = {at} WHERE {row}";
/// F-111: marked; answers how many were live.
pub(crate) const MARK: &str = "UPDATE {table} AS held SET _fivetran_deleted = TRUE \
    WHERE {key} AND _fivetran_deleted IS NOT TRUE";
/// F-111: stamped, whether live before or not.
pub(crate) const STAMP: &str = "UPDATE {table} AS held SET _fivetran_synced = {at} WHERE {key}";
/// F-112.
pub(crate) const REMOVE: &str = "DELETE FROM {table} AS held WHERE {key}";
/// Versions that this sync has ended hold again, as before it.
pub(crate) const REOPEN_VERSIONS: &str = "UPDATE {table} AS held \
    SET _fivetran_active = TRUE, _fivetran_end = {max} \
    WHERE {row} AND _fivetran_start < {at} AND _fivetran_active IS NOT TRUE \
    AND (_fivetran_end = {at} OR (_fivetran_end = {before} AND EXISTS \
    (SELECT 1 FROM {table} AS held WHERE {row} AND _fivetran_start = {at})))";
/// Versions that this sync has made go.
pub(crate) const REMOVE_VERSIONS: &str =
    "DELETE FROM {table} AS held WHERE {row} AND _fivetran_start >= {at}";
/// Stamps the current version of a row that was sent unchanged (F-213).
pub(crate) const TOUCH_VERSION: &str = "UPDATE {table} AS held SET _fivetran_synced = {at} \
    WHERE {row} AND _fivetran_active AND NOT ({differs})";
/// Ends the current version of a row that was sent with other values (F-210).
pub(crate) const CLOSE_VERSION: &str = "UPDATE {table} AS held \
    SET _fivetran_active = FALSE, _fivetran_end = {before}, _fivetran_synced = {at} \
    WHERE {row} AND _fivetran_active AND ({differs})";
/// Writes a current version of a row that has none.
pub(crate) const INSERT_VERSION: &str = "INSERT INTO {table} \
    ({names}, _fivetran_active, _fivetran_start, _fivetran_end) SELECT {values}, TRUE, {at}, {max} \
    WHERE NOT EXISTS (SELECT 1 FROM {table} AS held WHERE {row} AND _fivetran_active)";
/// F-212: the current version ends, and no other follows.
pub(crate) const END_VERSION: &str = "UPDATE {table} AS held \
    SET _fivetran_active = FALSE, _fivetran_end = {at} WHERE {key} AND _fivetran_active";

impl RowStatements {
    pub(crate) fn of(place: Place<'_>, batch: &TableBatch, at: Timestamp) -> RowStatements {
        let columns = || batch.columns().iter().map(|column| column.0.as_str()).zip(1..);
        let keys: Vec<&str> = match batch.primary_key() {
            PrimaryKey::BatchIndex => Vec::new(),
            _ => batch.key_columns(),
        };
        let is_own = |name: &str| {
            !keys.contains(&name) && !name.starts_with(system_columns::RESERVED_PREFIX)
        };
        let join = |words: Vec<String>, by: &str| words.join(by);
        let held = |name: &str, is: &str, number: usize| {
            format!("held.{} {is} ?{number}", identifier(name))
        };
        let row = columns().filter(|(name, _)| keys.contains(name));
        let row = row.map(|(name, number)| held(name, "=", number)).collect();
        let key = keys.iter().zip(1..).map(|(name, number)| held(name, "=", number)).collect();
        let differs = columns().filter(|(name, _)| is_own(name));
        let differs = differs.map(|(name, number)| held(name, "IS NOT", number));
        let differs = ["FALSE".to_owned()].into_iter().chain(differs).collect();
        let mut names: Vec<String> = columns().map(|(name, _)| identifier(name)).collect();
        let mut values: Vec<String> = columns().map(|(_, number)| format!("?{number}")).collect();
        let if_new = match keys.as_slice() {
            [] => String::new(),
            keys => {
                let keys = keys.iter().map(|name| identifier(name)).collect();
                format!("ON CONFLICT ({}) DO NOTHING", join(keys, ", "))
            }
        };
        let mut is_deleted = "FALSE";
        if batch.soft_deletes() && batch.mode() != TableMode::History {
            names.push(system_columns::DELETED.to_owned());
            values.push("FALSE".to_owned());
            is_deleted = "held._fivetran_deleted IS TRUE";
        }
        let set = names.iter().zip(&values).map(|(name, value)| format!("{name} = {value}"));
        RowStatements(vec![
            ("set", join(set.collect(), ", ")),
            ("names", join(names, ", ")),
            ("values", join(values, ", ")),
            ("row", join(row, " AND ")),
            ("key", join(key, " AND ")),
            ("differs", join(differs, " OR ")),
            ("table", place.quoted()),
            ("if_new", if_new),
            ("is_deleted", is_deleted.to_owned()),
            ("at", instant(at)),
            ("before", instant(Timestamp(at.0 - system_columns::VERSION_GAP_MICROS))),
            ("max", instant(system_columns::END_MAX)),
        ])
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
pub(crate) fn sweep(place: Place<'_>, sweep: &Sweep, at: Timestamp) -> (String, String) {
    let (table, before, at) = (place.quoted(), instant(sweep.before), instant(at));
    let (live, delete) = match sweep.verb {
        SweepVerb::Mark => (
            "_fivetran_deleted IS NOT TRUE",
            format!("UPDATE {table} SET _fivetran_deleted = TRUE"),
        ),
        SweepVerb::Remove => ("TRUE", format!("DELETE FROM {table}")),
        SweepVerb::Close => (
            "_fivetran_active",
            format!("UPDATE {table} SET _fivetran_active = FALSE, _fivetran_end = {at}"),
        ),
    };
    let unseen = format!("_fivetran_synced < {before}");
    let count =
        format!("SELECT count(*) FILTER (WHERE {unseen}), count(*) FROM {table} WHERE {live}");
    (count, format!("{delete} WHERE {unseen} AND {live}"))
}
