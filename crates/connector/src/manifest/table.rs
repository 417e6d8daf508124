use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{BodyTemplate, CursorConfig, CursorFormat, Files, OneOrMany, Pagination, Percent};
use crate::selector::Path;

/// One table: which requests answer with its rows, and what of them is kept.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct TableConfig {
    /// What follows `base_url`; a template. A whole address is taken as it is. Default: `/` and the
    /// table's name.
    pub path: Option<String>,
    /// The files that hold the rows, in place of answers of an API: those that are new or have changed since
    /// the last sync. Every row has `_file`, `_line` (its number in the file) and `_modified` as well, and
    /// `[_file, _line]` is its key unless `primary_key` says another.
    #[serde(deserialize_with = "super::files::read")]
    #[schemars(schema_with = "super::files::schema")]
    pub files: Option<Files>,
    /// The HTTP method. Default: GET, or POST where there is a body.
    pub method: Option<Method>,
    /// Query parameters; templates. One whose value is empty is left out.
    #[schemars(schema_with = "super::values::texts")]
    pub query: IndexMap<String, String>,
    /// HTTP headers; templates.
    #[schemars(schema_with = "super::values::texts")]
    pub headers: IndexMap<String, String>,
    /// A JSON body; its texts are templates.
    pub body: Option<BodyTemplate>,
    /// A body as text, for SOAP and the like; a template. Its type is a header, `Content-Type`.
    pub text: Option<String>,
    /// Form fields, sent as `application/x-www-form-urlencoded`; templates.
    #[schemars(schema_with = "super::values::texts")]
    pub form: IndexMap<String, String>,
    /// What the answer or the file is. gzip, zstd and a zip archive with one file are unpacked first.
    pub format: Format,
    /// How the text is laid out, where `format` is `csv`.
    pub csv: Csv,
    /// Which sheet it is, where `format` is `excel`.
    pub excel: Excel,
    /// Where fields begin and end, where `format` is `fixed_width`.
    pub fixed_width: FixedWidth,
    /// Where the rows are in the answer: `data`, `data.items`, `result.*`. Default: the answer itself if
    /// it is a list, or the only list in it.
    pub records: Option<Path>,
    /// The fields that name a row, by the names that they have in the table. Without them every row that is read again is a new row.
    pub primary_key: Option<OneOrMany>,
    /// What "since the last sync" means. Without it, every sync reads the whole table.
    pub cursor: Option<CursorConfig>,
    /// How the table pages, in place of what the manifest says for all.
    pub pagination: Option<Pagination>,
    /// Reads the table once for each row of another, as `{{ parent.FIELD }}`: a table, a list of values,
    /// `{all: TABLE}` or `{request: …}`.
    pub for_each: Option<ForEach>,
    /// Where the rows stand in a row of the table of `for_each`: `lines`, `basket.items`. Nothing is asked
    /// for; what is no object becomes `{value: …}`.
    pub explode: Option<Path>,
    /// Fields added to every row: a name and a field of the parent, for example `customer_id: parent.id`;
    /// with `explode` also `index`, the row's number in its list.
    #[schemars(schema_with = "super::values::texts")]
    pub include: IndexMap<String, String>,
    /// What happens when the requests for one parent fail. Default: stop.
    pub parent_errors: Option<ParentErrors>,
    /// Answers that mean "no rows here", for example 404 for a parent without children.
    pub empty_on: Vec<u16>,
    /// How rows that are gone are noticed.
    pub deletes: Option<Deletes>,
    /// Keeps the rows for which this is true: an expression such as `row.status != 'draft'`.
    pub filter: Option<String>,
    /// Objects whose members become fields of the row: `address` gives `address_city`.
    pub flatten: OneOrMany,
    /// New fields by name; templates that see `row`, `parent` and `config`.
    #[schemars(schema_with = "super::values::texts")]
    pub add: IndexMap<String, String>,
    /// Fields replaced by their keyed hash (HMAC-SHA-256 with `hash_key`): equal values stay equal, in all
    /// tables, so that joins work. `*` stands for any characters, here and in what follows.
    pub hash: OneOrMany,
    /// Fields replaced by stars, but for so many last characters.
    pub mask: IndexMap<String, u32>,
    /// Fields cut after so many characters.
    pub truncate: IndexMap<String, u32>,
    /// The only fields to keep.
    pub select: OneOrMany,
    /// Fields to leave out.
    pub drop: OneOrMany,
    /// New names of fields.
    #[schemars(schema_with = "super::values::texts")]
    pub rename: IndexMap<String, String>,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON document.
    #[default]
    Json,
    /// JSON objects one after the other, a line each or not.
    JsonLines,
    /// A table of text.
    Csv,
    /// A table of text whose fields stand at fixed places of each line.
    FixedWidth,
    /// A workbook of Excel (xlsx, xlsm, xlsb, xls) or OpenDocument (ods), whose first row names the columns.
    Excel,
    /// Parquet. Decimals and times keep every digit; bytes become Base64.
    Parquet,
    /// Avro, as a file with its schema in it. Decimals and times keep every digit; bytes become Base64.
    Avro,
    /// XML: elements are fields, attributes are fields named `@name`, prefixes are dropped.
    Xml,
}

