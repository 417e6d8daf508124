use std::io::Write;
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use protocol::{Function, FunctionError, Request};
use transport::{HttpFunction, HttpOptions};

use crate::fake::{Fake, Reply, http};
use crate::{PAGE, outcome, request};

/// One call answered by `reply`; the address is left out of what is compared.
async fn check(reply: Reply, expected: Expect) {
    check_with(reply, HttpOptions::default(), &request(), expected).await;
}

async fn check_with(reply: Reply, options: HttpOptions, request: &Request, expected: Expect) {
    let fake = Fake::start(vec![reply]).await;
    let function = HttpFunction::new(&fake.url, options).expect("the fake's URL is one");
    let outcome = outcome(&function.call(request).await);
    assert_eq!(fake.sent().len(), 1, "one call is one request");
    expected.assert_eq(&outcome.replace(&fake.url, "URL"));
}

fn bytes(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Reply {
    Reply::Bytes(http(status, headers, body))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

#[tokio::test]
async fn f_009_a_call_is_a_post_of_json_with_the_agent_as_user_agent() {
    let fake = Fake::start(vec![bytes("200 OK", &[], PAGE)]).await;
    let options = HttpOptions {
        headers: vec![("X-Key".into(), "k".into()), ("accept".into(), "text/x".into())],
        ..HttpOptions::default()
    };
    let function =
        HttpFunction::new(&format!("{}orders?code=k2", fake.url), options).expect("a URL");
    function.call(&request()).await.expect("a page");
    let sent = &fake.sent()[0];
    let host = fake.url.trim_start_matches("http://").trim_end_matches('/');
    expect![[r#"
        POST /orders?code=k2 HTTP/1.1
        content-type: application/json
        accept: text/x
        accept-encoding: gzip
        user-agent: hasmore/0.0.0/shop/sales
        x-key: k
        host: HOST
        content-length: 158"#]]
    .assert_eq(sent.head.replace(host, "HOST").replace("\r\n", "\n").trim_end());
    assert_eq!(sent.body, request().to_json());
}

#[tokio::test]
async fn q_05_f_028_setup_test_is_there_in_setup_tests_and_absent_in_syncs() {
    let fake = Fake::start(vec![bytes("200 OK", &[], PAGE)]).await;
    let function = HttpFunction::new(&fake.url, HttpOptions::default()).expect("a URL");
    function.call(&request()).await.expect("a page");
    function.call(&Request { setup_test: true, ..request() }).await.expect("a page");
    let bodies: Vec<_> = fake.sent().into_iter().map(|sent| sent.body).collect();
    assert!(!bodies[0].contains("setup_test"), "{}", bodies[0]);
    assert!(bodies[1].contains(r#""setup_test":true"#), "{}", bodies[1]);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let fake = Fake::start(vec![bytes("200 OK", &[], PAGE)]).await;
    let function = HttpFunction::new(&fake.url, HttpOptions::default()).expect("a URL");
    for _ in 0..3 {
        function.call(&request()).await.expect("a page");
    }
    assert!(fake.sent().iter().all(|sent| sent.connection == 0), "{:?}", fake.sent());
}

#[tokio::test]
async fn f_044_q_22_the_content_type_is_not_enforced() {
    check(
        bytes("200 OK", &["Content-Type: text/plain"], PAGE),
        expect![[
            r#"{"state":{"n":1},"insert":{"t":[{"a":1}]},"delete":{},"schema":{},"hasMore":false}"#
        ]],
    )
    .await;
}

#[tokio::test]
async fn f_046_a_reported_error_is_the_functions_own() {
    check(
        bytes(
            "500 Internal Server Error",
            &[],
            r#"{"errorMessage":"no token-of-the-test here","errorType":"Auth","stackTrace":["a","b"]}"#,
        ),
        expect![[r#"function_error: function failed: Auth: no <secret apiToken> here ["a", "b"]"#]],
    )
    .await;
}

#[tokio::test]
async fn f_045_q_10_an_error_in_a_200_is_an_error() {
    check(
        bytes("200 OK", &[], r#"{"errorMessage":"bad key","insert":{"t":[{"a":1}]},"state":{}}"#),
        expect!["function_error: function failed: bad key"],
    )
    .await;
}

#[tokio::test]
async fn f_047_q_10_a_trace_that_is_a_string_and_a_message_that_is_an_object() {
    check(
        bytes("400 Bad Request", &[], r#"{"errorMessage":{"m":1},"stackTrace":"one\ntwo"}"#),
        expect![[r#"function_error: function failed: {"m":1} ["one", "two"]"#]],
    )
    .await;
}

#[tokio::test]
async fn f_025_q_11_a_plain_text_error_keeps_status_and_text() {
    check(
        bytes("401 Unauthorized", &["Content-Type: text/plain"], "who are you\n"),
        expect!["function_error: function failed: HTTP 401 Unauthorized: who are you"],
    )
    .await;
}

#[tokio::test]
async fn q_11_an_html_error_is_cut_at_two_kibibytes() {
    let fake =
        Fake::start(vec![bytes("500 Internal Server Error", &[], "<p>".repeat(100_000))]).await;
    let function = HttpFunction::new(&fake.url, HttpOptions::default()).expect("a URL");
    let Err(FunctionError::Failed(failure)) = function.call(&request()).await else {
        panic!("a failure")
    };
    assert!(failure.message.starts_with("HTTP 500 Internal Server Error: <p><p>"));
    assert!((2048..2100).contains(&failure.message.len()), "{}", failure.message.len());
}

#[tokio::test]
async fn an_error_without_a_body_keeps_its_status() {
    check(
        bytes("404 Not Found", &[], ""),
        expect!["function_error: function failed: HTTP 404 Not Found"],
    )
    .await;
}

#[tokio::test]
async fn an_error_whose_body_breaks_off_is_still_that_error() {
    let mut cut = http("500 Internal Server Error", &[], "it went wrong");
    cut.truncate(cut.len() - 6);
    check(
        Reply::BytesThenClose(cut),
        expect!["function_error: function failed: HTTP 500 Internal Server Error: it went"],
    )
    .await;
}

#[tokio::test]
async fn an_error_packed_as_gzip_is_unpacked() {
    check(
        bytes("500 Oh", &["Content-Encoding: gzip"], gzip(br#"{"errorMessage":"packed"}"#)),
        expect!["function_error: function failed: packed"],
    )
    .await;
}

#[tokio::test]
async fn throttles_and_gateways_are_worth_repeating() {
    check(
        bytes("429 Too Many Requests", &["Retry-After: 7"], "slow down"),
        expect!["function_throttled: function unavailable: HTTP 429 Too Many Requests: slow down (after 7s)"],
    )
    .await;
    check(
        bytes("503 Service Unavailable", &[], r#"{"errorMessage":"cold"}"#),
        expect!["function_error: function unavailable: cold"],
    )
    .await;
    check(
        bytes("502 Bad Gateway", &["Retry-After: Fri, 01 Jan 1999 00:00:00 GMT"], ""),
        expect!["function_error: function unavailable: HTTP 502 Bad Gateway (after 0ns)"],
    )
    .await;
}

#[tokio::test]
async fn f_050_q_13_what_the_body_may_hold_is_judged_by_the_protocol() {
    check(
        bytes("200 OK", &[], "<html>token-of-the-test</html>"),
        expect!["unable_to_parse_json: function broke the protocol: the answer is not JSON: expected a value at byte 0; it begins: <html><secret apiToken></html>"],
    )
    .await;
    check(
        bytes("204 No Content", &[], ""),
        expect!["unable_to_parse_json: function broke the protocol: the answer is empty"],
    )
    .await;
    check(
        bytes("200 OK", &[], r#"{"state":{},"insert":{"t":[{"a":NaN}]}}"#),
        expect![[
            r#"{"state":{},"insert":{"t":[{"a":NaN}]},"delete":{},"schema":{},"hasMore":false}"#
        ]],
    )
    .await;
}

#[tokio::test]
async fn gzip_is_unpacked() {
    check(
        bytes("200 OK", &["Content-Encoding: GZIP"], gzip(PAGE.as_bytes())),
        expect![[
            r#"{"state":{"n":1},"insert":{"t":[{"a":1}]},"delete":{},"schema":{},"hasMore":false}"#
        ]],
    )
    .await;
    check(
        bytes("200 OK", &["Content-Encoding: gzip"], &gzip(PAGE.as_bytes())[..30]),
        expect!["transport: function unavailable: the answer of URL broke off: its gzip compression is broken: incomplete deflate stream"],
    )
    .await;
    check(
        bytes("200 OK", &["Content-Encoding: br"], "x"),
        expect!["invalid_response: function broke the protocol: the answer is encoded as br, and only gzip was offered; send it plain or as gzip"],
    )
    .await;
}

fn small() -> HttpOptions {
    HttpOptions { response_bytes_max: 1000, ..HttpOptions::default() }
}

#[tokio::test]
async fn f_054_an_answer_over_the_guard_is_refused_however_it_comes() {
    let too_large = || {
        expect![
            "response_too_large: function broke the protocol: the answer is over the limit of 1000 bytes; send fewer rows a call and set hasMore to true"
        ]
    };
    let chunk = [b"400\r\n".as_slice(), &[b' '; 1024], b"\r\n"].concat();
    let endless = Reply::Endless {
        first: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        piece: chunk,
        pause: Duration::ZERO,
    };
    let announced = Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n{".to_vec());
    let until_close = Reply::Endless {
        first: b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
        piece: vec![b' '; 100],
        pause: Duration::ZERO,
    };
    let packed = bytes("200 OK", &["Content-Encoding: gzip"], gzip(&vec![b' '; 1 << 20]));
    for reply in [endless, announced, until_close, packed] {
        check_with(reply, small(), &request(), too_large()).await;
    }
    let mut fits = PAGE.as_bytes().to_vec();
    fits.resize(1000, b' ');
    check_with(
        bytes("200 OK", &[], fits),
        small(),
        &request(),
        expect![[
            r#"{"state":{"n":1},"insert":{"t":[{"a":1}]},"delete":{},"schema":{},"hasMore":false}"#
        ]],
    )
    .await;
}

#[tokio::test]
async fn f_028_a_body_that_drips_without_end_runs_into_the_timeout() {
    let drip = || Reply::Endless {
        first: b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
        piece: b" ".to_vec(),
        pause: Duration::from_millis(5),
    };
    let timeout = Duration::from_millis(150);
    let options = HttpOptions { timeout, ..HttpOptions::default() };
    let timed_out = || expect!["function_timeout: function gave no answer within 0.15 s"];
    check_with(drip(), options.clone(), &request(), timed_out()).await;
    check_with(Reply::Silence, options, &request(), timed_out()).await;

    let options = HttpOptions { setup_test_timeout: timeout, ..HttpOptions::default() };
    let setup_test = Request { setup_test: true, ..request() };
    let begun = Instant::now();
    check_with(Reply::Silence, options, &setup_test, timed_out()).await;
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn q_19_a_slow_answer_is_waited_for() {
    // Three minutes of fifteen, scaled down.
    let slow = Reply::Late { pause: Duration::from_millis(300), bytes: http("200 OK", &[], PAGE) };
    let options = HttpOptions { timeout: Duration::from_millis(1500), ..HttpOptions::default() };
    let page = expect![[
        r#"{"state":{"n":1},"insert":{"t":[{"a":1}]},"delete":{},"schema":{},"hasMore":false}"#
    ]];
    check_with(slow, options, &request(), page).await;
}

#[tokio::test]
async fn connections_that_break_are_worth_repeating() {
    let whole = http("200 OK", &[], PAGE);
    check(
        Reply::BytesThenClose(whole[..whole.len() - 5].to_vec()),
        expect!["transport: function unavailable: the answer of URL broke off: end of file before message length reached"],
    )
    .await;
    check(
        Reply::BytesThenClose(Vec::new()),
        expect!["transport: function unavailable: no answer from URL: connection closed before message completed"],
    )
    .await;
    check(
        Reply::BytesThenClose(b"HTTP/1.1 2".to_vec()),
        expect!["transport: function unavailable: no answer from URL: connection closed before message completed"],
    )
    .await;
    check(
        Reply::BytesThenClose(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()),
        expect!["transport: function unavailable: no answer from URL: invalid HTTP version parsed"],
    )
    .await;
}

#[tokio::test]
async fn a_content_length_that_is_too_small_cuts_the_answer() {
    let mut short = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", PAGE.len() - 5);
    short.push_str(PAGE);
    check(
        Reply::Bytes(short.into_bytes()),
        expect!["unable_to_parse_json: function broke the protocol: the answer is not JSON: expected a value at byte 52"],
    )
    .await;
}

#[tokio::test]
async fn after_a_broken_answer_the_next_call_takes_a_new_connection() {
    let whole = http("200 OK", &[], PAGE);
    let fake = Fake::start(vec![
        Reply::BytesThenClose(whole[..whole.len() - 5].to_vec()),
        Reply::Bytes(whole),
    ])
    .await;
    let function = HttpFunction::new(&fake.url, HttpOptions::default()).expect("a URL");
    function.call(&request()).await.expect_err("a broken answer");
    function.call(&request()).await.expect("a page");
    assert_eq!(fake.sent()[1].connection, 1);
}

#[tokio::test]
async fn nobody_listening_is_worth_repeating() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/f?code=s3cr3t", unused.local_addr().expect("an address"));
    drop(unused);
    let function = HttpFunction::new(&url, HttpOptions::default()).expect("a URL");
    let outcome = outcome(&function.call(&request()).await);
    let place = url.trim_end_matches("?code=s3cr3t");
    expect![
        "transport: function unavailable: no connection to PLACE: Connection refused (os error 111)"
    ]
    .assert_eq(&outcome.replace(place, "PLACE"));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    check(
        bytes("302 Found", &["Location: https://elsewhere.example/f?token=1"], ""),
        expect!["function_error: function failed: HTTP 302 Found: redirects are not followed, since the request carries secrets; set the url to https://elsewhere.example/f if that is the function"],
    )
    .await;
}

#[tokio::test]
async fn f_018_headers_and_the_query_are_not_repeated_in_a_message() {
    let body = r#"{"errorMessage":"Bearer abcd1234 and abcd1234 and qu3ry are wrong"}"#;
    let fake = Fake::start(vec![bytes("403 Forbidden", &[], body)]).await;
    let options = HttpOptions {
        headers: vec![("Authorization".into(), "Bearer abcd1234".into())],
        ..HttpOptions::default()
    };
    let function = HttpFunction::new(&format!("{}?code=qu3ry", fake.url), options).expect("a URL");
    expect!["function_error: function failed: <secret Authorization> and <secret Authorization token> and <secret code> are wrong"]
        .assert_eq(&outcome(&function.call(&request()).await));
}

#[test]
fn what_cannot_be_called_is_refused_before_any_call() {
    let refused = |url: &str, header: Option<(&str, &str)>| {
        let headers = header.map(|(name, value)| (name.into(), value.into()));
        let options =
            HttpOptions { headers: headers.into_iter().collect(), ..HttpOptions::default() };
        HttpFunction::new(url, options).err().expect("a refusal").to_string()
    };
    let all = [
        refused("localhost:8080", None),
        refused("ftp://example.com/", None),
        refused("http:///path", None),
        refused("http://a b/", None),
        refused("https://user:pass@example.com/", None),
        refused("https://example.com/", Some(("X Key", "k"))),
        refused("https://example.com/", Some(("X-Key", "line\nbreak"))),
        refused("https://example.com/", Some(("Content-Length", "3"))),
    ]
    .join("\n");
    expect![[r#"
        the function's url does not begin with http:// or https://
        the function's url does not begin with http:// or https://
        the function's url is not a URL: invalid format
        the function's url is not a URL: invalid uri character
        the function's url holds a user name or password
        header "X Key": the name has characters that a header cannot hold
        header "X-Key": the value has characters that a header cannot hold
        header "Content-Length": it is set by the connection itself"#]]
    .assert_eq(&all);
}

#[tokio::test]
async fn nothing_is_sent_before_the_handshake() {
    let fake = Fake::start(vec![Reply::Silence]).await;
    let options = HttpOptions { timeout: Duration::from_millis(300), ..HttpOptions::default() };
    let url = fake.url.replace("http:", "https:");
    let function = HttpFunction::new(&url, options).expect("a URL");
    function.call(&request()).await.expect_err("no TLS there");
    assert!(fake.sent().is_empty(), "{:?}", fake.sent());
}
