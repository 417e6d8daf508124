//! The YAML of a connector: its types, read and checked. What it does is in `connector.rs`.

mod auth;
mod check;
mod cursor;
mod describe;
mod files;
mod places;
mod range;
mod table;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

pub use auth::{Auth, Aws, HmacAlgorithm, HmacEncoding, HmacSignature, Jwt, Oauth2, Tls};
pub use cursor::{CursorConfig, CursorFormat, CursorKind, CursorOrder, Filtering};
pub use describe::TableDescription;
pub(crate) use files::Scheme;
pub use files::{Az, Files, Gs, S3, Sftp, Storage};
pub use places::{Source, Target};
pub(crate) use range::Range;
pub use table::{
    BadRows, Csv, Deletes, Excel, Feed, FixedWidth, ForEach, Format, Method, ParentErrors,
    TableConfig,
};
pub use values::{BodyTemplate, End, OneOrMany, Percent, Step};

use crate::yaml::{self, Problem, Span};

/// An API as tables: where it is, how to log in, how it pages, and what each table is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A connector's manifest")]
pub struct Manifest {
    /// What the API is called.
    #[schemars(example = &"shop")]
    pub name: String,
    /// What every path begins with; a template. Only a manifest whose tables are all read from `files` has
    /// none.
    #[serde(default)]
    #[schemars(example = &"https://api.example.com/v1")]
    pub base_url: String,
    /// Other hosts that links to a next page may lead to, with all that lets a request in. A link to a host
    /// that is not named here is an error, so that no key goes where nobody meant it to go.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The names of the secrets that templates may use, as `{{ secrets.NAME }}`. A call that lacks one
    /// is answered by an error that names it.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// The names of secrets that a connection may lack; such a one is an empty text.
    #[serde(default)]
    pub optional_secrets: Vec<String>,
    /// Names that templates may use as `{{ config.NAME }}`, with the value each has unless the
    /// connection's `custom_payload` gives another.
    #[serde(default)]
    #[schemars(schema_with = "values::texts")]
    pub config: BTreeMap<String, String>,
    /// How every request is let in.
    #[serde(default)]
    pub auth: Auth,
    /// A certificate of the client's own, or an authority that is not known everywhere.
    #[serde(default)]
    pub tls: Tls,
    /// HTTP headers of every request; templates.
    #[serde(default)]
    #[schemars(schema_with = "values::texts")]
    pub headers: IndexMap<String, String>,
    /// Query parameters of every request; templates. One whose value is empty is left out.
    #[serde(default)]
    #[schemars(schema_with = "values::texts")]
    pub query: IndexMap<String, String>,
    /// How every table pages that does not say it for itself. Default: one page holds all.
    #[serde(default)]
    pub pagination: Pagination,
    /// How hard the API may be pressed, and how long it may take.
    #[serde(default)]
    pub requests: Requests,
    /// How the stores of `files` are reached.
    #[serde(default)]
    pub storage: Storage,
    /// What one call of the function may hold.
    #[serde(default)]
    pub call: CallBudget,
    /// The key of all hashes, as a rule `{{ secrets.hash_key }}`.
    pub hash_key: Option<String>,
    /// The names that a flat state has, to go on from the state of another function: for one table
    /// that pages by number.
    pub state: Option<FlatState>,
    /// The tables, read in this order.
    pub tables: IndexMap<String, TableConfig>,
    /// What is read in place of what is new: see [`Manifest::between`].
    #[serde(skip)]
    pub(crate) range: Option<Range>,
    /// Where relative paths of this machine begin: see [`Manifest::in_folder`].
    #[serde(skip)]
    pub(crate) folder: Option<PathBuf>,
}

/// How a table's pages follow each other: by exactly one of `page`, `offset` and `cursor`, or not at all.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Pagination {
    /// Pages have numbers.
    pub page: Option<PageNumber>,
    /// Pages begin after so many rows.
    pub offset: Option<RowOffset>,
    /// Each page says how to get the next: a token, a link, or the key of its last row.
    pub cursor: Option<Token>,
    /// How many rows a page is asked to hold.
    pub size: Option<PageSize>,
    /// Where a page says how many rows there are in all. Reading fewer is an error.
    pub total: Option<Source>,
    /// Where a page says how many pages there are in all.
    pub total_pages: Option<Source>,
    /// Where a page says whether another follows.
    pub has_more: Option<Source>,
    /// Whether a page with fewer rows than `size` is the last. By default only an empty page is, since
    /// many APIs hold pages shorter than they are asked to.
    pub short_page_ends: bool,
    /// A reading of more pages than this is an error, not an end. Default: 1,000,000.
    pub pages_max: Option<u64>,
}

/// Pages have numbers.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PageNumber {
    /// Where the number is written.
    pub to: Target,
    /// The number of the first page.
    #[serde(default = "one")]
    pub start: u64,
}

fn one() -> u64 {
    1
}

/// Pages begin after so many rows. It grows by the rows that came, not by those asked for.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RowOffset {
    /// Where the number of rows is written.
    pub to: Target,
    /// The number at the first row.
    #[serde(default)]
    pub start: u64,
}

/// A page says how to get the next one.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Where the token is read. No token, an empty one, null or false: this was the last page.
    pub from: Source,
    /// Where it is written for the next page; `url` when it is the whole address.
    pub to: Target,
    /// Whether a token of an earlier sync may be used. By default a sync that was cut short begins its
    /// window again, since most tokens expire. The key of a last row never expires.
    #[serde(default)]
    pub durable: bool,
}

/// How many rows a page is asked to hold.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PageSize {
    /// Where the size is written; nowhere when the API has a size of its own.
    pub to: Option<Target>,
    /// Rows a page.
    pub value: u64,
}