/// Which sheet of a workbook is read.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Excel {
    /// The sheet's name. Default: the first one.
    pub sheet: Option<String>,
    /// Rows above the one that names the columns.
    pub skip_rows: u32,
    /// What happens to a row with a cell that is an error, such as `#N/A`.
    pub bad_rows: BadRows,
}

/// Where the fields of a line begin and end.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct FixedWidth {
    /// Each column's width in characters, from left to right: `{id: 8, name: 20}`. Spaces around a field
    /// are dropped.
    pub columns: IndexMap<String, u32>,
    /// Lines before the first row.
    pub skip_lines: u32,
    /// The text's encoding, such as `windows-1252`. Default: UTF-8, or as a byte order mark says.
    pub encoding: Option<String>,
    /// Texts that mean nothing. Default: the empty one.
    pub null: Vec<String>,
    /// Whether numbers and booleans in their plain form are such; `007` stays text.
    pub types: bool,
    /// What happens to a line that is longer than its columns.
    pub bad_rows: BadRows,
}

impl Default for FixedWidth {
    fn default() -> FixedWidth {
        FixedWidth {
            columns: IndexMap::new(),
            skip_lines: 0,
            encoding: None,
            null: Vec::new(),
            types: true,
            bad_rows: BadRows::Stop,
        }
    }
}

/// How a table of text is laid out.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Csv {
    /// What stands between fields: a character, or `tab`. Default: a comma.
    pub delimiter: Option<String>,
    /// What surrounds fields that hold a delimiter. Default: a double quote.
    pub quote: Option<String>,
    /// What lines begin with that are no rows.
    pub comment: Option<String>,
    /// Whether the first line names the columns.
    pub header: bool,
    /// The names of the columns, in place of those of the header.
    pub columns: Vec<String>,
    /// Lines before the header or the first row.
    pub skip_lines: u32,
    /// The text's encoding, such as `windows-1252`. Default: UTF-8, or as a byte order mark says.
    pub encoding: Option<String>,
    /// Texts that mean nothing. Default: the empty one.
    pub null: Vec<String>,
    /// Whether numbers and booleans in their plain form are such; `007` stays text.
    pub types: bool,
    /// Whether white space around fields is dropped.
    pub trim: bool,
    /// What happens to a row with too many or too few fields.
    pub bad_rows: BadRows,
}

impl TableConfig {
    /// What it reads that is left out of `hasmore-function`, which could not stay small with it.
    pub fn left_out(&self) -> Option<&'static str> {
        let is_sftp = |path: &String| path.starts_with("sftp://");
        match self.format {
            Format::Parquet => Some("Parquet"),
            Format::Avro => Some("Avro"),
            _ if self.files.as_ref().is_some_and(|files| files.paths.0.iter().any(is_sftp)) => {
                Some("files by SFTP")
            }
            _ => None,
        }
    }

    /// Whether some of its fields are not meant to be seen.
    pub(crate) fn hides_anything(&self) -> bool {
        let names = [&self.hash, &self.drop].into_iter().any(|names| !names.0.is_empty());
        names || !self.mask.is_empty() || !self.truncate.is_empty()
    }
}

impl Default for Csv {
    fn default() -> Csv {
        Csv {
            delimiter: None,
            quote: None,
            comment: None,
            header: true,
            columns: Vec::new(),
            skip_lines: 0,
            encoding: None,
            null: Vec::new(),
            types: true,
            trim: false,
            bad_rows: BadRows::Stop,
        }
    }
}

