//! What is SQLite's own: what it does not hold, and what people do to a file beside us.

#[path = "../../../simulation/tests/support/sqlite.rs"]
mod support;

mod by_hand;
mod limits;
mod salt;
