//! DuckDB as a destination: a batch is one transaction, with the position in the same file.

mod adopting;
mod copies;
mod database;
mod destination;
mod failure;
mod landing;
mod mirror;
mod positions;
mod rows;
mod session;
mod statements;
mod upserts;
mod widening;

pub use copies::RowsRead;
pub use database::DuckDbOptions;
pub use destination::DuckDb;
