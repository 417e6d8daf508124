//! The built binary, end to end: against a scripted function, into real DuckDB and SQLite files
//! and a real Postgres.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod support;

mod adopt;
mod arrows;
mod aws_credentials;
mod azure;
mod bad_input;
mod check;
mod config;
mod demo;
mod deployed;
mod function_kinds;
mod golden;
mod google;
mod init;
mod interrupt;
mod lake;
mod lambda;
mod lambda_s3;
mod locks;
mod log_events;
mod main_job;
mod manifest;
mod migrate;
mod output;
mod package;
mod paging;
mod playground;
mod postgres;
mod preview;
mod recording;
mod requests;
mod schema;
mod secrets;
mod serve;
mod serverless;
mod setup_test;
mod sqlite;
#[cfg(target_os = "linux")]
mod startup;
mod state;
mod tables;
