//! SQLite as a destination: a batch is one transaction, with the position in the same file.

mod copies;
mod destination;
mod landing;
mod looking;
mod positions;
mod rebuild;
mod rows;
mod statements;

pub use copies::RowsRead;
pub use destination::{Access, Sqlite};
pub use statements::table_name;
