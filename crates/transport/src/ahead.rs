use std::sync::Arc;

use protocol::{Function, FunctionError, Request, Response};
use tokio::task::JoinHandle;

/// A Function whose calls run as tasks of the runtime: they start at once and go on while the
/// caller's thread is busy with the page before.
///
/// Dropping the answer's future ends the call.
pub struct Spawned<F> {
    function: Arc<F>,
}

impl<F> Spawned<F> {
    pub fn new(function: F) -> Spawned<F> {
        Spawned { function: Arc::new(function) }
    }
}

impl<F: Function + Send + Sync + 'static> Function for Spawned<F> {
    /// The call begins here, not when the future is first polled.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    fn call(
        &self,
        request: &Request,
    ) -> impl Future<Output = Result<Response, FunctionError>> + Send {
        let function = Arc::clone(&self.function);
        let request = request.clone();
        let mut task = Task(tokio::spawn(async move { function.call(&request).await }));
        async move {
            match (&mut task.0).await {
                Ok(answer) => answer,
                Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
                // The runtime is shutting down.
                Err(_) => Err(FunctionError::Cancelled),
            }
        }
    }
}

struct Task(JoinHandle<Result<Response, FunctionError>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
