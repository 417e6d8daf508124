//! The ways in which the story is told: how pages are joined, what the user chose, who the rival is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use engine::{
    ColumnPolicy, DeleteMode, Limits, Options, Policy, Run, SoftDeleteTiming, TableMode,
    TablePolicy, Timestamp,
};
use protocol::{CustomPayload, Secrets, SyncId};

use crate::model::{Expected, expectations};

/// One way, and what must come of it.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub options: Options,
    pub limits: Limits,
    pub rival: Rival,
    /// What passes each time the clock is read.
    pub tick_micros: i64,
    /// After 0, 1, 2, … pages.
    pub expected: Vec<Expected>,
}

/// How much another engine lands when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rival {
    Page,
    /// Pages to the end of the sync.
    Sync,
}

/// The tables that have a key keep every version of their rows.
fn versioned() -> Options {
    let table = TablePolicy { mode: Some(TableMode::History), ..TablePolicy::default() };
    let names = ["orders", "customers", "stock", "lines"];
    let tables = names.map(|name| (name.to_owned(), table.clone())).into();
    let policy = Policy { tables, ..Policy::default() };
    Options { policy: Arc::new(policy), ..Options::default() }
}

/// One table and one column of the story are left out.
fn blocked() -> Options {
    let column = TablePolicy {
        columns: BTreeMap::from([("note".to_owned(), ColumnPolicy::Block)]),
        ..TablePolicy::default()
    };
    let table = TablePolicy { block: true, ..TablePolicy::default() };
    let tables = BTreeMap::from([("orders".to_owned(), column), ("clicks".to_owned(), table)]);
    let policy = Policy { tables, ..Policy::default() };
    Options { policy: Arc::new(policy), ..Options::default() }
}

impl Scenario {
    pub fn all() -> Vec<Scenario> {
        let joined = |rows| Limits { batch_rows_max: rows, ..Limits::default() };
        let page_by_page = Limits { batch_bytes_max: 0, ..Limits::default() };
        let hard = Options { delete_mode: DeleteMode::Hard, ..Options::default() };
        let at_once =
            Options { soft_delete_timing: SoftDeleteTiming::OnResponse, ..Options::default() };
        // A second passes whenever the clock is read: syncs are stopped after a few pages.
        let short = Limits {
            sync_time_max: Some(Duration::from_secs(8)),
            batch_age_max: Duration::from_secs(6),
            ..Limits::default()
        };
        let stopped_by_time =
            Scenario::new("six hours are over too soon", Options::default(), short, Rival::Sync);
        vec![
            Scenario::new("a few pages a commit", Options::default(), joined(9), Rival::Page),
            Scenario::new("a page a commit, hard deletes", hard, page_by_page, Rival::Sync),
            Scenario::new("a sync a commit, sweeps at once", at_once, joined(1000), Rival::Page),
            Scenario { tick_micros: 1_000_000, ..stopped_by_time },
            Scenario::new("a table and a column are blocked", blocked(), joined(9), Rival::Page),
            Scenario::new("versions are kept", versioned(), joined(9), Rival::Page),
            Scenario::new(
                "versions are kept, a page a commit",
                versioned(),
                Limits { batch_bytes_max: 0, ..Limits::default() },
                Rival::Sync,
            ),
        ]
    }

    fn new(name: &'static str, options: Options, limits: Limits, rival: Rival) -> Scenario {
        let expected = expectations(&options);
        Scenario { name, options, limits, rival, tick_micros: 0, expected }
    }

    /// The sync that a scheduler starts for the `life`th time. Its clock now and then went back.
    pub fn run(&self, life: u64) -> Run {
        const START_MICROS: i64 = 1_700_000_000_000_000;
        const MINUTE_MICROS: i64 = 60_000_000;
        let minutes =
            i64::try_from(life).expect("lives are few") - if life % 3 == 2 { 5 } else { 0 };
        let started_at = START_MICROS + minutes * MINUTE_MICROS;
        let (now, tick) = (AtomicI64::new(started_at), self.tick_micros);
        Run {
            sync_id: SyncId(format!("sync-{life}")),
            started_at: Timestamp(started_at),
            clock: Arc::new(move || Timestamp(now.fetch_add(tick, Ordering::Relaxed))),
            agent: String::new(),
            secrets: Secrets::default(),
            custom_payload: CustomPayload::default(),
            options: self.options.clone(),
            limits: self.limits.clone(),
        }
    }
}
