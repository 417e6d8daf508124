//! Node handlers, run by AWS's own runtime client: a tier of its own, since that client has to be
//! compiled for five minutes.

use expect_test::{Expect, expect};
use protocol::{Function, Request, State};
use transport::{HandlerFunction, HandlerOptions};

use crate::world::{Lines, folder, repository};
use crate::{outcome, request};

/// The folder whose `node_modules` holds the client; without it, says so and gives nothing.
fn client() -> Option<std::path::PathBuf> {
    let client = std::env::var_os("HASMORE_TEST_NODE_RIC").map(Into::into);
    if client.is_none() {
        eprintln!("skipped: the node tier, since HASMORE_TEST_NODE_RIC names no installed client");
    }
    client
}

/// Calls a handler once with each state; shows what comes of it.
async fn check(file: &str, source: &str, states: &[&str], expected: Expect) {
    let Some(client) = client() else { return };
    let folder = folder(&[(file, source)]);
    let lines = Lines::default();
    let options = HandlerOptions {
        folder: folder.path().to_owned(),
        node_client: Some(client),
        log: lines.log(),
        ..HandlerOptions::default()
    };
    let function = HandlerFunction::new("index.handler", options).expect("the handler is there");
    let mut outcomes = Vec::new();
    for state in states {
        let state = State::from_json(state).expect("a state");
        let answer = outcome(&function.call(&Request { state, ..request() }).await);
        // Where in Node itself an error passed through differs between versions.
        let trace = answer.find(" [\"").unwrap_or(answer.len());
        let head = answer[..trace]
            .lines()
            .filter(|line| !line.trim().starts_with("at ") && !line.contains("/aws-lambda-ric/"));
        let head = head.collect::<Vec<_>>().join("\n");
        outcomes.push(head.replace(folder.path().to_str().expect("a plain path"), "FOLDER"));
    }
    expected.assert_eq(&outcomes.join("\n"));
}

