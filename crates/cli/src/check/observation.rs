//! What was seen: calls, their answers, and what was asked of the API behind the function.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use protocol::{FunctionError, Response, State};
use serde_json::value::RawValue;
use transport::{Exchange, Fault};

/// Everything that was seen of one function.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) setup: Option<Call>,
    /// Two syncs: the first from the empty state, the second from where the first ended.
    pub(crate) syncs: Vec<Sync>,
    /// Calls made again with the state of an earlier one.
    pub(crate) replays: Vec<Replay>,
    pub(crate) faults: Vec<FaultRun>,
    /// The first call again, with an API that holds nothing.
    pub(crate) nothing: Option<Call>,
    pub(crate) target: Option<Target>,
    /// Calls beyond this were not made.
    pub(crate) pages_max: usize,
}

/// Pages until the function had no more, or as many as were asked for.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    pub(crate) calls: Vec<Call>,
}

/// A call that was made again.
#[derive(Debug)]
pub(crate) struct Replay {
    /// Counted from 0.
    pub(crate) sync: usize,
    pub(crate) page: usize,
    /// After both syncs and, for a local handler, by a new process; else at once.
    pub(crate) later: bool,
    pub(crate) call: Call,
}

/// What came of a fault of the API.
#[derive(Debug)]
pub(crate) struct FaultRun {
    pub(crate) fault: Fault,
    /// The page of the first sync, counted from 0, and the request of that page.
    pub(crate) page: usize,
    pub(crate) request: usize,
    pub(crate) call: Call,
    /// The rest of that sync, and one more, without the fault; empty when the call failed.
    pub(crate) rest: Vec<Sync>,
}

/// One call and all that came of it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) state: State,
    pub(crate) answer: Result<Page, FunctionError>,
    /// Microseconds since 1970.
    pub(crate) started_at: i64,
    pub(crate) took: Duration,
    pub(crate) upstream: Vec<Exchange>,
    /// What the function printed, secrets already replaced by their names.
    pub(crate) printed: Vec<String>,
    pub(crate) memory_bytes: Option<u64>,
    /// What typing and planning its rows brought: warnings, and why they could not land.
    pub(crate) warnings: Vec<protocol::Warning>,
    pub(crate) refused: Option<engine::PlanError>,
    /// The name of a secret of the connection that stands in the state that was answered.
    pub(crate) secret_in_state: Option<String>,
}

/// An answer, with its rows read.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) response: Response,
    pub(crate) insert: BTreeMap<String, Vec<Row>>,
    pub(crate) delete: BTreeMap<String, Vec<Row>>,
}

/// Columns by name, each value as its JSON text.
pub(crate) type Row = BTreeMap<String, String>;

/// Where a function is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Target {
    /// AWS Lambda: 6,291,556 bytes, 15 minutes
    Lambda,
    /// Google Cloud Functions: 32 MB, 60 minutes
    Google,
    /// Azure Functions: 100 MB, 230 seconds
    Azure,
}

impl Target {
    pub(crate) const ALL: [Target; 3] = [Target::Lambda, Target::Google, Target::Azure];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Target::Lambda => "AWS Lambda",
            Target::Google => "Google Cloud Functions",
            Target::Azure => "Azure Functions",
        }
    }

    /// What an answer may hold (Dec-36).
    pub(crate) fn bytes_max(self) -> u64 {
        match self {
            Target::Lambda => transport::LAMBDA_PAYLOAD_BYTES_MAX,
            Target::Google => 32 << 20,
            Target::Azure => 100 << 20,
        }
    }

    /// How long a call may take (Dec-35).
    pub(crate) fn time_max(self) -> Duration {
        Duration::from_secs(match self {
            Target::Lambda => 15 * 60,
            Target::Google => 60 * 60,
            Target::Azure => 230,
        })
    }
}

impl Call {
    pub(crate) fn page(&self) -> Option<&Page> {
        self.answer.as_ref().ok()
    }

