use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use protocol::{Function, Room};
use serde_json::{Value, json};

use crate::api::{Answered, Api, Asked, numbered, rows};
use crate::run::{Platform, told};

#[tokio::test]
async fn f_091_answers_keep_to_their_bytes_even_within_a_page() {
    let big = |_: &Asked| Answered::json(json!(rows(50)));
    let api = Api::serve(big).await;
    let text =
        "name: x\nbase_url: '{url}'\ncall: {bytes: 500}\ntables:\n  items: {primary_key: id}\n";
    let mut platform = Platform::new(text, &api);
    loop {
        let response = platform.connector.call(&platform.request()).await.expect("an answer");
        assert!(response.insert.iter().all(|(_, records)| records.as_json().len() <= 502));
        if !platform.call().await.expect("an answer") {
            break;
        }
        // Every call may run in a new process.
        platform.connector = Platform::new(text, &api).connector;
    }
    assert_eq!(platform.ids("items").len(), 50);
    assert_eq!(platform.received, 50, "no row twice");
}

#[tokio::test]
async fn f_092_a_call_ends_in_time_and_the_next_goes_on() {
    let slow = |asked: &Asked| {
        std::thread::sleep(std::time::Duration::from_millis(30));
        Answered::json(json!(numbered(&rows(20), asked, 1, 2)))
    };
    let api = Api::serve(slow).await;
    let text = "name: x\nbase_url: '{url}'\npagination: {page: {to: query.page}}\ncall: {time: 100ms}\ntables:\n  items: {primary_key: id}\n";
    let mut platform = Platform::new(text, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items").len(), 20);
    assert!(platform.calls > 1, "{} calls", platform.calls);
    assert_eq!(platform.received, 20);
}

#[tokio::test]
async fn f_094_empty_steps_are_skipped_within_a_call() {
    let one_row = |asked: &Asked| {
        let is_last = asked.query["until"].starts_with("2024-06");
        Answered::json(if is_last {
            json!([{"id": 1, "at": "2024-05-31T00:00:00Z"}])
        } else {
            json!([])
        })
    };
    let api = Api::serve(one_row).await;
    let text = "name: x\nbase_url: '{url}'\ntables:\n  items: {primary_key: id, cursor: {field: at, to: query.from, until: query.until, start: '2023-12-01T00:00:00Z', step: 5d}}\n";
    let mut platform = Platform::new(text, &api);
    platform.sync().await.expect("a sync");
    assert!(api.lines().len() > 30);
    assert_eq!(platform.calls, 1);
}

/// A row that does not fit ends the answer at once, however small what came before it is.
#[tokio::test]
async fn f_091_a_large_row_after_a_small_one_waits_for_the_next_call() {
    let rows = json!([{"id": 1}, {"id": 2, "text": "x".repeat(95)}, {"id": 3}]);
    let api = Api::serve(move |_| Answered::json(rows.clone())).await;
    let text =
        "name: x\nbase_url: '{url}'\ncall: {bytes: 100}\ntables:\n  items: {primary_key: id}\n";
    let mut platform = Platform::new(text, &api);
    let start = std::time::Instant::now();
    platform.sync().await.expect("a sync");
    assert!(start.elapsed() < std::time::Duration::from_secs(5));
    assert_eq!((platform.calls, platform.received), (3, 3));
}

fn within(platform: &Platform, room: Room) -> protocol::Request {
    protocol::Request { room, ..platform.request() }
}

/// The state and the declared keys count too: what is measured is what is sent.
#[tokio::test]
async fn f_091_an_answer_is_measured_as_it_is_sent() {
    let api = Api::serve(|_: &Asked| Answered::json(json!(rows(50)))).await;
    let names: Vec<String> =
        (0..40).map(|n| format!("  other{n}: {{primary_key: id}}\n")).collect();
    let names = names.concat();
    let text =
        format!("name: x\nbase_url: '{{url}}'\ntables:\n  items: {{primary_key: id}}\n{names}");
    let mut platform = Platform::new(&text, &api);
    for _ in 0..500 {
        let room = Room { bytes: Some(3_000), ..Room::default() };
        let response = platform.connector.call(&within(&platform, room)).await.expect("an answer");
        let bytes = response.to_json().len();
        assert!(bytes <= 3_000, "{bytes}");
        let has_more = response.has_more;
        platform.land(response);
        if !has_more {
            break;
        }
    }
    assert_eq!(platform.ids("items").len(), 50);
    assert_eq!(platform.received, 41 * 50, "no row twice");
}

#[tokio::test]
async fn f_091_a_row_that_never_fits_is_an_error() {
    let row = json!([{"id": 1, "text": "x".repeat(2_000)}]);
    let api = Api::serve(move |_| Answered::json(row.clone())).await;
    let text = "name: x\nbase_url: '{url}'\ntables:\n  items: {primary_key: id}\n";
    let platform = Platform::new(text, &api);
    let room = Room { bytes: Some(1_000), ..Room::default() };
    let error = platform.connector.call(&within(&platform, room)).await.expect_err("too large");
    assert_eq!(error.code(), "answer_too_large");
}

/// The second page takes longer than the call has: the first is answered in time, and the next call
/// goes on with the second.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f_092_a_page_that_is_late_is_left_for_the_next_call() {
    let slow = |asked: &Asked| {
        if asked.query["page"] == "2" {
            let late = std::time::Duration::from_millis(1_500);
            tokio::task::block_in_place(|| std::thread::sleep(late));
        }
        Answered::json(json!(numbered(&rows(6), asked, 1, 2)))
    };
    let api = Api::serve(slow).await;
    let mut platform = Platform::new(PAGED, &api);
    let room = |ms| Room { time: Some(std::time::Duration::from_millis(ms)), ..Room::default() };
    let start = std::time::Instant::now();
    let response = platform.connector.call(&within(&platform, room(1_000))).await;
    let response = response.expect("an answer");
    assert!(start.elapsed() < std::time::Duration::from_millis(1_400));
    assert_eq!((response.rows(), response.has_more), (2, true));
    platform.land(response);
    let error = platform.connector.call(&within(&platform, room(200))).await.expect_err("late");
    assert!(matches!(error, protocol::FunctionError::Unavailable { .. }), "{error:?}");
    platform.sync().await.expect("a sync");
    assert_eq!((platform.ids("items"), platform.received), (vec![1, 2, 3, 4, 5, 6], 6));
}

