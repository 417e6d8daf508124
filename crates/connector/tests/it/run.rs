//! Runs a connector as the platform does: call after call, state handed back, rows folded by key.

use std::collections::BTreeMap;
use std::sync::Arc;

use connector::Connector;
use connector::manifest::Manifest;
use protocol::{Function, FunctionError, Request, Response, State, SyncId};
use serde_json::Value;

use crate::api::Api;

/// A platform that keeps tables by key.
pub(crate) struct Platform {
    pub(crate) connector: Connector,
    pub(crate) state: State,
    pub(crate) tables: BTreeMap<String, BTreeMap<String, Value>>,
    pub(crate) warnings: Vec<String>,
    /// Rows received, repeated ones counted again.
    pub(crate) received: usize,
    pub(crate) calls: u64,
    syncs: u64,
}

/// More calls than any test needs: a connector that never ends is noticed.
const CALLS_MAX: u64 = 500;

impl Platform {
    /// `{url}` in the manifest is where the API is.
    pub(crate) fn new(manifest: &str, api: &Api) -> Platform {
        Platform::at("2024-06-01T00:00:00Z", manifest, api)
    }

    /// The same at this time of day, which stands still.
    pub(crate) fn at(now: &str, manifest: &str, api: &Api) -> Platform {
        let text = manifest.replace("{url}", &api.url);
        let manifest = Manifest::parse(&text).unwrap_or_else(|problems| {
            let shown: Vec<String> =
                problems.iter().map(|problem| problem.render("test.yaml", &text)).collect();
            panic!("{}", shown.join("\n"))
        });
        let now = now.to_owned();
        let clock = Arc::new(move || now.clone());
        Platform {
            connector: Connector::new(manifest, clock).expect("a connector"),
            state: State::default(),
            tables: BTreeMap::new(),
            warnings: Vec::new(),
            received: 0,
            calls: 0,
            syncs: 0,
        }
    }

    pub(crate) fn request(&self) -> Request {
        let mut request = Request {
            state: self.state.clone(),
            sync_id: SyncId(format!("{:08}-sync", self.syncs)),
            ..Request::default()
        };
        for (name, value) in [
            ("api_key", "s3cret-key"),
            ("token", "s3cret-token"),
            ("access_token", "s3cret-access"),
        ] {
            request.secrets.insert(name, value);
        }
        request
    }

    /// The calls that follow belong to a new sync.
    pub(crate) fn new_sync(&mut self) {
        self.syncs += 1;
    }

    /// One sync, to its end.
    pub(crate) async fn sync(&mut self) -> Result<(), FunctionError> {
        self.new_sync();
        for _ in 0..CALLS_MAX {
            if !self.call().await? {
                return Ok(());
            }
        }
        panic!("the function never ends");
    }

    /// A sync of so many calls, cut short.
    pub(crate) async fn begin_sync(&mut self, calls: u64) {
        self.new_sync();
        for _ in 0..calls {
            assert!(self.call().await.expect("an answer"), "the sync has ended already");
        }
    }

    /// One call; whether there is more.
    pub(crate) async fn call(&mut self) -> Result<bool, FunctionError> {
        let response = self.connector.call(&self.request()).await?;
        self.calls += 1;
        let has_more = response.has_more;
        self.land(response);
        Ok(has_more)
    }

    pub(crate) fn land(&mut self, response: Response) {
        let keys: BTreeMap<String, Vec<String>> = response
            .schema
            .iter()
            .map(|(table, hint)| (table.0.clone(), hint.primary_key.clone()))
            .collect();
        let key_of = |table: &str, row: &Value| {
            let key: Vec<String> = keys[table].iter().map(|name| row[name].to_string()).collect();
            key.join("/")
        };
        for (table, records) in &response.insert {
            let rows: Vec<Value> = serde_json::from_slice(records.as_json()).expect("rows");
            assert_eq!(rows.len() as u64, records.rows());
            for row in rows {
                self.received += 1;
                let key = key_of(&table.0, &row);
                self.tables.entry(table.0.clone()).or_default().insert(key, row);
            }
        }
        for (table, records) in &response.delete {
            let rows: Vec<Value> = serde_json::from_slice(records.as_json()).expect("rows");
            for row in rows {
                let key = key_of(&table.0, &row);
                self.tables.entry(table.0.clone()).or_default().remove(&key);
            }
        }
        self.warnings.extend(response.warnings.iter().map(|warning| warning.code.to_owned()));
        self.state = response.state;
    }

    /// The ids of a table, as numbers where they are.
    pub(crate) fn ids(&self, table: &str) -> Vec<u64> {
        let rows = self.tables.get(table).map(BTreeMap::values).into_iter().flatten();
        let mut ids: Vec<u64> = rows.map(|row| row["id"].as_u64().expect("an id")).collect();
        ids.sort_unstable();
        ids
    }
}

/// An error as code and message.
pub(crate) fn told(error: &FunctionError) -> String {
    format!("{}: {error}", error.code())
}
