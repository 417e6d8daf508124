use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use protocol::{Failure, Response, State};

use super::*;
use crate::failure::{error_of, reported};
use crate::lambda_api::{LambdaApi, Posted};
use crate::{HttpFunction, HttpOptions, HttpServer, HttpServerOptions};

type Outcome = Result<Response, FunctionError>;

/// Gives one outcome after the other, and notes what it was asked.
#[derive(Clone, Default)]
struct Scripted {
    outcomes: Arc<Mutex<Vec<Outcome>>>,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Function for Scripted {
    async fn call(&self, request: &Request) -> Outcome {
        self.asked.lock().expect("not poisoned").push(request.clone());
        let next = self.outcomes.lock().expect("not poisoned").pop();
        match next {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }
}

/// The Runtime API that AWS's own clients work for, with our runtime behind it.
struct OverLambda {
    api: LambdaApi,
    runtime: tokio::task::JoinHandle<io::Result<Infallible>>,
}

impl OverLambda {
    fn start(function: Scripted) -> OverLambda {
        let api = LambdaApi::start("orders", LAMBDA_PAYLOAD_BYTES_MAX).expect("a free port");
        let runtime = LambdaRuntime::new(&api.address().to_string());
        let runtime = tokio::spawn(async move { runtime.serve(&function).await });
        OverLambda { api, runtime }
    }

    async fn invoke(&self, request: &Request, deadline: Duration) -> Outcome {
        let posted = self.api.invoke(Bytes::from(request.to_json()), deadline).await;
        match posted.expect("the call is kept until its answer") {
            Posted::Response(body) => Response::from_json(body, request),
            Posted::Error(body) => {
                let failure = reported(&body, request).expect("a report");
                Err(error_of(failure, &body))
            }
            posted => panic!("{posted:?}"),
        }
    }
}

impl Drop for OverLambda {
    fn drop(&mut self) {
        self.runtime.abort();
    }
}

const LONG: Duration = Duration::from_secs(60);

/// The request as JSON, and the outcome as text.
fn told(asked: &[Request], outcome: &Outcome) -> String {
    let asked: Vec<String> = asked.iter().map(Request::to_json).collect();
    let outcome = match outcome {
        Ok(response) => String::from_utf8(response.to_json()).expect("UTF-8"),
        Err(error) => format!("{error:?}"),
    };
    format!("{} -> {outcome}", asked.join(" "))
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let row = ("[a-z\"\\\\é\u{1F600}]{0,6}", any::<i64>())
        .prop_map(|(text, number)| serde_json::json!({"t": text, "n": number}).to_string());
    let rows = prop::collection::vec(row, 0..5).prop_map(|rows| format!("[{}]", rows.join(",")));
    let response = (rows.clone(), rows, any::<u64>(), any::<bool>()).prop_map(
        |(insert, delete, state, has_more)| {
            let body = format!(
                r#"{{"state":{{"n":{state}}},"insert":{{"a":{insert},"b":[]}},"delete":{{"c":{delete}}},"schema":{{"a":{{"primary_key":["t"]}}}},"softDelete":["a"],"hasMore":{has_more}}}"#
            );
            Response::from_json(Bytes::from(body), &Request::default())
        },
    );
    let message = "[ -~é\n]{1,20}";
    let failed = (message, "[A-Z][a-z.]{1,9}", prop::collection::vec("[ -~é]{1,20}", 0..3))
        .prop_map(|(message, error_type, stack_trace)| {
            let error_type = Some(error_type);
            Err(FunctionError::Failed(Failure { message, error_type, stack_trace }))
        });
    let away = (message, prop::option::of(0_u64..600)).prop_map(|(message, seconds)| {
        let retry_after = seconds.map(Duration::from_secs);
        Err(FunctionError::Unavailable { code: "function_error", message, retry_after })
    });
    prop_oneof![response, failed, away]
}

fn requests() -> impl Strategy<Value = Request> {
    ("[a-z]{0,8}", any::<i64>(), "[ -~é]{0,9}", any::<bool>()).prop_map(
        |(agent, number, text, setup_test)| {
            let state = serde_json::json!({"n": number, "t": text}).to_string();
            let mut request = Request {
                agent,
                state: State::from_json(&state).expect("JSON"),
                setup_test,
                ..Request::default()
            };
            request.secrets.insert("key", "a secret of the test");
            request.custom_payload.insert("a".into(), text);
            request
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// On all transports: what is asked arrives, and what is answered comes back.
    #[test]
    fn a_client_in_front_of_a_server_in_front_of_a_function_behaves_as_it(
        request in requests(),
        outcome in outcomes(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let direct = told(std::slice::from_ref(&request), &outcome);
            let function = Scripted::default();
            let prepare = || {
                function.asked.lock().expect("not poisoned").clear();
                *function.outcomes.lock().expect("not poisoned") = vec![outcome.clone()];
            };
            let asked = || function.asked.lock().expect("not poisoned").clone();

            prepare();
            let lambda = OverLambda::start(function.clone());
            let carried = lambda.invoke(&request, LONG).await;
            assert_eq!(told(&asked(), &carried), direct, "over Lambda");

            prepare();
            let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
            let server =
                HttpServer::start(anywhere, function.clone(), HttpServerOptions::default());
            let server = server.expect("a free port");
            let client = HttpFunction::new(&server.url(), HttpOptions::default()).expect("a URL");
            let carried = client.call(&request).await;
            assert_eq!(told(&asked(), &carried), direct, "over HTTP");
        });
    }
}

fn scripted(outcomes: Vec<Outcome>) -> Scripted {
    Scripted { outcomes: Arc::new(Mutex::new(outcomes)), ..Scripted::default() }
}

#[tokio::test]
async fn f_091_f_092_a_function_is_told_lambdas_limits() {
    let function = scripted(vec![Ok(Response::default())]);
    let lambda = OverLambda::start(function.clone());
    lambda.invoke(&Request::default(), Duration::from_secs(30)).await.expect("an answer");
    let asked = function.asked.lock().expect("not poisoned").clone();
    assert_eq!(asked[0].room.bytes, Some(6_291_556));
    let left = asked[0].room.time.expect("a deadline");
    assert!(left > Duration::from_secs(25) && left <= Duration::from_secs(30), "{left:?}");
}

#[tokio::test]
async fn f_092_a_call_that_does_not_end_is_told_before_the_deadline_and_the_next_is_answered() {
    let function = scripted(Vec::new());
    let lambda = OverLambda::start(function.clone());
    let error = lambda.invoke(&Request::default(), Duration::from_secs(1)).await.expect_err("late");
    let FunctionError::Failed(failure) = error else { panic!("{error:?}") };
    assert_eq!(failure.error_type.as_deref(), Some("function_timeout"));
    function.outcomes.lock().expect("not poisoned").push(Ok(Response::default()));
    lambda.invoke(&Request::default(), LONG).await.expect("an answer");
}

#[tokio::test]
async fn dec_36_an_answer_that_lambda_would_refuse_is_an_error_with_advice() {
    let body = format!(
        r#"{{"state":{{}},"insert":{{"t":[{{"x":"{}"}}]}},"hasMore":false}}"#,
        "x".repeat(6_300_000)
    );
    let large = Response::from_json(Bytes::from(body), &Request::default());
    let lambda = OverLambda::start(scripted(vec![large]));
    let error = lambda.invoke(&Request::default(), LONG).await.expect_err("too large");
    assert!(error.to_string().contains("send fewer rows a call"), "{error}");
}

#[tokio::test]
async fn q_17_a_function_that_cannot_start_says_why() {
    let api = LambdaApi::start("orders", LAMBDA_PAYLOAD_BYTES_MAX).expect("a free port");
    let posted = api.invoke(Bytes::from_static(b"{}"), LONG);
    let runtime = LambdaRuntime::new(&api.address().to_string());
    let error = FunctionError::Refused {
        code: "invalid_manifest",
        message: "no tables".into(),
        hint: String::new(),
    };
    runtime.refuse(error).await.expect("it is taken");
    let Posted::InitError(body) = posted.await.expect("a report") else { panic!("another end") };
    let expected = r#"{"errorMessage":"no tables","errorType":"invalid_manifest","stackTrace":[]}"#;
    assert_eq!(String::from_utf8_lossy(&body), expected);
}

#[tokio::test]
async fn without_a_runtime_api_the_process_ends() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let error = LambdaRuntime::new(&address).serve(&scripted(Vec::new())).await;
    let error = error.expect_err("nobody is there").to_string();
    assert!(error.starts_with("the Lambda Runtime API: "), "{error}");
}
