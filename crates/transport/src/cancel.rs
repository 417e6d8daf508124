use protocol::{Function, FunctionError, Request, Response};
use tokio::sync::watch;

/// A Function that gives up when a stop is asked for: the call under way is dropped, and so is every
/// later one before it begins.
pub struct Cancellable<F> {
    function: F,
    stop: watch::Receiver<bool>,
}

impl<F> Cancellable<F> {
    /// `true` in `stop` asks for the stop.
    pub fn new(function: F, stop: watch::Receiver<bool>) -> Cancellable<F> {
        Cancellable { function, stop }
    }
}

impl<F: Function + Sync> Function for Cancellable<F> {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let mut stop = self.stop.clone();
        let stopped = async {
            if stop.wait_for(|stop| *stop).await.is_err() {
                // Nobody is left who could ask.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = stopped => Err(FunctionError::Cancelled),
            answer = self.function.call(request) => answer,
        }
    }
}
