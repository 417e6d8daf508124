//! Turns a function's pages into committed rows.
//!
//! Data flows one way: response → batch → commit → next request. No I/O, no clock, no runtime: futures
//! here only await a port.

mod arrays;
mod as_left;
mod batch;
mod columns;
mod destination;
mod event;
mod evolution;
mod guard;
mod held_back;
mod history;
mod landing;
mod last_word;
mod naming;
mod number;
mod plan;
mod policy;
mod position;
mod progress;
mod row_hash;
mod run;
mod schema;
mod setup_test;
mod shape;
mod sync;
pub mod system_columns;
mod table_batch;
mod temporal;
mod time;
mod value;
mod widen;

pub use as_left::{HeldColumns, check_namespace};
pub use batch::{Batch, Replacement, Sweep, SweepVerb};
pub use destination::{Counts, Destination, DestinationError, Landed};
pub use event::{Outcome, Readings, Summary, SyncEvent};
pub use held_back::{Approved, HeldBack, HeldColumn, HeldTable};
pub use history::{HISTORY_COMMITS_MAX, HistoryEntry, StoredConnection};
pub use plan::{Approval, PlanError, Resync};
pub use policy::{
    ColumnPolicy, HeldCounts, Policy, Salt, SchemaChanges, Share, TableMode, TablePolicy,
};
pub use position::{Chain, Only, Position, StoredPositionError};
pub use run::{
    DeleteMode, Keyless, Limits, Naming, NulCharacters, Options, Run, SoftDeleteTiming,
    StringInference,
};
pub use schema::{Column, Evidence, PrimaryKey, Schema, SchemaChange, Table};
pub use setup_test::{SetupTest, setup_test};
pub use shape::{Feature, Features, Shape};
pub use sync::{SyncError, sync};
pub use table_batch::TableBatch;
pub use time::Timestamp;
pub use value::{ColumnType, DECIMAL_DIGITS_MAX, DECIMAL_SCALE_MAX};
pub use widen::{widen, widen_text};
