//! What every pair of a client and a server must keep: a function that is called through them behaves as it
//! does when it is called directly.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Method;
use proptest::prelude::*;
use protocol::{Failure, Function, FunctionError, Request, Response, State, SyncId};

use crate::failure::{error_of, failure_of, report, reported, wait_seconds};
use crate::lambda_api::{LambdaApi, Posted};
use crate::{
    AwsOptions, CommandFunction, CommandOptions, HttpFunction, HttpOptions, HttpServer,
    HttpServerOptions, LAMBDA_PAYLOAD_BYTES_MAX, LambdaRuntime, S3Options,
};
use crate::{lambda_client, lambda_runtime};

pub(crate) type Outcome = Result<Response, FunctionError>;

/// Gives one outcome after the other, and notes what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    pub(crate) outcomes: Arc<Mutex<Vec<Outcome>>>,
    pub(crate) asked: Arc<Mutex<Vec<Request>>>,
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
pub(crate) struct OverLambda {
    api: LambdaApi,
    runtime: tokio::task::JoinHandle<io::Result<Infallible>>,
}

impl OverLambda {
    pub(crate) fn start(function: Scripted) -> OverLambda {
        OverLambda::with(function, LambdaRuntime::new)
    }

    fn with(function: Scripted, runtime: impl FnOnce(&str) -> LambdaRuntime) -> OverLambda {
        let api = LambdaApi::start("orders", LAMBDA_PAYLOAD_BYTES_MAX).expect("a free port");
        let runtime = runtime(&api.address().to_string());
        let runtime = tokio::spawn(async move { runtime.serve(&function).await });
        OverLambda { api, runtime }
    }

    pub(crate) async fn invoke(&self, request: &Request, deadline: Duration) -> Outcome {
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

pub(crate) const LONG: Duration = Duration::from_secs(60);

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
                sync_id: SyncId("of-the-test".into()),
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
            for way in [Way::RuntimeApi, Way::Invoke, Way::S3, Way::Http, Way::Command] {
                function.asked.lock().expect("not poisoned").clear();
                *function.outcomes.lock().expect("not poisoned") = vec![outcome.clone()];
                let carried = way.carry(&function, &request).await;
                let mut asked = function.asked.lock().expect("not poisoned").clone();
                if matches!(way, Way::S3) {
                    // Which is all that it may add.
                    for asked in &mut asked {
                        assert!(asked.object.take().is_some());
                    }
                }
                assert_eq!(told(&asked, &carried), direct, "{way:?}");
            }
        });
    }
}

/// A client, a server, and what is between them.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// A handler's process and the API that it works for.
    RuntimeApi,
    /// The same behind AWS's Invoke.
    Invoke,
    /// The same, with the rows in an object of S3.
    S3,
    /// A function at a URL.
    Http,
    /// A program that asks the function, its standard input and output.
    Command,
}

impl Way {
    async fn carry(self, function: &Scripted, request: &Request) -> Outcome {
        match self {
            Way::RuntimeApi => OverLambda::start(function.clone()).invoke(request, LONG).await,
            Way::Invoke => {
                let endpoint = invoke_endpoint(OverLambda::start(function.clone())).await;
                lambda_client::of_the_test(aws(&endpoint), None).call(request).await
            }
            Way::S3 => {
                let bucket = bucket_endpoint().await;
                let lambda = OverLambda::with(function.clone(), |address| {
                    lambda_runtime::of_the_test(address, aws(&bucket))
                });
                let endpoint = invoke_endpoint(lambda).await;
                let s3 = S3Options {
                    bucket: "rows".into(),
                    endpoint: Some(bucket),
                    ..S3Options::default()
                };
                let client = lambda_client::of_the_test(aws(&endpoint), Some(s3));
                let outcome = client.call(request).await;
                client.delete_all().await.expect("its objects are deleted");
                outcome
            }
            Way::Http => {
                let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
                let server =
                    HttpServer::start(anywhere, function.clone(), HttpServerOptions::default());
                let server = server.expect("a free port");
                let client = HttpFunction::new(&server.url(), HttpOptions::default());
                client.expect("a URL").call(request).await
            }
            Way::Command => by_program(function, request).await,
        }
    }
}

