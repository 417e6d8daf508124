//! How a connection to a function's host is made: straight, or by way of a proxy.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use protocol::FunctionError;
use tokio::net::TcpStream;
use tower_service::Service;

/// An address that drops packets is not waited for as long as a function that works.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A call may be silent for an hour: a peer that has gone is noticed by probes, not by the timeout.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(60);

/// Which URLs go by way of which proxy.
#[derive(Clone)]
pub struct Proxies(Arc<Matcher>);

impl Proxies {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, upper or lower case, as curl reads them.
    pub fn of_environment() -> Proxies {
        Proxies(Arc::new(Matcher::from_env()))
    }

    /// The same three by hand; an empty text says nothing.
    pub fn new(http: &str, https: &str, no_proxy: &str) -> Proxies {
        let (http, https) = (http.to_owned(), https.to_owned());
        Proxies(Arc::new(
            Matcher::builder().http(http).https(https).no(no_proxy.to_owned()).build(),
        ))
    }
}

/// The way to one URL.
#[derive(Clone)]
pub(crate) enum Route {
    Straight,
    /// Through a tunnel that the proxy opens (`CONNECT`), so that it sees nothing but the host.
    Tunnel {
        proxy: Uri,
        authorization: Option<HeaderValue>,
    },
    /// The proxy is told the whole URL and asks in our place: what it does for `http:`.
    Forward {
        proxy: Uri,
        authorization: Option<HeaderValue>,
    },
}

impl Route {
    /// This machine's own addresses are reached straight: to a proxy they mean the proxy itself.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when the proxy speaks something other than plain HTTP.
    pub(crate) fn to(uri: &Uri, proxies: &Proxies) -> Result<Route, FunctionError> {
        let Some(found) = proxies.0.intercept(uri).filter(|_| !is_loopback(uri)) else {
            return Ok(Route::Straight);
        };
        let (proxy, authorization) = (found.uri().clone(), found.basic_auth().cloned());
        if proxy.scheme_str() != Some("http") {
            return Err(FunctionError::Refused {
                code: "invalid_proxy",
                message: format!("the proxy {proxy} is not one that is spoken to in plain HTTP"),
                hint: "name an http:// proxy in HTTPS_PROXY or HTTP_PROXY, or the function's host in NO_PROXY".into(),
            });
        }
        Ok(if uri.scheme_str() == Some("https") {
            Route::Tunnel { proxy, authorization }
        } else {
            Route::Forward { proxy, authorization }
        })
    }

    /// As it may stand behind `no connection to URL`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Route::Straight => String::new(),
            Route::Tunnel { proxy, .. } | Route::Forward { proxy, .. } => {
                let authority = proxy.authority().map_or("", |authority| authority.as_str());
                format!(" through the proxy {authority}")
            }
        }
    }

    /// What a proxy that asks in our place wants to know with every request.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        match self {
            Route::Forward { authorization, .. } => authorization.as_ref(),
            Route::Straight | Route::Tunnel { .. } => None,
        }
    }
}

pub(crate) fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Makes connections by a route.
#[derive(Clone)]
pub(crate) struct Connector {
    route: Route,
    tcp: HttpConnector,
}

impl Connector {
    pub(crate) fn new(route: Route) -> Connector {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(KEEP_ALIVE_AFTER));
        Connector { route, tcp }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(BoxError::from)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (route, mut tcp) = (self.route.clone(), self.tcp.clone());
        Box::pin(async move {
            let forwarded = matches!(route, Route::Forward { .. });
            let tcp = match route {
                Route::Straight => tcp.call(uri).await?,
                Route::Forward { proxy, .. } => tcp.call(proxy).await?,
                Route::Tunnel { proxy, authorization } => {
                    let mut tunnel = Tunnel::new(proxy, tcp);
                    if let Some(authorization) = authorization {
                        tunnel = tunnel.with_auth(authorization);
                    }
                    tunnel.call(uri).await?
                }
            };
            Ok(Stream { tcp, forwarded })
        })
    }
}

/// A connection that knows whether requests on it name the whole URL.
pub(crate) struct Stream {
    tcp: TokioIo<TcpStream>,
    forwarded: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.tcp.connected().proxy(self.forwarded)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(context, pieces)
    }
}
