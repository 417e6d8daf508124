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

/// How the rows of a table are kept. It can be changed from one sync to the next.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TableMode {
    /// The last word on each key; rows that are gone are marked, or removed with `delete_mode: hard`.
    Upsert,
    /// Every row is new, whatever key the function declares; deletes and sweeps are left out.
    Append,
    /// Rows that are gone are removed, always.
    Live,
    /// Every version of every row, with `_fivetran_active`, `_fivetran_start` and `_fivetran_end` (F-210
    /// to F-214).
    History,
}

/// A share of a table's live rows: `20 %`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share(pub(crate) engine::Share);

/// What is decided about one table.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TableConfig {
    /// Its rows are left out, counted and recorded; the function's state goes on.
    pub(crate) block: bool,
    /// Its name in the destination. Fixed once its first row has landed.
    pub(crate) name: Option<String>,
    /// How its rows are kept, if not as the others are.
    pub(crate) mode: Option<TableMode>,
    /// The most that a sweep may delete of it, if not as of the others.
    pub(crate) max_deletes: Option<Share>,
    /// In history mode, the column of the source that says since when a row's values hold, a date or a time:
    /// versions begin then, and not with the sync that brought them. Fixed while there are versions.
    pub(crate) version_time: Option<String>,
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
    /// What must hold of its values, as they come.
    pub(crate) contract: Option<ContractConfig>,
}

/// What must hold of one column. A row that breaks it does not enter its table, and leaves no trace in it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ContractConfig {
    /// Each row has the column; its value may be null.
    pub(crate) required: bool,
    /// No value is null, nor missing.
    pub(crate) not_null: bool,
    /// Each value is of this type as it comes, and nothing is turned into it: `5` is no string. Null is of
    /// every type.
    #[serde(rename = "type")]
    pub(crate) column_type: Option<ColumnTypeWord>,
    /// Each value is one of these: a text that is the same, an equal number, `true` or `false`; or null.
    #[schemars(schema_with = "scalars")]
    pub(crate) accepted: Vec<String>,
    /// No value is less: a number, a date or a time, and each value is of its kind; or null.
    pub(crate) min: Option<BoundText>,
    /// No value is more.
    pub(crate) max: Option<BoundText>,
    /// No two live rows of the table have one value, on whichever page they came; null is no value. Each
    /// page is then landed by itself.
    pub(crate) unique: bool,
    /// What becomes of a row that breaks it. Default: fail.
    pub(crate) on_breach: OnBreach,
}

/// What becomes of a row that breaks a contract; of several, the strictest counts.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnBreach {
    /// The sync fails at its page; what landed before stays.
    #[default]
    Fail,
    /// It goes to the table `<table>__quarantine`, in the same commit, with the reason; and is counted.
    Quarantine,
    /// It is left out, and counted.
    DropRow,
}

/// The end of a range: a number, a date or a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BoundText(engine::Bound);

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
            any_deletes: false,
            schema_changes,
            mode: self.mode.map(TableMode::engine).unwrap_or_default(),
            max_deletes: self.max_deletes.map(|share| share.0),
            tables: tables.collect(),
            salt: engine::Salt::default(),
        })
    }
}

impl TableConfig {
    fn policy(&self) -> engine::TablePolicy {
        let columns = self.columns.iter().map(|(name, column)| (name.clone(), column.policy()));
        let contracts = self
            .columns
            .iter()
            .filter_map(|(name, column)| Some((name.clone(), column.contract.as_ref()?.engine())));
        engine::TablePolicy {
            block: self.block,
            name: self.name.clone(),
            mode: self.mode.map(TableMode::engine),
            max_deletes: self.max_deletes.map(|share| share.0),
            version_time: self.version_time.clone(),
            columns: columns.collect(),
            contracts: contracts.collect(),
        }
    }
}

impl TableMode {
    fn engine(self) -> engine::TableMode {
        match self {
            TableMode::Upsert => engine::TableMode::Upsert,
            TableMode::Append => engine::TableMode::Append,
            TableMode::Live => engine::TableMode::Live,
            TableMode::History => engine::TableMode::History,
        }
    }
}

impl std::str::FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        let wrong = || format!("expected a share of 0 % to 100 %, as in `20 %`, not {text:.20}");
        let percent = text.trim().strip_suffix('%').ok_or_else(wrong)?.trim_end();
        let (whole, fraction) = percent.split_once('.').unwrap_or((percent, ""));
        if fraction.len() > 2 || !format!("{whole}{fraction}").bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let hundredths: u32 = format!("{whole}{fraction:0<2}").parse().map_err(|_| wrong())?;
        if hundredths > 10_000 { Err(wrong()) } else { Ok(Share(engine::Share(hundredths))) }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Share, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Share {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Share".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9]+(\\.[0-9]{1,2})? ?%$",
            "examples": ["20 %"]
        })
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

fn scalars(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "items": { "type": ["string", "number", "boolean"] },
        "default": []
    })
}

impl ContractConfig {
    fn engine(&self) -> engine::Contract {
        engine::Contract {
            required: self.required,
            not_null: self.not_null,
            column_type: self.column_type.map(ColumnTypeWord::column_type),
            accepted: self.accepted.clone(),
            min: self.min.as_ref().map(|bound| bound.0.clone()),
            max: self.max.as_ref().map(|bound| bound.0.clone()),
            unique: self.unique,
            on_breach: match self.on_breach {
                OnBreach::Fail => engine::OnBreach::Fail,
                OnBreach::Quarantine => engine::OnBreach::Quarantine,
                OnBreach::DropRow => engine::OnBreach::DropRow,
            },
        }
    }
}

impl<'de> Deserialize<'de> for BoundText {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<BoundText, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || {
            serde::de::Error::custom(format!(
                "expected a number, a date or a time, as in `0`, `2024-12-31` or `2024-12-31T12:00:00Z`, not {text:.40}"
            ))
        };
        engine::Bound::parse(&text).map(BoundText).ok_or_else(wrong)
    }
}

impl JsonSchema for BoundText {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bound".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["number", "string"], "examples": [0, "2024-12-31"] })
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
