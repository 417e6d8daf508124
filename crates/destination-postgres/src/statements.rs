//! SQL text, as pure functions of tables, columns and moments.
//!
//! Rows that arrive are in a temporary table with the columns `c0`, `c1`, … in the order of the batch,
//! and are called `incoming`. The table that the statement is about is called `held`.

use engine::{ColumnType, PrimaryKey, SchemaChange, Table, system_columns};
use sha2::{Digest, Sha256};

use crate::widening;

mod adopting;
mod versions;

pub(crate) use adopting::{
    FIND_COLUMNS, FIND_KEYS, adopt_table, count_doubles, integer_digits, last_synced,
};
use sql::Arrived;
pub(crate) use sql::identifier;
pub(crate) use versions::{end_history, remove_deleted, start_history};

/// Where a table is in the database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) table: &'a str,
}

impl Place<'_> {
    pub(crate) fn quoted(self) -> String {
        format!("{}.{}", identifier(self.namespace), identifier(self.table))
    }
}

/// Postgres as [`sql`] writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect;

impl sql::Dialect for Dialect {
    fn before(self, instant: &str) -> String {
        format!("{instant} - interval '{} microseconds'", system_columns::VERSION_GAP_MICROS)
    }

    fn as_instant(self, value: &str, kind: ColumnType) -> String {
        if kind == ColumnType::Instant {
            return value.to_owned();
        }
        format!("{value}::timestamp AT TIME ZONE 'UTC'")
    }

    /// JSON has no equality of its own; equal is what is written the same.
    fn compared(self, value: String, kind: ColumnType) -> String {
        if kind == ColumnType::Json { format!("{value}::text") } else { value }
    }
}

/// An instant as microseconds since 1970, exactly.
pub(crate) fn micros(column: &str) -> String {
    format!(
        "(date_part('epoch', date_trunc('second', {column}))::bigint * 1000000 + date_part('microseconds', {column})::bigint % 1000000)"
    )
}

/// The first key of our advisory locks; the second says which.
const LOCK_CLASS: i32 = 0x6861_736d;
/// How long a lock is waited for, when the user has set nothing.
const LOCK_WAIT: &str = "30s";

/// Begins a transaction in which nothing depends on settings of the user, and holds the lock of the
/// connection: of two engines one waits, and neither waits for the other.
pub(crate) fn begin(connection_name: &str) -> String {
    format!(
        "BEGIN; \
         SET LOCAL search_path = pg_catalog; \
         SET LOCAL client_min_messages = warning; \
         SET LOCAL datestyle = 'ISO, YMD'; \
         SET LOCAL timezone = 'UTC'; \
         SET LOCAL extra_float_digits = 1; \
         SET LOCAL standard_conforming_strings = on; \
         SET LOCAL row_security = off; \
         SELECT set_config('lock_timeout', '{LOCK_WAIT}', true) \
         WHERE current_setting('lock_timeout') = '0'; \
         {}",
        lock(&format!("connection {connection_name}"))
    )
}

/// Begins to read, all of it as it was at one moment.
pub(crate) const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
     SET LOCAL search_path = pg_catalog; SET LOCAL row_security = off";

/// Begins to read a table, as many rows at a time as are asked for.
pub(crate) fn declare_rows(place: Place<'_>, columns: &[(String, ColumnType)]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| identifier(&column.0)).collect();
    format!(
        "DECLARE hasmore_rows NO SCROLL CURSOR FOR SELECT {} FROM {}",
        columns.join(", "),
        place.quoted()
    )
}

pub(crate) fn fetch_rows(rows_max: u32) -> String {
    format!("FETCH {rows_max} FROM hasmore_rows")
}

pub(crate) const CLOSE_ROWS: &str = "CLOSE hasmore_rows";

/// Held until the end of the transaction.
pub(crate) fn lock(what: &str) -> String {
    let [a, b, c, d, ..] = *Sha256::digest(what.as_bytes()) else {
        unreachable!("a SHA-256 has 32 bytes")
    };
    format!("SELECT pg_advisory_xact_lock({LOCK_CLASS}, {})", i32::from_be_bytes([a, b, c, d]))
}

/// The types of section 5.4, as Postgres itself prints them.
pub(crate) fn sql_type(column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Boolean => "boolean".to_owned(),
        ColumnType::Long => "bigint".to_owned(),
        ColumnType::Decimal { scale } => format!("numeric(38,{scale})"),
        ColumnType::Double => "double precision".to_owned(),
        ColumnType::LocalDate => "date".to_owned(),
        ColumnType::LocalDateTime => "timestamp without time zone".to_owned(),
        ColumnType::Instant => "timestamp with time zone".to_owned(),
        ColumnType::String => "text".to_owned(),
        // Not jsonb, which would drop digits, order and repeated names.
        ColumnType::Json => "json".to_owned(),
    }
}

pub(crate) fn create_schema(namespace: &str) -> String {
    format!("CREATE SCHEMA {}", identifier(namespace))
}

