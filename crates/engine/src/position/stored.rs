//! The written form of a position: a file format, versioned, the same in every destination.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::{State, SyncId};
use serde::{Deserialize, Serialize};

use super::{Chain, Only, Position};
use crate::destination::DestinationError;
use crate::held_back::{Approved, HeldBack};
use crate::policy::{Salt, TableMode};
use crate::run::Naming;
use crate::schema::{Column, Evidence, PrimaryKey, Schema, Table};
use crate::shape::Shape;
use crate::time::Timestamp;

/// The newest form that this version writes and reads.
const VERSION: u32 = 1;

/// Why a stored position cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredPositionError {
    #[error(
        "the stored position has form {found}, and this version of hasmore reads up to {VERSION}"
    )]
    Newer { found: u32 },
    #[error("the stored position cannot be read: {0}")]
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct StoredPosition {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chain: Option<StoredChain>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    next_index: BTreeMap<String, u64>,
    #[serde(default)]
    synced_at: Timestamp,
    #[serde(default)]
    pages: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    naming: Option<Naming>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    declared_keys: BTreeMap<String, StoredKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    held_back: HeldBack,
    #[serde(default, skip_serializing_if = "is_default")]
    approved: Approved,
    tables: BTreeMap<String, StoredTable>,
}

#[derive(Serialize, Deserialize)]
struct StoredChain {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    soft_delete: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    mark_missing: bool,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    rebuilding: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    only: Option<StoredOnly>,
}

#[derive(Serialize, Deserialize)]
struct StoredOnly {
    tables: BTreeSet<String>,
    /// As text, byte for byte.
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chain: Option<Box<StoredChain>>,
}

#[derive(Serialize, Deserialize)]
struct StoredTable {
    sources: BTreeSet<String>,
    primary_key: StoredKey,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    soft_deletes: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    mode: TableMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version_time: Option<String>,
    columns: Vec<StoredColumn>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredKey {
    Columns(BTreeSet<String>),
    BatchIndex,
    RowHash,
}

#[derive(Serialize, Deserialize)]
struct StoredColumn {
    name: String,
    source: String,
    shape: Shape,
    evidence: Vec<Evidence>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    hashed: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Position {
    /// Everything but the state, the ordinal and the sync id, which a destination keeps in columns of
    /// their own.
    pub fn stored(&self) -> String {
        let tables = self.schema.tables.iter();
        let stored = StoredPosition {
            version: VERSION,
            chain: self.chain.as_ref().map(StoredChain::of),
            next_index: self.next_index.clone(),
            synced_at: self.synced_at,
            pages: self.pages,
            naming: self.naming,
            declared_keys: self
                .declared_keys
                .iter()
                .map(|(table, key)| (table.clone(), StoredKey::of(key)))
                .collect(),
            salt: self.salt.as_ref().map(|salt| salt.0.clone()),
            held_back: self.held_back.clone(),
            approved: self.approved.clone(),
            tables: tables.map(|(name, table)| (name.clone(), StoredTable::of(table))).collect(),
        };
        serde_json::to_string(&stored).expect("names and numbers can be written as JSON")
    }

    /// As [`Position::from_stored`], of the texts that a destination keeps.
    ///
    /// # Errors
    /// `destination_newer` and `destination_damaged`, for the destination to pass on.
    pub fn from_texts(
        state: &str,
        ordinal: u64,
        sync_id: String,
        stored: &str,
    ) -> Result<Position, DestinationError> {
        let damaged = |said: &str| DestinationError::damaged("reading the position", said);
        let state = State::from_json(state).map_err(|_| damaged("its state is not JSON"))?;
        Position::from_stored(state, ordinal, SyncId(sync_id), stored).map_err(
            |error| match error {
                StoredPositionError::Damaged(_) => damaged(&error.to_string()),
                StoredPositionError::Newer { .. } => DestinationError::Refused {
                    code: "destination_newer",
                    message: error.to_string(),
                    hint: "use a newer version of hasmore with it".to_owned(),
                },
            },
        )
    }

    /// Rebuilds what a commit stored.
    ///
    /// # Errors
    /// When the text was written by a newer version, or is not what [`Position::stored`] writes.
    pub fn from_stored(
        state: State,
        ordinal: u64,
        committed_by: SyncId,
        stored: &str,
    ) -> Result<Position, StoredPositionError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let damaged = |error: serde_json::Error| StoredPositionError::Damaged(error.to_string());
        let Version { version } = serde_json::from_str(stored).map_err(damaged)?;
        if version > VERSION {
            return Err(StoredPositionError::Newer { found: version });
        }
        let stored: StoredPosition = serde_json::from_str(stored).map_err(damaged)?;
        let tables = stored.tables.into_iter().map(|(name, table)| {
            let table = table.table().map_err(|why| format!("table {name:.80}: {why}"))?;
            Ok((name, Arc::new(table)))
        });
        let tables = tables.collect::<Result<_, _>>().map_err(StoredPositionError::Damaged)?;
        let chain = stored.chain.map(StoredChain::chain).transpose();
        let chain = chain.map_err(StoredPositionError::Damaged)?;
        Ok(Position {
            state,
            schema: Schema { tables },
            ordinal,
            committed_by,
            chain,
            next_index: stored.next_index,
            synced_at: stored.synced_at,
            pages: stored.pages,
            naming: stored.naming,
            salt: stored.salt.map(Salt),
            held_back: stored.held_back,
            approved: stored.approved,
            declared_keys: stored
                .declared_keys
                .into_iter()
                .map(|(table, key)| (table, key.key()))
                .collect(),
        })
    }
}

impl StoredChain {
    fn of(chain: &Chain) -> StoredChain {
        StoredChain {
            started_at: chain.started_at,
            soft_delete: chain.soft_delete.clone(),
            mark_missing: chain.mark_missing,
            rebuilding: chain.rebuilding.clone(),
            only: chain.only.as_ref().map(|only| StoredOnly {
                tables: only.tables.clone(),
                state: only.state.as_json().to_owned(),
                chain: only.chain.as_ref().map(|chain| Box::new(StoredChain::of(chain))),
            }),
        }
    }

