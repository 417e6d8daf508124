//! Makes the calls that a verdict needs, and writes down what happened.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::{Batch, Position, Run};
use protocol::{Function, FunctionError, Request, State};
use tokio::sync::watch;
use transport::{Cancellable, Exchange, Fault, LogLine, LogSource, Upstream, UpstreamProxy};

use super::observation::{Call, FaultRun, Page, Replay, Survey, Sync, Target};
use crate::clock;
use crate::connection::{Connection, FunctionSource};
use crate::function::BareFunction;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Of each sync.
    pub(crate) pages_max: usize,
    pub(crate) with_faults: bool,
    pub(crate) target: Option<Target>,
}

/// One function under examination.
pub(crate) struct Surveyor<'check> {
    connection: &'check Connection,
    run: &'check Run,
    function: BareFunction,
    /// The same, quick to give up: for faults that last.
    impatient: Option<BareFunction>,
    proxy: Option<UpstreamProxy>,
    printed: Arc<Mutex<Vec<String>>>,
    stop: watch::Receiver<bool>,
}

/// A call that a fault keeps busy longer than this has given up as far as a check is concerned.
const FAULTY_CALL_MAX: Duration = Duration::from_secs(20);
/// Pages whose calls are made again at once, and later: the first and the last ones.
const REPLAYS_MAX: usize = 6;
/// What is kept of what a function prints in one call.
const LINES_MAX: usize = 1000;

