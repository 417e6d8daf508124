//! The lives of an engine whose function is a manifest, and what goes wrong in them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connector::Connector;
use connector::manifest::Manifest;
use engine::{
    Batch, Destination, DestinationError, Landed, Limits, Options, Outcome, Position, Run,
    SyncError, Timestamp, sync,
};
use protocol::{CustomPayload, Function, FunctionError, Request, Response, Secrets, SyncId};
use simulation::fault::{Crash, Fault};
use simulation::memory::Database;
use tokio::runtime::Runtime;

use crate::Story;
use crate::api::{Api, ApiFault};

/// The one fault: at a call of either port of the engine, or at a request to the API.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) port: Option<(u64, Fault)>,
    pub(crate) api: Option<(u64, ApiFault)>,
}

/// How long a story is.
#[derive(Debug)]
pub(crate) struct Length {
    pub(crate) steps: u64,
    pub(crate) requests: u64,
}

/// More lives than any one fault needs.
const LIVES_MAX: u64 = 12;

/// Two syncs, each begun again until it is whole; after each, the tables are the API's.
pub(crate) fn play(story: &Story, plan: &Plan) -> Length {
    let api = Api::serve(plan.api);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let mut world = World {
        story,
        plan: *plan,
        runtime: Arc::new(runtime.expect("a runtime")),
        api,
        function: Arc::new(Mutex::new(None)),
        shared: Arc::default(),
    };
    for number in 0..2 {
        if number == 1 {
            world.api.change(story.manifest.contains("sweep"));
        }
        world.lock().syncs = number;
        let mut lives = 0;
        while !world.live() {
            lives += 1;
            assert!(lives < LIVES_MAX, "{}: {plan:?}: sync {number} never ends", story.name);
        }
        for table in story.tables {
            let (found, expected) = (world.stored(table), world.api.rows(table));
            assert_eq!(found, expected, "{}: {plan:?}: sync {number}, table {table}", story.name);
        }
    }
    let steps = world.lock().steps;
    Length { steps, requests: world.api.requests() }
}

#[derive(Clone)]
struct World<'s> {
    story: &'s Story,
    plan: Plan,
    runtime: Arc<Runtime>,
    api: Api,
    /// The function of the process that lives now.
    function: Arc<Mutex<Option<Arc<Connector>>>>,
    shared: Arc<Mutex<Shared>>,
}

/// What survives a crash.
#[derive(Default)]
struct Shared {
    database: Database,
    steps: u64,
    lives: u64,
    syncs: u64,
}

impl World<'_> {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connector(&self) -> Connector {
        let text = format!(
            "name: x\nbase_url: {}\nrequests: {{retries: 0, concurrency: 1}}\ncall: {{pages: 1}}\ntables:{}",
            self.api.url, self.story.manifest
        );
        let manifest = Manifest::parse(&text).expect("a manifest");
        // The second sync is days later.
        let day = 4 + 2 * self.lock().syncs;
        let clock = Arc::new(move || format!("2024-01-0{day}T12:00:00Z"));
        Connector::new(manifest, clock).expect("a connector")
    }

    fn run(&self, name: &str) -> Run {
        let mut shared = self.lock();
        shared.lives += 1;
        let at = Timestamp(
            1_700_000_000_000_000 + i64::try_from(shared.lives).expect("few") * 60_000_000,
        );
        Run {
            sync_id: SyncId(format!("{:08}-{name}", shared.lives)),
            started_at: at,
            clock: Arc::new(move || at),
            agent: String::new(),
            secrets: Secrets::default(),
            custom_payload: CustomPayload::default(),
            options: Options::default(),
            limits: Limits { batch_rows_max: 3, ..Limits::default() },
        }
    }

    /// A process from its start to its end or to a crash. Whether the sync is whole.
    fn live(&mut self) -> bool {
        *self.function.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::new(self.connector()));
        let run = self.run("life");
        let (function, mut destination) = (self.clone(), self.clone());
        let runtime = Arc::clone(&self.runtime);
        let life = || runtime.block_on(sync(&run, &function, &mut destination, &mut |_| ()));
        match catch_unwind(AssertUnwindSafe(life)) {
            Ok(Ok(summary)) => summary.outcome == Outcome::Complete,
            // What a scheduler tries again; anything else is not of this fault.
            Ok(Err(
                SyncError::Function { source: FunctionError::Unavailable { .. }, .. }
                | SyncError::Destination(_),
            )) => false,
            Ok(Err(error)) => panic!("{}: {:?}: {error}", self.story.name, self.plan),
            Err(payload) if payload.is::<Crash>() => false,
            Err(payload) => resume_unwind(payload),
        }
    }

    /// One call of a port: what it does happens or does not, and its answer is heard or is not.
    async fn step<T>(&self, effect: impl Future<Output = T>) -> Option<T> {
        let fault = {
            let mut shared = self.lock();
            shared.steps += 1;
            let step = shared.steps - 1;
            self.plan.port.filter(|(at, _)| *at == step).map(|(_, fault)| fault)
        };
        match fault {
            None => Some(effect.await),
            Some(Fault::Refused) => None,
            Some(Fault::AnswerLost) => {
                effect.await;
                None
            }
            Some(Fault::CrashBefore) => resume_unwind(Box::new(Crash)),
            Some(Fault::CrashAfter) => {
                effect.await;
                resume_unwind(Box::new(Crash))
            }
            Some(Fault::Rival) => {
                Box::pin(self.rival()).await;
                Some(effect.await)
            }
        }
    }

    /// Another engine, on another machine, lands one page.
    async fn rival(&self) {
        let (connector, run) = (self.connector(), self.run("rival"));
        for _ in 0..LIVES_MAX {
            let position = self.lock().database.position().expect("an honest position");
            let response = connector.call(&run.request(position.state().clone())).await;
            let batch = Batch::plan(response.expect("an answer"), &position, &run);
            let batch = batch.expect("a page that can be placed");
            match self.lock().database.commit(&batch) {
                // The engine lands while the rival asks.
                Err(DestinationError::Moved { .. }) => {}
                landed => return drop(landed.expect("a page lands")),
            }
        }
    }

    /// The rows that are live, by id; one that is there twice is an error.
    fn stored(&self, table: &str) -> BTreeMap<u64, String> {
        let shared = self.lock();
        let mut found = BTreeMap::new();
        for row in shared.database.tables[table].texts() {
            if row.get("_fivetran_deleted").is_some_and(|is| is.as_deref() == Some("true")) {
                continue;
            }
            let id = row["id"].as_deref().expect("an id").parse().expect("a number");
            let time = row["updated_at"].clone().expect("a time");
            assert!(found.insert(id, time).is_none(), "table {table}: {id} is there twice");
        }
        found
    }
}

impl Function for World<'_> {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let function = self.function.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let function = function.expect("a process lives");
        let answer = self.step(Box::pin(function.call(request))).await;
        answer.unwrap_or_else(|| Err(FunctionError::transport("simulated")))
    }
}

impl Destination for World<'_> {
    async fn position(&mut self) -> Result<Position, DestinationError> {
        let read = self.step(async { self.lock().database.position() }).await;
        read.unwrap_or_else(|| Err(unavailable()))
    }

    async fn commit(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        let landed = self.step(async { self.lock().database.commit(batch) }).await;
        landed.unwrap_or_else(|| Err(unavailable()))
    }
}

fn unavailable() -> DestinationError {
    DestinationError::Unavailable("simulated".to_owned())
}
