//! One manifest as a deployed function: a Lambda, a container, an Azure custom handler, an endpoint on
//! this machine. The same code is the binary `hasmore-function` and the command `hasmore serve`.
//!
//! Nothing here stores a row: no engine, no database.

mod package;
mod place;
mod serve;
mod told;

pub use package::{PackedFile, STEPS, Target, function_name};
pub use place::{Place, Settings};
pub use serve::{connector, serve};
pub use told::Told;
