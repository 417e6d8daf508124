//! Tables that somebody else made in the connection's schema, and that it takes over (Dec-59).

use std::collections::BTreeMap;

use engine::{Batch, ColumnType, DestinationError, FoundColumn, FoundTable, Landed, Timestamp};

use crate::destination::{DuckDb, now};
use crate::failure::{self, refused};
use crate::positions::{Commit, Positions};
use crate::statements::{self, Place};

impl DuckDb {
    /// The tables of the connection's schema, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn find_tables(&self) -> Result<Vec<FoundTable>, DestinationError> {
        let failed = |error| failure::of(&error, "looking for tables");
        let mut database = self.database.lock();
        let (connection, _) = database.connection()?;
        let mut tables: BTreeMap<String, FoundTable> = BTreeMap::new();
        let mut statement = connection.prepare(statements::FIND_COLUMNS).map_err(failed)?;
        let rows = statement.query_map([&self.catalog, &self.namespace], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        });
        for row in rows.map_err(failed)? {
            let (table, name, sql_type) = row.map_err(failed)?;
            let column_type = column_type(&sql_type);
            let found = tables.entry(table.clone()).or_insert_with(|| FoundTable {
                name: table,
                columns: Vec::new(),
                key: Vec::new(),
            });
            found.columns.push(FoundColumn { name, column_type, sql_type, integer_digits: 0 });
        }
        let mut statement = connection.prepare(statements::FIND_KEYS).map_err(failed)?;
        let rows = statement.query_map([&self.catalog, &self.namespace], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        });
        for row in rows.map_err(failed)? {
            let (table, column) = row.map_err(failed)?;
            if let Some(found) = tables.get_mut(&table) {
                found.key.push(column);
            }
        }
        for (name, table) in &mut tables {
            for column in &mut table.columns {
                if matches!(column.column_type, Some(ColumnType::Long | ColumnType::Decimal { .. }))
                {
                    let query = statements::integer_digits(self.place(name), &column.name);
                    column.integer_digits =
                        connection.query_row(&query, [], |row| row.get(0)).map_err(failed)?;
                }
            }
        }
        Ok(tables.into_values().collect())
    }

    /// When the latest row of a table was synced.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn last_synced(&self, table: &str) -> Result<Timestamp, DestinationError> {
        let mut database = self.database.lock();
        let (connection, _) = database.connection()?;
        let query = statements::last_synced(self.place(table));
        let last = connection.query_row(&query, [], |row| row.get(0));
        last.map(Timestamp).map_err(|error| failure::of(&error, &format!("reading table {table}")))
    }

    /// Takes tables over: what another type holds goes into ours, constraints go, and the position is
    /// written, in one transaction.
    ///
    /// # Errors
    /// Where the connection is there already, or rows of a table have one key.
    pub fn adopt(&mut self, batch: &Batch) -> Result<(), DestinationError> {
        let mut database = self.database.lock();
        if database.is_read_only() {
            return Err(failure::read_only());
        }
        database.allow_all_memory()?;
        database.begin(false)?;
        let adopted = self.adopt_all(&mut database, batch);
        let (connection, _) = database.connection()?;
        let ended = connection.execute_batch(if adopted.is_ok() { "COMMIT" } else { "ROLLBACK" });
        adopted.and(ended.map_err(|error| failure::of(&error, "committing")))
    }

    fn adopt_all(
        &self,
        database: &mut crate::database::Database,
        batch: &Batch,
    ) -> Result<(), DestinationError> {
        if self.stored(database)?.is_some() {
            return Err(refused(
                "connection_exists",
                format!("connection {} has landed here already", self.connection_name),
                "give the connection another name, or another destination",
            ));
        }
        let (connection, _) = database.connection()?;
        for (name, table) in &batch.leaves().schema().tables {
            let failed = |error| failure::of(&error, &format!("taking over table {name}"));
            let keys = table.unique_columns();
            if !keys.is_empty() {
                let query = statements::count_doubles(self.place(name), &keys);
                let doubles: u64 =
                    connection.query_row(&query, [], |row| row.get(0)).map_err(failed)?;
                refuse_doubles(name, &keys, doubles)?;
            }
            let made = format!("{name}__adopted");
            let made = Place { table: &made, ..self.place(name) };
            let remake = statements::remake_table(self.place(name), made, table);
            connection.execute_batch(&remake).map_err(failed)?;
        }
        let commit = Commit {
            connection_name: &self.connection_name,
            namespace: &self.namespace,
            is_first: true,
            batch,
            landed: &Landed::default(),
            committed_at: now(),
        };
        Positions { connection, catalog: &self.catalog }.write(&commit)
    }
}

fn refuse_doubles(name: &str, keys: &[&str], doubles: u64) -> Result<(), DestinationError> {
    if doubles == 0 {
        return Ok(());
    }
    Err(refused(
        "adoption_disagrees",
        format!(
            "table {name}: {doubles} keys ({}) are there twice, or lack a value",
            keys.join(", ")
        ),
        "name the key that the function declares with --key, or remove those rows",
    ))
}

/// The type of ours that holds each value of one of DuckDB's.
fn column_type(sql_type: &str) -> Option<ColumnType> {
    Some(match sql_type {
        "BOOLEAN" => ColumnType::Boolean,
        "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT" | "UTINYINT" | "USMALLINT" | "UINTEGER" => {
            ColumnType::Long
        }
        "FLOAT" | "DOUBLE" => ColumnType::Double,
        "DATE" => ColumnType::LocalDate,
        "TIMESTAMP" | "TIMESTAMP_S" | "TIMESTAMP_MS" => ColumnType::LocalDateTime,
        "TIMESTAMP WITH TIME ZONE" => ColumnType::Instant,
        "VARCHAR" => ColumnType::String,
        "JSON" => ColumnType::Json,
        decimal => {
            let digits = decimal.strip_prefix("DECIMAL(")?.strip_suffix(')')?;
            let scale = digits.split_once(',')?.1.trim().parse().ok()?;
            if scale > engine::DECIMAL_SCALE_MAX {
                return None;
            }
            ColumnType::Decimal { scale }
        }
    })
}
