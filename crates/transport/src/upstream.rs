//! What a function asks of the API behind it: seen, kept, and if wanted answered differently.

mod authority;
mod exchange;
mod fault;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use self::authority::Authority;
pub use self::exchange::Exchange;
pub use self::fault::Fault;
use crate::body;
use crate::client::https_client;
use crate::route::{Proxies, Route};

/// A proxy on loopback for a function's process: it passes requests on, keeps them with their answers,
/// and can be told to answer differently.
///
/// `https:` is opened by an authority of its own, which only the function's process is told to trust.
/// It ends when dropped.
pub struct UpstreamProxy {
    address: SocketAddr,
    authority_file: PathBuf,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

/// How the proxy answers.
#[derive(Clone, Debug, Default)]
pub enum Upstream {
    /// As the API does.
    #[default]
    Real,
    /// As the API does, until so many requests have been answered; from there on by the fault.
    Faulty { fault: Fault, after: usize },
    /// From what was kept, without any network. A request that was not kept gets a 502 that says so.
    Kept(Vec<Exchange>),
}

struct Shared {
    authority: Authority,
    proxies: Proxies,
    talk: Mutex<Talk>,
}

#[derive(Default)]
struct Talk {
    upstream: Upstream,
    /// Requests since the upstream was chosen.
    asked: usize,
    /// Which of the kept exchanges have been given.
    given: Vec<bool>,
    exchanges: Vec<Exchange>,
}

/// As the connector for manifests: larger answers are not for a function's memory either.
const BODY_BYTES_MAX: u64 = 256 << 20;
/// How long an API that does not answer keeps its client waiting. Real ones take longer: a check has
/// not the time to wait for each client's own patience.
const SILENCE: Duration = Duration::from_secs(2);
/// Between the first half of an answer and the end of its connection.
const HALF_SENT: Duration = Duration::from_millis(50);
/// Names of headers that speak of one connection only (RFC 9110), or that would make an answer unreadable.
const NOT_PASSED_ON: [&str; 10] = [
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

impl UpstreamProxy {
    /// Listens on a free port; the authority's certificate is written into `folder`.
    ///
    /// # Errors
    /// When there is no port, or the folder cannot be written.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(folder: &Path) -> io::Result<UpstreamProxy> {
        let authority = Authority::new();
        let authority_file = folder.join("authority.pem");
        std::fs::write(&authority_file, authority.trusted_pem())?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            authority,
            proxies: Proxies::of_environment(),
            talk: Mutex::default(),
        });
        let serving = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(UpstreamProxy { address, authority_file, shared, serving })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The authority's certificate, for a client in this process.
    pub fn certificate(&self) -> Vec<u8> {
        self.shared.authority.certificate()
    }

    /// What a process needs in its environment to come this way, whatever it is written in.
    pub fn environment(&self) -> Vec<(String, String)> {
        let url = self.url();
        let authority = self.authority_file.display().to_string();
        let mut environment = Vec::new();
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            environment.push((name.to_owned(), url.clone()));
        }
        for name in ["NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"] {
            environment.push((name.to_owned(), String::new()));
        }
        for name in [
            "SSL_CERT_FILE",
            "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
            "AWS_CA_BUNDLE",
            "NODE_EXTRA_CA_CERTS",
        ] {
            environment.push((name.to_owned(), authority.clone()));
        }
        environment.push(("NODE_USE_ENV_PROXY".to_owned(), "1".to_owned()));
        environment
    }

    /// How it answers from now on.
    pub fn set(&self, upstream: Upstream) {
        let mut talk = self.shared.talk();
        talk.given = match &upstream {
            Upstream::Kept(kept) => vec![false; kept.len()],
            _ => Vec::new(),
        };
        talk.upstream = upstream;
        talk.asked = 0;
    }

    /// What was asked since this was last called, in the order of the answers.
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.shared.talk().exchanges)
    }
}