fn aws(endpoint: &str) -> AwsOptions {
    let (region, endpoint) = (Some("eu-west-1".into()), Some(endpoint.into()));
    AwsOptions { region, endpoint, ..AwsOptions::default() }
}

type Asked = hyper::Request<hyper::body::Incoming>;
type Answered = Result<hyper::Response<Full<Bytes>>, Infallible>;

/// Answers every request so, on loopback.
async fn endpoint<A: Future<Output = Answered> + Send + 'static>(
    answer: impl Fn(Asked) -> A + Clone + Send + 'static,
) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let service = hyper::service::service_fn(answer.clone());
            let connection = hyper_util::rt::TokioIo::new(connection);
            // A connection that breaks is the client's to notice.
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(connection, service),
            );
        }
    });
    format!("http://{address}")
}

/// A bucket of S3: objects are put, read and deleted.
async fn bucket_endpoint() -> String {
    let objects: Arc<Mutex<HashMap<String, Bytes>>> = Arc::default();
    endpoint(move |asked| {
        let objects = Arc::clone(&objects);
        async move {
            let (head, body) = asked.into_parts();
            let body = body.collect().await.expect("a request").to_bytes();
            let mut objects = objects.lock().expect("not poisoned");
            let path = head.uri.path();
            let answered = hyper::Response::builder().header("etag", "\"1\"");
            let found = match head.method {
                Method::PUT => {
                    objects.insert(path.to_owned(), body);
                    Some(Bytes::new())
                }
                Method::DELETE => objects.remove(path).map(|_| Bytes::new()),
                _ => objects.get(path).cloned(),
            };
            let answered = answered
                .header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
                .status(if found.is_some() { 200 } else { 404 });
            Ok(answered.body(Full::new(found.unwrap_or_default())).expect("a response"))
        }
    })
    .await
}

/// Invoke as AWS answers it, on loopback: a payload, or an error with the end of a log beside it.
async fn invoke_endpoint(lambda: OverLambda) -> String {
    let lambda = Arc::new(lambda);
    endpoint(move |asked| invoked(Arc::clone(&lambda), asked)).await
}

async fn invoked(lambda: Arc<OverLambda>, asked: Asked) -> Answered {
    assert_eq!(asked.uri().path(), "/2015-03-31/functions/orders/invocations");
    let event = asked.into_body().collect().await.expect("a request").to_bytes();
    let posted = lambda.api.invoke(event, LONG).await.expect("the call is kept until its answer");
    Ok(match posted {
        Posted::Response(body) => hyper::Response::new(Full::new(body)),
        Posted::Error(body) => hyper::Response::builder()
            .header("X-Amz-Function-Error", "Unhandled")
            .body(Full::new(body))
            .expect("a response"),
        posted => panic!("{posted:?}"),
    })
}

/// The request is what a program reads, the answer what another writes; with 1 it ends for an error.
async fn by_program(function: &Scripted, request: &Request) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let (asked, answer) = (folder.path().join("asked"), folder.path().join("answer"));
    let program = |script: &str| {
        let folder = Some(folder.path().to_owned());
        CommandFunction::new("sh", ["-c", script], CommandOptions { folder, ..Default::default() })
    };
    std::fs::write(&answer, r#"{"state":{}}"#).expect("a file");
    program("cat > asked; cat answer").call(request).await.expect("it only listens");
    let heard = std::fs::read_to_string(&asked).expect("what it heard");
    let (said, code) = match function.call(&Request::from_json(&heard).expect("a request")).await {
        Ok(response) => (response.to_json(), 0),
        Err(error) => {
            let wait = wait_seconds(&error);
            (report(&failure_of(error), wait), 1)
        }
    };
    std::fs::write(&answer, said).expect("a file");
    program(&format!("cat > asked; cat answer; exit {code}")).call(request).await
}