    pub(crate) fn has_more(&self) -> bool {
        self.page().is_some_and(|page| page.response.has_more)
    }

    pub(crate) fn ended_at(&self) -> i64 {
        self.started_at + i64::try_from(self.took.as_micros()).unwrap_or(i64::MAX)
    }
}

impl Page {
    pub(crate) fn read(response: Response) -> Page {
        let read = |tables: &[(protocol::TableName, protocol::Records)]| {
            let tables = tables.iter().map(|(name, records)| (name.0.clone(), rows(records)));
            tables.filter(|(_, rows)| !rows.is_empty()).collect()
        };
        Page { insert: read(&response.insert), delete: read(&response.delete), response }
    }

    pub(crate) fn has_rows(&self) -> bool {
        !self.insert.is_empty() || !self.delete.is_empty()
    }

    /// Every row with its table; deletes too.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&str, &Row)> {
        let both = self.insert.iter().chain(&self.delete);
        both.flat_map(|(table, rows)| rows.iter().map(move |row| (table.as_str(), row)))
    }
}

/// A bare NaN makes rows unreadable here; the engine's own account of them is told instead.
fn rows(records: &protocol::Records) -> Vec<Row> {
    let parsed: Result<Vec<BTreeMap<String, &RawValue>>, _> =
        serde_json::from_slice(records.as_json());
    let rows = parsed.unwrap_or_default().into_iter();
    let texts = |row: BTreeMap<String, &RawValue>| {
        row.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect()
    };
    rows.map(texts).collect()
}

impl Sync {
    pub(crate) fn pages(&self) -> impl Iterator<Item = (usize, &Call, &Page)> {
        let calls = self.calls.iter().enumerate();
        calls.filter_map(|(index, call)| Some((index, call, call.page()?)))
    }

    /// Whether the function said that it had no more.
    pub(crate) fn is_whole(&self) -> bool {
        self.calls.last().is_some_and(|call| call.page().is_some() && !call.has_more())
    }

    /// The state after the last page that came.
    pub(crate) fn last_state(&self) -> Option<&State> {
        self.pages().last().map(|(_, _, page)| &page.response.state)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (&str, &Row)> {
        self.pages().flat_map(|(_, _, page)| page.rows())
    }
}

/// What makes two rows the same: the key where one is declared, else all columns.
#[derive(Debug, Default)]
pub(crate) struct Keys(BTreeMap<String, Vec<String>>);

impl Keys {
    /// As declared in any of the syncs.
    pub(crate) fn of(survey: &Survey) -> Keys {
        let mut keys = BTreeMap::new();
        for (_, _, page) in survey.syncs.iter().flat_map(Sync::pages) {
            for (table, hint) in &page.response.schema {
                if !hint.primary_key.is_empty() {
                    keys.insert(table.0.clone(), hint.primary_key.clone());
                }
            }
        }
        Keys(keys)
    }

    pub(crate) fn of_table(&self, table: &str) -> Option<&[String]> {
        self.0.get(table).map(Vec::as_slice)
    }

    pub(crate) fn identity(&self, table: &str, row: &Row) -> String {
        let of_columns = |columns: &[String]| {
            let values = columns.iter().map(|name| row.get(name).map_or("null", String::as_str));
            values.collect::<Vec<_>>().join("\u{1f}")
        };
        self.of_table(table).map_or_else(|| format!("{row:?}"), of_columns)
    }

    /// The rows of a table that there are, each once.
    pub(crate) fn identities<'rows>(
        &self,
        rows: impl Iterator<Item = (&'rows str, &'rows Row)>,
    ) -> BTreeSet<(&'rows str, String)> {
        rows.map(|(table, row)| (table, self.identity(table, row))).collect()
    }
}

/// `sync 1, page 2`.
pub(crate) fn place(sync: usize, page: usize) -> String {
    format!("sync {}, page {}", sync + 1, page + 1)
}