#[tokio::test]
async fn a_node_handler_stays_warm_in_each_of_its_forms() {
    let page = expect![[r#"
        {"state":{"calls":1,"has":["agent","state","secrets","customPayload","sync_id"]},"insert":{},"delete":{},"schema":{},"hasMore":true}
        {"state":{"calls":2,"has":["agent","state","secrets","customPayload","sync_id"]},"insert":{},"delete":{},"schema":{},"hasMore":true}"#]];
    let source = "let calls = 0; exports.handler = async (request) => ({state: {calls: ++calls, has: Object.keys(request)}, hasMore: 'true'});";
    check("index.js", source, &["{}", "{}"], page).await;
    let source = "exports.handler = (request, context, callback) => callback(null, {state: 1.5});";
    check(
        "index.cjs",
        source,
        &["{}"],
        expect![[r#"{"state":1.5,"insert":{},"delete":{},"schema":{},"hasMore":false}"#]],
    )
    .await;
    let source = "export const handler = async () => ({state: {}});";
    check(
        "index.mjs",
        source,
        &["{}"],
        expect![[r#"{"state":{},"insert":{},"delete":{},"schema":{},"hasMore":false}"#]],
    )
    .await;
}

#[tokio::test]
async fn f_048_what_a_node_handler_throws_is_a_failure_with_its_trace() {
    let Some(client) = client() else { return };
    let source = "exports.handler = async ({secrets}) => { throw new RangeError('no ' + secrets.apiToken); };";
    let folder = folder(&[("index.js", source)]);
    let options = HandlerOptions {
        folder: folder.path().to_owned(),
        node_client: Some(client),
        ..HandlerOptions::default()
    };
    let function = HandlerFunction::new("index.handler", options).expect("the handler is there");
    let answer = outcome(&function.call(&request()).await);
    assert!(
        answer.starts_with("function_error: function failed: RangeError: no <secret apiToken> [\"RangeError: no <secret apiToken>\""),
        "{answer}"
    );
    assert!(answer.contains("index.js:1:"), "{answer}");
}

#[tokio::test]
async fn q_12_a_node_handler_that_answers_a_string() {
    let source = "exports.handler = async () => JSON.stringify({state: {}});";
    check(
        "index.js",
        source,
        &["{}"],
        expect![[r#"{"state":{},"insert":{},"delete":{},"schema":{},"hasMore":false}"#]],
    )
    .await;
}

#[tokio::test]
async fn q_15_the_limit_of_lambda_holds_for_node() {
    let source = "exports.handler = async ({state}) => ({state: 'x'.repeat(state.length ?? 1)});";
    check("index.js", source, &[r#"{"length": 7000000}"#, "{}"], expect![[r#"
        response_too_large: function broke the protocol: the answer is over the limit of 6291556 bytes; send fewer rows a call and set hasMore to true
        {"state":"x","insert":{},"delete":{},"schema":{},"hasMore":false}"#]]).await;
}

#[tokio::test]
async fn q_16_a_node_process_that_dies_is_noticed_and_replaced() {
    let source = "exports.handler = async ({state}) => { \
         if (state === 'exit') process.exit(3); \
         if (state === 'kill') process.kill(process.pid, 'SIGKILL'); \
         if (state === 'late') setTimeout(() => { throw new Error('too late'); }, 10); \
         if (state) await new Promise((done) => setTimeout(done, 1000)); \
         return {state: {}}; };";
    let states = [r#""exit""#, r#""kill""#, r#""late""#, "0"];
    check("index.js", source, &states, expect![[r#"
        function_error: function failed: the handler's process exited with code 3 before it answered; it last printed:
          Executing 'index.handler' in function directory 'FOLDER'
        function_error: function failed: the handler's process was killed by signal 9 (SIGKILL; perhaps memory ran out) before it answered; it last printed:
          Executing 'index.handler' in function directory 'FOLDER'
        function_error: function failed: Error: too late
        {"state":{},"insert":{},"delete":{},"schema":{},"hasMore":false}"#]]).await;
}

#[tokio::test]
async fn q_17_a_node_handler_that_cannot_be_loaded_is_refused() {
    check("index.js", "require('no-such-package')", &["{}"], expect![[r#"
        handler_init_failed: the handler could not be loaded: Runtime.ImportModuleError: Error: Cannot find module 'no-such-package'
        Require stack:
        - FOLDER/index.js"#]]).await;
    check("index.js", "exports.handler = ;", &["{}"], expect!["handler_init_failed: the handler could not be loaded: Runtime.UserCodeSyntaxError: SyntaxError: Unexpected token ';'"]).await;
    check("index.js", "exports.other = 1", &["{}"], expect!["handler_init_failed: the handler could not be loaded: Runtime.HandlerNotFound: index.handler is undefined or not exported"]).await;
    check("index.mjs", "import 'no-such-package'", &["{}"], expect![[r#"
        handler_init_failed: the handler could not be loaded: Error: Cannot find package 'no-such-package' imported from FOLDER/index.mjs
          Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'no-such-package' imported from FOLDER/index.mjs"#]]).await;
}

#[tokio::test]
async fn f_070_the_example_plays_the_seeds_five_calls() {
    let Some(client) = client() else { return };
    let options = HandlerOptions {
        folder: repository("examples"),
        node_client: Some(client),
        ..HandlerOptions::default()
    };
    let function = HandlerFunction::new("seed-node/index.handler", options);
    let function = function.expect("the example is there");
    let mut request = request();
    let mut calls = Vec::new();
    for _ in 0..5 {
        let page = function.call(&request).await.expect("a page");
        calls.push(format!(
            "{} -> {} {} rows, {}",
            request.state.as_json(),
            page.state.as_json(),
            page.rows(),
            page.has_more
        ));
        request.state = page.state;
    }
    expect![[r#"
        {} -> {"lastUpdate":"","paginationCounter":1} 2 rows, true
        {"lastUpdate":"","paginationCounter":1} -> {"lastUpdate":"","paginationCounter":2} 2 rows, true
        {"lastUpdate":"","paginationCounter":2} -> {"lastUpdate":"2020-01-01","paginationCounter":0} 1 rows, false
        {"lastUpdate":"2020-01-01","paginationCounter":0} -> {"lastUpdate":"2020-01-02","paginationCounter":0} 1 rows, false
        {"lastUpdate":"2020-01-02","paginationCounter":0} -> {"lastUpdate":"2020-01-03","paginationCounter":0} 1 rows, false"#]].assert_eq(&calls.join("\n"));
}
