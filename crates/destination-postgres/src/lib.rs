//! Postgres as a destination: a batch is one transaction, with the position in the same database.

mod adopting;
mod arrived;
mod copies;
mod destination;
mod failure;
mod history;
mod landing;
mod positions;
mod rows;
mod server;
mod session;
mod statements;
mod tls;
mod unique;
mod upserts;
mod widening;

pub use copies::{Arrival, Reading};
pub use destination::Postgres;
pub use server::Server;
