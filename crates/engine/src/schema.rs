use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use protocol::SyncId;

use crate::naming;
use crate::policy::TableMode;
use crate::shape::{Features, Shape};
use crate::system_columns;
use crate::value::ColumnType;

/// Every table of a connection, by its name in the destination.
///
/// Each page has a schema of its own, and few pages change one: tables are shared until they grow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    pub tables: BTreeMap<String, Arc<Table>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The names by which the function calls it; more than one when they normalise alike (F-146).
    pub sources: BTreeSet<String>,
    pub primary_key: PrimaryKey,
    /// In the order in which they appeared; system columns are not among them.
    pub columns: Vec<Column>,
    /// Whether it has a `_fivetran_deleted` column (Dec-43).
    pub soft_deletes: bool,
    pub mode: TableMode,
    /// In a table of versions, the name in the rows of the column that says since when a version holds;
    /// none where it is the start of the sync that brought it (Dec-66).
    pub version_time: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name in the destination, fixed when it appeared (Dec-50).
    pub name: String,
    /// Its name in the rows.
    pub source: String,
    pub shape: Shape,
    /// What made it this type, oldest first: one for its creation, one for each widening.
    pub evidence: Vec<Evidence>,
    /// Whether its values are digests (F-197).
    pub hashed: bool,
}

/// The sighting that gave a column its type: where it was, never what it was.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Evidence {
    /// What was new about the value.
    pub seen: Features,
    #[serde(with = "sync_id")]
    pub sync_id: SyncId,
    /// The page of that sync, from 1.
    pub page: u64,
    /// The row of that page's table, from 1.
    pub row: u64,
}

mod sync_id {
    use protocol::SyncId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &SyncId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&id.0)
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SyncId, D::Error> {
        String::deserialize(from).map(SyncId)
    }
}

/// What makes two rows of a table the same row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrimaryKey {
    /// Column names in the destination.
    Columns(BTreeSet<String>),
    /// Keyless, the default: `_fivetran_batch` and `_fivetran_index`; every row is new (Dec-42).
    BatchIndex,
    /// Keyless, on request: `_fivetran_id`, a hash of the row (Dec-42).
    RowHash,
}

/// A step of evolution. There is no step that drops or narrows.
#[derive(Clone, Debug, PartialEq)]
pub enum SchemaChange {
    /// With its system columns; the columns of the rows follow as `AddColumn`.
    CreateTable {
        table: String,
        primary_key: PrimaryKey,
    },
    AddColumn {
        table: String,
        column: String,
        column_type: ColumnType,
    },
    /// Old values take the text form of [`crate::widen`] when `to` is a string or JSON.
    WidenColumn {
        table: String,
        column: String,
        from: ColumnType,
        to: ColumnType,
    },
    /// `_fivetran_deleted`, false for the rows that are there (Dec-43).
    AddSoftDeletes {
        table: String,
    },
    /// From now on every version of a row is kept: the columns of versions come, with what they must say
    /// of the rows that are there, and `_fivetran_deleted` goes into them (F-214).
    StartHistory {
        table: String,
    },
    /// From now on only the latest version of a row is kept: older ones move to a table that is the
    /// user's own, `_fivetran_deleted` comes, and the columns of versions go into it.
    EndHistory {
        table: String,
        kept_as: String,
    },
    /// Rows that are marked as deleted go, since only live ones are to be kept.
    RemoveDeleted {
        table: String,
    },
}

impl SchemaChange {
    pub fn table(&self) -> &str {
        match self {
            SchemaChange::CreateTable { table, .. }
            | SchemaChange::AddColumn { table, .. }
            | SchemaChange::WidenColumn { table, .. }
            | SchemaChange::AddSoftDeletes { table }
            | SchemaChange::StartHistory { table }
            | SchemaChange::EndHistory { table, .. }
            | SchemaChange::RemoveDeleted { table } => table,
        }
    }

    /// The columns that it brings, which must not be there.
    pub fn added_columns(&self) -> Vec<&str> {
        match self {
            SchemaChange::AddColumn { column, .. } => vec![column],
            SchemaChange::AddSoftDeletes { .. } | SchemaChange::EndHistory { .. } => {
                vec![system_columns::DELETED]
            }
            SchemaChange::StartHistory { .. } => {
                system_columns::OF_HISTORY.iter().map(|(name, _)| *name).collect()
            }
            SchemaChange::CreateTable { .. }
            | SchemaChange::WidenColumn { .. }
            | SchemaChange::RemoveDeleted { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for PrimaryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrimaryKey::Columns(columns) => {
                let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                write!(f, "({})", columns.join(", "))
            }
            PrimaryKey::BatchIndex => f.write_str("(none: batch index)"),
            PrimaryKey::RowHash => f.write_str("(none: row hash)"),
        }
    }
}

impl Column {
    pub fn column_type(&self) -> ColumnType {
        self.shape.column_type().expect("a column appears with its first value (F-160)")
    }
}

impl Table {
    /// Every column as a destination holds it: its own in their order, then those of the system.
    pub fn all_columns(&self) -> Vec<(String, ColumnType)> {
        let own = self.columns.iter().map(|column| (column.name.clone(), column.column_type()));
        let system = system_columns::of(&self.primary_key).into_iter();
        let deleted = self.soft_deletes.then_some((system_columns::DELETED, ColumnType::Boolean));
        let history: &[_] =
            if self.mode == TableMode::History { &system_columns::OF_HISTORY } else { &[] };
        let system = system.chain(deleted).chain(history.iter().copied());
        own.chain(system.map(|(name, column_type)| (name.to_owned(), column_type))).collect()
    }

