use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use protocol::{Function, FunctionError, Request, Response};
use tokio::sync::{Notify, watch};
use transport::{Cancellable, Spawned};

use crate::request;
use crate::world::eventually;

/// Counts how many calls began, ended by an answer and ended by being dropped.
#[derive(Default)]
struct Watched {
    begun: AtomicU32,
    answered: AtomicU32,
    dropped: AtomicU32,
    release: Notify,
}

impl Function for &Watched {
    async fn call(&self, _: &Request) -> Result<Response, FunctionError> {
        struct OnDrop<'a>(&'a Watched);
        impl Drop for OnDrop<'_> {
            fn drop(&mut self) {
                self.0.dropped.fetch_add(1, Ordering::SeqCst);
            }
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
        let on_drop = OnDrop(self);
        self.release.notified().await;
        std::mem::forget(on_drop);
        self.answered.fetch_add(1, Ordering::SeqCst);
        Ok(Response::default())
    }
}

struct Owned(Arc<Watched>);

impl Function for Owned {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        (&*self.0).call(request).await
    }
}

#[tokio::test]
async fn a_stop_ends_the_call_under_way() {
    let watched = Watched::default();
    let (stop, stopped) = watch::channel(false);
    let function = Cancellable::new(&watched, stopped);
    let asking = async {
        eventually("the call began", || watched.begun.load(Ordering::SeqCst) == 1).await;
        stop.send_replace(true);
    };
    let request = request();
    let (answer, ()) = tokio::join!(function.call(&request), asking);
    assert_eq!(answer.expect_err("a stop"), FunctionError::Cancelled);
    assert_eq!(watched.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn after_a_stop_no_call_begins() {
    let watched = Watched::default();
    let (_stop, stopped) = watch::channel(true);
    let function = Cancellable::new(&watched, stopped);
    let answer = function.call(&request()).await;
    assert_eq!(answer.expect_err("a stop"), FunctionError::Cancelled);
    assert_eq!(watched.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn when_nobody_can_ask_for_a_stop_calls_go_on() {
    let watched = Watched::default();
    let (stop, stopped) = watch::channel(false);
    drop(stop);
    watched.release.notify_one();
    Cancellable::new(&watched, stopped).call(&request()).await.expect("an answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spawned_call_goes_on_while_its_caller_is_busy() {
    let watched = Arc::new(Watched::default());
    watched.release.notify_one();
    let function = Spawned::new(Owned(Arc::clone(&watched)));
    let request = request();
    let answer = function.call(&request);
    // This thread types rows and polls nothing.
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while watched.answered.load(Ordering::SeqCst) == 0 {
        assert!(std::time::Instant::now() < deadline, "the call made no progress");
        std::hint::spin_loop();
    }
    answer.await.expect("an answer");
}

#[tokio::test]
async fn dropping_the_answer_ends_a_spawned_call() {
    let watched = Arc::new(Watched::default());
    let function = Spawned::new(Owned(Arc::clone(&watched)));
    let request = request();
    let answer = function.call(&request);
    eventually("the call began", || watched.begun.load(Ordering::SeqCst) == 1).await;
    drop(answer);
    eventually("the call ended", || watched.dropped.load(Ordering::SeqCst) == 1).await;
}
