//! DuckDB passes the suite that every destination passes.

mod support;

simulation::conformance!(crate::support::DuckDbFile::new());
