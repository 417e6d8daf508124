//! A lake as a destination: Delta tables (<https://github.com/delta-io/delta/blob/master/PROTOCOL.md>) in a
//! folder or a bucket. A batch is one record, written where none is; the tables follow it.

mod actions;
mod checkpoint;
mod copies;
mod data;
mod destination;
mod failure;
mod mirror;
mod place;
mod records;
mod table_log;

pub use copies::Reading;
pub use destination::Delta;
pub use place::{Lake, folder_of};
