use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use protocol::{Failure, Function, FunctionError, Request, Response, Secrets};
use rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::aws::{AwsIdentity, AwsOptions, AwsSigner};
use crate::body::{self, BodyError};
use crate::entra::{EntraOptions, EntraTokens};
use crate::failure::reported;
use crate::google::{GoogleOptions, IdTokens};
use crate::redaction::redact_error;
use crate::route::{Connector, Proxies, Route};

/// A Function at a URL: one POST a call, over a connection that is kept open between calls.
///
/// Redirects are not followed, since the request carries secrets that belong to the address the user
/// named: a 3xx answer is [`FunctionError::Failed`] and names where it points.
pub struct HttpFunction {
    uri: Uri,
    /// The URL without its query, which may hold a key.
    place: String,
    headers: HeaderMap,
    /// The values of headers and query: what must not come back in a message.
    concealed: Secrets,
    route: Route,
    /// For a Lambda function's URL that lets in only who signs.
    signer: Option<AwsSigner>,
    /// For a function that lets in only who bears a token for it.
    tokens: Option<Tokens>,
    options: HttpOptions,
    client: OnceLock<HttpClient>,
}

/// Tokens of those who give them out for functions.
enum Tokens {
    Google(IdTokens),
    Azure(EntraTokens),
}

impl Tokens {
    async fn token(&self) -> Result<String, FunctionError> {
        match self {
            Tokens::Google(tokens) => tokens.token().await,
            Tokens::Azure(tokens) => tokens.token().await,
        }
    }

    async fn conceal(&self, concealed: &mut Secrets) {
        match self {
            Tokens::Google(tokens) => tokens.conceal(concealed).await,
            Tokens::Azure(tokens) => tokens.conceal(concealed).await,
        }
    }
}

/// How a Function at a URL is called.
#[derive(Clone)]
pub struct HttpOptions {
    /// Sent with every call, each in place of the default of the same name.
    pub headers: Vec<(String, String)>,
    /// From the start of a call to the last byte of its answer.
    pub timeout: Duration,
    /// The same for setup tests; the shorter of the two counts (F-028).
    pub setup_test_timeout: Duration,
    /// Reading an answer stops as soon as it is over this (F-054).
    pub response_bytes_max: u64,
    /// Those of the environment unless others are named.
    pub proxies: Proxies,
    /// Signs each call, as a Lambda function's URL with IAM wants it.
    pub aws: Option<AwsOptions>,
    /// Gives each call an ID token, as a function of Google's wants it.
    pub google: Option<GoogleOptions>,
    /// Gives each call a token of Microsoft Entra ID, as a function of Azure's may want it.
    pub azure: Option<EntraOptions>,
}

/// Google's 60 minutes and 30 seconds to spare, a setup test in 300 s (Dec-35), 32 MB (Dec-36).
impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions {
            headers: Vec::new(),
            timeout: Duration::from_secs(60 * 60 + 30),
            setup_test_timeout: SETUP_TEST_TIMEOUT,
            response_bytes_max: 32 << 20,
            proxies: Proxies::of_environment(),
            aws: None,
            google: None,
            azure: None,
        }
    }
}

/// Fivetran gives a setup test five minutes (F-028).
pub const SETUP_TEST_TIMEOUT: Duration = Duration::from_secs(300);
/// Shorter than the 60 s after which load balancers close idle connections.
const IDLE_MAX: Duration = Duration::from_secs(50);
/// What is read of a body that explains an error status: room for a long stack trace.
const ERROR_BODY_BYTES_MAX: usize = 256 << 10;
/// What is shown of a body that explains an error status in its own way (Dec-28).
const EXCERPT_BYTES_MAX: usize = 2048;

pub(crate) type HttpClient = Client<HttpsConnector<Connector>, Full<Bytes>>;

impl HttpFunction {
    /// Opens no connection and loads no certificate before the first call.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when the URL, a header or its proxy cannot be used.
    pub fn new(url: &str, options: HttpOptions) -> Result<HttpFunction, FunctionError> {
        let uri = read_url(url)?;
        let headers = read_headers(&options.headers)?;
        let place = format!(
            "{}://{}{}",
            uri.scheme_str().expect("a URL was checked for its scheme"),
            uri.authority().expect("a URL was checked for its host"),
            uri.path()
        );
        let concealed = concealed(&uri, &options.headers);
        let route = Route::to(&uri, &options.proxies)?;
        let signer = options.aws.as_ref().map(|aws| {
            let region = aws.region(region_of(&uri))?;
            let identity = AwsIdentity::new(&region, aws, &options.proxies);
            Ok::<_, FunctionError>(AwsSigner::new("lambda", &region, identity))
        });
        let signer = signer.transpose()?;
        let proxies = &options.proxies;
        let google = options.google.as_ref();
        let google = google.map(|google| Tokens::Google(IdTokens::new(google, &uri, proxies)));
        let azure = options.azure.as_ref();
        let azure = azure.map(|azure| Tokens::Azure(EntraTokens::new(azure, proxies)));
        let tokens = google.or(azure);
        let client = OnceLock::new();
        Ok(HttpFunction { uri, place, headers, concealed, route, signer, tokens, options, client })
    }

