//! A lake passes the suite that every destination passes; delta-rs reads the tables back.

#[path = "support/delta.rs"]
mod support;

simulation::conformance!(crate::support::DeltaFolder::new());
