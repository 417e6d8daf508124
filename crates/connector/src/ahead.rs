//! Requests that are sent before they are asked for, and taken when they are.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::http::{Answer, Http, HttpError};
use crate::request_builder::HttpRequest;

/// Answers on their way, by request. They are a matter of speed only: one that failed is asked for again.
#[derive(Default)]
pub(crate) struct Ahead(Mutex<HashMap<HttpRequest, UnderWay>>);

/// Ends with its owner.
struct UnderWay(JoinHandle<Result<Answer, HttpError>>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// So many answers wait at most; each may be as large as an answer can be.
const WAITING_MAX: usize = 16;

impl Ahead {
    /// Sends a request whose answer will probably be asked for. `signed` is the same as it is sent.
    pub(crate) fn begin(
        &self,
        http: &Http,
        request: &HttpRequest,
        signed: HttpRequest,
        deadline: Instant,
    ) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING_MAX || waiting.contains_key(request) {
            return;
        }
        let http = http.clone();
        let task = tokio::spawn(async move { http.send(&signed, Some(deadline)).await });
        waiting.insert(request.clone(), UnderWay(task));
    }

    /// The answer to a request: the one on its way, or a new one.
    ///
    /// # Errors
    /// As [`Http::send`].
    pub(crate) async fn take(
        &self,
        http: &Http,
        request: &HttpRequest,
        signed: &HttpRequest,
        deadline: Instant,
    ) -> Result<Answer, HttpError> {
        let mine = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(request);
        if let Some(mut task) = mine
            && let Ok(Ok(Ok(answer))) = tokio::time::timeout_at(deadline, &mut task.0).await
        {
            return Ok(answer);
        }
        http.send(signed, Some(deadline)).await
    }

    /// Gives up what nobody asked for.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many more may be begun.
    pub(crate) fn room(&self) -> usize {
        WAITING_MAX.saturating_sub(self.0.lock().unwrap_or_else(PoisonError::into_inner).len())
    }
}
