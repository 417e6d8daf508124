//! Connectors read an API that this crate serves on loopback, faults and all.

mod api;
mod auth;
mod budgets;
mod children;
mod connections;
mod files;
mod files_azure;
mod files_gs;
mod files_s3;
mod files_sftp;
mod formats;
mod golden;
mod incremental;
mod pagination;
mod property;
mod requests;
mod reshape;
mod run;
mod safety;
mod shipped;
mod streaming;
mod tokens;