/// Without its key, which is cheaper to make when the first rows are in.
pub(crate) fn create_table(place: Place<'_>, table: &Table) -> String {
    let columns: Vec<String> = table
        .all_columns()
        .into_iter()
        .map(|(name, column_type)| {
            // Rows written by hand are live, like ours.
            let default = if name == system_columns::DELETED { " DEFAULT FALSE" } else { "" };
            format!("{} {}{default}", identifier(&name), sql_type(column_type))
        })
        .collect();
    format!("CREATE TABLE {} ({})", place.quoted(), columns.join(", "))
}

/// The columns of which no two rows of a table have the same values, with their types.
pub(crate) fn unique_of(table: &Table) -> Vec<(String, ColumnType)> {
    let columns = table.all_columns();
    let typed = |name: &str| {
        let column = columns.iter().find(|column| column.0 == name);
        column.expect("a table has the columns of its key").clone()
    };
    table.unique_columns().into_iter().map(typed).collect()
}

/// The columns of a table's key with their types; none where every row is new (Dec-42).
pub(crate) fn key_of(
    primary_key: &PrimaryKey,
    columns: &[(String, ColumnType)],
) -> Vec<(String, ColumnType)> {
    if *primary_key == PrimaryKey::BatchIndex {
        return Vec::new();
    }
    let key_type = |name: &str| {
        let column = columns.iter().find(|column| column.0 == name);
        column.expect("a table has the columns of its key").clone()
    };
    system_columns::key_columns(primary_key).into_iter().map(key_type).collect()
}

/// The key's primary key or, since JSON cannot be ordered, an index over the text of its columns.
pub(crate) fn add_key(place: Place<'_>, key: &[(String, ColumnType)]) -> String {
    if has_json(key) {
        format!("CREATE UNIQUE INDEX ON {} ({})", place.quoted(), key_terms(key))
    } else {
        format!("ALTER TABLE {} ADD PRIMARY KEY ({})", place.quoted(), key_terms(key))
    }
}

fn has_json(key: &[(String, ColumnType)]) -> bool {
    key.iter().any(|(_, column_type)| *column_type == ColumnType::Json)
}

/// What a row is told by: as an index has it, and as ON CONFLICT names that index.
fn key_terms(key: &[(String, ColumnType)]) -> String {
    let term = |(name, column_type): &(String, ColumnType)| match column_type {
        ColumnType::Json => format!("({}::text)", identifier(name)),
        _ => identifier(name),
    };
    key.iter().map(term).collect::<Vec<_>>().join(", ")
}

/// The name of a table's primary key.
pub(crate) const FIND_PRIMARY_KEY: &str = "SELECT conname FROM pg_constraint \
     WHERE contype = 'p' AND conrelid = (SELECT c.oid FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)";

pub(crate) fn drop_constraint(place: Place<'_>, constraint: &str) -> String {
    format!("ALTER TABLE {} DROP CONSTRAINT {}", place.quoted(), identifier(constraint))
}

/// Steps of one table in one statement: its rows are rewritten once.
pub(crate) fn alter_table(place: Place<'_>, steps: &[&SchemaChange]) -> String {
    let steps: Vec<String> = steps.iter().map(|step| alter_step(step)).collect();
    format!("ALTER TABLE {} {}", place.quoted(), steps.join(", "))
}

fn alter_step(step: &SchemaChange) -> String {
    match step {
        SchemaChange::CreateTable { .. }
        | SchemaChange::StartHistory { .. }
        | SchemaChange::EndHistory { .. }
        | SchemaChange::RemoveDeleted { .. } => {
            unreachable!("a table is created whole, and its mode is switched by itself")
        }
        SchemaChange::AddColumn { column, column_type, .. } => {
            format!("ADD COLUMN {} {}", identifier(column), sql_type(*column_type))
        }
        SchemaChange::WidenColumn { column, from, to, .. } => {
            let column = identifier(column);
            let value = widening::expression(&column, *from, *to);
            format!("ALTER COLUMN {column} TYPE {} USING {value}", sql_type(*to))
        }
        // Rows that are there are live (Dec-43).
        SchemaChange::AddSoftDeletes { .. } => {
            format!("ADD COLUMN {} boolean DEFAULT FALSE", identifier(system_columns::DELETED))
        }
    }
}

/// A table that was made anew takes the place of another, or goes.
pub(crate) fn replace_table(made: Place<'_>, table: Option<Place<'_>>) -> String {
    let drop = |place: Place<'_>| format!("DROP TABLE {}", place.quoted());
    match table {
        // One that was dropped by hand is made anew so.
        Some(place) => format!(
            "DROP TABLE IF EXISTS {}; ALTER TABLE {} RENAME TO {}",
            place.quoted(),
            made.quoted(),
            identifier(place.table)
        ),
        None => drop(made),
    }
}

/// Kind, columns and types of what has one of some names; without columns, their name is NULL.
pub(crate) const DESCRIBE: &str = "SELECT c.relname::text, a.attname::text, \
     format_type(a.atttypid, a.atttypmod), c.relkind IN ('r', 'p') \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
     WHERE n.nspname = $1 AND c.relname = ANY($2)";

