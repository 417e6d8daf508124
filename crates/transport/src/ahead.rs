use std::sync::{Arc, Mutex, PoisonError};

use protocol::{Function, FunctionError, Request, Response};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

/// Answers that wait to be asked for, in KiB together: eight small ones, or one that is large.
const WAITING_KIB_MAX: u32 = 1024;
/// What the smallest answer counts for, so that no more than eight wait.
const ANSWER_KIB_MIN: u32 = WAITING_KIB_MAX / 8;

/// A Function whose calls run as a task of the runtime, one after the other, each as soon as the state
/// that it sends is known: they go on while the caller's thread is busy with the pages before.
///
/// A caller that follows the states finds its answers waiting, and is given them as if it had called
/// itself. One that asks for anything else ends the calls ahead of it, and so does dropping an answer's
/// future. A state that did not move, or came with no rows, is not followed: whether to ask again is the
/// caller's to say (F-077, F-081).
pub struct Ahead<F> {
    function: Arc<F>,
    chain: Mutex<Option<Chain>>,
}

/// Calls that follow one another.
struct Chain {
    /// The request that its next answer is to.
    next: Request,
    answers: UnboundedReceiver<(Result<Response, FunctionError>, OwnedSemaphorePermit)>,
    task: Task,
}

impl<F> Ahead<F> {
    pub fn new(function: Arc<F>) -> Ahead<F> {
        Ahead { function, chain: Mutex::default() }
    }

    fn chain(&self) -> std::sync::MutexGuard<'_, Option<Chain>> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Function + Send + Sync + 'static> Function for Ahead<F> {
    /// The call begins here, not when the future is first polled.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    fn call(
        &self,
        request: &Request,
    ) -> impl Future<Output = Result<Response, FunctionError>> + Send {
        let expected = self.chain().take().filter(|chain| chain.expects(request));
        let mut chain = expected.unwrap_or_else(|| Chain::begin(&self.function, request));
        async move {
            let Some((answer, _room)) = chain.answers.recv().await else {
                return Err(chain.task.broken().await);
            };
            if let Ok(response) = &answer
                && goes_on(&chain.next, response)
            {
                chain.next.state = response.state.clone();
                *self.chain() = Some(chain);
            }
            answer
        }
    }
}

impl Chain {
    fn begin<F: Function + Send + Sync + 'static>(function: &Arc<F>, request: &Request) -> Chain {
        let (sender, answers) = mpsc::unbounded_channel();
        let calls = follow(Arc::clone(function), request.clone(), sender);
        Chain { next: request.clone(), answers, task: Task(tokio::spawn(calls)) }
    }

    fn expects(&self, request: &Request) -> bool {
        self.next.state == request.state && self.next.sync_id == request.sync_id
    }
}

/// Calls until an answer is the last, or failed, or nobody waits for more.
async fn follow<F: Function>(
    function: Arc<F>,
    mut request: Request,
    answers: UnboundedSender<(Result<Response, FunctionError>, OwnedSemaphorePermit)>,
) {
    let room = Arc::new(Semaphore::new(WAITING_KIB_MAX as usize));
    loop {
        let answer = function.call(&request).await;
        let (next, bytes) = match &answer {
            Ok(response) => {
                let next = goes_on(&request, response).then(|| response.state.clone());
                (next, response.body_bytes)
            }
            Err(_) => (None, 0),
        };
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
        let kib = kib.clamp(ANSWER_KIB_MIN, WAITING_KIB_MAX);
        let taken = Arc::clone(&room).acquire_many_owned(kib).await;
        if answers.send((answer, taken.expect("the room is never closed"))).is_err() {
            return;
        }
        match next {
            Some(state) => request.state = state,
            None => return,
        }
    }
}

fn goes_on(request: &Request, response: &Response) -> bool {
    response.has_more
        && !request.setup_test
        && response.state != request.state
        && response.rows() > 0
}

/// Ended when nobody holds it.
struct Task(JoinHandle<()>);

impl Task {
    /// Why it ended without an answer.
    async fn broken(&mut self) -> FunctionError {
        match (&mut self.0).await {
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // The runtime is shutting down.
            _ => FunctionError::Cancelled,
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
