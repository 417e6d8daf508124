//! DuckDB passes the suite that every destination passes.

#[path = "support/duckdb.rs"]
mod support;

simulation::conformance!(crate::support::DuckDbFile::new());
