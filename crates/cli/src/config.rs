//! `hasmore.yaml`: the types of the file. What it means for one connection is in `connection.rs`.

mod check;
mod shape;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use connector::manifest::Manifest;
use connector::yaml;
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use check::is_namespace;
pub(crate) use connector::yaml::{Problem, Size, Span, nearest};
pub(crate) use shape::{SchemaChanges, Share, TableConfig, TableMode};

/// The name looked for in the current folder.
pub(crate) const FILE_NAME: &str = "hasmore.yaml";

/// A file that was read and is right.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) path: PathBuf,
    pub(crate) content: ConfigFile,
}

/// Connections by name: each is a function and the destination where its rows land.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "hasmore.yaml")]
pub(crate) struct ConfigFile {
    /// Where rows land, for every connection that names no destination of its own.
    pub(crate) destination: Option<DestinationConfig>,
    /// The connections, by name. They are synced in the order of their names.
    #[serde(default)]
    pub(crate) connections: BTreeMap<String, ConnectionConfig>,
}

/// Where rows land.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DestinationConfig {
    /// A DuckDB file, relative to this file, which is made by the first sync; a SQLite file, whose name ends
    /// in `.sqlite` or `.sqlite3` or stands behind `sqlite:`; a Postgres database,
    /// `postgres://USER@HOST/DATABASE`; or a lake of Delta tables, in a folder, `delta:lake`, or in a bucket,
    /// `delta:s3://BUCKET/PREFIX`. `${NAME}` stands for an environment variable.
    #[schemars(
        example = "warehouse.duckdb",
        example = "warehouse.sqlite",
        example = "postgres://loader@db.example.com/warehouse",
        example = "delta:s3://lake/raw",
        example = "${DATABASE_URL}"
    )]
    pub(crate) to: PathBuf,
}

/// One function and what happens to its rows. It names the function by exactly one of `url`, `lambda`,
/// `handler`, `command` and `manifest`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConnectionConfig {
    /// An HTTP endpoint that speaks the Functions protocol. `${NAME}` stands for an environment variable.
    #[schemars(example = "https://example.com/orders")]
    pub(crate) url: Option<String>,
    /// HTTP headers to send to the URL. `${NAME}` stands for an environment variable.
    pub(crate) headers: BTreeMap<String, String>,
    /// A function on AWS Lambda: its name, `name:alias`, or its ARN.
    #[schemars(
        example = &"orders",
        example = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
    )]
    pub(crate) lambda: Option<String>,
    /// Who calls AWS, for `lambda`; or for a `url` of a Lambda function that lets in by IAM.
    pub(crate) aws: Option<AwsConfig>,
    /// Has the `lambda` write its rows to S3 in place of returning them, so that a page may be larger than
    /// Lambda's 6 MB.
    pub(crate) s3: Option<S3Config>,
    /// Who calls a `url` that is a function of Google's: each call bears an ID token.
    pub(crate) google: Option<GoogleConfig>,
    /// What lets in to a `url` that is a function of Azure's: its key, or a token of Microsoft Entra ID.
    pub(crate) azure: Option<AzureConfig>,
    /// A Lambda handler on this machine, relative to this file: `folder/file.function`.
    #[schemars(example = "orders/lambda_function.lambda_handler")]
    pub(crate) handler: Option<String>,
    /// The Python that runs the handler, in place of one that is looked for.
    pub(crate) python: Option<PathBuf>,
    /// The folder that the handler sees as `LAMBDA_TASK_ROOT`, if not its own.
    pub(crate) task_root: Option<PathBuf>,
    /// A program that reads the request on standard input and writes the response on standard output:
    /// one line of words, or a list of them.
    pub(crate) command: Option<CommandConfig>,
    /// A manifest: an API described in YAML, relative to this file. `secrets` and `custom_payload` are what
    /// its templates see.
    #[schemars(example = "shop.yaml")]
    pub(crate) manifest: Option<PathBuf>,
    /// Environment variables for the process of a handler or a command. `${NAME}` stands for an
    /// environment variable of hasmore itself.
    #[schemars(schema_with = "texts")]
    pub(crate) environment: BTreeMap<String, String>,
    /// What the function needs to log in, by name. Each value refers to where the secret is:
    /// `${NAME}` for an environment variable, `file:path` for the content of a file, `aws-secret:`,
    /// `aws-parameter:`, `google-secret:`, `azure-secret:` or `vault:` for what a store keeps.
    pub(crate) secrets: BTreeMap<String, String>,
    /// A JSON file with one object; its members are secrets, of any JSON type. Members of `secrets`
    /// win over it.
    pub(crate) secrets_file: Option<PathBuf>,
    /// Lets values in `secrets` be the secrets themselves. Every sync warns about them.
    pub(crate) allow_inline_secrets: bool,
    /// Names and texts that the function receives as `customPayload`.
    #[schemars(schema_with = "texts")]
    pub(crate) custom_payload: BTreeMap<String, String>,
    /// Where rows land, if not where the others do.
    pub(crate) destination: Option<DestinationConfig>,
    /// The schema that holds the tables: a-z, 0-9 and _, not beginning with a digit. By default the
    /// connection's name, made to fit. Fixed once the first sync has landed.
    pub(crate) namespace: Option<String>,
    /// What becomes of tables and columns that are new. Default: allow_all.
    pub(crate) schema_changes: Option<SchemaChanges>,
    /// How the rows of tables are kept. Default: upsert.
    pub(crate) mode: Option<TableMode>,
    /// The most that a sweep may delete of a table's live rows; more stops the sync before anything is
    /// changed. Default: no maximum.
    pub(crate) max_deletes: Option<Share>,
    /// What is decided about tables, by the names that the function gives them. To list one is to let it in.
    pub(crate) tables: BTreeMap<String, TableConfig>,
    /// How rows are typed, named and kept.
    pub(crate) options: OptionsConfig,
    /// The maximums of a sync.
    pub(crate) limits: LimitsConfig,
}

