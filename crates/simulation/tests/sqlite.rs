//! SQLite passes the suite that every destination passes.

#[path = "support/sqlite.rs"]
mod support;

simulation::conformance!(crate::support::SqliteFile::new());
