//! What can be said about recordings.

use std::path::PathBuf;

use clap::Args;

use super::GivenConnection;

#[derive(Debug, Args)]
pub(crate) struct RecordArguments {
    /// The folder to write to; it must be empty, or not be there
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// A connection of the configuration file
    #[arg(
        value_name = "CONNECTION",
        conflicts_with = "function",
        required_unless_present = "function"
    )]
    pub(crate) connection: Option<String>,
    /// The most calls to make
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub(crate) pages: usize,
    #[command(flatten)]
    pub(crate) given: GivenConnection,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// The folder of a recording
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// A connection whose function is called as then, with the answers that its API gave then
    #[arg(value_name = "CONNECTION", conflicts_with = "function")]
    pub(crate) connection: Option<String>,
    /// Where the recorded answers land, when no function is called. Default: nowhere that stays
    #[arg(long, value_name = "FILE", conflicts_with_all = ["connection", "function"])]
    pub(crate) into: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) given: GivenConnection,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// A connection of the configuration file, as it is now
    #[arg(value_name = "A")]
    pub(crate) a: String,
    /// The connection that is to take its place
    #[arg(value_name = "B")]
    pub(crate) b: String,
    /// Compare with the tables that A has landed in its DuckDB file, in place of calling A
    #[arg(long)]
    pub(crate) stored: bool,
    /// How many syncs of each, one after the other
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) syncs: u64,
    /// Show keys of rows that are not the same
    #[arg(long)]
    pub(crate) show_values: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
