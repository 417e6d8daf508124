//! What can be said about a check.

use std::path::PathBuf;

use clap::Args;

use super::GivenConnection;
use crate::check::observation::Target;

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Connections of the configuration file; all of them if none is named
    #[arg(value_name = "CONNECTION", conflicts_with = "function")]
    pub(crate) connections: Vec<String>,
    /// The most pages of each sync
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub(crate) pages: usize,
    /// The cloud whose limits count; by default the one that the function shows
    #[arg(long, value_name = "CLOUD", value_enum)]
    pub(crate) target: Option<Target>,
    /// Do not let the API behind the function fail on purpose
    #[arg(long)]
    pub(crate) no_faults: bool,
    /// Show values of rows and states where answers differ
    #[arg(long)]
    pub(crate) show_values: bool,
    /// Print one JSON object for each connection
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a report for a CI's list of tests
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write a report as a page
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) given: GivenConnection,
}
