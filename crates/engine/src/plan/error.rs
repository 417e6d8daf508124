use crate::policy::TableMode;
use crate::run::Naming;
use crate::value::ColumnType;

/// Why a page cannot be placed. Nothing of the page is written (Dec-29).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("table {table}, row {row}: no value for key column {column}")]
    NullPrimaryKey { table: String, row: u64, column: String },
    #[error("table {table}: there are rows to delete, but the table has no declared primary key")]
    DeleteWithoutPrimaryKey { table: String },
    #[error("table {table}, row {row} of delete: no value for key column {column}")]
    DeleteWithoutKeyValue { table: String, row: u64, column: String },
    #[error("table {table}: its primary key is {known}, and the function now declares {declared}")]
    PrimaryKeyChanged { table: String, known: String, declared: String },
    #[error("its tables were made with naming {known}, which cannot be changed afterwards")]
    NamingChanged { known: Naming },
    #[error(
        "table {table}: key column {column} is named by two columns of the rows, which differ in case or signs only"
    )]
    AmbiguousPrimaryKey { table: String, column: String },
    #[error("table {table}: its rows have more than {max} columns")]
    TooManyColumns { table: String, max: usize },
    #[error("table {table}: key column {column} cannot be blocked")]
    KeyColumnBlocked { table: String, column: String },
    #[error("table {table}: key column {column} was {was}, and its rows would no longer meet")]
    KeyHashChanged { table: String, column: String, was: &'static str },
    #[error(
        "table {table}: column {column} is {column_type}, which cannot be locked to {locked}: a column does not narrow"
    )]
    TypeLockConflict { table: String, column: String, column_type: ColumnType, locked: ColumnType },
    #[error(
        "table {table}: it has no declared primary key of plain values, so its rows can have no versions"
    )]
    HistoryWithoutPrimaryKey { table: String },
    #[error("table {table}: its mode is {from}, and cannot become {to} while its rows are there")]
    TableModeChanged { table: String, from: TableMode, to: TableMode },
    #[error("table {table}: its versions are timed otherwise, and there are some")]
    VersionTimeChanged { table: String },
    #[error(
        "table {table}, row {row}: column {column} says since when the row holds, and is no date or time"
    )]
    VersionTimeUnreadable { table: String, row: u64, column: String },
    #[error("table {table} has landed as {known}, and is now to be called {name}")]
    TableNameChanged { table: String, known: String, name: String },
    #[error("table {table}, row {row}: column {column} breaks its contract: {rule}")]
    ContractBroken { table: String, row: u64, column: String, rule: &'static str },
    #[error(
        "table {table}: rows that break its contract go to {quarantine}, and the function has a table of that name"
    )]
    QuarantineTaken { table: String, quarantine: String },
    #[error("table {table}, row {row}, column {column}: NaN or Infinity is not JSON")]
    NonFiniteNumber { table: String, row: u64, column: String },
}

impl PlanError {
    /// The reference's stable code for this error.
    pub fn code(&self) -> &'static str {
        match self {
            PlanError::NullPrimaryKey { .. } => "null_primary_key",
            PlanError::DeleteWithoutPrimaryKey { .. } | PlanError::DeleteWithoutKeyValue { .. } => {
                "delete_without_primary_key"
            }
            PlanError::PrimaryKeyChanged { .. } => "primary_key_changed",
            PlanError::KeyColumnBlocked { .. } => "key_column_blocked",
            PlanError::KeyHashChanged { .. } => "key_hash_changed",
            PlanError::TypeLockConflict { .. } => "type_lock_conflict",
            PlanError::HistoryWithoutPrimaryKey { .. } => "history_without_primary_key",
            PlanError::TableModeChanged { .. } => "table_mode_changed",
            PlanError::VersionTimeChanged { .. } => "version_time_changed",
            PlanError::VersionTimeUnreadable { .. } => "version_time_unreadable",
            PlanError::TableNameChanged { .. } => "table_name_changed",
            PlanError::NonFiniteNumber { .. } => "non_finite_number",
            PlanError::ContractBroken { .. } => "contract_broken",
            PlanError::QuarantineTaken { .. } => "quarantine_taken",
            PlanError::NamingChanged { .. } => "naming_changed",
            PlanError::AmbiguousPrimaryKey { .. } => "ambiguous_primary_key",
            PlanError::TooManyColumns { .. } => "too_many_columns",
        }
    }
}
