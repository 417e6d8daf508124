//! What can be said on the command line.

mod check;
mod moving;
mod recording;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub(crate) use check::CheckArguments;
pub(crate) use moving::{AdoptArguments, MigrateArguments};
pub(crate) use recording::{DiffArguments, RecordArguments, ReplayArguments};

use crate::config::{
    CommandConfig, DeleteMode, Keyless, Naming, Size, SoftDeleteTiming, Span, StringInference,
};

/// Calls a function, page by page, and lands its rows in DuckDB, Postgres or SQLite, every page exactly once.
#[derive(Debug, Parser)]
#[command(
    name = "hasmore",
    version,
    arg_required_else_help = true,
    after_help = "Begin with `hasmore demo`. Exit codes: 0 landed, 1 our bug, 2 your configuration, 3 function failed, 4 destination failed, 130 or 143 stopped."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct GlobalArguments {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = crate::config::FILE_NAME)]
    pub(crate) config: PathBuf,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more: each call; twice: states too
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How log lines are written on standard error
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line, in Fivetran's envelope
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show five calls and three syncs of a small function, with nothing to set up
    Demo(DemoArguments),
    /// Call functions until they have no more, and land what they answer
    Sync(SyncArguments),
    /// Write a manifest from an answer of an API, an OpenAPI document or a HAR file
    Init(InitArguments),
    /// Print the first rows of a manifest's table, one JSON object a line; nothing is written
    Read(ReadArguments),
    /// Answer the Functions protocol by what a manifest says, for others to call
    Serve(ServeArguments),
    /// Write everything that is needed to deploy a manifest; no container engine is used
    Package(PackageArguments),
    /// Call a function once and show its rows and their types; nothing is written
    Preview(PreviewArguments),
    /// Ask a function whether it is well (its setup test); nothing is written
    Test(TestArguments),
    /// Begin again: read everything, or one table, once more; rows stay until the new ones are in
    Resync(ResyncArguments),
    /// Copy all of a connection to another destination, where the next sync goes on; what is here stays
    Migrate(MigrateArguments),
    /// Take over tables that Fivetran made, and go on from its state
    Adopt(AdoptArguments),
    /// Show what has been decided about tables and columns, and let in what was held back
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Tell whether a function is right: protocol, repeated calls, lost rows, limits; nothing is stored
    Check(CheckArguments),
    /// Keep every call of a function as files, without secrets; nothing is stored
    Record(RecordArguments),
    /// Make recorded calls again, with no network: land them, or see whether a function answers as then
    Replay(ReplayArguments),
    /// Sync two functions apart from what has landed, and tell where their tables are not the same
    Diff(DiffArguments),
    /// Show or change what a function is told with the next call
    #[command(subcommand)]
    State(StateCommand),
    /// Show what has landed: rows, columns, types, and why each type
    Tables(TablesArguments),
    /// Check the configuration file, or print its JSON Schema
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check manifests, or print their JSON Schema
    #[command(subcommand)]
    Manifest(ManifestCommand),
    /// Tell the cause of an error or a warning, and its cure
    Explain(ExplainArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// The DuckDB file; one left by an earlier demo is replaced
    #[arg(long, value_name = "FILE", default_value = "hasmore-demo.duckdb")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The address of a list of rows or of an OpenAPI document, where ${VARIABLE} is looked up; or a file:
    /// an OpenAPI document, or a HAR file that a browser saved
    #[arg(value_name = "URL|FILE", required_unless_present = "curl", conflicts_with = "curl")]
    pub(crate) from: Option<String>,
    /// A line of curl that gets the rows, in place of a URL
    #[arg(long, value_name = "LINE")]
    pub(crate) curl: Option<String>,
    /// An HTTP header, which lets the request in; ${VARIABLE} is looked up
    #[arg(long, value_name = "NAME: TEXT")]
    pub(crate) header: Vec<String>,
    /// Of a document's paths, or a HAR file's addresses, take those that contain this
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
    /// The manifest to write; `-` is standard output. By default the API's name
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReadArguments {
    /// The table
    #[arg(value_name = "TABLE")]
    pub(crate) table: String,
    /// A connection of the configuration file, in place of --manifest
    #[arg(
        value_name = "CONNECTION",
        conflicts_with = "function",
        required_unless_present = "function"
    )]
    pub(crate) connection: Option<String>,
    /// Pages of the table to read
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) pages: u64,
    #[command(flatten)]
    pub(crate) range: RangeArguments,
    #[command(flatten)]
    pub(crate) given: GivenConnection,
}