impl Csv {
    /// The byte between fields.
    pub(crate) fn delimiter(&self) -> u8 {
        match self.delimiter.as_deref() {
            None => b',',
            Some("tab" | "\\t") => b'\t',
            Some(other) => other.bytes().next().unwrap_or(b','),
        }
    }
}

/// What happens to a row that does not fit.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum BadRows {
    /// The sync fails and names the line.
    #[default]
    Stop,
    /// It is left out, and a warning counts it.
    Skip,
}

/// The HTTP method.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Post,
    Put,
}

/// What a table is read once for.
#[derive(Clone, Debug, PartialEq)]
pub enum ForEach {
    /// The rows of another table as they are read: new and changed ones, if that table has a cursor.
    Table(String),
    /// All rows of another table, whether it reads them in this sync or not: they are asked for once more,
    /// without its cursor.
    All(String),
    /// The rows that another request answers. They land nowhere; what is no object is `{{ parent }}`.
    Request(Box<TableConfig>),
    /// These values, as `{{ parent }}`.
    Values(Vec<String>),
}

impl ForEach {
    /// The table whose rows are parents as they are read.
    pub(crate) fn table(&self) -> Option<&str> {
        match self {
            ForEach::Table(table) => Some(table),
            ForEach::All(_) | ForEach::Request(_) | ForEach::Values(_) => None,
        }
    }
}

/// What happens when the requests for one parent fail.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ParentErrors {
    /// The sync fails.
    Stop,
    /// The parent is left out, with a warning, and the table's cursor stays where it is.
    Skip,
}

/// How rows that are gone are noticed: `sweep`, a `flag`, or a feed of deletes with a `path` of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deletes {
    /// Rows that a whole reading no longer shows are marked as deleted.
    pub sweep: bool,
    /// A row whose field is true, or neither null, false, 0 nor empty, is gone.
    pub flag: Option<Path>,
    /// A sweep that would mark more is stopped.
    pub max_deletes: Option<Percent>,
    /// Requests whose rows are gone.
    pub feed: Option<Box<Feed>>,
}

/// How rows that are gone are noticed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Feed {
    /// Whether rows that a whole reading no longer shows are marked as deleted.
    pub sweep: bool,
    /// A sweep that would mark more of the rows that are there than this, such as `20 %`, is stopped.
    pub max_deletes: Option<Percent>,
    /// A row whose field is true, or neither null, false, 0 nor empty, is gone.
    pub flag: Option<Path>,
    /// Where rows are listed that are gone: what follows `base_url`, or a whole address; a template. It is
    /// asked before the table itself, so that a row that came back stays.
    pub path: Option<String>,
    /// The HTTP method of that.
    pub method: Option<Method>,
    /// Its query parameters; templates.
    #[schemars(schema_with = "super::values::texts")]
    pub query: IndexMap<String, String>,
    /// Its HTTP headers; templates.
    #[schemars(schema_with = "super::values::texts")]
    pub headers: IndexMap<String, String>,
    /// Its JSON body; texts are templates.
    pub body: Option<BodyTemplate>,
    /// Where the rows are in its answer.
    pub records: Option<Path>,
    /// The names that the fields of the table's key have there, if they are others: `{deleted_id: id}`.
    #[schemars(schema_with = "super::values::texts")]
    pub rename: IndexMap<String, String>,
    /// How it pages. Default: as the manifest says for all.
    pub pagination: Option<Pagination>,
    /// What is new in it: its own cursor.
    pub cursor: Option<CursorConfig>,
}

impl Feed {
    /// The feed as a table, whose rows are deletes of the table with this key.
    pub(crate) fn table(&self, primary_key: Option<OneOrMany>) -> TableConfig {
        let feed = self.clone();
        TableConfig {
            path: feed.path,
            method: feed.method,
            query: feed.query,
            headers: feed.headers,
            body: feed.body,
            records: feed.records,
            rename: feed.rename,
            pagination: feed.pagination,
            cursor: feed.cursor,
            primary_key,
            ..TableConfig::default()
        }
    }
}

mod forms {
    use std::borrow::Cow;
    use std::str::FromStr;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde::de::value::MapAccessDeserializer;
    use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

    use super::{CursorFormat, Deletes, Feed, ForEach, TableConfig};

    impl FromStr for CursorFormat {
        type Err = String;