    fn chain(self) -> Result<Chain, String> {
        let only = self.only.map(|only| {
            let state = State::from_json(&only.state);
            Ok::<_, String>(Only {
                tables: only.tables,
                state: state.map_err(|_| "a state that was put aside is not JSON".to_owned())?,
                chain: only.chain.map(|chain| chain.chain().map(Box::new)).transpose()?,
            })
        });
        Ok(Chain {
            started_at: self.started_at,
            soft_delete: self.soft_delete,
            mark_missing: self.mark_missing,
            rebuilding: self.rebuilding,
            only: only.transpose()?,
        })
    }
}

impl StoredKey {
    fn of(key: &PrimaryKey) -> StoredKey {
        match key {
            PrimaryKey::Columns(columns) => StoredKey::Columns(columns.clone()),
            PrimaryKey::BatchIndex => StoredKey::BatchIndex,
            PrimaryKey::RowHash => StoredKey::RowHash,
        }
    }

    fn key(self) -> PrimaryKey {
        match self {
            StoredKey::Columns(columns) => PrimaryKey::Columns(columns),
            StoredKey::BatchIndex => PrimaryKey::BatchIndex,
            StoredKey::RowHash => PrimaryKey::RowHash,
        }
    }
}

impl StoredTable {
    fn of(table: &Table) -> StoredTable {
        let columns = table.columns.iter().map(|column| StoredColumn {
            name: column.name.clone(),
            source: column.source.clone(),
            shape: column.shape,
            evidence: column.evidence.clone(),
            hashed: column.hashed,
        });
        StoredTable {
            sources: table.sources.clone(),
            primary_key: StoredKey::of(&table.primary_key),
            soft_deletes: table.soft_deletes,
            mode: table.mode,
            version_time: table.version_time.clone(),
            columns: columns.collect(),
        }
    }

    fn table(self) -> Result<Table, String> {
        let columns = self.columns.into_iter().map(StoredColumn::column);
        Ok(Table {
            sources: self.sources,
            primary_key: self.primary_key.key(),
            columns: columns.collect::<Result<_, _>>()?,
            soft_deletes: self.soft_deletes,
            mode: self.mode,
            version_time: self.version_time,
        })
    }
}

impl StoredColumn {
    /// A column is there because a value was; one of another shape has no type (F-160).
    fn column(self) -> Result<Column, String> {
        let StoredColumn { name, source, shape, evidence, hashed } = self;
        if !shape.is_of_values() {
            return Err(format!("no values have the shape of column {name:.80}"));
        }
        Ok(Column { name, source, shape, evidence, hashed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(seen: u16) -> Result<Position, StoredPositionError> {
        let column =
            format!(r#"{{"name":"c","source":"c","shape":{{"seen":{seen}}},"evidence":[]}}"#);
        let stored = format!(
            r#"{{"version":1,"tables":{{"t":{{"sources":["t"],"primary_key":"batch_index","columns":[{column}]}}}}}}"#
        );
        Position::from_stored(State::default(), 1, SyncId::default(), &stored)
    }

    #[test]
    fn f_160_a_stored_column_without_a_value_ever_is_refused() {
        let refused = |why: &str| Err(StoredPositionError::Damaged(format!("table t: {why}")));
        let no_values = refused("no values have the shape of column c");
        assert_eq!(read(0), no_values, "nothing seen");
        assert_eq!(read(1 << 15), no_values, "a feature that is not known");
        assert_eq!(read(1 << 2), no_values, "an integer beyond 64 bits that is a double");
        for seen in [1, 1 << 1, 1 << 2 | 1 << 4, 1 << 8 | 1 << 9] {
            let position = read(seen).expect("values have this shape");
            assert_eq!(
                read(seen),
                Position::from_stored(
                    position.state.clone(),
                    position.ordinal,
                    position.committed_by.clone(),
                    &position.stored(),
                )
            );
        }
    }
}
