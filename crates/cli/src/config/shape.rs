//! What is decided about tables and columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::ConnectionConfig;

/// What becomes of tables and columns that are new: neither there, nor listed in `tables`, nor approved
/// (F-190 to F-192).
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SchemaChanges {
    /// They enter.
    #[default]
    AllowAll,
    /// New columns enter; new tables are held back, counted and recorded.
    AllowColumns,
    /// Both are held back, counted and recorded. A table that is let in comes with the columns of its
    /// first sync.
    BlockAll,
}

/// What is decided about one table.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TableConfig {
    /// Its rows are left out, counted and recorded; the function's state goes on.
    pub(crate) block: bool,
    /// Its name in the destination. Fixed once its first row has landed.
    pub(crate) name: Option<String>,
    /// What is decided about its columns, by the names that the function gives them.
    pub(crate) columns: BTreeMap<String, ColumnConfig>,
}

/// What is decided about one column: at most one of `block`, `hash` and `type`. To list one is to let it in.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ColumnConfig {
    /// Its values are left out, counted and recorded. Key columns cannot be blocked.
    pub(crate) block: bool,
    /// Its values become digests: HMAC-SHA-256 with the destination's own salt, in Base64.
    pub(crate) hash: bool,
    /// Its values become this type; those that cannot become NULL, and are counted. Key columns keep
    /// their own.
    #[serde(rename = "type")]
    pub(crate) column_type: Option<ColumnTypeWord>,
}

/// The types of columns, by Fivetran's names.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ColumnTypeWord {
    Boolean,
    Long,
    /// With as many digits after the point as its values need.
    BigDecimal,
    Double,
    LocalDate,
    LocalDateTime,
    Instant,
    String,
    Json,
}

impl ConnectionConfig {
    /// What the engine is told of it. The salt is found when a sync begins.
    pub(crate) fn policy(&self) -> Arc<engine::Policy> {
        let schema_changes = match self.schema_changes.unwrap_or_default() {
            SchemaChanges::AllowAll => engine::SchemaChanges::AllowAll,
            SchemaChanges::AllowColumns => engine::SchemaChanges::AllowColumns,
            SchemaChanges::BlockAll => engine::SchemaChanges::BlockAll,
        };
        let tables = self.tables.iter().map(|(name, table)| (name.clone(), table.policy()));
        Arc::new(engine::Policy {
            schema_changes,
            tables: tables.collect(),
            salt: engine::Salt::default(),
        })
    }
}

impl TableConfig {
    fn policy(&self) -> engine::TablePolicy {
        let columns = self.columns.iter().map(|(name, column)| (name.clone(), column.policy()));
        engine::TablePolicy {
            block: self.block,
            name: self.name.clone(),
            columns: columns.collect(),
        }
    }
}

impl ColumnConfig {
    fn policy(&self) -> engine::ColumnPolicy {
        match self.column_type {
            _ if self.block => engine::ColumnPolicy::Block,
            _ if self.hash => engine::ColumnPolicy::Hash,
            Some(word) => engine::ColumnPolicy::Lock(word.column_type()),
            None => engine::ColumnPolicy::Allow,
        }
    }
}

impl ColumnTypeWord {
    fn column_type(self) -> engine::ColumnType {
        match self {
            ColumnTypeWord::Boolean => engine::ColumnType::Boolean,
            ColumnTypeWord::Long => engine::ColumnType::Long,
            ColumnTypeWord::BigDecimal => engine::ColumnType::Decimal { scale: 0 },
            ColumnTypeWord::Double => engine::ColumnType::Double,
            ColumnTypeWord::LocalDate => engine::ColumnType::LocalDate,
            ColumnTypeWord::LocalDateTime => engine::ColumnType::LocalDateTime,
            ColumnTypeWord::Instant => engine::ColumnType::Instant,
            ColumnTypeWord::String => engine::ColumnType::String,
            ColumnTypeWord::Json => engine::ColumnType::Json,
        }
    }
}
