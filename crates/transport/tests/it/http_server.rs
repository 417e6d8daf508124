use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use expect_test::expect;
use protocol::{Failure, Function, FunctionError, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use transport::{HttpFunction, HttpKey, HttpOptions, HttpServer, HttpServerOptions};

use crate::{PAGE, outcome, request};

/// Answers by what its state asks for.
#[derive(Clone, Copy)]
struct Scripted;

impl Function for Scripted {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        match request.state.as_json() {
            r#""fails""# => Err(FunctionError::Failed(Failure {
                message: "no such \"table\"".into(),
                error_type: Some("Lookup".into()),
                stack_trace: vec!["one".into(), "  two".into()],
            })),
            r#""fails without a type""# => {
                Err(FunctionError::Failed(Failure { message: "no".into(), ..Failure::default() }))
            }
            r#""is away""# => Err(FunctionError::Unavailable {
                code: "function_error",
                message: "cold start".into(),
                retry_after: Some(Duration::from_secs(3)),
            }),
            r#""is malformed""# => Err(FunctionError::invalid_response("insert is odd")),
            state => {
                let body = format!(
                    r#"{{"state":{state},"insert":{{"t":[{{"n":9007199254740993,"x":"é\ud83d\ude00"}},{{"n":1.0}}],"empty":[]}},
                    "delete":{{"u":[{{"id":1}}]}},"schema":{{"t":{{"primary_key":["n","x"]}}}},"softDelete":["t"],"hasMore":true}}"#
                );
                Response::from_json(Bytes::from(body), request)
            }
        }
    }
}

fn start(function: impl Function + Send + Sync + 'static) -> std::io::Result<HttpServer> {
    serve(function, HttpServerOptions::default())
}

fn serve(
    function: impl Function + Send + Sync + 'static,
    options: HttpServerOptions,
) -> std::io::Result<HttpServer> {
    HttpServer::start(SocketAddr::from(([127, 0, 0, 1], 0)), function, options)
}

async fn check_same(state: &str) {
    let state = protocol::State::from_json(state).expect("a state");
    let request = Request { state, ..request() };
    let server = start(Scripted).expect("a free port");
    let client = HttpFunction::new(&server.url(), HttpOptions::default()).expect("a URL");
    let direct = Scripted.call(&request).await;
    let carried = client.call(&request).await;
    assert_eq!(outcome(&carried), outcome(&direct));
    if let Err(FunctionError::Failed(_) | FunctionError::Unavailable { .. }) = direct {
        assert_eq!(carried.err(), direct.err());
    }
}

#[tokio::test]
async fn a_client_in_front_of_a_server_behaves_as_the_function() {
    check_same("{}").await;
    check_same(r#"{"a":9007199254740993,"b":1.0}"#).await;
    check_same(r#""fails""#).await;
    check_same(r#""fails without a type""#).await;
    check_same(r#""is away""#).await;
}

#[tokio::test]
async fn f_060_what_only_a_caller_can_conclude_arrives_as_a_failure() {
    let server = start(Scripted).expect("a free port");
    let client = HttpFunction::new(&server.url(), HttpOptions::default()).expect("a URL");
    let state = protocol::State::from_json(r#""is malformed""#).expect("a state");
    expect!["function_error: function failed: invalid_response: function broke the protocol: insert is odd"]
        .assert_eq(&outcome(&client.call(&Request { state, ..request() }).await));
}

/// The raw answer to a raw request.
async fn raw(server: &HttpServer, request: &str) -> String {
    let mut connection = TcpStream::connect(server.address()).await.expect("a server");
    connection.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.expect("it answers");
    answer.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n")
}

fn post(body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn f_059_a_success_is_200_with_json_and_a_boolean_has_more() {
    let server = start(Always(PAGE)).expect("a free port");
    expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        connection: close
        content-length: 82

        {"state":{"n":1},"insert":{"t":[{"a":1}]},"delete":{},"schema":{},"hasMore":false}"#]]
    .assert_eq(&raw(&server, &post("{}")).await);
}

#[tokio::test]
async fn f_060_a_failure_is_500_with_the_three_error_fields() {
    let server = start(Scripted).expect("a free port");
    expect![[r#"
        HTTP/1.1 500 Internal Server Error
        content-type: application/json
        connection: close
        content-length: 86

        {"errorMessage":"no such \"table\"","errorType":"Lookup","stackTrace":["one","  two"]}"#]]
    .assert_eq(&raw(&server, &post(r#"{"state":"fails"}"#)).await);
}

#[tokio::test]
async fn what_is_no_request_is_told_what_is_wrong() {
    let server = start(Scripted).expect("a free port");
    let answers = [
        raw(&server, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await,
        raw(&server, &post("[]")).await,
        raw(&server, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n").await,
    ];
    expect![[r#"
        HTTP/1.1 405 Method Not Allowed
        content-type: application/json
        allow: POST
        connection: close
        content-length: 74

        {"errorMessage":"send the request by POST","errorType":"","stackTrace":[]}

        HTTP/1.1 400 Bad Request
        content-type: application/json
        connection: close
        content-length: 120

        {"errorMessage":"the request is not a JSON object with state, secrets and customPayload","errorType":"","stackTrace":[]}

        HTTP/1.1 413 Payload Too Large
        content-type: application/json
        content-length: 97

        {"errorMessage":"the request is over the limit of 33554432 bytes","errorType":"","stackTrace":[]}"#]].assert_eq(&answers.join("\n\n"));
}

struct Always(&'static str);

impl Function for Always {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        Response::from_json(Bytes::from_static(self.0.as_bytes()), request)
    }
}

#[tokio::test]
async fn a_dropped_server_finishes_the_answer_under_way_and_takes_no_more() {
    struct Waits(Arc<Notify>, Arc<Notify>);
    impl Function for Waits {
        async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
            self.0.notify_one();
            self.1.notified().await;
            Always(PAGE).call(request).await
        }
    }
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let function = Waits(Arc::clone(&begun), Arc::clone(&release));
    let server = start(function).expect("a free port");
    let address = server.address();
    let client = HttpFunction::new(&server.url(), HttpOptions::default()).expect("a URL");
    let ending = async {
        begun.notified().await;
        drop(server);
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        release.notify_one();
    };
    let request = request();
    let (answer, ()) = tokio::join!(client.call(&request), ending);
    answer.expect("the answer under way");
}

#[tokio::test]
async fn f_018_a_locked_function_answers_only_who_has_the_key() {
    let options =
        HttpServerOptions { key: Some(HttpKey::new("a-long-key")), ..HttpServerOptions::default() };
    let server = serve(Always(PAGE), options).expect("a free port");
    let call = async |header: Option<&str>| {
        let headers = header.map(|value| ("Authorization".to_owned(), value.to_owned()));
        let options =
            HttpOptions { headers: headers.into_iter().collect(), ..HttpOptions::default() };
        let client = HttpFunction::new(&server.url(), options).expect("a URL");
        outcome(&client.call(&request()).await)
    };
    let refused = "function_error: function failed: the request lacks the key that this function wants: send Authorization: Bearer KEY";
    assert_eq!(call(None).await, refused);
    assert_eq!(call(Some("Bearer a-long-ke")).await, refused);
    assert_eq!(call(Some("Basic a-long-key")).await, refused);
    assert!(call(Some("Bearer a-long-key")).await.starts_with('{'));
}