pub(crate) fn count_rows(place: Place<'_>) -> String {
    format!("SELECT count(*) FROM {}", place.quoted())
}

pub(crate) fn is_empty(place: Place<'_>) -> String {
    format!("SELECT NOT EXISTS (SELECT FROM {})", place.quoted())
}

/// The column that counts rows which arrive, where they are counted.
pub(crate) const PLACE: &str = "place";

/// The columns of rows that arrive, and what is looked at in them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming<'a> {
    /// The number of the temporary table in its transaction.
    pub(crate) number: usize,
    /// Name and type of `c0`, `c1`, ….
    pub(crate) columns: &'a [(String, ColumnType)],
    pub(crate) soft_deletes: bool,
}

impl Incoming<'_> {
    pub(crate) fn name(self) -> String {
        format!("pg_temp.hasmore_incoming_{}", self.number)
    }

    /// The rows as the statements of [`sql`] read them; `rows` is [`Incoming::name`].
    pub(crate) fn arrived<'a>(
        &'a self,
        table: &'a str,
        rows: &'a str,
        keys: &'a [&'a str],
    ) -> Arrived<'a, Dialect> {
        let Incoming { columns, soft_deletes, .. } = *self;
        Arrived { dialect: Dialect, table, rows, columns, keys, soft_deletes }
    }

    /// The temporary table; it goes with the transaction.
    pub(crate) fn create(self) -> String {
        let columns = self.columns.iter().enumerate();
        let columns: Vec<String> = columns
            .map(|(index, (_, column_type))| format!("c{index} {}", sql_type(*column_type)))
            .collect();
        format!("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP", self.name(), columns.join(", "))
    }

    pub(crate) fn copy(self) -> String {
        format!("COPY {} FROM STDIN (FORMAT binary)", self.name())
    }

    /// The temporary table with one more column, [`PLACE`], that counts its rows from 1 as they come.
    pub(crate) fn create_counted(self) -> String {
        let columns = self.columns.iter().enumerate();
        let columns: Vec<String> = columns
            .map(|(index, (_, column_type))| format!("c{index} {}", sql_type(*column_type)))
            .collect();
        format!(
            "CREATE TEMPORARY TABLE {} ({}, {PLACE} bigint GENERATED ALWAYS AS IDENTITY) ON COMMIT DROP",
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

/// The rows straight into their table; those that it marks get its default.
pub(crate) fn copy_into(place: Place<'_>, columns: &[(String, ColumnType)]) -> String {
    let names: Vec<String> = columns.iter().map(|column| identifier(&column.0)).collect();
    format!("COPY {} ({}) FROM STDIN (FORMAT binary)", place.quoted(), names.join(", "))
}

/// Inserts rows whose key is new, and replaces those that differ in a column of the function's own, or
/// are marked as deleted; answers how many of each.
pub(crate) fn upsert(
    place: Place<'_>,
    incoming: Incoming<'_>,
    key: &[(String, ColumnType)],
) -> String {
    let mut names: Vec<String> =
        incoming.columns.iter().map(|column| identifier(&column.0)).collect();
    let mut values: Vec<String> =
        (0..incoming.columns.len()).map(|index| format!("incoming.c{index}")).collect();
    let deleted = identifier(system_columns::DELETED);
    let mut differs: Vec<String> = Vec::new();
    if incoming.soft_deletes {
        names.push(deleted.clone());
        values.push("FALSE".to_owned());
        differs.push(format!("held.{deleted} IS TRUE"));
    }
    let is_key = |name: &str| key.iter().any(|(key, _)| key == name);
    for (name, column_type) in incoming.columns {
        if is_key(name) || name.starts_with(system_columns::RESERVED_PREFIX) {
            continue;
        }
        let name = identifier(name);
        // JSON has no equality of its own; equal is what is written the same.
        let text = if *column_type == ColumnType::Json { "::text" } else { "" };
        differs.push(format!("held.{name}{text} IS DISTINCT FROM excluded.{name}{text}"));
    }
    let differs = if differs.is_empty() { "FALSE".to_owned() } else { differs.join(" OR ") };
    let columns =
        incoming.columns.iter().map(|column| column.0.as_str()).filter(|name| !is_key(name));
    let columns = columns.chain(incoming.soft_deletes.then_some(system_columns::DELETED));
    let set: Vec<String> =
        columns.map(|name| format!("{name} = excluded.{name}", name = identifier(name))).collect();
    format!(
        "WITH written AS (INSERT INTO {table} AS held ({names}) SELECT {values} FROM {rows} AS incoming \
         ON CONFLICT ({terms}) DO UPDATE SET {set} WHERE {differs} RETURNING held.xmax = 0 AS is_new) \
         SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM written",
        table = place.quoted(),
        names = names.join(", "),
        values = values.join(", "),
        rows = incoming.name(),
        terms = key_terms(key),
        set = set.join(", "),
    )
}

#[cfg(test)]
mod tests;
