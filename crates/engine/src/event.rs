use std::collections::BTreeMap;
use std::time::Duration;

use protocol::{SyncId, Warning};

use crate::policy::HeldCounts;
use crate::schema::SchemaChange;
use crate::{Batch, Counts, Landed, Options, Position};

/// Everything worth telling, in the order in which it happens: the log, the progress line, the metrics
/// and the summary read this and nothing else.
#[derive(Debug)]
pub enum SyncEvent<'a> {
    /// The position was read; `options` are told so that the delete mode is on record (Dec-24).
    Started { sync_id: &'a SyncId, position: &'a Position, options: &'a Options },
    /// A call begins: `page` counts from 1.
    Calling { page: u64 },
    /// A call was answered and its answer is the protocol; `deletes` of the `rows` came in `delete`.
    Called { page: u64, rows: u64, deletes: u64, bytes: u64, has_more: bool, took: Duration },
    /// Something tolerated; told once a sync for each code and message.
    Warned { warning: &'a Warning },
    /// A batch is about to be committed.
    Landing { batch: &'a Batch },
    /// It has landed: `landed` is empty when the answer was lost and the position told us so.
    Landed { batch: &'a Batch, changes: &'a [SchemaChange], landed: &'a Landed, took: Duration },
    /// The sync is over, well or not; nothing follows.
    Finished { summary: &'a Summary },
}

/// What a sync did, also when it failed half-way: what is counted here has landed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub outcome: Outcome,
    /// Answers received and landed.
    pub pages: u64,
    pub commits: u64,
    /// Bytes of the rows that landed, as they came.
    pub bytes: u64,
    pub tables: BTreeMap<String, Counts>,
    pub changes: Vec<SchemaChange>,
    pub warnings: Vec<Warning>,
    /// The tables that the function said it has read to their end, by the names that it gives them.
    pub readings: BTreeMap<String, Readings>,
    /// What the policy left out or altered, by the names that the function gives to tables.
    pub held_back: BTreeMap<String, HeldCounts>,
    pub took: Duration,
}

/// How a table was read in one sync: once, or once for each parent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    pub count: u64,
    pub pages: u64,
    pub rows: u64,
    /// The readings from which something was left out.
    pub partial: u64,
    /// How one knew the end, the last time.
    pub reason: String,
}

/// Why a sync stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The function said `hasMore: false`.
    #[default]
    Complete,
    /// The time limit came; the next sync goes on from here (Dec-34).
    TimeLimit,
    /// The person asked to stop; what was whole has landed.
    Cancelled,
    /// It failed; the code is that of the error (see `SyncError::code`).
    Failed { code: &'static str, message: String },
}