#[derive(Debug, Args)]
#[command(
    after_help = "HASMORE_KEY, if it is set, is what callers must send as `Authorization: Bearer`. On Lambda, on $PORT and as an Azure custom handler, the address and the limits are those of the place."
)]
pub(crate) struct ServeArguments {
    /// The manifest
    #[arg(value_name = "FILE")]
    pub(crate) manifest: PathBuf,
    /// Where to listen, unless the place says it; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) address: SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct PackageArguments {
    /// The manifest
    #[arg(value_name = "FILE")]
    pub(crate) manifest: PathBuf,
    /// Where it will run
    #[arg(long, value_name = "PLACE", value_enum)]
    pub(crate) target: PackageTarget,
    /// The folder to write; by default named after the manifest and the place
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
    /// The program hasmore-function; by default the one beside hasmore, or in PATH
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) binary: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PackageTarget {
    /// AWS Lambda: an archive with `bootstrap`, and a SAM template
    Lambda,
    /// A container: a Dockerfile, and a service file
    CloudRun,
    /// An Azure function with a custom handler
    Azure,
}

impl From<PackageTarget> for function::Target {
    fn from(target: PackageTarget) -> function::Target {
        match target {
            PackageTarget::Lambda => function::Target::Lambda,
            PackageTarget::CloudRun => function::Target::CloudRun,
            PackageTarget::Azure => function::Target::Azure,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    /// Connections of the configuration file; all of them if none is named
    #[arg(value_name = "CONNECTION", conflicts_with = "function")]
    pub(crate) connections: Vec<String>,
    /// Stop a sync that runs on the same file, then start
    #[arg(long)]
    pub(crate) force: bool,
    /// Let sweeps delete whatever the function no longer shows, this once, whatever max_deletes says
    #[arg(long)]
    pub(crate) allow_deletes: bool,
    /// Print one JSON object for each connection
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) range: RangeArguments,
    #[command(flatten)]
    pub(crate) given: GivenConnection,
}

/// A range of a manifest's cursors, read in place of what is new.
#[derive(Debug, Args)]
pub(crate) struct RangeArguments {
    /// Read a manifest's tables from this value of their cursors on; how far syncs have come stays as it is
    #[arg(long, value_name = "VALUE")]
    pub(crate) from: Option<String>,
    /// … up to this value
    #[arg(long, value_name = "VALUE", requires = "from")]
    pub(crate) until: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PreviewArguments {
    /// A connection of the configuration file
    #[arg(
        value_name = "CONNECTION",
        conflicts_with = "function",
        required_unless_present = "function"
    )]
    pub(crate) connection: Option<String>,
    /// The most rows to show of each table
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub(crate) rows: usize,
    /// Send the empty state of a first sync, whatever has landed
    #[arg(long)]
    pub(crate) from_start: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) given: GivenConnection,
}

#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// Connections of the configuration file; all of them if none is named
    #[arg(value_name = "CONNECTION", conflicts_with = "function")]
    pub(crate) connections: Vec<String>,
    /// Print one JSON object for each connection
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) given: GivenConnection,
}

#[derive(Debug, Args)]
pub(crate) struct TablesArguments {
    #[command(flatten)]
    pub(crate) stored: StoredConnection,
    /// Print one JSON object for each connection
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Print the state, byte for byte as the function gave it
    Show(StateShowArguments),
    /// Replace the state
    Set(StateSetArguments),
    /// List the states of past commits, newest first
    History(StateHistoryArguments),
    /// Go back to the state of a past commit; rows stay as they are
    Rollback(StateRollbackArguments),
    /// Begin again with the empty state; rows stay until the next sync has ended
    Reset(StateResetArguments),
}

