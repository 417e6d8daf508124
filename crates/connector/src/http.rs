//! The one place that sends: tries again, keeps to budgets, follows redirects without leaking keys.

mod clients;
mod stored;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::manifest::Requests;
use crate::request_builder::HttpRequest;

pub use clients::Via;
pub(crate) use clients::{BadIdentity, Identity, one_per_line};
use clients::{ClientKind, Clients};
pub(crate) use stored::Stored;
use stored::Storing;

/// Sends requests within what [`Requests`] allows, all tables together. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Http(Arc<Inner>);

struct Inner {
    user_agent: String,
    reach: Reach,
    clients: Mutex<Clients>,
    timeout: Duration,
    retries: u32,
    backoff: Duration,
    body_bytes_max: u64,
    stored_bytes_max: u64,
    under_way: Semaphore,
    pace: Pace,
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body, where it was too large to hold and may be stored.
    pub(crate) stored: Option<Arc<Stored>>,
}

/// What becomes of a body that is too large to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Large {
    Refused,
    Stored,
}

/// Where requests may lead to that the manifest does not name: by redirects, or by links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Anywhere,
    /// Not to addresses that only the network around this process can reach.
    PublicOnly,
}

/// Why there is no answer to read.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The API is busy or gone, as often as it was tried.
    #[error("{message}")]
    Unavailable { message: String, retry_after: Option<Duration> },
    /// It answered, and no other answer is to be expected.
    #[error("{message}")]
    Refused { code: &'static str, status: Option<StatusCode>, message: String },
}

const TIMEOUT: Duration = Duration::from_secs(60);
const RETRIES: u32 = 5;
const CONCURRENCY: u32 = 4;
const BODY_BYTES_MAX: u64 = 256 << 20;
/// A larger body that may be stored is stored.
const HELD_BYTES_MAX: u64 = 4 << 20;
/// No more of it is stored unless the manifest says so: a disk has an end.
const STORED_BYTES_MAX: u64 = 16 << 30;
const REDIRECTS_MAX: usize = 10;
/// The first pause before another try; it doubles.
const BACKOFF: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// No wait that a header asks for is believed to be longer: numbers there may be anything.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// What is told of the body of an answer that is an error.
const EXCERPT_MAX: usize = 500;

impl Http {
    /// Opens no connection.
    pub(crate) fn new(requests: &Requests, user_agent: &str, reach: Reach) -> Http {
        let concurrency = requests.concurrency.unwrap_or(CONCURRENCY).max(1);
        Http(Arc::new(Inner {
            user_agent: user_agent.to_owned(),
            reach,
            clients: Mutex::default(),
            timeout: requests.timeout.map_or(TIMEOUT, |timeout| timeout.0),
            retries: requests.retries.unwrap_or(RETRIES),
            backoff: requests.backoff.map_or(BACKOFF, |pause| pause.0),
            body_bytes_max: requests.body_bytes.map_or(BODY_BYTES_MAX, |size| size.0),
            stored_bytes_max: requests.body_bytes.map_or(STORED_BYTES_MAX, |size| size.0),
            under_way: Semaphore::new(concurrency as usize),
            pace: Pace::new(requests),
        }))
    }