    async fn exchange(&self, request: &Request) -> Result<Response, FunctionError> {
        let client = self.client.get_or_init(|| connect_lazily(&self.uri, &self.route));
        let answer = client.request(self.http_request(request).await?).await.map_err(|error| {
            let what = if error.is_connect() { "no connection to" } else { "no answer from" };
            let (place, way) = (&self.place, self.route.describe());
            FunctionError::transport(format!("{what} {place}{way}: {}", body::innermost(&error)))
        })?;
        let (head, body) = answer.into_parts();
        if !head.status.is_success() {
            return Err(self.failure(head.status, &head.headers, body, request).await);
        }
        let bytes_max = self.options.response_bytes_max;
        let body = body::read_body(&head.headers, body, bytes_max).await;
        let body = body.map_err(|error| match error {
            BodyError::TooLarge => FunctionError::too_large(bytes_max),
            BodyError::Broken(cause) => FunctionError::transport(format!(
                "the answer of {} broke off: {cause}",
                self.place
            )),
            BodyError::Encoding(encoding) => FunctionError::invalid_response(format!(
                "the answer is encoded as {encoding:.40}, and only gzip was offered; send it plain or as gzip"
            )),
        })?;
        Response::from_json(body, request)
    }

    /// POST, `Content-Type: application/json`, `User-Agent` = the agent of the body (F-009).
    async fn http_request(
        &self,
        request: &Request,
    ) -> Result<hyper::Request<Full<Bytes>>, FunctionError> {
        let body = Bytes::from(request.to_json());
        let mut http = hyper::Request::new(Full::new(body.clone()));
        *http.method_mut() = hyper::Method::POST;
        *http.uri_mut() = self.uri.clone();
        let headers = http.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(header::USER_AGENT, user_agent(&request.agent));
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        if let Some(tokens) = &self.tokens {
            let bearer = HeaderValue::try_from(format!("Bearer {}", tokens.token().await?));
            let mut bearer = bearer.map_err(|_| {
                FunctionError::transport("a token has characters that a header cannot hold")
            })?;
            bearer.set_sensitive(true);
            http.headers_mut().insert(header::AUTHORIZATION, bearer);
        }
        if let Some(signer) = &self.signer {
            // Whatever stands in between may write it anew, so AWS's own tools do not sign it either.
            let agent = http.headers_mut().remove(header::USER_AGENT);
            http = signer.sign(http, &body).await?;
            http.headers_mut().extend(agent.map(|agent| (header::USER_AGENT, agent)));
        }
        // It is for the proxy alone.
        if let Some(authorization) = self.route.authorization() {
            http.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
        Ok(http)
    }

    /// Whether calls carry anything to be let in by.
    fn has_credentials(&self) -> bool {
        self.tokens.is_some() || self.signer.is_some() || self.concealed.names().next().is_some()
    }

    /// What an error status means (Dec-28, Dec-31): a throttle or a gateway's error is worth repeating, a
    /// refusal of what the connection sends to be let in is the user's to mend, everything else is the
    /// function's own failure.
    async fn failure(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Incoming,
        request: &Request,
    ) -> FunctionError {
        let body = body::read_beginning(headers, body, ERROR_BODY_BYTES_MAX).await;
        let reported = reported(&body, request);
        let is_reported = reported.is_some();
        let failure = reported.unwrap_or_else(|| Failure {
            message: describe(status, headers, &body, request),
            ..Failure::default()
        });
        match status.as_u16() {
            429 => throttled(failure.to_string(), headers),
            502..=504 => FunctionError::Unavailable {
                code: "function_error",
                message: failure.to_string(),
                retry_after: retry_after(headers),
            },
            401 | 403 if !is_reported && self.has_credentials() => FunctionError::Refused {
                code: "function_access_denied",
                message: format!("{} does not let the caller in: {failure}", self.place),
                hint: "check what the connection sends to be let in: `headers`, `google`, `azure` or `aws`, and for a token its `audience` or `resource`".into(),
            },
            _ => FunctionError::Failed(failure),
        }
    }
}

impl Function for HttpFunction {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let HttpOptions { timeout, setup_test_timeout, .. } = self.options;
        let after = if request.setup_test { timeout.min(setup_test_timeout) } else { timeout };
        match tokio::time::timeout(after, self.exchange(request)).await {
            Ok(Err(error)) => {
                let mut concealed = self.concealed.clone();
                if let Some(tokens) = &self.tokens {
                    tokens.conceal(&mut concealed).await;
                }
                Err(redact_error(error, &concealed))
            }
            Ok(answer) => answer,
            Err(_) => Err(FunctionError::TimedOut { after }),
        }
    }
}

