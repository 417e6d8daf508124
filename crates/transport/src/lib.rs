//! Carries requests and responses: every way to reach a function, and every concern around a call.
//!
//! All types here are Functions or make one. They know the wire (`protocol`) and nothing of
//! what travels on it: no engine, no destination.
//!
//! - [`client`](HttpFunction): a Function at a URL
//! - [`handler`](HandlerFunction): a user's Lambda handler file, run by AWS's own runtime client
//! - [`lambda_client`](LambdaFunction): a Function on AWS Lambda, called through its API
//! - [`command`](CommandFunction): any program, request on its input, response on its output
//! - [`retry`](Retrying): a Function that tries again
//! - [`cancel`](Cancellable): a Function that gives up when a stop is asked for
//! - [`ahead`](Ahead): a Function that works while its caller is busy
//! - [`http_server`](HttpServer): any Function as an HTTP endpoint
//! - [`lambda_runtime`](LambdaRuntime): any Function as a Lambda
//! - [`upstream`](UpstreamProxy): a proxy between a function and the API behind it

// The functions.
mod client;
mod command;
mod handler;
mod lambda_client;

// The concerns around a call.
mod ahead;
mod cancel;
mod retry;

// The other end of the wire.
mod http_server;
mod lambda_runtime;

// What a handler needs: its file, a runtime, a process and the API it works for.
mod cache;
mod handler_file;
mod handler_process;
mod lambda_api;
mod node;
mod python;

// What several of them share.
mod ask;
mod aws;
mod aws_sso;
mod body;
mod chance;
mod entra;
mod failure;
mod google;
mod listener;
mod log;
mod object_rows;
mod object_storage;
mod output;
mod process;
mod redaction;
mod route;
mod secret_store;

// What is behind a function.
mod upstream;

#[cfg(test)]
mod carried;

pub use ahead::Ahead;
pub use aws::AwsOptions;
pub use cancel::Cancellable;
pub use client::{HttpFunction, HttpOptions, SETUP_TEST_TIMEOUT};
pub use command::{CommandFunction, CommandOptions};
pub use entra::EntraOptions;
pub use google::GoogleOptions;
pub use handler::{HandlerFunction, HandlerOptions, LAMBDA_PAYLOAD_BYTES_MAX};
pub use http_server::{HttpKey, HttpServer, HttpServerOptions};
pub use lambda_client::{LambdaFunction, LambdaOptions};
pub use lambda_runtime::LambdaRuntime;
pub use log::{Log, LogLine, LogSource, no_log};
pub use object_rows::S3Options;
pub use object_storage::open_bucket;
pub use retry::{Chance, Retrying, Sleep};
pub use route::Proxies;
pub use secret_store::{SecretAddress, SecretReader};
pub use upstream::{Exchange, Fault, Upstream, UpstreamProxy};