/// Who calls AWS. Credentials themselves come from AWS's usual places: the environment, a profile and its
/// SSO login, a web identity, the container, the instance.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AwsConfig {
    /// The function's region. Default: that of its ARN or URL, then `AWS_REGION`, then `AWS_DEFAULT_REGION`.
    #[schemars(example = "eu-west-1")]
    pub(crate) region: Option<String>,
    /// A profile of `~/.aws/config`. Default: `AWS_PROFILE`.
    pub(crate) profile: Option<String>,
    /// A role to take on before the function is called.
    pub(crate) role_arn: Option<String>,
    /// What the owner of the role wants to be told. `${NAME}` stands for an environment variable.
    pub(crate) external_id: Option<String>,
    /// An address in place of AWS's own, for a private endpoint. Default: `AWS_ENDPOINT_URL_LAMBDA`.
    pub(crate) endpoint: Option<String>,
}

/// Where a Lambda function writes its rows: an object for each call, deleted when its page has landed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3Config {
    /// The bucket. The function writes to it; the caller reads, lists and deletes.
    #[schemars(example = &"rows-in-transit")]
    pub(crate) bucket: String,
    /// What the names of objects begin with: `<prefix>/<connection>/<sync>/<call>.json`. Default: hasmore.
    pub(crate) prefix: Option<String>,
    /// Whether objects stay where they are.
    #[serde(default)]
    pub(crate) keep: bool,
    /// The bucket's region. Default: the function's.
    pub(crate) region: Option<String>,
    /// An address in place of S3's own. Default: `AWS_ENDPOINT_URL_S3`.
    pub(crate) endpoint: Option<String>,
}

/// Who calls a function of Google's. It may be empty: then it is the machine's own account.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GoogleConfig {
    /// Whom the ID token is for. Default: the URL without its query.
    #[schemars(example = &"https://orders-abcdefgh-ew.a.run.app")]
    pub(crate) audience: Option<String>,
    /// The JSON file of a service account's key, or of an identity of another cloud, relative to this file. Default: that of
    /// `GOOGLE_APPLICATION_CREDENTIALS`, then the account of the machine.
    pub(crate) key_file: Option<PathBuf>,
}

/// What lets in to a function of Azure's. With neither `key` nor `resource` there is nothing to say.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AzureConfig {
    /// A key of the function or its app. `${NAME}` stands for an environment variable.
    #[schemars(example = "${ORDERS_KEY}")]
    pub(crate) key: Option<String>,
    /// Where the key goes. Default: header.
    pub(crate) key_in: Option<KeyPlace>,
    /// For Entra ID in place of a key: the application that the function belongs to.
    #[schemars(example = "api://12345678-90ab-cdef-1234-567890abcdef")]
    pub(crate) resource: Option<String>,
    /// Who calls. Default: `AZURE_TENANT_ID`.
    pub(crate) tenant_id: Option<String>,
    /// Default: `AZURE_CLIENT_ID`.
    pub(crate) client_id: Option<String>,
    /// `${NAME}` stands for an environment variable. Default: `AZURE_CLIENT_SECRET`, then
    /// `AZURE_FEDERATED_TOKEN_FILE`, then the machine's managed identity.
    pub(crate) client_secret: Option<String>,
}