impl Drop for UpstreamProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request's turn, and how to answer it.
    fn turn(&self) -> (usize, Upstream) {
        let mut talk = self.talk();
        talk.asked += 1;
        let upstream = match &talk.upstream {
            Upstream::Kept(_) => Upstream::Kept(Vec::new()),
            other => other.clone(),
        };
        (talk.asked - 1, upstream)
    }

    /// The kept answer to this request: each once, in order, then the last again.
    fn kept(&self, asked: &Exchange) -> Option<Exchange> {
        let mut talk = self.talk();
        let Upstream::Kept(kept) = &talk.upstream else { return None };
        let fits = |index: &usize| kept[*index].asks_the_same(asked);
        let fitting: Vec<usize> = (0..kept.len()).filter(fits).collect();
        let index =
            fitting.iter().find(|index| !talk.given[**index]).or(fitting.last()).copied()?;
        let exchange = kept[index].clone();
        talk.given[index] = true;
        Some(exchange)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    /// When the process has no file handles left, accepting again at once would only burn time.
    const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(serve(TokioIo::new(connection), shared, None));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Answers on one connection; `tunnel` is the host that it was opened for, if it was.
fn serve<I>(
    connection: I,
    shared: Arc<Shared>,
    tunnel: Option<String>,
) -> Pin<Box<dyn Future<Output = ()> + Send>>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    Box::pin(async move {
        let service = service_fn(move |request| {
            let (shared, tunnel) = (Arc::clone(&shared), tunnel.clone());
            async move {
                if request.method() == Method::CONNECT {
                    return Ok(open_tunnel(request, shared));
                }
                answer(request, &shared, tunnel.as_deref()).await
            }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(connection, service)
            .with_upgrades();
        // A connection that breaks is the client's to report.
        let _ = serving.await;
    })
}

fn open_tunnel(request: Request<Incoming>, shared: Arc<Shared>) -> Response<Answer> {
    let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    tokio::spawn(async move {
        let Ok(connection) = hyper::upgrade::on(request).await else { return };
        let host = authority.rsplit_once(':').map_or(&*authority, |(host, _)| host);
        let acceptor = TlsAcceptor::from(shared.authority.server_for(host));
        // A client that does not trust the authority ends the handshake, and reports it.
        let Ok(connection) = acceptor.accept(TokioIo::new(connection)).await else { return };
        serve(TokioIo::new(connection), shared, Some(authority)).await;
    });
    Response::new(Answer::whole(Bytes::new()))
}

/// No answer at all: the connection is closed.
#[derive(Debug, thiserror::Error)]
#[error("the upstream gives no answer")]
struct NoAnswer;

async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
    tunnel: Option<&str>,
) -> Result<Response<Answer>, NoAnswer> {
    // AWS's runtime clients speak to hasmore, not to an API.
    let is_runtime = request.uri().path().starts_with("/2018-06-01/runtime/");
    let (head, incoming) = request.into_parts();
    let url = match tunnel {
        None => head.uri.to_string(),
        Some(authority) => {
            let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
            format!("https://{}{path}", authority.strip_suffix(":443").unwrap_or(authority))
        }
    };
    let body = incoming.collect().await.map(Collected::to_bytes).map_err(|_| NoAnswer)?;
    let asked =
        Exchange { method: head.method.to_string(), url, sent: body, ..Exchange::default() };
    if is_runtime {
        return Ok(forward(&asked, &head.headers, shared).await.into_response(false));
    }
    let (turn, upstream) = shared.turn();
    let mut cut = false;
    let answered = match upstream {
        Upstream::Real => forward(&asked, &head.headers, shared).await,
        Upstream::Kept(_) => shared.kept(&asked).unwrap_or_else(|| {
            asked.answered(502, "text/plain", "hasmore: this request was not recorded")
        }),
        Upstream::Faulty { after, .. } if turn < after => {
            forward(&asked, &head.headers, shared).await
        }
        Upstream::Faulty { fault, after } => match fault {
            Fault::Throttled => asked.answered(429, "text/plain", "Too Many Requests"),
            Fault::ServerError => asked.answered(500, "text/plain", "Internal Server Error"),
            Fault::NoAnswer => {
                tokio::time::sleep(SILENCE).await;
                shared.talk().exchanges.push(asked.answered(0, "", ""));
                return Err(NoAnswer);
            }
            Fault::Truncated => {
                cut = true;
                forward(&asked, &head.headers, shared).await
            }
            Fault::EmptyPage | Fault::RepeatedToken if turn > after => {
                forward(&asked, &head.headers, shared).await
            }
            Fault::EmptyPage | Fault::RepeatedToken | Fault::Nothing => {
                fault.changes(forward(&asked, &head.headers, shared).await)
            }
        },
    };
    shared.talk().exchanges.push(answered.clone());
    Ok(answered.into_response(cut))
}

/// Asks in the function's place. A host that cannot be reached becomes a 502, as with any proxy.
async fn forward(asked: &Exchange, headers: &HeaderMap, shared: &Shared) -> Exchange {
    match exchange(asked, headers, shared).await {
        Ok(answered) => answered,
        Err(why) => asked.answered(502, "text/plain", &format!("hasmore: no answer: {why}")),
    }
}

async fn exchange(
    asked: &Exchange,
    headers: &HeaderMap,
    shared: &Shared,
) -> Result<Exchange, String> {
    let uri: Uri = asked.url.parse().map_err(|_| "the request names no URL".to_owned())?;
    let route = Route::to(&uri, &shared.proxies).map_err(|error| error.to_string())?;
    let mut request = Request::new(Full::new(asked.sent.clone()));
    *request.method_mut() =
        Method::from_bytes(asked.method.as_bytes()).map_err(|error| error.to_string())?;
    *request.uri_mut() = uri.clone();
    for (name, value) in headers {
        if !NOT_PASSED_ON.contains(&name.as_str()) {
            request.headers_mut().append(name.clone(), value.clone());
        }
    }
    if let Some(authorization) = route.authorization() {
        request.headers_mut().insert(hyper::header::PROXY_AUTHORIZATION, authorization.clone());
    }
    let client = https_client(&uri, &route);
    let answer = client.request(request).await.map_err(|error| body::innermost(&error))?;
    let (head, incoming) = answer.into_parts();
    let body = body::read_body(&head.headers, incoming, BODY_BYTES_MAX).await;
    let body = body.map_err(|error| format!("{error:?}"))?;
    let headers = head.headers.iter().filter(|(name, _)| {
        !NOT_PASSED_ON.contains(&name.as_str()) && name.as_str() != "content-encoding"
    });
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
    Ok(Exchange { status: head.status.as_u16(), headers, body, ..asked.clone() })
}

impl Exchange {
    fn into_response(self, cut: bool) -> Response<Answer> {
        let length = self.body.len();
        let body = if cut {
            Answer {
                left: Some(self.body.slice(..length / 2)),
                breaks: Some(Box::pin(tokio::time::sleep(HALF_SENT))),
            }
        } else {
            Answer::whole(self.body)
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        for (name, value) in self.headers {
            let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            if let Some((name, value)) = header {
                response.headers_mut().append(name, value);
            }
        }
        if cut {
            response.headers_mut().insert(hyper::header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}

/// A body, or the first half of one after which the connection breaks.
struct Answer {
    left: Option<Bytes>,
    /// After the pause in which the first half goes out.
    breaks: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Answer {
    fn whole(body: Bytes) -> Answer {
        Answer { left: Some(body).filter(|body| !body.is_empty()), breaks: None }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(left) = self.left.take().filter(|left| !left.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(left))));
        }
        match &mut self.breaks {
            Some(pause) => pause
                .as_mut()
                .poll(context)
                .map(|()| Some(Err(io::ErrorKind::ConnectionReset.into()))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_none() && self.breaks.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.breaks.is_some() {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.left.as_ref().map_or(0, |left| left.len() as u64))
    }
}