    /// Who is on either end of connections from now on.
    ///
    /// # Errors
    /// When a certificate or a key is none.
    pub(crate) fn identify(&self, identity: Identity) -> Result<(), BadIdentity> {
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner).identify(identity)
    }

    /// All connections lead to a proxy from now on.
    pub(crate) fn go_by(&self, via: Via) {
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner).go_by(via);
    }

    /// Where requests may lead to.
    pub(crate) fn reach(&self) -> Reach {
        self.0.reach
    }

    /// The largest body, packed or not.
    pub(crate) fn body_bytes_max(&self) -> u64 {
        self.0.body_bytes_max
    }

    /// Sends, as often as it takes, and not beyond `deadline`. Every status but those that mean "later"
    /// is an answer.
    ///
    /// # Errors
    /// [`HttpError::Unavailable`] when the API is busy or gone until the deadline or the last try.
    pub(crate) async fn send(
        &self,
        request: &HttpRequest,
        deadline: Option<Instant>,
    ) -> Result<Answer, HttpError> {
        self.send_for(request, deadline, Large::Refused).await
    }

    /// As [`Http::send`]; a large body may be stored.
    ///
    /// # Errors
    /// As [`Http::send`].
    pub(crate) async fn send_for(
        &self,
        request: &HttpRequest,
        deadline: Option<Instant>,
        large: Large,
    ) -> Result<Answer, HttpError> {
        let mut tries = 0;
        loop {
            let failure = match self.once(request, deadline, large).await {
                Ok(answer) if !is_busy(answer.status) => {
                    self.0.pace.heed(&answer.headers);
                    return Ok(answer);
                }
                Ok(answer) => HttpError::Unavailable {
                    retry_after: retry_after(&answer.headers),
                    message: describe(request, &answer),
                },
                Err(refused @ HttpError::Refused { .. }) => return Err(refused),
                Err(unavailable) => unavailable,
            };
            let HttpError::Unavailable { retry_after, .. } = &failure else {
                unreachable!("what is refused has returned")
            };
            let pause = retry_after.unwrap_or_else(|| backoff(self.0.backoff, tries));
            tries += 1;
            let too_late = deadline.is_some_and(|deadline| Instant::now() + pause > deadline);
            if retry_after.is_some() {
                self.0.pace.pause(pause);
            }
            if tries > self.0.retries || too_late {
                return Err(failure);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(
        &self,
        request: &HttpRequest,
        deadline: Option<Instant>,
        large: Large,
    ) -> Result<Answer, HttpError> {
        let _turn = self.0.under_way.acquire().await.expect("the semaphore is never closed");
        let turn = self.0.pace.turn(deadline).map_err(|wait| HttpError::Unavailable {
            message: format!(
                "{} allows no request for {} s more",
                request.shown,
                wait.as_secs().max(1)
            ),
            retry_after: Some(wait),
        })?;
        tokio::time::sleep_until(turn).await;
        match large {
            Large::Refused => self.in_time(request, self.follow(request, large)).await?,
            // A large body takes as long as it takes, while it goes on coming.
            Large::Stored => self.follow(request, large).await,
        }
    }

    /// What comes within the timeout.
    async fn in_time<T>(
        &self,
        request: &HttpRequest,
        awaited: impl Future<Output = T>,
    ) -> Result<T, HttpError> {
        let timeout = self.0.timeout;
        tokio::time::timeout(timeout, awaited).await.map_err(|_| HttpError::Unavailable {
            message: format!("no answer from {} within {} s", request.shown, timeout.as_secs_f64()),
            retry_after: None,
        })
    }

    /// Follows redirects: to another host without anything that lets a request in, never from https to
    /// http.
    async fn follow(&self, request: &HttpRequest, large: Large) -> Result<Answer, HttpError> {
        let mut url = request.url.clone();
        let mut method = request.method;
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.exchange(request, &url, method, large).await?;
            let next = match answer.headers.get("location").map(HeaderValue::to_str) {
                Some(Ok(next)) if answer.status.is_redirection() => next,
                _ => return Ok(answer),
            };
            let next = url.join(next).map_err(|_| HttpError::Refused {
                code: "source_refused",
                status: Some(answer.status),
                message: format!("{} redirects to what is no address", request.shown),
            })?;
            let downgrade = url.scheme() == "https" && next.scheme() != "https";
            if downgrade || !matches!(next.scheme(), "http" | "https") {
                return Err(HttpError::Refused {
                    code: "source_refused",
                    status: Some(answer.status),
                    message: format!(
                        "{} redirects to {}, which is less safe",
                        request.shown,
                        next.origin().ascii_serialization()
                    ),
                });
            }
            if answer.status == StatusCode::SEE_OTHER {
                method = "GET";
            }
            // A body may hold a key, as a login does.
            if request.body.is_some() && method != "GET" && next.origin() != request.url.origin() {
                return Err(HttpError::Refused {
                    code: "source_refused",
                    status: Some(answer.status),
                    message: format!(
                        "{} redirects to another host, {}, and what was sent is not for it",
                        request.shown,
                        next.origin().ascii_serialization()
                    ),
                });
            }
            url = next;
        }
        Err(HttpError::Refused {
            code: "source_refused",
            status: None,
            message: format!("{} redirects more than {REDIRECTS_MAX} times", request.shown),
        })
    }

    async fn exchange(
        &self,
        request: &HttpRequest,
        url: &Url,
        method: &'static str,
        large: Large,
    ) -> Result<Answer, HttpError> {
        let method_name = method;
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let at_home = url.origin() == request.url.origin();
        let is_away = !at_home || request.is_away;
        let kind = ClientKind {
            secure: url.scheme() == "https",
            identified: at_home,
            public_only: is_away && self.0.reach == Reach::PublicOnly,
        };
        if kind.public_only && !clients::may_be_public(url) {
            return Err(private_address(&request.shown));
        }
        let client = {
            let mut clients = self.0.clients.lock().unwrap_or_else(PoisonError::into_inner);
            clients.get(kind, &self.0.user_agent)
        };
        let mut sent = client.request(method, url.clone());
        let mut has_accept = false;
        for (name, value) in &request.headers {
            let is_harmless = matches!(
                name.as_str(),
                "accept" | "accept-encoding" | "content-type" | "if-match" | "range" | "user-agent"
            );
            if !at_home && !is_harmless {
                continue;
            }
            has_accept |= name == "accept";
            let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            let Some((name, mut value)) = header else {
                return Err(HttpError::Refused {
                    code: "source_refused",
                    status: None,
                    message: format!("header {name:.60?} has characters that a header cannot hold"),
                });
            };
            value.set_sensitive(true);
            sent = sent.header(name, value);
        }
        if !has_accept {
            sent = sent.header("accept", "application/json, */*;q=0.5");
        }
        if let Some(body) =
            request.body.clone().filter(|_| method_name != "GET" || request.method == "GET")
        {
            sent = sent.body(body);
        }
        let lost = |error| unavailable(&request.shown, &error);
        let mut answer = self.in_time(request, sent.send()).await?.map_err(lost)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let may_store = large == Large::Stored && status.is_success();
        let bytes_max = if may_store { self.0.stored_bytes_max } else { self.0.body_bytes_max };
        let refused = |message: String| HttpError::Refused {
            code: "source_refused",
            status: Some(status),
            message: format!("the answer of {} {message}", request.shown),
        };
        let unstored = |error: std::io::Error| {
            refused(format!("is large, and cannot be stored in a temporary file: {error}"))
        };
        let mut body = BytesMut::new();
        let mut storing: Option<Storing> = None;
        while let Some(chunk) = self.in_time(request, answer.chunk()).await?.map_err(lost)? {
            let before = storing.as_ref().map_or(body.len() as u64, Storing::bytes);
            let bytes = before + chunk.len() as u64;
            if bytes > bytes_max {
                let limit = format!("is larger than {bytes_max} bytes (`requests.body_bytes`)");
                return Err(refused(limit));
            }
            match &mut storing {
                Some(storing) => storing.push(&chunk).map_err(unstored)?,
                None => body.extend_from_slice(&chunk),
            }
            if may_store && storing.is_none() && bytes > HELD_BYTES_MAX {
                storing = Some(Storing::begin(&std::mem::take(&mut body)).map_err(unstored)?);
            }
        }
        let stored = storing.map(|storing| Arc::new(storing.end()));
        Ok(Answer { status, headers, body: body.freeze(), stored })
    }
}

fn private_address(shown: &str) -> HttpError {
    HttpError::Refused {
        code: "private_address",
        status: None,
        message: format!("{shown} leads to an address inside of this network"),
    }
}

/// Statuses that mean "later".
fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// An address without its query, which may hold a key.
pub(crate) fn place(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// What an answer that is an error says, in a line, as far as it may be told.
pub(crate) fn describe(request: &HttpRequest, answer: &Answer) -> String {
    let body = if request.tells_body { &answer.body[..] } else { &[] };
    let excerpt = String::from_utf8_lossy(body);
    let excerpt = excerpt.split_whitespace().collect::<Vec<_>>().join(" ");
    let says = if excerpt.is_empty() { "" } else { ": " };
    format!(
        "{} {} answered {}{says}{}",
        request.method,
        request.shown,
        answer.status,
        excerpt.chars().take(EXCERPT_MAX).collect::<String>()
    )
}

fn unavailable(shown: &str, error: &reqwest::Error) -> HttpError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
        if cause.is::<clients::PrivateAddress>() {
            return private_address(shown);
        }
    }
    let what = if error.is_connect() { "no connection to" } else { "no whole answer from" };
    HttpError::Unavailable { message: format!("{what} {shown}: {cause}"), retry_after: None }
}