/// Where a function key goes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyPlace {
    /// `x-functions-key`.
    Header,
    /// `?code=…`.
    Query,
}

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandConfig(pub(crate) Vec<String>);

/// How rows are typed, named and kept. All are best chosen before the first sync.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OptionsConfig {
    /// What happens to a row that the function names in `delete`. Default: soft.
    pub(crate) delete_mode: Option<DeleteMode>,
    /// What is read inside texts. Default: temporal.
    pub(crate) string_inference: Option<StringInference>,
    /// How names of tables and columns are made. Default: fivetran.
    pub(crate) naming: Option<Naming>,
    /// The key of tables for which the function declares none. Default: batch_index.
    pub(crate) keyless: Option<Keyless>,
    /// When rows that a `softDelete` no longer shows are marked. Default: on_success.
    pub(crate) soft_delete_timing: Option<SoftDeleteTiming>,
    /// Whether a bare NaN or Infinity in a row becomes NULL, with a warning, instead of an error.
    pub(crate) lenient_numbers: bool,
    /// The text by which the function knows its caller, also the HTTP User-Agent.
    /// Default: `hasmore/<version>/<connection>/<namespace>`.
    pub(crate) agent: Option<String>,
}

/// The maximums of a sync. Durations are written as `500ms`, `10s`, `15m`, `6h`; sizes as `1500`, `64 MB`, `6 MiB`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsConfig {
    /// Empty pages tolerated in a row; one more fails the sync. 0 = off. Default: 10.
    pub(crate) empty_pages: Option<u32>,
    /// No call starts later than this after the first; the next sync goes on from there. 0 = off. Default: 6h.
    pub(crate) sync_time: Option<Span>,
    /// Pages are joined into one commit until it has this many rows. Default: 100000.
    pub(crate) batch_rows: Option<u64>,
    /// … or this many bytes, as they came. Default: 64 MiB.
    pub(crate) batch_bytes: Option<Size>,
    /// … or until its oldest page has waited this long. Default: 10s.
    pub(crate) batch_age: Option<Span>,
    /// A larger response is refused. Default: 32 MiB for a URL or a command, Lambda's 6,291,556 bytes for a Lambda function or a handler, 512 MiB for an object of `s3`.
    pub(crate) response_bytes: Option<Size>,
    /// A call that takes longer has failed. Default: 60m 30s for a URL or a command, 15m 30s for a Lambda function or a handler.
    pub(crate) call_timeout: Option<Span>,
    /// The most memory that DuckDB may take; it starts with 96 MiB and takes more only when it must. Default: 1 GiB.
    pub(crate) memory: Option<Size>,
}

/// What happens to a row that the function names in `delete` (Dec-24).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum DeleteMode {
    /// It is marked in `_fivetran_deleted`.
    Soft,
    /// It is removed, unless `softDelete` names its table.
    Hard,
}

/// What is read inside texts (Dec-55). Texts in key columns always stay texts.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum StringInference {
    /// Dates and date-times.
    Temporal,
    /// Also numbers and booleans.
    Full,
    /// Nothing.
    None,
}

/// How names of tables and columns are made (F-140 to F-151).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Naming {
    /// Lower case with underscores, by Fivetran's rules.
    Fivetran,
    /// As they come.
    Source,
}

/// The key of tables for which the function declares none (Dec-42).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Keyless {
    /// The sync and a running number: every row is new.
    BatchIndex,
    /// A hash of the row: equal rows are one.
    RowHash,
}

/// When a table named in `softDelete` is swept (Dec-22).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum SoftDeleteTiming {
    /// In the last commit of the sync.
    OnSuccess,
    /// In the commit of the page that names it.
    OnResponse,
}

/// Why a file cannot be used.
#[derive(Debug)]
pub(crate) struct ConfigError {
    pub(crate) path: PathBuf,
    pub(crate) file: FileKind,
    pub(crate) reason: Unusable,
}

/// The two files that people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Configuration,
    Manifest,
}

