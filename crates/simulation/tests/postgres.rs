//! Postgres passes the suite that every destination passes.

#[path = "support/postgres.rs"]
mod support;

simulation::conformance!(crate::support::PostgresSchema::new());
