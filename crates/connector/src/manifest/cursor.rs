//! What "since the last sync" means.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{End, Source, Step, Target};
use crate::selector::Path;

/// What "since the last sync" means. The cursor is the newest value seen, never the time of day; it moves
/// only when all pages are read.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CursorConfig {
    /// The field of a row that tells how new it is.
    pub field: Option<Path>,
    /// Where the whole answer tells where to go on next time, in place of `field`: a sync token.
    pub from: Option<Source>,
    /// Where the lower bound is written. Without it, older rows are dropped here, by `filter: client`.
    pub to: Option<Target>,
    /// Where the upper bound is written. It is fixed before the first page.
    pub until: Option<Target>,
    /// The lower bound of the first sync. Without it the first sync asks without bound.
    #[schemars(schema_with = "super::values::text")]
    pub start: Option<String>,
    /// What the values are. Default: timestamps, or as `start` looks.
    pub kind: Option<CursorKind>,
    /// How the API wants bounds to be written. Default: as they were read.
    pub format: Option<CursorFormat>,
    /// How far before the newest value the next sync begins: for late rows, and for APIs whose lower
    /// bound is exclusive. A duration such as `2d`, or so many whole numbers.
    pub lookback: Option<Step>,
    /// Reads so much at a time, window after window: a duration such as `30d`, up to now; or so many whole
    /// numbers, such as `1000` ids, up to `end`.
    pub step: Option<Step>,
    /// The highest number of a table that is read by ranges of numbers: the number itself, or where an
    /// answer tells it, as `body.PATH` or `header.NAME`.
    pub end: Option<End>,
    /// So many ranges of numbers without a row, one after the other, end the reading where no `end` is
    /// known. A gap in the numbers that is larger than they are hides what comes after it.
    pub empty_steps: Option<u64>,
    /// Whether bounds are written into the request of the first page only, for APIs whose token holds them
    /// from there on.
    #[serde(default)]
    pub first_page_only: bool,
    /// Newer rows are not wanted: see [`super::Manifest::between`].
    #[serde(skip)]
    pub(crate) range_end: Option<String>,
    /// In which order the API answers, if it is known. `descending` lets the reading end at the first
    /// row that is older than the cursor.
    pub order: Option<CursorOrder>,
    /// Who leaves old rows out. Default: the API when `to` is given.
    pub filter: Option<Filtering>,
}

/// What the values of a cursor are.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum CursorKind {
    /// A point in time: RFC 3339, or a number of seconds or milliseconds.
    Timestamp,
    /// A day.
    Date,
    /// A whole number of any length.
    Integer,
    /// Text whose order nobody knows: the last one seen is the newest.
    Opaque,
}

/// How bounds are written: `rfc3339`, `date`, `epoch_s`, `epoch_ms`, or a pattern such as `%Y-%m-%d %H:%M`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorFormat {
    Rfc3339,
    Date,
    EpochSeconds,
    EpochMilliseconds,
    Pattern(String),
}

/// The order of an answer.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum CursorOrder {
    Ascending,
    Descending,
}

/// Who leaves old rows out.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Filtering {
    Api,
    Client,
}