fn read_url(url: &str) -> Result<Uri, FunctionError> {
    let refused = |why: &str| FunctionError::Refused {
        code: "invalid_url",
        message: format!("the function's url {why}"),
        hint: "write it whole, for example https://example.com/function".into(),
    };
    // A fragment is for browsers; it never goes out.
    let url = url.trim().split('#').next().unwrap_or_default();
    let uri: Uri = url.parse().map_err(|error| refused(&format!("is not a URL: {error}")))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(refused("does not begin with http:// or https://"));
    }
    match uri.authority() {
        None => Err(refused("names no host")),
        Some(authority) if authority.host().is_empty() => Err(refused("names no host")),
        Some(authority) if authority.as_str().contains('@') => Err(FunctionError::Refused {
            code: "invalid_url",
            message: "the function's url holds a user name or password".into(),
            hint: "send them in a header, for example Authorization".into(),
        }),
        Some(_) => Ok(uri),
    }
}

/// `ID.lambda-url.REGION.on.aws`.
fn region_of(uri: &Uri) -> Option<&str> {
    let mut parts = uri.host()?.split('.').skip(1);
    (parts.next()? == "lambda-url").then(|| parts.next())?
}

fn read_headers(headers: &[(String, String)]) -> Result<HeaderMap, FunctionError> {
    let refused = |name: &str, why: &str| FunctionError::Refused {
        code: "invalid_header",
        message: format!("header {name:.80?}: {why}"),
        hint: "correct the headers of the function".into(),
    };
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let parsed = HeaderName::try_from(name)
            .map_err(|_| refused(name, "the name has characters that a header cannot hold"))?;
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION].contains(&parsed)
        {
            return Err(refused(name, "it is set by the connection itself"));
        }
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| refused(name, "the value has characters that a header cannot hold"))?;
        value.set_sensitive(true);
        map.insert(parsed, value);
    }
    Ok(map)
}

/// Values of headers and of the query, which a function may echo in an error.
fn concealed(uri: &Uri, headers: &[(String, String)]) -> Secrets {
    let mut concealed = Secrets::default();
    for (name, value) in headers {
        concealed.insert(name, value);
        // `Bearer <token>`: the token alone is as secret.
        if let Some((_, token)) = value.split_once(' ') {
            concealed.insert(format!("{name} token"), token.trim());
        }
    }
    for pair in uri.query().unwrap_or_default().split('&') {
        if let Some((name, value)) = pair.split_once('=') {
            concealed.insert(name, value);
        }
    }
    concealed
}

pub(crate) fn connect_lazily(uri: &Uri, route: &Route) -> HttpClient {
    let secure = uri.scheme_str() == Some("https");
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(secure))
        .https_or_http()
        .enable_http1()
        .wrap_connector(Connector::new(route.clone()));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .build(connector)
}

/// Trusts the machine's certificates, or Mozilla's list where the machine has none (a bare
/// container). A plain connection loads neither, which would cost milliseconds.
fn tls(secure: bool) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    if secure {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
    }
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// The agent as it is, with what a header cannot hold replaced (Dec-09).
fn user_agent(agent: &str) -> HeaderValue {
    let printable: String =
        agent.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    HeaderValue::try_from(printable).expect("printable ASCII makes a header value")
}

/// Status and first part of the body, for a function that does not report as the protocol says
/// (Q-11, F-025).
fn describe(status: StatusCode, headers: &HeaderMap, body: &Bytes, request: &Request) -> String {
    let mut text = format!("HTTP {status}");
    if status.is_redirection()
        && let Some(target) = headers.get(header::LOCATION).and_then(|value| value.to_str().ok())
    {
        let target = target.split('?').next().unwrap_or_default();
        text.push_str(&format!(
            ": redirects are not followed, since the request carries secrets; set the url to {target:.200} if that is the function"
        ));
    }
    // Gateways say here what a token lacks, such as the audience it should have (RFC 6750).
    let wanted = headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    if let Some(wanted) = wanted.filter(|_| status == StatusCode::UNAUTHORIZED) {
        text.push_str(&format!(", it wants {:.300}", request.secrets.redact(wanted)));
    }
    let excerpt = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_BYTES_MAX)]);
    match excerpt.trim() {
        "" => text,
        excerpt => format!("{text}: {}", request.secrets.redact(excerpt)),
    }
}

/// Too many calls at once, or in too short a time (Dec-31).
pub(crate) fn throttled(message: String, headers: &HeaderMap) -> FunctionError {
    let retry_after = retry_after(headers);
    FunctionError::Unavailable { code: "function_throttled", message, retry_after }
}

/// Seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(SystemTime::now()).unwrap_or_default())
}
