use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use protocol::{Function, FunctionError, Request, Response, State};
use tokio::sync::{Notify, watch};
use transport::{Ahead, Cancellable};

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

/// Counts up to its last page: the state is the number of pages that were answered.
struct Pages {
    last: u64,
    /// Bytes that each answer says it had.
    body_bytes: u64,
    rows: bool,
    begun: AtomicU32,
}

impl Pages {
    fn until(last: u64, body_bytes: u64) -> Arc<Pages> {
        Arc::new(Pages { last, body_bytes, rows: true, begun: AtomicU32::new(0) })
    }

    fn begun(&self) -> u32 {
        self.begun.load(Ordering::SeqCst)
    }
}

impl Function for Pages {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let page = request.state.as_json().parse::<u64>().unwrap_or(0) + 1;
        let body = format!(
            r#"{{"state":{page},"insert":{{"t":[{}]}},"hasMore":{}}}"#,
            if self.rows { r#"{"id":1}"# } else { "" },
            page < self.last
        );
        let mut answer = Response::from_json(body.into(), request)?;
        answer.body_bytes = self.body_bytes;
        Ok(answer)
    }
}

fn asking(state: &State) -> Request {
    Request { state: state.clone(), ..request() }
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
async fn a_call_goes_on_while_its_caller_is_busy() {
    let watched = Arc::new(Watched::default());
    watched.release.notify_one();
    let function = Ahead::new(Arc::new(Owned(Arc::clone(&watched))));
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
async fn dropping_the_answer_ends_its_call() {
    let watched = Arc::new(Watched::default());
    let function = Ahead::new(Arc::new(Owned(Arc::clone(&watched))));
    let request = request();
    let answer = function.call(&request);
    eventually("the call began", || watched.begun.load(Ordering::SeqCst) == 1).await;
    drop(answer);
    eventually("the call ended", || watched.dropped.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_caller_that_follows_the_states_has_every_page_once() {
    let pages = Pages::until(40, 60_000);
    let function = Ahead::new(Arc::clone(&pages));
    let mut state = State::default();
    for page in 1..=40 {
        let answer = function.call(&asking(&state)).await.expect("an answer");
        assert_eq!(answer.state.as_json(), page.to_string());
        assert_eq!(answer.has_more, page < 40);
        state = answer.state;
    }
    assert_eq!(pages.begun(), 40, "no page is asked for twice, and none after the last");
}

/// How many calls begin when the first answer was taken and no other is.
async fn check_ahead(body_bytes: u64, calls: u32) {
    let pages = Pages::until(1_000, body_bytes);
    let function = Ahead::new(Arc::clone(&pages));
    function.call(&request()).await.expect("an answer");
    eventually("the calls ahead", || pages.begun() == calls).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(pages.begun(), calls);
}

#[tokio::test]
async fn eight_small_answers_wait_or_one_that_is_large() {
    // The first was taken; the last one is held until there is room.
    check_ahead(100, 1 + 8 + 1).await;
    check_ahead(300 << 10, 1 + 3 + 1).await;
    check_ahead(50 << 20, 1 + 1 + 1).await;
}

#[tokio::test]
async fn a_caller_that_asks_for_something_else_is_answered_that() {
    let pages = Pages::until(1_000, 0);
    let function = Ahead::new(Arc::clone(&pages));
    function.call(&request()).await.expect("an answer");
    let elsewhere = State::from_json("500").expect("a number is JSON");
    let answer = function.call(&asking(&elsewhere)).await.expect("an answer");
    assert_eq!(answer.state.as_json(), "501");
}

/// A call that nothing follows before the caller asks again.
async fn check_alone(pages: Pages, request: Request) {
    let pages = Arc::new(pages);
    let function = Ahead::new(Arc::clone(&pages));
    function.call(&request).await.expect("an answer");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(pages.begun(), 1);
}

#[tokio::test]
async fn a_setup_test_and_a_page_without_rows_are_one_call() {
    let pages = |rows| Pages { last: 1_000, body_bytes: 0, rows, begun: AtomicU32::new(0) };
    check_alone(pages(true), Request { setup_test: true, ..request() }).await;
    check_alone(pages(false), request()).await;
}
