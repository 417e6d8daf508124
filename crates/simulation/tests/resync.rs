//! Starting over, with a fault at every step: old rows are served whole until the new ones are in, and what is
//! left is what a resync without faults leaves.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};

use engine::{
    Batch, Destination, DestinationError, Landed, Limits, Options, Outcome, Position, Resync, Run,
    SyncEvent, Timestamp, sync,
};
use protocol::{CustomPayload, Function, FunctionError, Request, Response, Secrets, SyncId};
use simulation::conformance::Storage;
use simulation::conformance::bench::block_on;
use simulation::fault::{Crash, Plan, befall, pairs, singles};
use simulation::memory::Memory;

/// Pages of one reading of the source.
const PAGES: usize = 3;
/// More lives than a plan of two faults needs.
const LIVES_MAX: u64 = 8;
/// 2026-01-01T00:00:00Z; each life begins an hour later.
const START_MICROS: i64 = 1_767_225_600_000_000;
const HOUR_MICROS: i64 = 3_600_000_000;

/// Orders with their values and marks, and clicks.
type Tables = (Vec<String>, Vec<String>);

/// What the source holds, what is stored, and what goes wrong.
#[derive(Clone)]
struct World {
    memory: Memory,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// The source had orders 1 to 6 at first, and has 4 to 9 by now.
    first_order: usize,
    plan: Plan,
    steps: u64,
    rivals: u64,
}

impl World {
    fn step<T>(&self, effect: impl FnOnce(&World) -> T) -> Option<T> {
        let fault = {
            let mut inner = self.inner.lock().expect("nobody panics here");
            inner.steps += 1;
            let step = inner.steps - 1;
            inner.plan.get(&step).copied()
        };
        befall(fault, || effect(self), || self.rival())
    }

    /// Another engine lands a page first.
    fn rival(&self) {
        let rivals = {
            let mut inner = self.inner.lock().expect("nobody panics here");
            inner.rivals += 1;
            inner.rivals
        };
        let mut memory = self.memory.clone();
        let position = block_on(memory.position()).expect("a position");
        let run = run(&format!("rival-{rivals}"), rivals);
        let batch =
            Batch::plan(self.answer(&run.request(position.state().clone())), &position, &run);
        block_on(memory.commit(&batch.expect("a page"))).expect("the rival is alone");
    }

