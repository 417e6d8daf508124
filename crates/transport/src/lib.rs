//! Carries requests and responses: every way to reach a function, and every concern around a call.
//!
//! All types here are Functions or make one. They know the wire (`protocol`) and nothing of
//! what travels on it: no engine, no destination.
//!
//! - [`client`](HttpFunction): a Function at a URL
//! - [`retry`](Retrying): a Function that tries again
//! - [`cancel`](Cancellable): a Function that gives up when a stop is asked for
//! - [`ahead`](Spawned): a Function that works while its caller is busy
//! - [`http_server`](HttpServer): any Function as an HTTP endpoint

mod ahead;
mod body;
mod cancel;
mod client;
mod failure;
mod http_server;
mod listener;
mod log;
mod redaction;
mod retry;

pub use ahead::Spawned;
pub use cancel::Cancellable;
pub use client::{HttpFunction, HttpOptions, SETUP_TEST_TIMEOUT};
pub use http_server::HttpServer;
pub use log::{Log, LogLine, LogSource, no_log};
pub use retry::{Chance, Retrying, Sleep};
