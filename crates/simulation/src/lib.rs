//! A world that fails on purpose: what must hold of every engine run and every destination.
//!
//! `world` runs the engine against a simulated function and destination with a fault at every call;
//! `conformance` is the suite that every destination passes. Tests only: nothing in the product
//! depends on this crate.

pub mod cell;
pub mod conformance;
pub mod fault;
pub mod memory;
pub mod model;
pub mod mutant;
pub mod scenario;
pub mod source;
pub mod table;
mod unique;
pub mod verdict;
mod versions;
pub mod world;
