use std::collections::{BTreeMap, BTreeSet};

use protocol::{State, SyncId};

use crate::held_back::{Approved, HeldBack};
use crate::policy::Salt;
use crate::run::Naming;
use crate::schema::{PrimaryKey, Schema};
use crate::time::Timestamp;

mod stored;

pub use stored::StoredPositionError;

/// What a destination holds for one connection, as of its last commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Position {
    pub(crate) state: State,
    pub(crate) schema: Schema,
    /// Commits so far. Each commit moves it by exactly one.
    pub(crate) ordinal: u64,
    pub(crate) committed_by: SyncId,
    /// What has been gathered since the last sync that ran to its end; `None` right after one.
    pub(crate) chain: Option<Chain>,
    /// The next `_fivetran_index` of each keyless table, within the sync that committed last (Dec-42).
    pub(crate) next_index: BTreeMap<String, u64>,
    /// `_fivetran_synced` of the sync that committed last: the next sync's is later.
    pub(crate) synced_at: Timestamp,
    /// Pages of the sync that committed last.
    pub(crate) pages: u64,
    /// How its names were made; `None` before the first page.
    pub(crate) naming: Option<Naming>,
    /// Keys declared for tables that have had no row yet.
    pub(crate) declared_keys: BTreeMap<String, PrimaryKey>,
    /// With which values are hashed, from the first page that hashed one (Dec-65).
    pub(crate) salt: Option<Salt>,
    pub(crate) held_back: HeldBack,
    pub(crate) approved: Approved,
}

/// Syncs that follow one another without one of them reaching its end (Dec-22, Dec-23).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chain {
    /// The start of the first of them: rows synced before it were not seen again.
    pub started_at: Option<Timestamp>,
    /// Tables named in `softDelete` so far.
    pub soft_delete: BTreeSet<String>,
    /// Whether this is a resync, which marks what it does not see again (Dec-40).
    pub mark_missing: bool,
    /// Tables that are made anew beside the old ones, which they replace at the end.
    pub rebuilding: BTreeSet<String>,
    /// A resync of these tables alone, and what goes on when it has ended.
    pub only: Option<Only>,
}

/// A resync of some tables: the others are passed over until it has ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Only {
    pub tables: BTreeSet<String>,
    /// The state from before: the tables that are passed over go on from there.
    pub state: State,
    /// What had been gathered before.
    pub chain: Option<Box<Chain>>,
}

impl Position {
    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Commits so far, all syncs together; a destination lands a batch only on the ordinal that it
    /// was planned at.
    pub fn ordinal(&self) -> u64 {
        self.ordinal
    }

    pub fn committed_by(&self) -> &SyncId {
        &self.committed_by
    }

    /// What the policy has held back so far, until it is approved.
    pub fn held_back(&self) -> &HeldBack {
        &self.held_back
    }

    /// What the user has approved.
    pub fn approved(&self) -> &Approved {
        &self.approved
    }

    /// With which values are hashed, if any ever were.
    pub fn salt(&self) -> Option<&Salt> {
        self.salt.as_ref()
    }

    pub fn chain(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }

    /// Whether the last commit here was `batch`.
    pub(crate) fn was_left_by(&self, batch: &crate::Batch) -> bool {
        self.ordinal == batch.after() + 1 && self.committed_by == batch.leaves().committed_by
    }
}
