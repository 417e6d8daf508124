use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use protocol::{Failure, Function, FunctionError, Request};

use crate::body::{self, BodyError};
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

impl HttpServer {
    /// Serves at `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be had.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start<F>(address: SocketAddr, function: F) -> io::Result<HttpServer>
    where
        F: Function + Send + Sync + 'static,
    {
        let function = Arc::new(function);
        let listener = Listener::start(address, move |request| {
            let function = Arc::clone(&function);
            async move { answer(&*function, request).await }
        })?;
        Ok(HttpServer { listener })
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address())
    }
}

async fn answer(function: &impl Function, request: hyper::Request<Incoming>) -> HttpAnswer {
    if request.method() != Method::POST {
        let mut answer = report(StatusCode::METHOD_NOT_ALLOWED, &plain("send the request by POST"));
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    let request = match read_request(request).await {
        Ok(request) => request,
        Err((status, message)) => return report(status, &plain(message)),
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
    let code = error.code();
    match error {
        FunctionError::Failed(failure) => report(StatusCode::INTERNAL_SERVER_ERROR, &failure),
        FunctionError::Unavailable { message, retry_after, .. } => {
            let mut answer = report(StatusCode::SERVICE_UNAVAILABLE, &plain(message));
            if let Some(after) = retry_after {
                let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
                answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            answer
        }
        FunctionError::TimedOut { .. }
        | FunctionError::Malformed { .. }
        | FunctionError::Refused { .. }
        | FunctionError::Cancelled => {
            let failure = Failure { error_type: Some(code.into()), ..plain(error.to_string()) };
            report(StatusCode::INTERNAL_SERVER_ERROR, &failure)
        }
    }
}

fn plain(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), ..Failure::default() }
}

/// The three error fields, always all of them (F-060).
fn report(status: StatusCode, failure: &Failure) -> HttpAnswer {
    let body = serde_json::json!({
        "errorMessage": failure.message,
        "errorType": failure.error_type.as_deref().unwrap_or_default(),
        "stackTrace": failure.stack_trace,
    });
    json(status, body.to_string().into_bytes())
}

/// `Content-Type: application/json` on every answer (F-059).
fn json(status: StatusCode, body: Vec<u8>) -> HttpAnswer {
    let mut answer = HttpAnswer::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
