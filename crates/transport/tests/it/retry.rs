use std::sync::{Arc, Mutex};
use std::time::Duration;

use expect_test::{Expect, expect};
use protocol::Function;
use transport::{HttpFunction, HttpOptions, LogLine, Retrying};

use crate::fake::{Fake, Reply, http};
use crate::{PAGE, outcome, request};

/// Calls once through retries that do not wait; shows each pause, the outcome and the log's length,
/// and proves that every request was the same.
async fn check(replies: Vec<Reply>, expected: Expect) {
    let fake = Fake::start(replies).await;
    let options = HttpOptions { timeout: Duration::from_millis(100), ..HttpOptions::default() };
    let function = HttpFunction::new(&fake.url, options).expect("the fake's URL is one");
    let pauses = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::new(Mutex::new(Vec::<LogLine>::new()));
    let (noted, logged) = (Arc::clone(&pauses), Arc::clone(&lines));
    let retrying =
        Retrying::new(function, Arc::new(move |line| logged.lock().expect("a log").push(line)))
            .with_time(
                Box::new(move |pause| {
                    noted.lock().expect("a list").push(pause);
                    Box::pin(async {})
                }),
                Box::new(|| 0.5),
            );
    let outcome = outcome(&retrying.call(&request()).await).replace(&fake.url, "URL");
    let sent = fake.sent();
    assert!(sent.iter().all(|each| each.body == request().to_json()), "a try changed the request");
    let pauses = pauses.lock().expect("a list").clone();
    assert_eq!(lines.lock().expect("a log").len(), pauses.len(), "each pause is told");
    expected.assert_eq(&format!("{} requests, pauses {pauses:?}\n{outcome}\n", sent.len()));
}

fn bytes(status: &str, headers: &[&str], body: &str) -> Reply {
    Reply::Bytes(http(status, headers, body))
}

#[tokio::test]
async fn f_051_two_503_and_then_a_page() {
    let unavailable = bytes("503 Service Unavailable", &[], "");
    check(
        vec![unavailable.clone(), unavailable, bytes("200 OK", &[], PAGE)],
        expect![[r#"
            3 requests, pauses [750ms, 1.5s]
            {"state":{"n":1},"insert":{"t":[{"a":1}]},"delete":{},"schema":{},"hasMore":false}
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_function_that_stays_away_is_tried_four_times() {
    check(
        vec![bytes("504 Gateway Timeout", &[], "")],
        expect![[r#"
            4 requests, pauses [750ms, 1.5s, 3s]
            function_error: function unavailable: HTTP 504 Gateway Timeout
        "#]],
    )
    .await;
    check(
        vec![Reply::BytesThenClose(Vec::new())],
        expect![[r#"
            4 requests, pauses [750ms, 1.5s, 3s]
            transport: function unavailable: no answer from URL: connection closed before message completed
        "#]],
    )
    .await;
}

#[tokio::test]
async fn retry_after_is_honoured_up_to_a_minute() {
    check(
        vec![
            bytes("429 Too Many Requests", &["Retry-After: 2"], ""),
            bytes("429 Too Many Requests", &["Retry-After: 3600"], ""),
            bytes("200 OK", &[], PAGE),
        ],
        expect![[r#"
            3 requests, pauses [2s, 60s]
            {"state":{"n":1},"insert":{"t":[{"a":1}]},"delete":{},"schema":{},"hasMore":false}
        "#]],
    )
    .await;
}

#[tokio::test]
async fn f_052_what_the_function_reports_is_final() {
    check(
        vec![bytes("500 Internal Server Error", &[], r#"{"errorMessage":"no"}"#)],
        expect![[r#"
            1 requests, pauses []
            function_error: function failed: no
        "#]],
    )
    .await;
    check(
        vec![bytes("200 OK", &[], r#"{"errorMessage":"no"}"#)],
        expect![[r#"
            1 requests, pauses []
            function_error: function failed: no
        "#]],
    )
    .await;
}

#[tokio::test]
async fn f_053_401_and_403_are_one_request() {
    check(
        vec![bytes("401 Unauthorized", &["Retry-After: 1"], "")],
        expect![[r#"
            1 requests, pauses []
            function_error: function failed: HTTP 401 Unauthorized
        "#]],
    )
    .await;
    check(
        vec![bytes("403 Forbidden", &[], "")],
        expect![[r#"
            1 requests, pauses []
            function_error: function failed: HTTP 403 Forbidden
        "#]],
    )
    .await;
}

#[tokio::test]
async fn an_answer_that_is_not_the_protocol_is_one_request() {
    check(
        vec![bytes("200 OK", &[], "[]")],
        expect![[r#"
            1 requests, pauses []
            invalid_response: function broke the protocol: the answer is JSON, but not an object
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_timeout_is_tried_once_more() {
    check(
        vec![Reply::Silence],
        expect![[r#"
            2 requests, pauses [750ms]
            function_timeout: function gave no answer within 0.1 s
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_timeout_between_other_errors_counts_as_a_try() {
    let unavailable = bytes("503 Service Unavailable", &[], "");
    check(
        vec![unavailable.clone(), Reply::Silence, unavailable.clone(), unavailable],
        expect![[r#"
            4 requests, pauses [750ms, 1.5s, 3s]
            function_error: function unavailable: HTTP 503 Service Unavailable
        "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn by_default_the_pauses_are_real_and_jittered() {
    struct Away;
    impl Function for Away {
        async fn call(
            &self,
            _: &protocol::Request,
        ) -> Result<protocol::Response, protocol::FunctionError> {
            Err(protocol::FunctionError::transport("away"))
        }
    }
    let begun = tokio::time::Instant::now();
    let retrying = Retrying::new(Away, transport::no_log());
    retrying.call(&request()).await.expect_err("it stays away");
    let waited = begun.elapsed();
    assert!(
        Duration::from_millis(3500) <= waited && waited <= Duration::from_secs(7),
        "{waited:?}"
    );
}