/// What is the matter with a file.
#[derive(Debug)]
pub(crate) enum Unusable {
    Missing,
    /// It cannot be read.
    Unreadable(String),
    /// It is wrong in these places.
    Wrong {
        text: String,
        problems: Vec<Problem>,
    },
}

impl Config {
    /// Reads and checks a file.
    pub(crate) fn load(path: &Path) -> Result<Config, ConfigError> {
        let content = read_file(path, FileKind::Configuration, parse)?;
        Ok(Config { path: path.to_owned(), content })
    }

    /// The folder that paths in the file are relative to.
    pub(crate) fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }
}

/// Reads and checks a manifest; its mistakes are told as those of a configuration are.
pub(crate) fn load_manifest(path: &Path) -> Result<Manifest, ConfigError> {
    let manifest = read_file(path, FileKind::Manifest, Manifest::parse)?;
    Ok(manifest.in_folder(path.parent().unwrap_or(Path::new(""))))
}

fn read_file<T>(
    path: &Path,
    file: FileKind,
    parse: impl Fn(&str) -> Result<T, Vec<Problem>>,
) -> Result<T, ConfigError> {
    let unusable = |reason| ConfigError { path: path.to_owned(), file, reason };
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => unusable(Unusable::Missing),
        _ => unusable(Unusable::Unreadable(error.to_string())),
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        unusable(Unusable::Unreadable(format!("it is not UTF-8 from byte {valid}")))
    })?;
    parse(&text).map_err(|problems| unusable(Unusable::Wrong { text, problems }))
}

/// Any text gives a configuration or the places where it is wrong.
pub(crate) fn parse(text: &str) -> Result<ConfigFile, Vec<Problem>> {
    let root = yaml::parse(text).map_err(|problem| vec![problem])?;
    let content: ConfigFile = yaml::read(root.clone(), home_of)?;
    match check::check(&content, &root) {
        problems if problems.is_empty() => Ok(content),
        problems => Err(problems),
    }
}

/// The JSON Schema of the file, made from the types above.
pub(crate) fn json_schema() -> String {
    let schema = schemars::schema_for!(ConfigFile);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text.push('\n');
    text
}

/// Names with texts; numbers and booleans are taken as they are written.
fn texts(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": { "type": ["string", "number", "boolean"] },
        "default": {}
    })
}

/// Where a key lives that was written in the wrong place.
fn home_of(key: &str) -> Option<&'static str> {
    let schema = schemars::schema_for!(ConfigFile);
    let defines = |name: &str| schema.pointer(&format!("/$defs/{name}/properties/{key}")).is_some();
    [
        ("OptionsConfig", "options"),
        ("LimitsConfig", "limits"),
        ("DestinationConfig", "destination"),
        ("AwsConfig", "aws"),
        ("GoogleConfig", "google"),
        ("S3Config", "s3"),
        ("AzureConfig", "azure"),
        ("ConnectionConfig", "connections.NAME"),
    ]
    .into_iter()
    .find(|(name, _)| !key.contains(['/', '~']) && defines(name))
    .map(|(_, home)| home)
}

impl<'de> Deserialize<'de> for CommandConfig {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<CommandConfig, D::Error> {
        struct Words;
        impl<'de> serde::de::Visitor<'de> for Words {
            type Value = CommandConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a program and its arguments, as one line or as a list")
            }

            fn visit_str<E: serde::de::Error>(self, line: &str) -> Result<CommandConfig, E> {
                line.parse().map_err(E::custom)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> Result<CommandConfig, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = items.next_element::<String>()? {
                    words.push(word);
                }
                if words.is_empty() {
                    return Err(serde::de::Error::custom("the command names no program"));
                }
                Ok(CommandConfig(words))
            }
        }
        from.deserialize_any(Words)
    }
}

/// A line is split at spaces; quotes keep words together. No shell reads it.
impl std::str::FromStr for CommandConfig {
    type Err = String;

    fn from_str(line: &str) -> Result<CommandConfig, String> {
        let words = shlex::split(line).ok_or("a quote in the command has no end")?;
        if words.is_empty() {
            return Err("the command names no program".into());
        }
        Ok(CommandConfig(words))
    }
}

impl JsonSchema for CommandConfig {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Command".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 }
            ],
            "examples": ["./orders --fast", ["python3", "orders.py"]]
        })
    }
}

#[cfg(test)]
mod tests;
