//! Tables that somebody else made in the connection's schema, and that it takes over (Dec-59).

use std::collections::BTreeMap;

use engine::{
    Batch, ColumnType, DestinationError, FoundColumn, FoundTable, Landed, Table, Timestamp,
};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::destination::Postgres;
use crate::failure::{self, refused};
use crate::positions::{Commit, Positions};
use crate::statements::{self, Place};

impl Postgres {
    /// The tables of the connection's schema, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_tables(&mut self) -> Result<Vec<FoundTable>, DestinationError> {
        let failed = |error| failure::of(&error, "looking for tables");
        self.session.client().await?;
        let client = self.session.connected();
        let mut tables: BTreeMap<String, FoundTable> = BTreeMap::new();
        for (table, name, sql_type, _) in find_columns(client, &self.namespace).await? {
            let mut column = FoundColumn {
                name,
                column_type: column_type(&sql_type),
                sql_type,
                integer_digits: 0,
            };
            if matches!(column.column_type, Some(ColumnType::Long | ColumnType::Decimal { .. })) {
                let place = Place { namespace: &self.namespace, table: &table };
                let query = statements::integer_digits(place, &column.name);
                let digits: i64 = client.query_typed_one(&query, &[]).await.map_err(failed)?.get(0);
                column.integer_digits = u16::try_from(digits).unwrap_or(u16::MAX);
            }
            let found = tables.entry(table.clone()).or_insert_with(|| FoundTable {
                name: table,
                columns: Vec::new(),
                key: Vec::new(),
            });
            found.columns.push(column);
        }
        let namespace = [(&self.namespace as &(dyn ToSql + Sync), Type::TEXT)];
        let keys = client.query_typed(statements::FIND_KEYS, &namespace).await.map_err(failed)?;
        for row in keys {
            if let Some(found) = tables.get_mut(row.get::<_, &str>(0)) {
                found.key.push(row.get(1));
            }
        }
        Ok(tables.into_values().collect())
    }

    /// When the latest row of a table was synced.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn last_synced(&mut self, table: &str) -> Result<Timestamp, DestinationError> {
        let query = statements::last_synced(Place { namespace: &self.namespace, table });
        let client = self.session.client().await?;
        let last = client.query_typed_one(&query, &[]).await;
        let last = last.map_err(|error| failure::of(&error, &format!("reading table {table}")))?;
        Ok(Timestamp(last.get(0)))
    }

    /// Takes tables over: columns become of our types, keys are made, and the position is written, in one
    /// transaction.
    ///
    /// # Errors
    /// Where the connection is there already, or rows of a table have one key.
    pub async fn adopt(&mut self, batch: &Batch) -> Result<(), DestinationError> {
        // Dropped half-way, the connection goes, and its transaction too.
        let client = self.session.take().await?;
        let begin = statements::begin(&self.connection_name);
        client.batch_execute(&begin).await.map_err(|error| failure::to_begin(&error))?;
        if self.stored(Positions { client: &client }).await?.is_some() {
            return Err(refused(
                "connection_exists",
                format!("connection {} has landed here already", self.connection_name),
                "give the connection another name, or another destination",
            ));
        }
        let found = find_columns(&client, &self.namespace).await?;
        for (name, table) in &batch.leaves().schema().tables {
            let columns = found.iter().filter(|found| found.0 == *name);
            let columns: Vec<(String, String, bool)> =
                columns.map(|(_, name, kind, must)| (name.clone(), kind.clone(), *must)).collect();
            self.adopt_table(&client, name, table, &columns).await?;
        }
        let commit = Commit {
            connection_name: &self.connection_name,
            namespace: &self.namespace,
            is_first: true,
            brings_salt: false,
            batch,
            landed: &Landed::default(),
        };
        Positions { client: &client }.write(&commit).await?;
        let committed = client.batch_execute("COMMIT").await;
        committed.map_err(|error| failure::of(&error, "committing"))?;
        self.session.give_back(client);
        Ok(())
    }

    async fn adopt_table(
        &self,
        client: &Client,
        name: &str,
        table: &Table,
        columns: &[(String, String, bool)],
    ) -> Result<(), DestinationError> {
        let place = Place { namespace: &self.namespace, table: name };
        let failed = |error| failure::of(&error, &format!("taking over table {name}"));
        let keys = table.unique_columns();
        if !keys.is_empty() {
            let query = statements::count_doubles(place, &keys);
            let doubles: i64 = client.query_typed_one(&query, &[]).await.map_err(failed)?.get(0);
            if doubles > 0 {
                return Err(refused(
                    "adoption_disagrees",
                    format!(
                        "table {name}: {doubles} keys ({}) are there twice, or lack a value",
                        keys.join(", ")
                    ),
                    "name the key that the function declares with --key, or remove those rows",
                ));
            }
        }
        if let Some(alter) = statements::adopt_table(place, table, columns) {
            client.batch_execute(&alter).await.map_err(failed)?;
        }
        let known = client
            .query_typed(statements::FIND_KEYS, &[(&self.namespace, Type::TEXT)])
            .await
            .map_err(failed)?;
        let known = known.iter().filter(|row| row.get::<_, &str>(0) == name).count();
        // One that is there is of the same columns: the tables were compared.
        if known == 0 && !keys.is_empty() {
            let add = statements::add_key(place, &statements::unique_of(table));
            client.batch_execute(&add).await.map_err(failed)?;
        }
        Ok(())
    }
}

/// Table, name, type and whether it must have a value of each column in the schema.
async fn find_columns(
    client: &Client,
    namespace: &str,
) -> Result<Vec<(String, String, String, bool)>, DestinationError> {
    let found = client.query_typed(statements::FIND_COLUMNS, &[(&namespace, Type::TEXT)]).await;
    let found = found.map_err(|error| failure::of(&error, "looking for tables"))?;
    Ok(found.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect())
}

/// The type of ours that holds each value of one of the server's.
fn column_type(sql_type: &str) -> Option<ColumnType> {
    let bare = sql_type.split('(').next().unwrap_or_default();
    Some(match bare {
        "boolean" => ColumnType::Boolean,
        "smallint" | "integer" | "bigint" => ColumnType::Long,
        "real" | "double precision" => ColumnType::Double,
        "date" => ColumnType::LocalDate,
        "timestamp" if sql_type.ends_with("without time zone") => ColumnType::LocalDateTime,
        "timestamp" if sql_type.ends_with("with time zone") => ColumnType::Instant,
        "timestamp without time zone" => ColumnType::LocalDateTime,
        "timestamp with time zone" => ColumnType::Instant,
        "text" | "character varying" => ColumnType::String,
        "json" | "jsonb" => ColumnType::Json,
        "numeric" => {
            let digits = sql_type.strip_prefix("numeric(")?.strip_suffix(')')?;
            let (precision, scale) = digits.split_once(',')?;
            let (precision, scale): (u16, u8) = (precision.parse().ok()?, scale.parse().ok()?);
            if precision > engine::DECIMAL_DIGITS_MAX || scale > engine::DECIMAL_SCALE_MAX {
                return None;
            }
            ColumnType::Decimal { scale }
        }
        _ => return None,
    })
}
