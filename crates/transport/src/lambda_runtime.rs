use std::convert::Infallible;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use protocol::{Function, FunctionError, Request, Room};

use crate::LAMBDA_PAYLOAD_BYTES_MAX;
use crate::aws::{AwsIdentity, AwsOptions, endpoint_of_environment};
use crate::body;
use crate::failure::{failure_of, report, wait_seconds};
use crate::object_rows::OBJECT_BYTES_MAX;
use crate::object_storage::Bucket;
use crate::route::Proxies;

/// Any Function as a Lambda: asks the Runtime API for the next invocation, calls the Function and
/// hands in what came of it, for as long as the process lives.
///
/// A request that names a place for the rows has them written there, and only the rest returned (F-055).
pub struct LambdaRuntime {
    /// `http://host:port/2018-06-01/runtime`.
    api: String,
    client: Client<HttpConnector, Full<Bytes>>,
    /// Where S3 is, and who writes rows to it, where that is asked for.
    s3: AwsOptions,
    identity: OnceLock<Arc<AwsIdentity>>,
}

/// So long before the deadline a call is given up, so that its end can still be told.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// A request is no larger than Lambda lets through; read up to twice that, then the API is broken.
const REQUEST_BYTES_MAX: u64 = 2 * LAMBDA_PAYLOAD_BYTES_MAX;

/// What is left for writing rows to S3, of a function that has long.
const UPLOAD_TIME_MAX: Duration = Duration::from_secs(30);

const REQUEST_ID: &str = "lambda-runtime-aws-request-id";
const DEADLINE_MS: &str = "lambda-runtime-deadline-ms";
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";

/// An invocation that waits for its answer.
struct Invocation {
    id: String,
    event: Bytes,
    /// Until the deadline.
    left: Option<Duration>,
}

impl LambdaRuntime {
    /// `address` is what Lambda writes into `AWS_LAMBDA_RUNTIME_API`: host and port.
    pub fn new(address: &str) -> LambdaRuntime {
        LambdaRuntime {
            api: format!("http://{address}/2018-06-01/runtime"),
            client: Client::builder(TokioExecutor::new()).build_http(),
            s3: AwsOptions::default(),
            identity: OnceLock::new(),
        }
    }

    /// Works until the Runtime API is gone.
    ///
    /// # Errors
    /// When it is, or when it answers what it must not: Lambda then starts another process.
    pub async fn serve(&self, function: &impl Function) -> io::Result<Infallible> {
        loop {
            let invocation = self.next().await?;
            let id = &invocation.id;
            match self.answer(function, &invocation).await {
                Ok(answer) => {
                    self.post(&format!("/invocation/{id}/response"), answer, None).await?;
                }
                Err(error) => self.post_error(&format!("/invocation/{id}/error"), error).await?,
            }
        }
    }

    /// Tells that the function cannot be started at all.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached.
    pub async fn refuse(&self, error: FunctionError) -> io::Result<()> {
        self.post_error("/init/error", error).await
    }

    async fn next(&self) -> io::Result<Invocation> {
        let answer = self.send(Method::GET, "/invocation/next", Bytes::new(), None).await?;
        let (head, event) = answer.into_parts();
        if !head.status.is_success() {
            return Err(unexpected("/invocation/next", head.status));
        }
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let id = text(REQUEST_ID).ok_or_else(|| broken("an invocation without an id"))?.to_owned();
        let deadline = text(DEADLINE_MS).and_then(|ms| ms.parse().ok());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let left = deadline.map(|deadline| left_until(deadline, now));
        let event = body::read_body(&HeaderMap::new(), event, REQUEST_BYTES_MAX).await;
        let event = event.map_err(|_| broken("an invocation that broke off"))?;
        Ok(Invocation { id, event, left })
    }

