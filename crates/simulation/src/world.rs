//! The simulated function and destination, what survives a crash, and the lives of the engine in it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use engine::{Batch, Destination, DestinationError, Landed, Outcome, Position, Run, sync};
use protocol::{Function, FunctionError, Request, Response};

use crate::fault::{Crash, Plan, befall};
use crate::memory::Database;
use crate::mutant::Mutant;
use crate::scenario::{Rival, Scenario};
use crate::source::{self, PAGE_COUNT, pages_sent};
use crate::verdict::{Entry, verdict};

/// What survives a crash.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub database: Database,
    /// One entry for each position ever written.
    pub journal: Vec<Entry>,
}

/// Where the engine lives: both of its ports, and what will go wrong with them.
#[derive(Clone)]
pub struct World<'s> {
    scenario: &'s Scenario,
    mutant: Mutant,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    disk: Disk,
    plan: Plan,
    /// Calls of either port so far.
    steps: u64,
    rivals: u64,
    /// For mutants that remember what they should not.
    warm_pages: usize,
    cached: Option<Position>,
}

/// More lives than any plan of three faults needs.
const LIVES_MAX: u64 = 24;

/// Restarts the sync until the story is told, as a scheduler would, and judges after every life.
/// Answers the number of steps taken.
///
/// # Errors
/// What was found to be wrong, in words.
pub fn simulate(scenario: &Scenario, plan: &Plan, mutant: Mutant) -> Result<u64, String> {
    let world = World::new(scenario, plan.clone(), mutant);
    let mut commits = 0;
    for life in 0..LIVES_MAX {
        let outcome = world.live(life)?;
        let inner = world.lock();
        let pages = inner.disk.judge(scenario, commits);
        let pages = pages.map_err(|error| format!("life {life}: {error}"))?;
        commits = inner.disk.journal.len();
        if outcome == Some(Outcome::Complete) && pages == PAGE_COUNT {
            return Ok(inner.steps);
        }
    }
    Err("the story never ended".to_owned())
}

impl Disk {
    /// Answers the pages that the stored state counts.
    fn judge(&self, scenario: &Scenario, commits_before: usize) -> Result<usize, String> {
        let commits = self.journal.len();
        if commits < commits_before || self.database.ordinal() != commits as u64 {
            return Err(format!("ordinal {} after {commits} commits", self.database.ordinal()));
        }
        let pages = pages_sent(&self.database.state().map_err(|error| error.to_string())?);
        verdict(&scenario.expected[pages], &self.database, &self.journal)
            .map_err(|error| format!("the state counts {pages} pages, but {error}"))?;
        Ok(pages)
    }
}

impl<'s> World<'s> {
    fn new(scenario: &'s Scenario, plan: Plan, mutant: Mutant) -> World<'s> {
        let inner =
            Inner { disk: Disk::default(), plan, steps: 0, rivals: 0, warm_pages: 0, cached: None };
        World { scenario, mutant, inner: Arc::new(Mutex::new(inner)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One sync from its start to its end or to a crash; `None` where it did not end well.
    fn live(&self, life: u64) -> Result<Option<Outcome>, String> {
        let run = self.scenario.run(life);
        let mut destination = self.clone();
        let before = self.lock().disk.journal.len();
        let life = AssertUnwindSafe(|| poll_once(sync(&run, self, &mut destination, &mut |_| ())));
        match catch_unwind(life) {
            Ok(Ok(summary)) => {
                let commits = (self.lock().disk.journal.len() - before) as u64;
                if summary.commits > commits {
                    return Err(format!("{} commits claimed, {commits} made", summary.commits));
                }
                Ok(Some(summary.outcome))
            }
            Ok(Err(_)) => Ok(None),
            Err(payload) if payload.is::<Crash>() => Ok(None),
            Err(_) => Err("the engine panicked".to_owned()),
        }
    }

    /// One call of a port: `effect` happens or does not, and the answer is heard or is not.
    fn step<T>(&self, effect: impl FnOnce(&World<'s>) -> T) -> Option<T> {
        let fault = {
            let mut inner = self.lock();
            inner.steps += 1;
            let step = inner.steps - 1;
            inner.plan.get(&step).copied()
        };
        befall(fault, || effect(self), || self.rival())
    }

    /// Another engine, on another machine, to which nothing happens.
    fn rival(&self) {
        let mut inner = self.lock();
        inner.rivals += 1;
        let run = self.scenario.run(inner.rivals);
        let run = Run { sync_id: protocol::SyncId(format!("rival-{}", inner.rivals)), ..run };
        loop {
            let position = inner.disk.database.position().expect("an honest position is stored");
            let response = source::answer(&run.request(position.state().clone()));
            let has_more = response.has_more;
            let batch = Batch::plan(response, &position, &run).expect("the pages can be placed");
            let landed = self.mutant.rival_commits(&mut inner.disk, &batch);
            assert!(landed.is_ok() || self.mutant != Mutant::None, "the rival is alone");
            if self.scenario.rival == Rival::Page || !has_more || landed.is_err() {
                return;
            }
        }
    }
}

impl Function for World<'_> {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let answer = self.step(|world| {
            let mut inner = world.lock();
            world.mutant.answer(request, &mut inner.warm_pages)
        });
        answer.ok_or_else(|| FunctionError::transport("simulated"))
    }
}

impl Destination for World<'_> {
    async fn position(&mut self) -> Result<Position, DestinationError> {
        let read = self.step(|world| {
            let inner = world.lock();
            world.mutant.position(&inner.disk, inner.cached.as_ref())
        });
        read.unwrap_or_else(|| Err(unavailable()))
    }

    async fn commit(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        {
            let mut inner = self.lock();
            self.mutant.remember(batch, &mut inner.cached);
            self.mutant.before(&mut inner.disk, batch)?;
        }
        let landed = self.step(|world| world.mutant.commit(&mut world.lock().disk, batch));
        let landed = match landed {
            None => self.mutant.without_answer(&mut self.lock().disk, batch)?,
            Some(landed) => landed?,
        };
        if self.mutant.has_second_transaction() {
            self.step(|world| self.mutant.after(&mut world.lock().disk, batch))
                .ok_or_else(unavailable)??;
        }
        Ok(landed)
    }
}

pub(crate) fn unavailable() -> DestinationError {
    DestinationError::Unavailable("simulated".to_owned())
}

impl Disk {
    /// Writes the position and remembers that it did.
    pub(crate) fn write_position(&mut self, batch: &Batch, stored: &str) {
        self.database.write_position(batch, stored);
        self.journal.push(Entry {
            pages: pages_sent(batch.leaves().state()),
            synced_at: batch.synced_at().0,
        });
    }
}

/// Simulated calls never wait, so one poll finishes any future.
fn poll_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("simulated calls never wait"),
    }
}
