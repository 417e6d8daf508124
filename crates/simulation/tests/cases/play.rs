//! Plays a case: sync after sync until the function has no answer left.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use engine::{
    Batch, Destination, DestinationError, Landed, Limits, NulCharacters, Options, Position, Run,
    Summary, SyncEvent, Timestamp, sync,
};
use protocol::{CustomPayload, Function, FunctionError, Request, Response, Secrets, SyncId};
use simulation::conformance::Storage;
use simulation::conformance::bench::block_on;

use crate::case::{Case, Joining};
use crate::print::{self, PlayedSync};

/// What came of a case.
pub(crate) struct Played {
    /// The whole of it, as `expect.json` tells it.
    pub(crate) account: String,
    /// What is left in the end: the same however pages were joined.
    pub(crate) ending: String,
}

const DAY_MICROS: i64 = 86_400_000_000;
/// 2026-01-01T00:00:00Z, the start of the first sync; each other begins a day later.
const FIRST_SYNC_MICROS: i64 = 1_767_225_600_000_000;
/// More syncs than any case has; a sync that makes no call would otherwise be repeated for ever.
const SYNCS_MAX: u64 = 20;

pub(crate) fn play<S: Storage>(case: &Case, storage: &S, joining: Joining) -> Played {
    for table in &case.existing_tables {
        storage.create_unmanaged(table);
    }
    let function = Answers { case, asked: Mutex::default(), clock: Arc::default() };
    let mut syncs = Vec::new();
    {
        let mut destination = Refusing { inner: storage.open(), case, commits: 0 };
        while function.has_answers() {
            let number = syncs.len() as u64 + 1;
            assert!(number <= SYNCS_MAX, "{}: it does not end", case.name);
            syncs.push(play_sync(
                case,
                &function,
                &mut destination,
                number,
                joining,
                S::NUL_CHARACTERS,
            ));
        }
    }
    let position = block_on(storage.open().position()).expect("the position can be read");
    let ending = print::ending(&position, storage);
    Played { account: print::account(&syncs, &ending, case.shows_requests), ending }
}

fn play_sync<D: Destination + Send>(
    case: &Case,
    function: &Answers<'_>,
    destination: &mut Refusing<'_, D>,
    number: u64,
    joining: Joining,
    nul_characters: NulCharacters,
) -> PlayedSync {
    let days = i64::try_from(number).expect("syncs are few") - 1;
    let started_at = FIRST_SYNC_MICROS + days * DAY_MICROS;
    function.clock.store(started_at, Ordering::Relaxed);
    let mut run = run(case, function, number, joining, nul_characters);
    // What a person asks for, an hour before the sync.
    let asks = |what: &str| Run {
        sync_id: SyncId(format!("{what}-{number}")),
        started_at: Timestamp(started_at - DAY_MICROS / 24),
        ..run.clone()
    };
    if let Some(approvals) = case.approvals.get(&number) {
        let position = block_on(destination.position()).expect("the position can be read");
        let approve = Batch::approve(&position, approvals, &asks("approve"));
        block_on(destination.inner.commit(&approve)).expect("an approval lands");
    }
    if let Some(resync) = case.resyncs.get(&number) {
        let position = block_on(destination.position()).expect("the position can be read");
        let resync = Batch::resync(&position, resync, &asks("resync"));
        block_on(destination.commit(&resync)).expect("a resync lands");
    }
    run.started_at = Timestamp(started_at);
    let mut summary = Summary::default();
    let mut on_event = |event: SyncEvent<'_>| {
        if let SyncEvent::Finished { summary: finished } = event {
            summary = finished.clone();
        }
    };
    let before = function.requests().len();
    let ended = block_on(sync(&run, function, destination, &mut on_event));
    let requests = function.requests().split_off(before);
    PlayedSync { requests, summary, error: ended.err() }
}

fn run(
    case: &Case,
    function: &Answers<'_>,
    number: u64,
    joining: Joining,
    nul_characters: NulCharacters,
) -> Run {
    let clock = Arc::clone(&function.clock);
    let policy = case.policies.range(..=number).next_back();
    let policy = policy.map(|(_, policy)| Arc::clone(policy)).unwrap_or_default();
    let limits = match joining {
        Joining::Joined => Limits::default(),
        Joining::PageByPage => Limits { batch_bytes_max: 0, ..Limits::default() },
    };
    Run {
        sync_id: SyncId(format!("sync-{number}")),
        started_at: Timestamp::default(),
        clock: Arc::new(move || Timestamp(clock.load(Ordering::Relaxed))),
        agent: "hasmore/0.0.0/case/shop".to_owned(),
        secrets: Secrets::default(),
        custom_payload: CustomPayload::default(),
        options: Options { nul_characters, policy, ..case.options.clone() },
        limits,
    }
}

/// A function that gives the answers of a case in their order, whatever it is asked.
struct Answers<'c> {
    case: &'c Case,
    asked: Mutex<Vec<Request>>,
    clock: Arc<AtomicI64>,
}

impl Answers<'_> {
    fn requests(&self) -> Vec<Request> {
        self.asked.lock().expect("no call panics").clone()
    }

    fn has_answers(&self) -> bool {
        self.requests().len() < self.case.responses.len()
    }
}

impl Function for Answers<'_> {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let number = {
            let mut asked = self.asked.lock().expect("no call panics");
            asked.push(request.clone());
            asked.len()
        };
        if let Some(hours) = self.case.hours.get(&(number as u64)) {
            self.clock.fetch_add(hours * DAY_MICROS / 24, Ordering::Relaxed);
        }
        let body = self.case.responses.get(number - 1);
        let body = body.ok_or_else(|| FunctionError::transport("the case has no more answers"))?;
        Response::from_json(body.clone().into(), request)
    }
}

/// A destination that refuses one commit.
struct Refusing<'c, D> {
    inner: D,
    case: &'c Case,
    commits: u64,
}

impl<D: Destination + Send> Destination for Refusing<'_, D> {
    async fn position(&mut self) -> Result<Position, DestinationError> {
        self.inner.position().await
    }

    async fn commit(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        self.commits += 1;
        if self.case.refused_commit == Some(self.commits) {
            return Err(DestinationError::Refused {
                code: "disk_full",
                message: "the disk is full".to_owned(),
                hint: "make room, and sync again".to_owned(),
            });
        }
        self.inner.commit(batch).await
    }
}