    /// The answer as JSON, small enough for Lambda.
    async fn answer(
        &self,
        function: &impl Function,
        invocation: &Invocation,
    ) -> Result<Vec<u8>, FunctionError> {
        let text = std::str::from_utf8(&invocation.event)
            .map_err(|_| FunctionError::invalid_response("the request is not UTF-8"))?;
        let request = Request::from_json(text)?;
        let room = match request.object {
            None => Room { time: invocation.left, bytes: Some(LAMBDA_PAYLOAD_BYTES_MAX) },
            Some(_) => Room {
                time: invocation
                    .left
                    .map(|left| left.saturating_sub((left / 4).min(UPLOAD_TIME_MAX))),
                bytes: Some(object_bytes_max()),
            },
        };
        let request = Request { room, ..request };
        let answered = async {
            let response = function.call(&request).await?;
            let Some(place) = &request.object else { return Ok(response.to_json()) };
            let (object, answer) = response.to_object_and_answer();
            // The answer says that the object is there, so it comes after it.
            self.bucket(&place.bucket)?.write(place, object).await?;
            Ok(answer)
        };
        let json = match invocation.left {
            None => answered.await?,
            Some(left) => {
                let after = left.saturating_sub(LAST_WORDS);
                tokio::time::timeout(after, answered)
                    .await
                    .unwrap_or(Err(FunctionError::TimedOut { after: left }))?
            }
        };
        if json.len() as u64 > LAMBDA_PAYLOAD_BYTES_MAX {
            return Err(FunctionError::too_large(LAMBDA_PAYLOAD_BYTES_MAX));
        }
        Ok(json)
    }

    /// The bucket that a platform names, written to as the function's own role.
    fn bucket(&self, name: &str) -> Result<Bucket, FunctionError> {
        let (options, proxies) = (&self.s3, Proxies::of_environment());
        let region = options.region(None)?;
        let identity = self.identity.get_or_init(|| AwsIdentity::new(&region, options, &proxies));
        let endpoint = options.endpoint.clone().or_else(|| endpoint_of_environment("S3"));
        Bucket::new(name, &region, endpoint.as_deref(), Arc::clone(identity))
    }

    async fn post_error(&self, path: &str, error: FunctionError) -> io::Result<()> {
        let wait = wait_seconds(&error);
        let failure = failure_of(error);
        let error_type =
            failure.error_type.as_deref().and_then(|it| HeaderValue::try_from(it).ok());
        let error_type = error_type.unwrap_or(HeaderValue::from_static("Function.Error"));
        self.post(path, report(&failure, wait), Some(error_type)).await
    }

    async fn post(
        &self,
        path: &str,
        body: Vec<u8>,
        error_type: Option<HeaderValue>,
    ) -> io::Result<()> {
        let answer = self.send(Method::POST, path, body.into(), error_type).await?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            // The invocation is over for Lambda, by its deadline for example; the next one may come.
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => Ok(()),
            status => Err(unexpected(path, status)),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        error_type: Option<HeaderValue>,
    ) -> io::Result<hyper::Response<Incoming>> {
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.api))
            .header(header::USER_AGENT, concat!("hasmore/", env!("CARGO_PKG_VERSION")))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(error_type) = error_type {
            request = request.header(ERROR_TYPE, error_type);
        }
        let request = request.body(Full::new(body)).map_err(io::Error::other)?;
        self.client.request(request).await.map_err(|error| {
            io::Error::other(format!("the Lambda Runtime API: {}", body::innermost(&error)))
        })
    }
}

/// Lambda tells the moment, in milliseconds since 1970; cargo-lambda, which runs functions on a laptop, tells how
/// many are left.
fn left_until(deadline_ms: u64, now: Duration) -> Duration {
    const YEAR_2001_MS: u64 = 1_000_000_000_000;
    let deadline = Duration::from_millis(deadline_ms);
    if deadline_ms < YEAR_2001_MS { deadline } else { deadline.saturating_sub(now) }
}

/// Rows, their JSON and what is sent of it lie in memory side by side.
fn object_bytes_max() -> u64 {
    const SMALLEST_MB: u64 = 128;
    let megabytes = std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").ok();
    let megabytes = megabytes.and_then(|text| text.parse().ok()).unwrap_or(SMALLEST_MB);
    (megabytes.saturating_mul(1 << 20) / 4).min(OBJECT_BYTES_MAX)
}

fn unexpected(path: &str, status: StatusCode) -> io::Error {
    broken(&format!("{status} for {path}"))
}

fn broken(what: &str) -> io::Error {
    io::Error::other(format!("the Lambda Runtime API answered {what}"))
}

/// A runtime that writes rows to the S3 of an address.
#[cfg(test)]
pub(crate) fn of_the_test(address: &str, s3: AwsOptions) -> LambdaRuntime {
    let identity = OnceLock::from(AwsIdentity::of_the_test(None));
    LambdaRuntime { s3, identity, ..LambdaRuntime::new(address) }
}

#[cfg(test)]
mod tests;
