//! YAML that knows where everything stands: read into types, with every mistake shown at its place.
//!
//! Shared by the manifest here and by the command's own configuration.

mod problem;
mod quantity;
mod read;
mod tree;

pub use problem::{Place, Problem, lines, nearest};
pub use quantity::{Size, Span};
pub use read::read;
pub(crate) use tree::parse_long;
pub use tree::{Entry, Node, Value, parse};
