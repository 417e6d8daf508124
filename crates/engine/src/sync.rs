use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::try_join;
use protocol::{Function, FunctionError, Response, State};

use crate::destination::{Destination, DestinationError};
use crate::event::{Outcome, Summary, SyncEvent};
use crate::guard::{Guard, Next};
use crate::landing::Landing;
use crate::plan::PlanError;
use crate::progress::Progress;
use crate::run::Run;

/// Calls the function until it has no more, and lands what it answers.
///
/// The next call is under way while the page before it is typed and landed. Pages are joined into one
/// batch until it is large or old; whatever ends the sync, what has been joined lands first (F-073).
///
/// # Errors
/// The first thing that went wrong. [`SyncEvent::Finished`] tells what had landed by then.
pub async fn sync(
    run: &Run,
    function: &impl Function,
    destination: &mut impl Destination,
    on_event: &mut (impl FnMut(SyncEvent<'_>) + Send),
) -> Result<Summary, SyncError> {
    let mut progress = Progress::new(run, on_event);
    let mut ended = match destination.position().await {
        Ok(position) => {
            progress.started(&position);
            let mut landing = Landing::new(position);
            let ended = pull(run, function, destination, &mut landing, &mut progress).await;
            landing.land(destination, &mut progress).await.and(ended)
        }
        Err(error) => Err(error.into()),
    };
    if let Err(SyncError::Function { source: FunctionError::Cancelled, .. }) = ended {
        ended = Ok(Outcome::Cancelled);
    }
    progress.finish(ended)
}

/// The loop: one page in, one page typed and joined, a batch landed when it is full.
async fn pull(
    run: &Run,
    function: &impl Function,
    destination: &mut impl Destination,
    landing: &mut Landing,
    progress: &mut Progress<'_, impl FnMut(SyncEvent<'_>) + Send>,
) -> Result<Outcome, SyncError> {
    let mut guard = Guard::new(&run.limits, progress.now());
    progress.calling(1);
    let mut answer = call(run, function, landing.state()).await;
    for page in 1.. {
        let (answered, took) = answer;
        let response = answered.map_err(|source| SyncError::Function { page, source })?;
        progress.called(page, &response, took);
        let next = guard.judge(page, landing.state(), &response, progress)?;
        let state = response.state.clone();
        if next == Next::Call {
            progress.calling(page + 1);
        }
        let settle = async {
            landing.add(page, response, run, progress)?;
            if landing.is_full(run, progress.now(), took) {
                landing.land(destination, progress).await?;
            }
            Ok(())
        };
        answer = match next {
            Next::Stop(outcome) => return settle.await.map(|()| outcome),
            Next::Call => try_join(call(run, function, &state).map(Ok), settle).await?.0,
        };
    }
    unreachable!("pages are counted until one of them is the last")
}

/// One call and the time it took.
async fn call(
    run: &Run,
    function: &impl Function,
    state: &State,
) -> (Result<Response, FunctionError>, Duration) {
    let asked_at = (run.clock)();
    let answer = function.call(&run.request(state.clone())).await;
    (answer, (run.clock)().since(asked_at))
}

/// Why a sync ended before its end. What had landed stays landed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    #[error("page {page}: {source}")]
    Function { page: u64, source: FunctionError },
    #[error("page {page}: {source}")]
    Plan { page: u64, source: PlanError },
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// Dec-32.
    #[error("page {page}: {in_a_row} answers in a row had no rows and said hasMore")]
    TooManyEmptyResponses { page: u64, in_a_row: u32 },
    /// Dec-33.
    #[error(
        "page {page}: {times} answers in a row had the same rows, the state that was sent, and said hasMore"
    )]
    NoProgress { page: u64, times: u32 },
}

impl SyncError {
    /// The reference's stable code for this error.
    pub fn code(&self) -> &'static str {
        match self {
            SyncError::Function { source, .. } => source.code(),
            SyncError::Plan { source, .. } => source.code(),
            SyncError::Destination(source) => source.code(),
            SyncError::TooManyEmptyResponses { .. } => "too_many_empty_responses",
            SyncError::NoProgress { .. } => "no_progress",
        }
    }
}
