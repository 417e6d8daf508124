//! What `cargo xtask bench` measures with: rows, a function that serves them, and a stopwatch.

pub mod driver;
pub mod measure;
pub mod rows;
pub mod server;
