use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use tokio::sync::{Notify, oneshot};

use crate::body::{self, BodyError};
use crate::chance::random_bits;
use crate::listener::{HttpAnswer, Listener};

/// The Lambda Runtime API on loopback, as AWS's own runtime clients expect it: they ask for the next
/// invocation and post what came of it.
///
/// It serves one process and one invocation at a time.
pub(crate) struct LambdaApi {
    listener: Listener,
    desk: Arc<Desk>,
}

/// What the process handed in for an invocation.
#[derive(Debug)]
pub(crate) enum Posted {
    Response(Bytes),
    /// The response was over the limit and was not kept.
    TooLarge,
    /// The handler raised; an error report.
    Error(Bytes),
    /// The handler could not be loaded; an error report.
    InitError(Bytes),
}

/// What a handler sees as `context.invoked_function_arn`; an account that does not exist.
const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:";

/// What X-Ray's libraries accept, and do not report.
const NOT_TRACED: &str =
    "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0";

impl LambdaApi {
    /// Bodies over `payload_bytes_max` are refused in both directions, as on Lambda.
    ///
    /// # Errors
    /// When loopback has no free port.
    pub(crate) fn start(function_name: &str, payload_bytes_max: u64) -> io::Result<LambdaApi> {
        let desk = Arc::new(Desk {
            function_arn: HeaderValue::try_from(format!("{FUNCTION_ARN}{function_name}")).ok(),
            payload_bytes_max,
            ..Desk::default()
        });
        let served = Arc::clone(&desk);
        let listener =
            Listener::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), move |request| {
                let desk = Arc::clone(&served);
                async move { desk.answer(request).await }
            })?;
        Ok(LambdaApi { listener, desk })
    }

    /// For `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Puts an event where the process will fetch it; the receiver gets what the process posts.
    pub(crate) fn invoke(&self, event: Bytes, deadline: Duration) -> oneshot::Receiver<Posted> {
        let deadline = SystemTime::now() + deadline;
        let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut books = self.desk.books();
        let id = new_request_id();
        let (post, posted) = oneshot::channel();
        books.waiting = Some((id.clone(), post));
        books.next = Some(Invocation { id, event, deadline_ms: deadline.as_millis().to_string() });
        self.desk.arrived.notify_one();
        posted
    }

    /// Whether the last event lies where it was put: no process has fetched it.
    pub(crate) fn is_unread(&self) -> bool {
        self.desk.books().next.is_some()
    }
}

/// Where invocations are fetched and results are handed in.
#[derive(Default)]
struct Desk {
    function_arn: Option<HeaderValue>,
    payload_bytes_max: u64,
    books: Mutex<Books>,
    arrived: Notify,
}

#[derive(Default)]
struct Books {
    next: Option<Invocation>,
    waiting: Option<(String, oneshot::Sender<Posted>)>,
}

struct Invocation {
    id: String,
    event: Bytes,
    /// Milliseconds since 1970.
    deadline_ms: String,
}

impl Desk {
    async fn answer(&self, request: hyper::Request<Incoming>) -> HttpAnswer {
        let path = request.uri().path().to_owned();
        let Some(path) = path.strip_prefix("/2018-06-01/runtime/") else { return not_found() };
        match (request.method(), path.split('/').collect::<Vec<_>>().as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["init", "error"]) => {
                self.take(None, request, |body| body.map_or(Posted::TooLarge, Posted::InitError))
                    .await
            }
            (&Method::POST, ["invocation", id, "response"]) => {
                self.take(Some(id), request, |body| body.map_or(Posted::TooLarge, Posted::Response))
                    .await
            }
            (&Method::POST, ["invocation", id, "error"]) => {
                self.take(Some(id), request, |body| body.map_or(Posted::TooLarge, Posted::Error))
                    .await
            }
            _ => not_found(),
        }
    }

    /// Waits as long as it takes, as on Lambda.
    async fn next(&self) -> HttpAnswer {
        let invocation = loop {
            let arrived = self.arrived.notified();
            if let Some(invocation) = self.books().next.take() {
                break invocation;
            }
            arrived.await;
        };
        let mut answer = HttpAnswer::new(Full::new(invocation.event));
        let own = [
            ("lambda-runtime-aws-request-id", invocation.id),
            ("lambda-runtime-deadline-ms", invocation.deadline_ms),
            ("lambda-runtime-trace-id", NOT_TRACED.to_owned()),
        ];
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in own {
            let value = HeaderValue::try_from(value).expect("ids and numbers are printable");
            headers.insert(HeaderName::from_static(name), value);
        }
        if let Some(arn) = &self.function_arn {
            let name = HeaderName::from_static("lambda-runtime-invoked-function-arn");
            headers.insert(name, arn.clone());
        }
        answer
    }

    /// Reads what the process posts and hands it to the call that waits for it. Without an id, to
    /// whichever call that is.
    async fn take(
        &self,
        id: Option<&str>,
        request: hyper::Request<Incoming>,
        posted: impl FnOnce(Option<Bytes>) -> Posted,
    ) -> HttpAnswer {
        let id = id.map(str::to_owned);
        let (head, body) = request.into_parts();
        let posted = match body::read_body(&head.headers, body, self.payload_bytes_max).await {
            Ok(body) => posted(Some(body)),
            Err(BodyError::TooLarge) => posted(None),
            Err(BodyError::Broken(_) | BodyError::Encoding(_)) => {
                return report(StatusCode::BAD_REQUEST, "InvalidRequest", "the body broke off");
            }
        };
        let waiting = {
            let mut books = self.books();
            match books.waiting.take() {
                Some((waiting, post)) if id.is_none_or(|id| id == waiting) => Some(post),
                other => {
                    books.waiting = other;
                    None
                }
            }
        };
        let Some(post) = waiting else {
            return report(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID");
        };
        let too_large = matches!(posted, Posted::TooLarge);
        // A call that was given up does not wait any more.
        let _ = post.send(posted);
        if too_large {
            let message = format!(
                "Exceeded maximum allowed payload size ({} bytes).",
                self.payload_bytes_max
            );
            return report(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message);
        }
        json(StatusCode::ACCEPTED, &serde_json::json!({ "status": "OK" }))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The shape of a UUID: handlers use it to name files and log lines.
fn new_request_id() -> String {
    let (high, low) = (random_bits(), random_bits());
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

fn not_found() -> HttpAnswer {
    report(StatusCode::NOT_FOUND, "NotFound", "there is no such part of the Lambda Runtime API")
}

fn report(status: StatusCode, error_type: &str, message: &str) -> HttpAnswer {
    json(status, &serde_json::json!({ "errorMessage": message, "errorType": error_type }))
}

fn json(status: StatusCode, body: &serde_json::Value) -> HttpAnswer {
    let mut answer = HttpAnswer::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}
