//! Turns a function's pages into committed rows.
//!
//! Data flows one way: response → batch → commit → next request. No I/O, no clock, no runtime: futures
//! here only await a port.

mod batch;
mod destination;
mod event;
mod position;
mod run;
mod schema;
mod shape;
pub mod system_columns;
mod table_batch;
mod temporal;
mod time;
mod value;

pub use batch::{Batch, Sweep};
pub use destination::{Counts, Destination, DestinationError, Landed};
pub use event::{Outcome, Summary, SyncEvent};
pub use position::{Chain, Position, StoredPositionError};
pub use run::{
    DeleteMode, Keyless, Limits, Naming, Options, Run, SoftDeleteTiming, StringInference,
};
pub use schema::{Column, Evidence, PrimaryKey, Schema, SchemaChange, Table};
pub use shape::{Feature, Features, Shape};
pub use table_batch::TableBatch;
pub use time::Timestamp;
pub use value::{ColumnType, DECIMAL_DIGITS_MAX, DECIMAL_SCALE_MAX};