/// Answers 429 and other faults `times` times, then well.
async fn faulty(times: u64, fault: fn() -> Answered) -> (Api, Arc<AtomicU64>) {
    let met = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&met);
    let api = Api::serve(move |asked| {
        if asked.query["page"] == "2" && count.fetch_add(1, Ordering::SeqCst) < times {
            return fault();
        }
        Answered::json(json!(numbered(&rows(5), asked, 1, 2)))
    })
    .await;
    (api, met)
}

const PAGED: &str = "name: x\nbase_url: '{url}'\npagination: {page: {to: query.page}}\nrequests: {retries: 3}\ntables:\n  items: {primary_key: id}\n";

#[tokio::test]
async fn f_096_a_busy_api_is_asked_again_as_it_wishes() {
    let busy = || Answered { headers: vec![("retry-after", "1".into())], ..Answered::status(429) };
    let (api, met) = faulty(1, busy).await;
    let mut platform = Platform::new(PAGED, &api);
    let start = std::time::Instant::now();
    platform.sync().await.expect("a sync");
    assert!(start.elapsed() >= std::time::Duration::from_millis(900));
    assert_eq!(platform.ids("items"), [1, 2, 3, 4, 5]);
    assert_eq!(met.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn f_096_what_is_whole_is_answered_when_the_wait_is_too_long() {
    let busy =
        || Answered { headers: vec![("retry-after", "600".into())], ..Answered::status(503) };
    let (api, _) = faulty(1, busy).await;
    let platform = Platform::new(PAGED, &api);
    let response = platform.connector.call(&platform.request()).await.expect("an answer");
    assert_eq!((response.rows(), response.has_more), (2, true));
}

#[tokio::test]
async fn a_lasting_error_comes_after_what_is_whole() {
    let (api, _) = faulty(u64::MAX, || Answered::status(418)).await;
    let mut platform = Platform::new(PAGED, &api);
    let error = platform.sync().await.expect_err("an error");
    assert!(told(&error).contains("418"), "{}", told(&error));
    assert_eq!(platform.ids("items"), [1, 2]);
}

/// Tokens die with the process that gave them.
#[tokio::test]
async fn an_expired_token_restarts_its_window_and_no_row_is_lost() {
    let generation = Arc::new(Mutex::new(0_u64));
    let now = Arc::clone(&generation);
    let api = Api::serve(move |asked| {
        let now = *now.lock().expect("not poisoned");
        let (valid, at) = match asked.query.get("cursor") {
            None => (true, 0),
            Some(token) => {
                let (of, at) = token.split_once('-').expect("a token");
                (of == now.to_string(), at.parse().expect("a number"))
            }
        };
        if !valid {
            return Answered::status(410);
        }
        let page: Vec<Value> = rows(7).into_iter().skip(at).take(2).collect();
        let next = (at + 2 < 7).then(|| format!("{now}-{}", at + 2));
        Answered::json(json!({"data": page, "next": next}))
    })
    .await;
    let text = "name: x\nbase_url: '{url}'\npagination: {cursor: {from: body.next, to: query.cursor}}\ncall: {pages: 1}\ntables:\n  items: {primary_key: id}\n";
    let mut platform = Platform::new(text, &api);
    platform.begin_sync(2).await;
    *generation.lock().expect("not poisoned") += 1;
    platform.connector = Platform::new(text, &api).connector;
    assert!(platform.call().await.expect("an answer"));
    assert_eq!(platform.warnings, ["token_expired"]);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 3, 4, 5, 6, 7]);
    // Another sync does not even try the token of this one.
    platform.begin_sync(2).await;
    *generation.lock().expect("not poisoned") += 1;
    platform.connector = Platform::new(text, &api).connector;
    platform.warnings.clear();
    platform.sync().await.expect("a sync");
    assert_eq!(platform.warnings, [""; 0]);
}

