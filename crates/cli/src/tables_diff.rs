//! Where the tables of two DuckDB files are not the same.

use std::path::PathBuf;

use engine::{PrimaryKey, Schema, Table, TableMode, system_columns};

/// The tables of one connection: a file, its schema in it, and what is known of its tables.
pub(crate) struct Side {
    pub(crate) file: PathBuf,
    pub(crate) namespace: String,
    pub(crate) schema: Schema,
}

/// What was found of one table. Rows are those of the destination, live and deleted.
#[derive(Debug, Default)]
pub(crate) struct TableDiff {
    pub(crate) table: String,
    /// What is not the same about its columns and its key.
    pub(crate) definition: Vec<String>,
    pub(crate) rows: [u64; 2],
    /// Rows, by their key where both tables have the same one, that only one of the two has.
    pub(crate) only: [u64; 2],
    /// Rows of both with another value in the column; only where there is a key.
    pub(crate) changed: Vec<(String, u64)>,
    /// Keys of rows that are not the same, a few.
    pub(crate) examples: Vec<String>,
}

impl TableDiff {
    pub(crate) fn is_same(&self) -> bool {
        self.definition.is_empty() && self.only == [0, 0] && self.changed.is_empty()
    }
}

/// What each sync makes anew, and so says nothing about the function.
const OF_THE_SYNC: [&str; 5] =
    ["_fivetran_synced", "_fivetran_batch", "_fivetran_index", "_fivetran_start", "_fivetran_end"];
const EXAMPLES_MAX: usize = 5;

/// Every table of either side.
pub(crate) fn compare(a: &Side, b: &Side) -> Result<Vec<TableDiff>, duckdb::Error> {
    let database = duckdb::Connection::open_in_memory()?;
    for (name, side) in [("a", a), ("b", b)] {
        let path = side.file.to_string_lossy().replace('\'', "''");
        database.execute_batch(&format!("ATTACH '{path}' AS {name} (READ_ONLY)"))?;
    }
    let names = a.schema.tables.keys().chain(b.schema.tables.keys());
    let names: std::collections::BTreeSet<&String> = names.collect();
    let mut found = Vec::new();
    for name in names {
        let (one, other) = (a.schema.tables.get(name), b.schema.tables.get(name));
        let mut diff = TableDiff { table: name.clone(), ..TableDiff::default() };
        match (one, other) {
            (Some(one), Some(other)) => {
                let places = [place("a", &a.namespace, name), place("b", &b.namespace, name)];
                Pair { database: &database, tables: [one, other], places }.compare(&mut diff)?;
            }
            (Some(_), None) => diff.definition.push("only A has it".into()),
            (None, _) => diff.definition.push("only B has it".into()),
        }
        found.push(diff);
    }
    Ok(found)
}

/// One table of both sides.
struct Pair<'a> {
    database: &'a duckdb::Connection,
    tables: [&'a Table; 2],
    places: [String; 2],
}