    /// Orders have a key, clicks have none; two of each on a page.
    fn answer(&self, request: &Request) -> Response {
        let first = self.inner.lock().expect("nobody panics here").first_order;
        let sent: usize = request
            .state
            .as_json()
            .trim_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .unwrap_or(0);
        if sent >= PAGES {
            let body = format!(r#"{{"state":{{"p":{sent}}},"insert":{{}},"hasMore":false}}"#);
            return Response::from_json(body.into(), request).expect("an answer");
        }
        let ids = [first + 2 * sent, first + 2 * sent + 1];
        let rows = |row: &dyn Fn(usize) -> String| ids.map(row).join(",");
        let body = format!(
            r#"{{"state":{{"p":{}}},"insert":{{"orders":[{}],"clicks":[{}]}},"schema":{{"orders":{{"primary_key":["id"]}}}},"hasMore":{}}}"#,
            sent + 1,
            rows(&|id| format!(r#"{{"id":{id},"v":{first}}}"#)),
            rows(&|id| format!(r#"{{"n":{id}}}"#)),
            sent + 1 < PAGES
        );
        Response::from_json(body.into(), request).expect("an answer")
    }

    /// What is stored, as text: orders with their values and marks, and how often each click.
    fn stored(&self) -> Tables {
        let read = |table: &str, columns: &[&str]| {
            let rows = self.memory.read(table).map(|stored| stored.rows).unwrap_or_default();
            let text = |row: &BTreeMap<String, Option<String>>| {
                let cell = |column: &&str| row.get(*column).cloned().flatten();
                columns.iter().filter_map(cell).collect::<Vec<_>>().join(" ")
            };
            let mut rows: Vec<String> = rows.iter().map(text).collect();
            rows.sort();
            rows
        };
        (read("orders", &["id", "v", "_fivetran_deleted"]), read("clicks", &["n"]))
    }

    /// One sync to its end or to a crash; whether it ended well.
    fn live(&self, life: u64) -> bool {
        let run = run(&format!("sync-{life}"), life);
        let mut destination = self.clone();
        let mut on_event = |_: SyncEvent<'_>| ();
        let life = AssertUnwindSafe(|| block_on(sync(&run, self, &mut destination, &mut on_event)));
        match catch_unwind(life) {
            Ok(ended) => ended.is_ok_and(|summary| summary.outcome == Outcome::Complete),
            Err(payload) if payload.is::<Crash>() => false,
            Err(payload) => resume_unwind(payload),
        }
    }
}

impl Function for World {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let answer = self.step(|world| world.answer(request));
        answer.ok_or_else(|| FunctionError::transport("simulated"))
    }
}

impl Destination for World {
    async fn position(&mut self) -> Result<Position, DestinationError> {
        let read = self.step(|world| world.memory.database().position());
        read.unwrap_or_else(|| Err(DestinationError::Unavailable("simulated".to_owned())))
    }

    async fn commit(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        let landed = self.step(|world| world.memory.database().commit(batch));
        landed.unwrap_or_else(|| Err(DestinationError::Unavailable("simulated".to_owned())))
    }
}

/// Each page is a commit, so that there is a step between any two.
fn run(sync_id: &str, hours: u64) -> Run {
    let hours = i64::try_from(hours).expect("lives are few");
    let started_at = Timestamp(START_MICROS + hours * HOUR_MICROS);
    Run {
        sync_id: SyncId(sync_id.to_owned()),
        started_at,
        clock: Arc::new(move || started_at),
        agent: String::new(),
        secrets: Secrets::default(),
        custom_payload: CustomPayload::default(),
        options: Options::default(),
        limits: Limits { batch_bytes_max: 0, ..Limits::default() },
    }
}

/// A first sync, a resync that is asked for, and syncs under a plan until one ends well. Answers what is
/// stored before, after each life, and in the end, the state then, and the steps under the plan.
fn play(resync: &Resync, plan: &Plan) -> (Vec<Tables>, String, u64) {
    let inner = Inner { first_order: 1, plan: Plan::new(), steps: 0, rivals: 0 };
    let world = World { memory: Memory::default(), inner: Arc::new(Mutex::new(inner)) };
    assert!(world.live(0), "the first sync meets no fault");
    let mut memory = world.memory.clone();
    let position = block_on(memory.position()).expect("a position");
    let asked = Batch::resync(&position, resync, &run("asked", 1));
    block_on(memory.commit(&asked)).expect("it is asked for");
    {
        let mut inner = world.inner.lock().expect("nobody panics here");
        (inner.first_order, inner.plan, inner.steps) = (4, plan.clone(), 0);
    }
    let mut seen = vec![world.stored()];
    for life in 2..LIVES_MAX {
        let is_over = world.live(life);
        seen.push(world.stored());
        let position = block_on(memory.position()).expect("a position");
        if is_over && position.chain().is_none() {
            let steps = world.inner.lock().expect("nobody panics here").steps;
            return (seen, position.state().as_json().to_owned(), steps);
        }
    }
    panic!("{resync:?} under {plan:?} never ended: {seen:?}");
}

fn texts(rows: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut rows: Vec<String> = rows.into_iter().collect();
    rows.sort();
    rows
}

/// Every fault at every step, and every pair of them, leaves the same orders, clicks and state; `between` says of what is stored
/// after a life whether it may be.
fn check(
    resync: &Resync,
    (orders, clicks, state): (Vec<String>, Vec<String>, &str),
    between: impl Fn(&Tables) -> bool,
) {
    let (_, _, steps) = play(resync, &Plan::new());
    let mut plans = singles(steps);
    plans.extend(pairs(steps));
    plans.push(Plan::new());
    for plan in &plans {
        let (seen, left, _) = play(resync, plan);
        let (last, lives) = seen.split_last().expect("there is an end");
        assert_eq!(*last, (orders.clone(), clicks.clone()), "{resync:?} under {plan:?}");
        assert_eq!(left, state, "{resync:?} under {plan:?}");
        for life in lives {
            assert!(between(life), "{resync:?} under {plan:?}: {life:?}");
        }
    }
    println!("{resync:?}: {} plans of one fault and of two", plans.len() - 1);
}

fn old_orders() -> Vec<String> {
    texts((1..=6).map(|id| format!("{id} 1")))
}

#[test]
fn f_089_dec_40_a_resync_in_place_under_every_fault() {
    let orders = texts(
        (1..=3).map(|id| format!("{id} 1 true")).chain((4..=9).map(|id| format!("{id} 4 false"))),
    );
    // Clicks have no key: those of the second reading are new rows beside the first.
    let clicks = texts((1..=6).chain(4..=9).map(|n: u32| n.to_string()));
    let resync = Resync { mark_missing: true, ..Resync::default() };
    check(&resync, (orders, clicks, r#"{"p":3}"#), |(orders, _)| {
        // None is marked before the reading has come to its end.
        (1..=6).all(|id| orders.iter().any(|row| row.starts_with(&format!("{id} "))))
            && (orders.len() == 9 || !orders.iter().any(|row| row.ends_with("true")))
    });
}

#[test]
fn dec_47_a_rebuild_under_every_fault_serves_the_old_rows_until_the_new_ones_are_in() {
    let orders = texts((4..=9).map(|id| format!("{id} 4")));
    let clicks = texts((4..=9).map(|n: u32| n.to_string()));
    let (new, old) = (
        (orders.clone(), clicks.clone()),
        (old_orders(), texts((1..=6).map(|n: u32| n.to_string()))),
    );
    let resync = Resync { rebuild: true, ..Resync::default() };
    check(&resync, (orders, clicks, r#"{"p":3}"#), |stored| *stored == old || *stored == new);
}

#[test]
fn f_087_a_resync_of_one_table_under_every_fault_leaves_the_others_alone() {
    let orders = texts(
        (1..=3).map(|id| format!("{id} 1 true")).chain((4..=9).map(|id| format!("{id} 4 false"))),
    );
    let clicks = texts((1..=6).map(|n: u32| n.to_string()));
    let resync =
        Resync { mark_missing: true, table: Some("orders".to_owned()), ..Resync::default() };
    let untouched = clicks.clone();
    check(&resync, (orders, clicks, r#"{"p":3}"#), |(_, clicks)| *clicks == untouched);
}