#[derive(Debug, Args)]
pub(crate) struct StateShowArguments {
    #[command(flatten)]
    pub(crate) stored: StoredConnection,
    /// Print one JSON object that tells also the commit it is from
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StateSetArguments {
    #[command(flatten)]
    pub(crate) stored: StoredConnection,
    /// The new state, as JSON
    #[arg(long, value_name = "JSON", required_unless_present = "file", conflicts_with = "file")]
    pub(crate) state: Option<String>,
    /// A file that holds the new state; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct StateHistoryArguments {
    #[command(flatten)]
    pub(crate) stored: StoredConnection,
    /// The most commits to list
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Print one JSON object for each commit
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StateRollbackArguments {
    #[command(flatten)]
    pub(crate) stored: StoredConnection,
    /// The commit to go back to, as `state history` lists it
    #[arg(long, value_name = "NUMBER")]
    pub(crate) commit: u64,
}

#[derive(Debug, Args)]
pub(crate) struct StateResetArguments {
    #[command(flatten)]
    pub(crate) stored: StoredConnection,
    /// Do not mark the rows that the next complete sync does not see
    #[arg(long)]
    pub(crate) keep_missing: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ResyncArguments {
    #[command(flatten)]
    pub(crate) stored: StoredConnection,
    /// Only this table, by its name in the destination; the others go on from where they are
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<String>,
    /// Do not mark the rows that the next complete sync does not see
    #[arg(long, conflicts_with = "rebuild")]
    pub(crate) keep_missing: bool,
    /// Make tables anew beside the old ones and replace those at the end: keys may be others then, and
    /// columns narrower
    #[arg(long, visible_alias = "allow-key-change")]
    pub(crate) rebuild: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// List tables and columns: those that have landed, and those that are held back
    Show(SchemaShowArguments),
    /// List only what is held back, and what its first value was like
    Diff(SchemaShowArguments),
    /// Let in what is held back, from the next sync on
    Approve(SchemaApproveArguments),
}

#[derive(Debug, Args)]
pub(crate) struct SchemaShowArguments {
    #[command(flatten)]
    pub(crate) stored: StoredConnection,
    /// Print one JSON object for each connection
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaApproveArguments {
    #[command(flatten)]
    pub(crate) stored: StoredConnection,
    /// A table that is held back, by the name that the function gives it; with --column, the column's table
    #[arg(long, value_name = "TABLE", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) table: Option<String>,
    /// A column that is held back, by the name that the function gives it
    #[arg(long, value_name = "COLUMN", requires = "table")]
    pub(crate) column: Option<String>,
    /// Everything that is held back
    #[arg(long)]
    pub(crate) all: bool,
    /// Begin again with the next sync, which fetches what went by
    #[arg(long)]
    pub(crate) resync: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration file
    Check,
    /// Print the JSON Schema of the configuration file
    Schema,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ManifestCommand {
    /// Check manifests, and tell how each table will be read
    Check(ManifestCheckArguments),
    /// Print the JSON Schema of manifests
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct ManifestCheckArguments {
    /// The manifests
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The code, as in error[missing_state]
    #[arg(value_name = "CODE")]
    pub(crate) code: String,
}

/// What has landed for a connection: named in the configuration file, or found in a destination.
#[derive(Debug, Args)]
pub(crate) struct StoredConnection {
    /// A connection; it may be left out where there is only one
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: Option<String>,
    /// Look in this DuckDB or SQLite file, or postgres:// address, without a configuration file
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) to: Option<PathBuf>,
}

/// A connection given whole on the command line, without a configuration file.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "A connection without a configuration file")]
pub(crate) struct GivenConnection {
    /// A Lambda handler on this machine: folder/file.function
    #[arg(long, value_name = "HANDLER", group = "function")]
    pub(crate) handler: Option<String>,
    /// An HTTP endpoint that speaks the Functions protocol
    #[arg(long, value_name = "URL", group = "function")]
    pub(crate) url: Option<String>,
    /// A function on AWS Lambda: its name, name:alias, or its ARN
    #[arg(long, value_name = "FUNCTION", group = "function")]
    pub(crate) lambda: Option<String>,
    /// The region of the Lambda function, unless its ARN or AWS_REGION says it
    #[arg(long, value_name = "REGION", requires = "lambda")]
    pub(crate) region: Option<String>,
    /// The bucket of S3 that the Lambda function writes its rows to, in place of returning them
    #[arg(long, value_name = "NAME", requires = "lambda")]
    pub(crate) bucket: Option<String>,
    /// A program that reads the request on standard input and writes the response
    #[arg(long, value_name = "LINE", group = "function")]
    pub(crate) command: Option<CommandConfig>,
    /// Where rows land: a DuckDB file, a .sqlite file, postgres://USER@HOST/DATABASE, or a lake: delta:FOLDER, delta:s3://BUCKET/PREFIX
    #[arg(long, value_name = "DESTINATION", requires = "function")]
    pub(crate) to: Option<PathBuf>,
    /// An API described in YAML
    #[arg(long, value_name = "FILE", group = "function")]
    pub(crate) manifest: Option<PathBuf>,
    /// The connection's name; by default that of the handler, the host, the program or the manifest
    #[arg(long, value_name = "NAME", requires = "function")]
    pub(crate) name: Option<String>,
    /// The schema that holds the tables; by default the connection's name
    #[arg(long, value_name = "NAME", requires = "function")]
    pub(crate) namespace: Option<String>,
    /// A secret: NAME takes the environment variable NAME; or NAME=${VARIABLE}, NAME=file:PATH
    #[arg(long, value_name = "NAME", requires = "function")]
    pub(crate) secret: Vec<String>,
    /// A JSON file with one object, whose members are secrets
    #[arg(long, value_name = "FILE", requires = "function")]
    pub(crate) secrets_file: Option<PathBuf>,
    /// A pair of the custom payload
    #[arg(long, value_name = "NAME=TEXT", requires = "function")]
    pub(crate) payload: Vec<String>,
    /// An HTTP header for the URL; ${VARIABLE} is looked up
    #[arg(long, value_name = "NAME: TEXT", requires = "url")]
    pub(crate) header: Vec<String>,
    /// An environment variable for the process of a handler or a command
    #[arg(long, value_name = "NAME=TEXT", requires = "function")]
    pub(crate) environment: Vec<String>,
    /// The Python that runs the handler
    #[arg(long, value_name = "PROGRAM", requires = "handler")]
    pub(crate) python: Option<PathBuf>,
    /// The folder that the handler sees as LAMBDA_TASK_ROOT
    #[arg(long, value_name = "FOLDER", requires = "handler")]
    pub(crate) task_root: Option<PathBuf>,

    /// What happens to a row that the function names in delete
    #[arg(long, value_name = "MODE", value_enum, requires = "function")]
    pub(crate) delete_mode: Option<DeleteMode>,
    /// What is read inside texts
    #[arg(long, value_name = "MODE", value_enum, requires = "function")]
    pub(crate) string_inference: Option<StringInference>,
    /// How names of tables and columns are made
    #[arg(long, value_name = "MODE", value_enum, requires = "function")]
    pub(crate) naming: Option<Naming>,
    /// The key of tables for which the function declares none
    #[arg(long, value_name = "MODE", value_enum, requires = "function")]
    pub(crate) keyless: Option<Keyless>,
    /// When rows that a softDelete no longer shows are marked
    #[arg(long, value_name = "MODE", value_enum, requires = "function")]
    pub(crate) soft_delete_timing: Option<SoftDeleteTiming>,
    /// Read a bare NaN or Infinity in a row as NULL
    #[arg(long, requires = "function")]
    pub(crate) lenient_numbers: bool,
    /// The text by which the function knows its caller
    #[arg(long, value_name = "TEXT", requires = "function")]
    pub(crate) agent: Option<String>,

    /// Empty pages tolerated in a row; 0 = off
    #[arg(long, value_name = "NUMBER", requires = "function")]
    pub(crate) empty_pages: Option<u32>,
    /// No call starts later than this; 0 = off
    #[arg(long, value_name = "DURATION", requires = "function")]
    pub(crate) sync_time: Option<Span>,
    /// Join pages into one commit until it has this many rows
    #[arg(long, value_name = "NUMBER", requires = "function")]
    pub(crate) batch_rows: Option<u64>,
    /// … or this many bytes
    #[arg(long, value_name = "SIZE", requires = "function")]
    pub(crate) batch_bytes: Option<Size>,
    /// … or this age
    #[arg(long, value_name = "DURATION", requires = "function")]
    pub(crate) batch_age: Option<Span>,
    /// Refuse a larger response
    #[arg(long, value_name = "SIZE", requires = "function")]
    pub(crate) response_bytes: Option<Size>,
    /// Give up a call that takes longer
    #[arg(long, value_name = "DURATION", requires = "function")]
    pub(crate) call_timeout: Option<Span>,
    /// The memory that DuckDB may use
    #[arg(long, value_name = "SIZE", requires = "function")]
    pub(crate) memory: Option<Size>,
}
