//! SQLite as a storage under test: a file of its own for each test.

use std::collections::BTreeMap;
use std::path::PathBuf;

use destination_sqlite::{Access, Sqlite};
use engine::ColumnType;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use simulation::cell::{Cell, array, texts};
use simulation::conformance::{Storage, StoredTable};
use tempfile::TempDir;

const NAMESPACE: &str = "shop";

pub(crate) struct SqliteFile {
    folder: TempDir,
}

impl SqliteFile {
    pub(crate) fn new() -> SqliteFile {
        SqliteFile { folder: TempDir::new().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("warehouse.sqlite")
    }

    /// A look at the file, as any other program has it.
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.path()).expect("the file opens")
    }
}

impl Storage for SqliteFile {
    type Destination = Sqlite;
    const JOINED_STORIES: u64 = 24;

    fn open(&self) -> Sqlite {
        Sqlite::open(&self.path(), "shop", NAMESPACE, Access::Write).expect("the file opens")
    }

    fn read(&self, table: &str) -> Option<StoredTable> {
        let connection = self.connect();
        let mut described =
            connection.prepare("SELECT name, type FROM pragma_table_info(?1)").expect("a query");
        let columns = described.query_map([name(table)], |row| {
            let declared: String = row.get(1)?;
            Ok((row.get(0)?, column_type(&declared), declared))
        });
        let columns: Vec<(String, Option<ColumnType>, String)> =
            columns.expect("columns").map(|column| column.expect("a name and a type")).collect();
        if columns.is_empty() {
            return None;
        }
        let mut statement =
            connection.prepare(&format!("SELECT * FROM {}", identifier(table))).expect("a query");
        let mut cells: Vec<Vec<Cell>> = vec![Vec::new(); columns.len()];
        let mut rows = statement.query([]).expect("the rows can be read");
        while let Some(row) = rows.next().expect("the rows can be read") {
            for (index, (_, kind, _)) in columns.iter().enumerate() {
                cells[index].push(cell(row.get_ref(index).expect("a value"), *kind));
            }
        }
        let count = cells.first().map_or(0, Vec::len);
        let mut stored =
            StoredTable { rows: vec![BTreeMap::new(); count], ..StoredTable::default() };
        for ((name, kind, declared), cells) in columns.into_iter().zip(cells) {
            let values = texts(&array(cells.iter(), kind.unwrap_or(ColumnType::String)));
            for (row, value) in stored.rows.iter_mut().zip(values) {
                row.insert(name.clone(), value);
            }
            stored.columns.insert(name, kind.map_or(declared, |kind| kind.to_string()));
        }
        Some(stored)
    }

    fn create_unmanaged(&self, table: &str) {
        let name = identifier(table);
        let statements = format!(
            "CREATE TABLE {name} (mine VARCHAR);
             INSERT INTO {name} VALUES ('a row of somebody else')"
        );
        self.connect().execute_batch(&statements).expect("the table can be made");
    }
}

fn name(table: &str) -> String {
    format!("{NAMESPACE}__{table}")
}

fn identifier(table: &str) -> String {
    format!("\"{}\"", name(table).replace('"', "\"\""))
}

/// A declared type as the engine's; `None` for one that it does not make.
fn column_type(declared: &str) -> Option<ColumnType> {
    Some(match declared {
        "BOOLEAN" => ColumnType::Boolean,
        "BIGINT" => ColumnType::Long,
        "DOUBLE" => ColumnType::Double,
        "DATE" => ColumnType::LocalDate,
        "DATETIME" => ColumnType::LocalDateTime,
        "TIMESTAMP" => ColumnType::Instant,
        "TEXT" => ColumnType::String,
        "JSON_TEXT" => ColumnType::Json,
        other => {
            let scale = other.strip_prefix("DECIMAL_TEXT(38,")?.strip_suffix(')')?;
            ColumnType::Decimal { scale: scale.parse().ok()? }
        }
    })
}

/// A value, which must be of just the storage class that its column's type is kept as.
fn cell(value: ValueRef<'_>, kind: Option<ColumnType>) -> Cell {
    match (kind, value) {
        (_, ValueRef::Null) => Cell::Null,
        (Some(ColumnType::Boolean), ValueRef::Integer(value @ (0 | 1))) => {
            Cell::Boolean(value == 1)
        }
        (Some(ColumnType::Long), ValueRef::Integer(value)) => Cell::Long(value),
        (Some(ColumnType::Double), ValueRef::Real(value)) => Cell::double(value),
        (Some(ColumnType::Decimal { scale }), ValueRef::Text(_)) => decimal(text(value), scale),
        (Some(ColumnType::LocalDate), ValueRef::Text(_)) => Cell::Date(days(text(value))),
        (Some(ColumnType::LocalDateTime), ValueRef::Text(_)) => Cell::Moment(micros(text(value))),
        (Some(ColumnType::Instant), ValueRef::Text(_)) => {
            Cell::Moment(micros(text(value).strip_suffix('Z').expect("an instant is in UTC")))
        }
        (Some(ColumnType::String | ColumnType::Json) | None, ValueRef::Text(_)) => {
            Cell::text(text(value))
        }
        (kind, value) => panic!("{value:?} in a column of {kind:?}"),
    }
}

fn text(value: ValueRef<'_>) -> &str {
    value.as_str().expect("texts are UTF-8")
}

fn decimal(digits: &str, scale: u8) -> Cell {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction:0<0$}", usize::from(scale));
    Cell::Decimal(digits.parse().expect("the digits of a decimal"))
}

/// Days since 1970-01-01 (<https://howardhinnant.github.io/date_algorithms.html#days_from_civil>).
fn days(date: &str) -> i32 {
    let number = |range: std::ops::Range<usize>| date[range].parse::<i32>().expect("a number");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Microseconds of `2026-01-31T12:00:00.000000`, all digits there.
fn micros(moment: &str) -> i64 {
    assert_eq!(moment.len(), 26, "{moment} has all its digits");
    let number = |range: std::ops::Range<usize>| moment[range].parse::<i64>().expect("a number");
    let seconds = i64::from(days(moment)) * 86_400
        + number(11..13) * 3600
        + number(14..16) * 60
        + number(17..19);
    seconds * 1_000_000 + number(20..26)
}
