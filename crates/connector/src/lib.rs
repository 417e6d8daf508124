//! A manifest becomes a Function: any paginated, incremental API in a few lines of YAML.
//!
//! Read [`Manifest`] for what can be said, `connector.rs` for how a call is answered, `reader.rs` for
//! how a page is read. A connector knows nothing of who stores its rows.

// What the manifest says.
pub mod manifest;
mod plan;
mod template;

// How a call is answered.
mod answer;
mod connector;
mod explode;
mod progress;
mod read_error;
mod reader;
mod reshape;
mod rows;
mod shift;
mod window;

// How a page is read.
mod ahead;
mod auth;
mod cursor;
mod files;
mod format;
mod http;
mod page;
mod paginator;
mod request_builder;
mod selector;

// How a manifest is begun.
mod draft;

pub mod yaml;

pub use connector::{Clock, Connector, system_clock};
pub use draft::{Draft, Sample, SampleRequest, draft_document, sample};
pub use http::Via;
pub use selector::Path;
