//! What is a lake's own: what is left to do after a crash, and what other programs do to its tables.

#[path = "../../../simulation/tests/support/delta.rs"]
mod support;

mod by_hand;
mod checkpoints;
mod crashing;
mod files;
