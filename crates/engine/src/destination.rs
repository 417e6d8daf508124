use std::collections::BTreeMap;

use crate::{Batch, Position};

/// Where rows land. Two verbs, so there is no way to save a state alone.
pub trait Destination {
    /// What the last commit left; [`Position::default`] before the first.
    fn position(&mut self) -> impl Future<Output = Result<Position, DestinationError>> + Send;

    /// Lands the batch in one transaction: changes, rows, sweeps and position, or none.
    ///
    /// Lands only while the stored ordinal equals [`Batch::after`]; otherwise changes nothing and
    /// returns [`DestinationError::Moved`]. Each table's upserts are applied before its deletes, and
    /// the sweeps after both.
    fn commit(
        &mut self,
        batch: &Batch,
    ) -> impl Future<Output = Result<Landed, DestinationError>> + Send;
}

/// What a commit did, by table name in the destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Landed {
    pub tables: BTreeMap<String, Counts>,
}

/// Rows of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Their key was not there.
    pub inserted: u64,
    /// Their key was there, with other values (or marked as deleted).
    pub updated: u64,
    /// Their key was there with the same values; only `_fivetran_synced` moved.
    pub unchanged: u64,
    /// Removed, or newly marked, because the function named them in `delete`.
    pub deleted: u64,
    /// Newly marked by a sweep.
    pub swept: u64,
}

impl Counts {
    pub fn add(&mut self, other: Counts) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.deleted += other.deleted;
        self.swept += other.swept;
    }
}

/// Why a commit or a look at the position failed. Sorted by what happens next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// The answer was lost: the commit may or may not have landed. The position tells.
    #[error("destination unavailable: {0}")]
    Unavailable(String),
    /// Another sync has committed since this one read its position.
    #[error(
        "another sync of this connection has committed meanwhile (expected commit {expected}, found {found}); nothing of this batch was written"
    )]
    Moved { expected: u64, found: u64 },
    /// Rows of the batch have values that are another row's, in a column of which the user says that no
    /// two have one; nothing was written. The page is planned anew without them.
    #[error("table {table}, column {column}: rows have values that are another row's")]
    NotUnique {
        table: String,
        column: String,
        /// Their places among the table's upserts, from 0, in ascending order.
        places: Vec<u64>,
    },
    /// It cannot take this batch, or cannot be used as it is; nothing was written.
    #[error("destination refused: {message}")]
    Refused {
        /// `destination_locked`, `unmanaged_table`, `disk_full`, `destination_error`, …
        code: &'static str,
        message: String,
        /// What to do about it, in a sentence.
        hint: String,
    },
}

impl DestinationError {
    /// What was written is not what is read.
    pub fn damaged(doing: &str, said: &str) -> DestinationError {
        DestinationError::Refused {
            code: "destination_damaged",
            message: format!("{doing}: {said}"),
            hint: "restore the destination from a backup, or sync into a new one".to_owned(),
        }
    }

    /// Values are hashed with one salt in all of a destination (Dec-65): of two connections that begin to hash at
    /// once, one is refused, and finds the salt of the other with its next sync. `place` is a file, a database, ….
    pub fn another_salt(place: &str) -> DestinationError {
        DestinationError::Refused {
            code: "another_salt",
            message: format!(
                "another connection of this {place} has begun to hash values meanwhile"
            ),
            hint: "sync again: it takes the salt that is there, so that equal values have equal digests"
                .to_owned(),
        }
    }

    pub fn code(&self) -> &'static str {
        match self {
            DestinationError::Unavailable(_) => "destination_unavailable",
            DestinationError::Moved { .. } => "position_moved",
            DestinationError::NotUnique { .. } => "contract_broken",
            DestinationError::Refused { code, .. } => code,
        }
    }
}