/// Doubling pauses, each shortened by up to a half so that callers do not march in step.
fn backoff(first: Duration, tries: u32) -> Duration {
    let longest = first.saturating_mul(1 << tries.min(10)).min(BACKOFF_MAX);
    let random =
        std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), tries);
    #[expect(clippy::cast_precision_loss, reason = "a share of a pause")]
    let share = 0.5 + 0.5 * (random as f64 / u64::MAX as f64);
    longest.mul_f64(share)
}

/// `Retry-After` in seconds or as a date; a date needs a clock, so only the answer's own is used.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    asked_wait(headers).map(|wait| wait.min(WAIT_MAX))
}

fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?;
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = headers.get("date")?.to_str().ok()?;
    until.duration_since(httpdate::parse_http_date(now).ok()?).ok()
}

/// When the next request may begin.
struct Pace {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    fn new(requests: &Requests) -> Pace {
        let each = |count: Option<u32>, span: u64| {
            count.map_or(Duration::ZERO, |count| Duration::from_secs(span) / count.max(1))
        };
        let interval = each(requests.per_second, 1).max(each(requests.per_minute, 60));
        Pace { interval, next: Mutex::new(None) }
    }

    /// A request's turn; turns are given out in order. One that would come after the deadline is not
    /// taken, and the answer is how far away it is.
    fn turn(&self, deadline: Option<Instant>) -> Result<Instant, Duration> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let turn = next.map_or(now, |next| next.max(now));
        if turn > now && deadline.is_some_and(|deadline| turn > deadline) {
            return Err(turn - now);
        }
        *next = Some(turn + self.interval);
        Ok(turn)
    }

    /// No request begins for so long.
    fn pause(&self, pause: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + pause;
        *next = Some(next.map_or(until, |next| next.max(until)));
    }

    /// An answer that says that the budget is used up is heeded before the API has to refuse.
    fn heed(&self, headers: &HeaderMap) {
        /// Longer pauses are left to `Retry-After`: a reset may be a date in another form.
        const LONGEST: u64 = 3600;
        let number = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| headers.get(*name)?.to_str().ok()?.trim().parse::<u64>().ok())
        };
        let remaining =
            number(&["x-ratelimit-remaining", "ratelimit-remaining", "x-rate-limit-remaining"]);
        let reset = number(&["ratelimit-reset", "x-ratelimit-reset-after", "x-ratelimit-reset"]);
        if let (Some(0), Some(seconds @ 1..=LONGEST)) = (remaining, reset) {
            self.pause(Duration::from_secs(seconds));
        }
    }
}