    /// The columns of the key with their types.
    pub fn key_types(&self) -> Vec<(String, ColumnType)> {
        let columns = self.all_columns();
        let typed = |name: &str| columns.iter().find(|column| column.0 == name).cloned();
        let keys = system_columns::key_columns(&self.primary_key).into_iter();
        keys.map(|name| typed(name).expect("a table has the columns of its key")).collect()
    }

    /// The columns of which no two rows have the same values; none where every row is new.
    pub fn unique_columns(&self) -> Vec<&str> {
        let mut columns = match &self.primary_key {
            PrimaryKey::BatchIndex => Vec::new(),
            key => system_columns::key_columns(key),
        };
        if self.mode == TableMode::History {
            columns.push(system_columns::START);
        }
        columns
    }

    /// The column of this table by whose values the versions of `after`, which it becomes, are timed, if it
    /// has one of dates or times.
    pub fn time_column(&self, after: &Table) -> Option<(&str, ColumnType)> {
        let source = after.version_time.as_ref()?;
        let column = self.columns.iter().find(|column| column.source == *source)?;
        let kind = column.column_type();
        matches!(kind, ColumnType::LocalDate | ColumnType::LocalDateTime | ColumnType::Instant)
            .then_some((column.name.as_str(), kind))
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl Schema {
    /// The changes that lead from `before` to `self`, made by the commit with this ordinal.
    ///
    /// # Panics
    /// When `self` lacks something that `before` has: evolution only grows.
    pub(crate) fn changes_since(&self, before: &Schema, ordinal: u64) -> Vec<SchemaChange> {
        assert!(
            before.tables.keys().all(|table| self.tables.contains_key(table)),
            "evolution never drops a table"
        );
        let mut changes = Vec::new();
        for (name, table) in &self.tables {
            let before = before.tables.get(name);
            if !before.is_some_and(|before| Arc::ptr_eq(before, table)) {
                if let Some(before) = before {
                    table.mode_changes_since(before, name, ordinal, &mut changes);
                }
                table.changes_since(before.map(Arc::as_ref), name, &mut changes);
            }
        }
        changes
    }
}

impl Table {
    fn mode_changes_since(
        &self,
        before: &Table,
        name: &str,
        ordinal: u64,
        changes: &mut Vec<SchemaChange>,
    ) {
        let table = || name.to_owned();
        let (was, is) = (before.mode, self.mode);
        if was != is && is == TableMode::History {
            changes.push(SchemaChange::StartHistory { table: table() });
        }
        if was != is && was == TableMode::History {
            let kept_as = naming::fit(format!("{name}__history_{ordinal}"));
            changes.push(SchemaChange::EndHistory { table: table(), kept_as });
        }
        if was != is && is == TableMode::Live && self.soft_deletes {
            changes.push(SchemaChange::RemoveDeleted { table: table() });
        }
    }

    fn changes_since(&self, before: Option<&Table>, name: &str, changes: &mut Vec<SchemaChange>) {
        let table = || name.to_owned();
        if before.is_none() {
            let primary_key = self.primary_key.clone();
            changes.push(SchemaChange::CreateTable { table: table(), primary_key });
        }
        let known = before.map_or(&[][..], |before| &before.columns);
        assert!(known.len() <= self.columns.len(), "evolution never drops a column");
        for (index, column) in self.columns.iter().enumerate() {
            let (to, column_name) = (column.column_type(), column.name.clone());
            match known.get(index).map(Column::column_type) {
                None => changes.push(SchemaChange::AddColumn {
                    table: table(),
                    column: column_name,
                    column_type: to,
                }),
                Some(from) if from != to => changes.push(SchemaChange::WidenColumn {
                    table: table(),
                    column: column_name,
                    from,
                    to,
                }),
                Some(_) => {}
            }
        }
        let had_deleted = |before: &Table| before.soft_deletes || before.mode == TableMode::History;
        if self.soft_deletes && !before.is_some_and(had_deleted) {
            changes.push(SchemaChange::AddSoftDeletes { table: table() });
        }
    }
}