impl<'check> Surveyor<'check> {
    /// Starts nothing before the first call. What the function asks of an API is seen where it runs on
    /// this machine.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when it cannot be called as configured.
    pub(crate) fn new(
        connection: &'check Connection,
        run: &'check Run,
        proxy: Option<UpstreamProxy>,
        stop: watch::Receiver<bool>,
    ) -> Result<Surveyor<'check>, FunctionError> {
        let printed = Arc::<Mutex<Vec<String>>>::default();
        let lines = Arc::clone(&printed);
        let log: transport::Log = Arc::new(move |line: LogLine| {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if line.source != LogSource::Hasmore && lines.len() < LINES_MAX {
                lines.push(line.text);
            }
        });
        let function = BareFunction::open(connection, &log, proxy.as_ref())?;
        let impatient = impatient(connection)
            .map(|connection| BareFunction::open(&connection, &log, proxy.as_ref()))
            .transpose()?;
        Ok(Surveyor { connection, run, function, impatient, proxy, printed, stop })
    }

    /// All calls of a check.
    ///
    /// # Errors
    /// When the function cannot be called at all, or a stop was asked for.
    pub(crate) async fn survey(&self, plan: &Plan) -> Result<Survey, FunctionError> {
        let mut survey =
            Survey { target: plan.target, pages_max: plan.pages_max, ..Survey::default() };
        let mut setup = Request { setup_test: true, ..self.run.request(State::default()) };
        setup.sync_id = clock::new_sync_id();
        survey.setup = Some(self.call(&self.function, setup).await?);
        let mut position = Position::default();
        let (first, again) = self.sync(&mut position, plan.pages_max, Some(0)).await?;
        survey.replays.extend(again);
        let goes_on = first.is_whole();
        let state = first.last_state().cloned();
        survey.syncs.push(first);
        if let Some(state) = state.filter(|_| goes_on) {
            let (second, _) = self.sync_from(state, &mut position, plan.pages_max, None).await?;
            survey.syncs.push(second);
        }
        self.replay_later(&mut survey).await?;
        if plan.with_faults {
            self.faults(&mut survey).await?;
        }
        Ok(survey)
    }

    /// Deletes the objects that the pages were read from.
    ///
    /// # Errors
    /// The reason why one of them is still there.
    pub(crate) async fn delete_objects(&self) -> Result<(), FunctionError> {
        self.function.delete_objects().await?;
        match &self.impatient {
            Some(impatient) => impatient.delete_objects().await,
            None => Ok(()),
        }
    }

    /// Ends what it started.
    pub(crate) async fn close(&self) {
        self.function.close().await;
        if let Some(impatient) = &self.impatient {
            impatient.close().await;
        }
    }

    async fn sync(
        &self,
        position: &mut Position,
        pages_max: usize,
        replayed_as: Option<usize>,
    ) -> Result<(Sync, Vec<Replay>), FunctionError> {
        self.sync_from(State::default(), position, pages_max, replayed_as).await
    }

    /// Pages from a state on; each of the first is called twice where `replayed_as` names the sync.
    async fn sync_from(
        &self,
        mut state: State,
        position: &mut Position,
        pages_max: usize,
        replayed_as: Option<usize>,
    ) -> Result<(Sync, Vec<Replay>), FunctionError> {
        let mut run = self.run.clone();
        run.sync_id = clock::new_sync_id();
        run.started_at = clock::now();
        let (mut sync, mut replays) = (Sync::default(), Vec::new());
        while sync.calls.len() < pages_max {
            let request = run.request(state.clone());
            let mut call = self.call(&self.function, request.clone()).await?;
            plan(&mut call, position, &run);
            let next = call.page().map(|page| page.response.state.clone());
            let (failed, has_more) = (next.is_none(), call.has_more());
            let page = sync.calls.len();
            sync.calls.push(call);
            if let Some(sync) = replayed_as.filter(|_| !failed && page < REPLAYS_MAX) {
                let call = self.call(&self.function, request).await?;
                replays.push(Replay { sync, page, later: false, call });
            }
            match next {
                // The same call would follow for ever (F-081).
                Some(next) if has_more && next != state => state = next,
                _ => break,
            }
        }
        Ok((sync, replays))
    }

    /// The states of the first sync once more, in a new process where there is one.
    async fn replay_later(&self, survey: &mut Survey) -> Result<(), FunctionError> {
        self.function.close().await;
        let first = &survey.syncs[0];
        let whole = first.pages().count();
        let pages =
            (0..whole).filter(|page| *page < REPLAYS_MAX / 2 || whole - page <= REPLAYS_MAX / 2);
        for page in pages.collect::<Vec<_>>() {
            let request = self.run.request(survey.syncs[0].calls[page].state.clone());
            let call = self.call(&self.function, request).await?;
            survey.replays.push(Replay { sync: 0, page, later: true, call });
        }
        Ok(())
    }

    /// Each fault in the first call and in the one after it, where [`tried`] says.
    async fn faults(&self, survey: &mut Survey) -> Result<(), FunctionError> {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        let pages: Vec<(usize, State, Vec<Exchange>)> = survey.syncs[0]
            .pages()
            .filter(|(page, ..)| *page < 2)
            .map(|(page, call, _)| (page, call.state.clone(), call.upstream.clone()))
            .filter(|(_, _, upstream)| !upstream.is_empty())
            .collect();
        let function = self.impatient.as_ref().unwrap_or(&self.function);
        if let Some((_, state, upstream)) = pages.first()
            && upstream.iter().any(|exchange| exchange.listed().is_some())
        {
            proxy.set(Upstream::Faulty { fault: Fault::Nothing, after: 0 });
            let call = self.call(function, self.run.request(state.clone())).await;
            proxy.set(Upstream::Real);
            survey.nothing = Some(call?);
        }
        if !survey.syncs[0].is_whole() {
            return Ok(());
        }
        for (page, state, upstream) in pages {
            for fault in [
                Fault::Throttled,
                Fault::ServerError,
                Fault::NoAnswer,
                Fault::Truncated,
                Fault::EmptyPage,
                Fault::RepeatedToken,
            ] {
                for request in tried(fault, page, &upstream) {
                    let run =
                        self.fault(proxy, fault, page, request, &state, survey.pages_max).await?;
                    survey.faults.push(run);
                }
            }
        }
        Ok(())
    }

    async fn fault(
        &self,
        proxy: &UpstreamProxy,
        fault: Fault,
        page: usize,
        request: usize,
        state: &State,
        pages_max: usize,
    ) -> Result<FaultRun, FunctionError> {
        let function = self.impatient.as_ref().unwrap_or(&self.function);
        proxy.set(Upstream::Faulty { fault, after: request });
        let calling = self.call(function, self.run.request(state.clone()));
        let call = match tokio::time::timeout(FAULTY_CALL_MAX, calling).await {
            Ok(call) => call,
            Err(_) => Ok(self.gave_up(state)),
        };
        proxy.set(Upstream::Real);
        let call = call?;
        let mut rest = Vec::new();
        if let Some(answer) = call.page() {
            let mut state = answer.response.state.clone();
            let mut position = Position::default();
            if answer.response.has_more {
                let (sync, _) =
                    self.sync_from(state.clone(), &mut position, pages_max, None).await?;
                state = sync.last_state().cloned().unwrap_or(state);
                rest.push(sync);
            }
            // What the fault hid must come with the next sync at the latest.
            while rest.len() < 2 {
                let (sync, _) =
                    self.sync_from(state.clone(), &mut position, pages_max, None).await?;
                state = sync.last_state().cloned().unwrap_or(state);
                rest.push(sync);
            }
        }
        Ok(FaultRun { fault, page, request, call, rest })
    }

    fn gave_up(&self, state: &State) -> Call {
        if let Some(proxy) = &self.proxy {
            proxy.take();
        }
        Self::empty_call(state, Err(FunctionError::TimedOut { after: FAULTY_CALL_MAX }))
    }

    fn empty_call(state: &State, answer: Result<Page, FunctionError>) -> Call {
        Call {
            state: state.clone(),
            answer,
            started_at: clock::now().0,
            took: Duration::ZERO,
            upstream: Vec::new(),
            printed: Vec::new(),
            memory_bytes: None,
            warnings: Vec::new(),
            refused: None,
            secret_in_state: None,
        }
    }

    /// One call. Only what keeps every call from being made is an error.
    async fn call(&self, function: &BareFunction, request: Request) -> Result<Call, FunctionError> {
        if let Some(proxy) = &self.proxy {
            proxy.take();
        }
        let started_at = clock::now().0;
        let begun = Instant::now();
        let answer = Cancellable::new(function, self.stop.clone()).call(&request).await;
        let took = begun.elapsed();
        let answer = match answer {
            Err(error @ (FunctionError::Refused { .. } | FunctionError::Cancelled)) => {
                return Err(error);
            }
            answer => answer.map(Page::read),
        };
        let printed =
            std::mem::take(&mut *self.printed.lock().unwrap_or_else(PoisonError::into_inner));
        let state = answer.as_ref().map_or("", |page| page.response.state.as_json());
        let redacted = self.connection.redact(state);
        let secret = redacted.split_once("<secret ").filter(|_| redacted != state);
        let secret = secret.and_then(|(_, rest)| rest.split('>').next()).map(str::to_owned);
        Ok(Call {
            started_at,
            took,
            upstream: self.proxy.as_ref().map(UpstreamProxy::take).unwrap_or_default(),
            printed,
            memory_bytes: function.memory_bytes_peak().await,
            warnings: answer
                .as_ref()
                .map_or_else(|_| Vec::new(), |page| page.response.warnings.clone()),
            secret_in_state: secret,
            ..Self::empty_call(&request.state, answer)
        })
    }
}

