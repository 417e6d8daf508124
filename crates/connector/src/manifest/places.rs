//! Where a value is read in an answer, and where one is written in a request.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

use crate::selector::Path;

/// Where a value is read: `body.PATH`, `header.NAME`, `link.REL` or `last_row.PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Body(Path),
    /// A header of the answer, in any case.
    Header(String),
    /// The address of a `Link` header with this relation (RFC 8288).
    Link(String),
    /// A field of the last row of the page.
    LastRow(Path),
}

/// Where a value is written: `query.NAME`, `header.NAME`, `body.PATH`, `path.NAME` or `url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Query(String),
    Header(String),
    /// A member of the JSON body, made where it is missing.
    Body(Vec<String>),
    /// What `{{ NAME }}` stands for in the path.
    Path(String),
    /// The value is the whole address.
    Url,
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Source, String> {
        const WANTED: &str = "expected body.PATH, header.NAME, link.REL or last_row.PATH";
        let (kind, rest) = text.split_once('.').ok_or(WANTED)?;
        Ok(match kind {
            "body" => Source::Body(rest.parse()?),
            "last_row" => Source::LastRow(rest.parse()?),
            "header" if is_header(rest) => Source::Header(rest.to_ascii_lowercase()),
            "link" if !rest.is_empty() => Source::Link(rest.to_owned()),
            _ => return Err(WANTED.into()),
        })
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        const WANTED: &str = "expected query.NAME, header.NAME, body.PATH, path.NAME or url";
        if text == "url" {
            return Ok(Target::Url);
        }
        let (kind, rest) = text.split_once('.').ok_or(WANTED)?;
        let is_word = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
        Ok(match kind {
            _ if rest.is_empty() => return Err(WANTED.into()),
            "query" => Target::Query(rest.to_owned()),
            "header" if is_header(rest) => Target::Header(rest.to_owned()),
            "body" => Target::Body(rest.split('.').map(str::to_owned).collect()),
            "path" if is_word(rest) => Target::Path(rest.to_owned()),
            _ => return Err(WANTED.into()),
        })
    }
}

fn is_header(text: &str) -> bool {
    reqwest::header::HeaderName::try_from(text).is_ok()
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Body(path) => write!(f, "body.{path}"),
            Source::Header(name) => write!(f, "header.{name}"),
            Source::Link(rel) => write!(f, "link.{rel}"),
            Source::LastRow(path) => write!(f, "last_row.{path}"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Query(name) => write!(f, "query.{name}"),
            Target::Header(name) => write!(f, "header.{name}"),
            Target::Body(path) => write!(f, "body.{}", path.join(".")),
            Target::Path(name) => write!(f, "path.{name}"),
            Target::Url => f.write_str("url"),
        }
    }
}

macro_rules! text_of_manifest {
    ($type:ty, $name:literal, $pattern:literal, $examples:tt) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "examples": $examples })
            }
        }
    };
}

text_of_manifest!(
    Source,
    "Source",
    "^(body|header|link|last_row)\\.",
    ["body.next_cursor", "header.X-Next", "link.next", "last_row.id"]
);
text_of_manifest!(
    Target,
    "Target",
    "^(url$|(query|header|body|path)\\.)",
    ["query.page", "body.variables.after", "url"]
);
text_of_manifest!(Path, "Path", ".", ["data", "data.items", "result.*.order"]);