        fn from_str(text: &str) -> Result<CursorFormat, String> {
            Ok(match text {
                "rfc3339" => CursorFormat::Rfc3339,
                "date" => CursorFormat::Date,
                "epoch_s" => CursorFormat::EpochSeconds,
                "epoch_ms" => CursorFormat::EpochMilliseconds,
                pattern if pattern.contains('%') => CursorFormat::Pattern(pattern.to_owned()),
                _ => {
                    return Err(
                        "expected rfc3339, date, epoch_s, epoch_ms or a pattern such as %Y-%m-%d"
                            .into(),
                    );
                }
            })
        }
    }

    impl<'de> Deserialize<'de> for CursorFormat {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<CursorFormat, D::Error> {
            String::deserialize(from)?.parse().map_err(D::Error::custom)
        }
    }

    impl JsonSchema for CursorFormat {
        fn inline_schema() -> bool {
            true
        }
        fn schema_name() -> Cow<'static, str> {
            "CursorFormat".into()
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "type": "string",
                "anyOf": [
                    { "enum": ["rfc3339", "date", "epoch_s", "epoch_ms"] },
                    { "pattern": "%", "examples": ["%Y-%m-%d %H:%M"] }
                ]
            })
        }
    }

    impl<'de> Deserialize<'de> for ForEach {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ForEach, D::Error> {
            struct Any;
            impl<'de> Visitor<'de> for Any {
                type Value = ForEach;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(
                        "the name of a table, a list of values, {all: TABLE} or {request: …}",
                    )
                }

                fn visit_str<E: Error>(self, table: &str) -> Result<ForEach, E> {
                    Ok(ForEach::Table(table.to_owned()))
                }

                fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ForEach, A::Error> {
                    let mut values = Vec::new();
                    while let Some(value) = items.next_element()? {
                        values.push(value);
                    }
                    Ok(ForEach::Values(values))
                }

                fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ForEach, A::Error> {
                    Ok(match Named::deserialize(MapAccessDeserializer::new(map))? {
                        Named { all: Some(table), request: None } => ForEach::All(table),
                        Named { all: None, request: Some(request) } => ForEach::Request(request),
                        _ => return Err(A::Error::custom("expected either `all` or `request`")),
                    })
                }
            }
            from.deserialize_any(Any)
        }
    }

    /// What a table is read once for, by a name.
    #[derive(serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[schemars(rename = "ForEachOther")]
    struct Named {
        /// All rows of another table, whether it reads them in this sync or not: they are asked for once
        /// more, without its cursor.
        all: Option<String>,
        /// The rows that another request answers. They land nowhere; what is no object is `{{ parent }}`.
        request: Option<Box<TableConfig>>,
    }

    impl<'de> Deserialize<'de> for Deletes {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Deletes, D::Error> {
            struct Any;
            impl<'de> Visitor<'de> for Any {
                type Value = Deletes;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("sweep, {flag: FIELD} or {path: …}")
                }

                fn visit_str<E: Error>(self, word: &str) -> Result<Deletes, E> {
                    match word {
                        "sweep" => Ok(Deletes { sweep: true, ..Deletes::default() }),
                        _ => Err(E::custom("expected sweep, {flag: FIELD} or {path: …}")),
                    }
                }

                fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Deletes, A::Error> {
                    let feed = Feed::deserialize(MapAccessDeserializer::new(map))?;
                    Ok(Deletes {
                        sweep: feed.sweep,
                        flag: feed.flag.clone(),
                        max_deletes: feed.max_deletes,
                        feed: feed.path.is_some().then(|| Box::new(feed)),
                    })
                }
            }
            from.deserialize_any(Any)
        }
    }

    impl JsonSchema for Deletes {
        fn inline_schema() -> bool {
            true
        }
        fn schema_name() -> Cow<'static, str> {
            "Deletes".into()
        }
        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let feed = generator.subschema_for::<Feed>();
            json_schema!({ "anyOf": [{ "enum": ["sweep"] }, feed] })
        }
    }

    impl JsonSchema for ForEach {
        fn inline_schema() -> bool {
            true
        }
        fn schema_name() -> Cow<'static, str> {
            "ForEach".into()
        }
        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let named = generator.subschema_for::<Named>();
            json_schema!({
                "anyOf": [
                    { "type": "string" },
                    { "type": "array", "items": { "type": "string" } },
                    named
                ]
            })
        }
    }
}