/// How hard the API may be pressed, by all tables together, and how long it may take.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Requests {
    /// At most so many requests begin in a second.
    pub per_second: Option<u32>,
    /// At most so many requests begin in a minute.
    pub per_minute: Option<u32>,
    /// At most so many requests are under way at once. Default: 4.
    pub concurrency: Option<u32>,
    /// An answer that takes longer has failed. Default: 60s.
    pub timeout: Option<Span>,
    /// A request is tried again so many times when the API is busy or gone. Default: 5.
    pub retries: Option<u32>,
    /// The pause before the second try; it doubles from try to try, up to 30s. Default: 500ms.
    pub backoff: Option<Span>,
    /// An answer larger than this is refused. Default: 256 MiB, and 16 GiB for one that is not held whole.
    pub body_bytes: Option<yaml::Size>,
}

/// What one call of the function may hold; the rest waits for the next call (`hasMore`).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallBudget {
    /// Pages read in one call.
    pub pages: Option<u64>,
    /// Bytes of rows in one answer. Default: 4.5 MB, which fits AWS Lambda.
    pub bytes: Option<yaml::Size>,
    /// A call begins no page later than this. Default: 10s.
    pub time: Option<Span>,
}

/// The two names of a flat state: `{"lastUpdate": "…", "paginationCounter": 0}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlatState {
    /// The member that holds the cursor.
    pub cursor: String,
    /// The member that counts pages.
    pub page: String,
}

impl Manifest {
    /// The same; its relative paths of this machine begin in that folder, and not where the process runs.
    #[must_use]
    pub fn in_folder(self, folder: &Path) -> Manifest {
        Manifest { folder: Some(folder.to_owned()), ..self }
    }

    /// Any text gives a manifest or the places where it is wrong.
    ///
    /// # Errors
    /// Every mistake, each with its line, its column and, where one is near, the right word.
    pub fn parse(text: &str) -> Result<Manifest, Vec<Problem>> {
        let root = yaml::parse(text).map_err(|problem| vec![problem])?;
        let manifest: Manifest = yaml::read(root.clone(), home_of)?;
        match check::check(&manifest, &root) {
            problems if problems.is_empty() => Ok(manifest),
            problems => Err(problems),
        }
    }

    /// The same API with nothing but this table and its parents; `None` where there is no such table.
    pub fn only(&self, table: &str) -> Option<Manifest> {
        let mut wanted = vec![table];
        let mut at = self.tables.get(table)?;
        while let Some(parent) = at.for_each.as_ref().and_then(ForEach::table) {
            wanted.push(parent);
            at = self.tables.get(parent)?;
        }
        let mut only = self.with_parents_asked_for();
        only.tables.retain(|name, _| wanted.contains(&name.as_str()));
        Some(only)
    }

    /// The same, with a request in place of every `{all: TABLE}`.
    pub(crate) fn with_parents_asked_for(&self) -> Manifest {
        let mut manifest = self.clone();
        for table in manifest.tables.values_mut() {
            self.ask_for_parents(table);
        }
        manifest
    }

    fn ask_for_parents(&self, table: &mut TableConfig) {
        match &mut table.for_each {
            Some(ForEach::All(name)) => {
                table.for_each = Some(ForEach::Request(Box::new(self.all_rows_of(name))));
            }
            Some(ForEach::Request(request)) => self.ask_for_parents(request),
            Some(ForEach::Table(_) | ForEach::Values(_)) | None => {}
        }
    }

    /// The requests for all rows of a table that was checked to be there, and for all of its parents.
    fn all_rows_of(&self, name: &str) -> TableConfig {
        let table = self.tables[name].clone();
        let mut rows = TableConfig {
            path: table.path.or_else(|| Some(format!("/{name}"))),
            method: table.method,
            query: table.query,
            headers: table.headers,
            body: table.body,
            text: table.text,
            form: table.form,
            format: table.format,
            csv: table.csv,
            excel: table.excel,
            fixed_width: table.fixed_width,
            records: table.records,
            primary_key: table.primary_key,
            pagination: table.pagination,
            for_each: table.for_each.map(|each| match each {
                ForEach::Table(parent) => ForEach::All(parent),
                other => other,
            }),
            parent_errors: table.parent_errors,
            empty_on: table.empty_on,
            // What the table hides stays hidden in what is read for its rows.
            hash: table.hash,
            mask: table.mask,
            truncate: table.truncate,
            rename: table.rename,
            ..TableConfig::default()
        };
        self.ask_for_parents(&mut rows);
        rows
    }

    /// Whether a login gives out tokens that only the state can keep: a call whose state is thrown away
    /// would lose them.
    pub fn keeps_tokens(&self) -> bool {
        matches!(&self.auth, Auth::Oauth2(oauth) if oauth.keep_with.is_some())
    }

    /// The JSON Schema of the file, made from the types above: editors complete it.
    pub fn json_schema() -> String {
        let schema = schemars::schema_for!(Manifest);
        let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
        text.push('\n');
        text
    }
}

/// Where a key lives that was written in the wrong place.
fn home_of(key: &str) -> Option<&'static str> {
    let schema = schemars::schema_for!(Manifest);
    let defines = |name: &str| schema.pointer(&format!("/$defs/{name}/properties/{key}")).is_some();
    [
        ("TableConfig", "tables.NAME"),
        ("Pagination", "pagination"),
        ("Requests", "requests"),
        ("CallBudget", "call"),
        ("CursorConfig", "tables.NAME.cursor"),
        ("Files", "tables.NAME.files"),
    ]
    .into_iter()
    .find(|(name, _)| !key.contains(['/', '~']) && defines(name))
    .map(|(_, home)| home)
}

#[cfg(test)]
mod tests;