/// The requests of a call that a fault is tried at: the first and the last that it changes. Those that
/// keep a client waiting are tried once.
fn tried(fault: Fault, page: usize, upstream: &[Exchange]) -> Vec<usize> {
    let applies = |exchange: &Exchange| match fault {
        Fault::EmptyPage => exchange.listed().is_some_and(|rows| rows > 0),
        Fault::RepeatedToken => &fault.changes(exchange.clone()) != exchange,
        _ => true,
    };
    let first = upstream.iter().position(applies);
    let last = upstream.iter().rposition(applies);
    match fault {
        Fault::NoAnswer | Fault::Truncated if page > 0 => Vec::new(),
        Fault::NoAnswer | Fault::Truncated => Vec::from_iter(last),
        _ if first == last => Vec::from_iter(first),
        _ => first.into_iter().chain(last).collect(),
    }
}

/// Types and plans a page as a sync would, on the page before.
fn plan(call: &mut Call, position: &mut Position, run: &Run) {
    let Ok(page) = &call.answer else { return };
    match Batch::plan(page.response.clone(), position, run) {
        Ok(batch) => {
            call.warnings.extend(batch.warnings().iter().cloned());
            *position = batch.leaves().clone();
        }
        Err(error) => call.refused = Some(error),
    }
}

/// A manifest tries again for up to half a minute; while the API is made to fail, that is known to be vain.
fn impatient(connection: &Connection) -> Option<Connection> {
    let FunctionSource::Manifest(manifest) = &connection.function else { return None };
    let mut manifest = manifest.clone();
    manifest.requests.retries = Some(1);
    manifest.requests.backoff = Some(connector::yaml::Span(Duration::from_millis(10)));
    Some(Connection { function: FunctionSource::Manifest(manifest), ..connection.clone() })
}
