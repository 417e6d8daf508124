//! The Functions protocol: one request in, one response out.
//!
//! Wire types and the one trait both ends share. No I/O, no runtime, no storage.

mod function;
mod records;
mod request;
mod response;
mod state;
mod warning;

pub mod json;

pub use function::{Failure, Function, FunctionError};
pub use records::Records;
pub use request::{CustomPayload, ObjectPlace, Request, Room, Secrets, SyncId};
pub use response::{MaxDeletes, PagesLeft, Reading, Response, TableHint, TableName};
pub use state::State;
pub use warning::Warning;
