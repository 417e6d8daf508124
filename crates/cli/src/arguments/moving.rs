//! What can be said of connections that move.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// A connection; it may be left out where there is only one
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: Option<String>,
    /// Where it goes: a DuckDB file, or postgres://USER@HOST/DATABASE; it must hold nothing of it
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) to: PathBuf,
    /// Where it is, if not where the configuration file says
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) from: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AdoptArguments {
    /// The connection that is to go on with the tables
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: String,
    /// The state that the function goes on from, as JSON: the last that it answered
    #[arg(long, value_name = "JSON", required_unless_present = "file", conflicts_with = "file")]
    pub(crate) state: Option<String>,
    /// A file that holds the state; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The key of a table for which the database knows none, as the function declares it
    #[arg(long, value_name = "TABLE=COLUMN,COLUMN")]
    pub(crate) key: Vec<String>,
    /// A table to take over; by default all of the schema that have `_fivetran_synced`
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Vec<String>,
    /// Look in this DuckDB file or postgres:// address, without a configuration file
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) to: Option<PathBuf>,
    /// The schema that holds the tables, without a configuration file; by default the connection's name
    #[arg(long, value_name = "NAME", requires = "to")]
    pub(crate) namespace: Option<String>,
    /// Say what would be taken over, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