impl Pair<'_> {
    fn compare(&self, diff: &mut TableDiff) -> Result<(), duckdb::Error> {
        let [a, b] = &self.places;
        diff.rows = [self.count(&format!("FROM {a}"))?, self.count(&format!("FROM {b}"))?];
        let columns = self.columns(diff);
        let Some(key) = self.key(diff) else {
            let list = columns.iter().map(|column| text(&column.0, column.1)).collect::<Vec<_>>();
            // A table may have no column of its own.
            let list = if list.is_empty() { "1".to_owned() } else { list.join(", ") };
            let missing = |from: &str, to: &str| {
                format!("FROM (SELECT {list} FROM {from} EXCEPT ALL SELECT {list} FROM {to})")
            };
            diff.only = [self.count(&missing(a, b))?, self.count(&missing(b, a))?];
            return Ok(());
        };
        let on = key.iter().map(|column| {
            let (left, right) = (identifier(column), identifier(column));
            format!("CAST(l.{left} AS VARCHAR) IS NOT DISTINCT FROM CAST(r.{right} AS VARCHAR)")
        });
        let on = on.collect::<Vec<_>>().join(" AND ");
        let alone = |from: &str, to: &str| format!("FROM {from} l ANTI JOIN {to} r ON {on}");
        diff.only = [self.count(&alone(a, b))?, self.count(&alone(b, a))?];
        let mut others = Vec::new();
        for (column, plain) in columns.iter().filter(|column| !key.contains(&column.0)) {
            let unlike = format!(
                "{} IS DISTINCT FROM {}",
                qualified("l", column, *plain),
                qualified("r", column, *plain)
            );
            let count = self.count(&format!("FROM {a} l JOIN {b} r ON {on} WHERE {unlike}"))?;
            if count > 0 {
                diff.changed.push((column.clone(), count));
                others.push(unlike);
            }
        }
        let shown = |side: &str| {
            let parts = key.iter().map(|it| format!("CAST({side}.{} AS VARCHAR)", identifier(it)));
            format!("concat_ws(', ', {})", parts.collect::<Vec<_>>().join(", "))
        };
        let shown = shown("l");
        let mut wanted = vec![
            format!("SELECT {shown} || ' only in A' {}", alone(a, b)),
            format!("SELECT {shown} || ' only in B' {}", alone(b, a)),
        ];
        if !others.is_empty() {
            let unlike = others.join(" OR ");
            wanted.push(format!("SELECT {shown} FROM {a} l JOIN {b} r ON {on} WHERE {unlike}"));
        }
        for select in wanted {
            let query = format!("{select} ORDER BY 1 LIMIT {EXAMPLES_MAX}");
            let mut statement = self.database.prepare(&query)?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            for row in rows {
                diff.examples.push(row?);
            }
        }
        Ok(())
    }

    /// The columns that both have, and whether their types are the same; what is not is noted.
    fn columns(&self, diff: &mut TableDiff) -> Vec<(String, bool)> {
        let [one, other] = self.tables.map(Table::all_columns);
        let mut both = Vec::new();
        for (column, column_type) in &one {
            if OF_THE_SYNC.contains(&column.as_str()) {
                continue;
            }
            match other.iter().find(|(name, _)| name == column) {
                None => diff.definition.push(format!("only A has the column {column}")),
                Some((_, same)) if same == column_type => both.push((column.clone(), true)),
                Some((_, type_of_b)) => {
                    diff.definition
                        .push(format!("{column} is {column_type} in A and {type_of_b} in B"));
                    both.push((column.clone(), false));
                }
            }
        }
        let added = other.iter().map(|(column, _)| column).filter(|column| {
            !OF_THE_SYNC.contains(&column.as_str()) && !one.iter().any(|(name, _)| name == *column)
        });
        diff.definition.extend(added.map(|column| format!("only B has the column {column}")));
        both
    }

    /// The columns of the key, if both have the same one and at most one row for each.
    fn key(&self, diff: &mut TableDiff) -> Option<Vec<String>> {
        let [one, other] = self.tables;
        if one.primary_key != other.primary_key {
            let (a, b) = (&one.primary_key, &other.primary_key);
            diff.definition.push(format!("the key is {a} in A and {b} in B"));
            return None;
        }
        let has_versions = self.tables.iter().any(|table| table.mode == TableMode::History);
        match &one.primary_key {
            PrimaryKey::BatchIndex => None,
            _ if has_versions => None,
            key => Some(system_columns::key_columns(key).into_iter().map(str::to_owned).collect()),
        }
    }

    fn count(&self, from: &str) -> Result<u64, duckdb::Error> {
        self.database.query_row(&format!("SELECT count(*) {from}"), [], |row| row.get(0))
    }
}

/// A column as it is, or as text where the two sides have it in different types.
fn text(column: &str, plain: bool) -> String {
    let column = identifier(column);
    if plain { column } else { format!("CAST({column} AS VARCHAR)") }
}

fn qualified(side: &str, column: &str, plain: bool) -> String {
    let column = format!("{side}.{}", identifier(column));
    if plain { column } else { format!("CAST({column} AS VARCHAR)") }
}

fn place(database: &str, namespace: &str, table: &str) -> String {
    format!("{database}.{}.{}", identifier(namespace), identifier(table))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