#[tokio::test]
async fn f_017_f_018_a_missing_secret_is_named_and_a_present_one_never_told() {
    let api = Api::serve(|asked: &Asked| Answered {
        body: asked.headers["authorization"].clone().into(),
        ..Answered::status(401)
    })
    .await;
    let text = "name: x\nbase_url: '{url}'\nsecrets: [api_key, other]\nauth: {bearer: '{{ secrets.api_key }}'}\ntables:\n  items: {primary_key: id}\n";
    let mut platform = Platform::new(text, &api);
    let error = platform.sync().await.expect_err("an error");
    assert_eq!(told(&error), "missing_secret: the secret `other` is missing");
    let mut platform = Platform::new(&text.replace(", other", ""), &api);
    let error = platform.sync().await.expect_err("an error");
    assert!(!told(&error).contains("s3cret-key"), "{}", told(&error));
    assert!(told(&error).contains("Bearer <secret api_key>"), "{}", told(&error));
}

#[tokio::test]
async fn f_029_a_setup_test_is_one_request_and_no_rows() {
    let api = Api::serve(|_: &Asked| Answered::json(json!(rows(3)))).await;
    let platform = Platform::new(PAGED, &api);
    let request = protocol::Request { setup_test: true, ..platform.request() };
    let response = platform.connector.call(&request).await.expect("an answer");
    assert_eq!((response.rows(), response.has_more, api.lines().len()), (0, false, 1));
}

/// An endpoint that gives pages by tokens that die with `*generation`.
async fn dying_tokens(generation: &Arc<Mutex<u64>>) -> Api {
    let now = Arc::clone(generation);
    Api::serve(move |asked| {
        let now = *now.lock().expect("not poisoned");
        let at = match asked.query.get("cursor").map(|token| token.split_once('-')) {
            Some(Some((of, at))) if of == now.to_string() => at.parse().expect("a number"),
            Some(_) => return Answered::status(410),
            None => 0,
        };
        let page: Vec<Value> = rows(7).into_iter().skip(at).take(2).collect();
        let next = (at + 2 < 7).then(|| format!("{now}-{}", at + 2));
        Answered::json(json!({"data": page, "next": next}))
    })
    .await
}

/// Rows without a key would be there twice, so their window is not begun again behind the user's back.
#[tokio::test]
async fn rows_without_a_key_are_never_sent_twice() {
    let generation = Arc::new(Mutex::new(0_u64));
    let api = dying_tokens(&generation).await;
    let text = "name: x\nbase_url: '{url}'\npagination: {cursor: {from: body.next, to: query.cursor}}\ncall: {pages: 1}\ntables:\n  items: {}\n";
    // A token that lives on is used by the next sync.
    let mut platform = Platform::new(text, &api);
    platform.begin_sync(2).await;
    platform.connector = Platform::new(text, &api).connector;
    platform.sync().await.expect("a sync");
    assert_eq!(platform.received, 7);
    // One that is void is an error, and changes nothing.
    let mut platform = Platform::new(text, &api);
    platform.begin_sync(2).await;
    *generation.lock().expect("not poisoned") += 1;
    platform.connector = Platform::new(text, &api).connector;
    let state = platform.state.clone();
    let error = platform.sync().await.expect_err("an error");
    assert_eq!((error.code(), platform.received), ("token_refused", 4));
    assert_eq!(platform.state, state);
}

#[tokio::test]
async fn a_page_without_keys_that_changes_half_way_is_an_error() {
    let count = Arc::new(AtomicU64::new(0));
    let calls = Arc::clone(&count);
    let api = Api::serve(move |_| {
        let more = calls.fetch_add(1, Ordering::SeqCst);
        Answered::json(json!(rows(20 + more)))
    })
    .await;
    let text = "name: x\nbase_url: '{url}'\ncall: {bytes: 300}\ntables:\n  items: {}\n";
    let mut platform = Platform::new(text, &api);
    platform.begin_sync(1).await;
    platform.connector = Platform::new(text, &api).connector;
    let error = platform.sync().await.expect_err("an error");
    assert_eq!(error.code(), "page_changed");
}

/// Headers may ask for anything.
#[tokio::test]
async fn absurd_waits_are_no_waits() {
    let busy = || Answered {
        headers: vec![("retry-after", u64::MAX.to_string()), ("x-ratelimit-remaining", "0".into())],
        ..Answered::status(429)
    };
    let (api, _) = faulty(1, busy).await;
    let platform = Platform::new(PAGED, &api);
    let response = platform.connector.call(&platform.request()).await.expect("an answer");
    assert_eq!((response.rows(), response.has_more), (2, true));
}
