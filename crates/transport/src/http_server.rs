use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use protocol::{Failure, Function, FunctionError, Request, Room};
use sha2::{Digest, Sha256};

use crate::body::{self, BodyError};
use crate::failure;
use crate::listener::{HttpAnswer, Listener};

/// Any Function as an HTTP endpoint; it ends when dropped, after the answers under way.
///
/// A client in front of it behaves as the Function itself: responses and
/// [`FunctionError::Failed`] travel whole, [`FunctionError::Unavailable`] travels as status 503. What
/// only a caller can conclude (a timeout, a broken answer) arrives as a failure of that code.
pub struct HttpServer {
    listener: Listener,
}

/// The largest request that Google's functions take (section 3 of the protocol).
const REQUEST_BYTES_MAX: u64 = 32 << 20;

/// How a Function is served.
#[derive(Clone, Debug, Default)]
pub struct HttpServerOptions {
    /// What the place where it runs lets through; told to the Function with every request.
    pub room: Room,
    /// What callers must send as `Authorization: Bearer`; without one, everybody is answered.
    pub key: Option<HttpKey>,
}

/// A key that lets callers in. `Debug` does not print it.
#[derive(Clone)]
pub struct HttpKey(String);

impl HttpKey {
    pub fn new(key: impl Into<String>) -> HttpKey {
        HttpKey(key.into())
    }

    /// Compares digests, so that the time it takes tells nothing of the key.
    fn opens(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.split_once(' '));
        given.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer")
                && Sha256::digest(token.trim()) == Sha256::digest(&self.0)
        })
    }
}

impl std::fmt::Debug for HttpKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpKey")
    }
}

impl HttpServer {
    /// Serves at `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be had.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start<F>(
        address: SocketAddr,
        function: F,
        options: HttpServerOptions,
    ) -> io::Result<HttpServer>
    where
        F: Function + Send + Sync + 'static,
    {
        let served = Arc::new((function, options));
        let listener = Listener::start(address, move |request| {
            let served = Arc::clone(&served);
            async move { answer(&served.0, &served.1, request).await }
        })?;
        Ok(HttpServer { listener })
    }

    /// Takes no more requests, and waits for the answers under way.
    pub async fn close(self) {
        self.listener.close().await;
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address())
    }
}

async fn answer(
    function: &impl Function,
    options: &HttpServerOptions,
    request: hyper::Request<Incoming>,
) -> HttpAnswer {
    if options.key.as_ref().is_some_and(|key| !key.opens(request.headers())) {
        let message =
            "the request lacks the key that this function wants: send Authorization: Bearer KEY";
        let mut answer = tell(StatusCode::UNAUTHORIZED, &plain(message), None);
        let scheme = HeaderValue::from_static("Bearer");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        return answer;
    }
    if request.method() != Method::POST {
        let failure = plain("send the request by POST");
        let mut answer = tell(StatusCode::METHOD_NOT_ALLOWED, &failure, None);
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    let request = match read_request(request).await {
        Ok(request) => Request { room: options.room, ..request },
        Err((status, message)) => return tell(status, &plain(message), None),
    };
    match function.call(&request).await {
        Ok(response) => json(StatusCode::OK, response.to_json()),
        Err(error) => refuse(error),
    }
}

async fn read_request(request: hyper::Request<Incoming>) -> Result<Request, (StatusCode, String)> {
    let (head, body) = request.into_parts();
    let body = body::read_body(&head.headers, body, REQUEST_BYTES_MAX).await;
    let body = body.map_err(|error| match error {
        BodyError::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request is over the limit of {REQUEST_BYTES_MAX} bytes"),
        ),
        BodyError::Broken(cause) => {
            (StatusCode::BAD_REQUEST, format!("the request broke off: {cause}"))
        }
        BodyError::Encoding(encoding) => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("the request is encoded as {encoding:.40}; send it plain or as gzip"),
        ),
    })?;
    let text = std::str::from_utf8(&body)
        .map_err(|_| (StatusCode::BAD_REQUEST, "the request is not UTF-8".to_owned()))?;
    Request::from_json(text).map_err(|_| {
        let message = "the request is not a JSON object with state, secrets and customPayload";
        (StatusCode::BAD_REQUEST, message.to_owned())
    })
}

fn refuse(error: FunctionError) -> HttpAnswer {
    let wait = failure::wait_seconds(&error);
    if let FunctionError::Unavailable { message, .. } = error {
        return tell(StatusCode::SERVICE_UNAVAILABLE, &plain(message), wait);
    }
    tell(StatusCode::INTERNAL_SERVER_ERROR, &failure::failure_of(error), None)
}

fn plain(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), ..Failure::default() }
}

fn tell(status: StatusCode, failure: &Failure, wait_seconds: Option<u64>) -> HttpAnswer {
    let mut answer = json(status, failure::report(failure, None));
    if let Some(seconds) = wait_seconds {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// `Content-Type: application/json` on every answer (F-059).
fn json(status: StatusCode, body: Vec<u8>) -> HttpAnswer {
    let mut answer = HttpAnswer::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
