//! An API on loopback: tables of rows, every style of paging, and faults on demand.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A request as the API saw it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// An answer: status, headers and body.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn json(body: Value) -> Answered {
        Answered { status: 200, headers: Vec::new(), body: body.to_string().into() }
    }

    pub(crate) fn status(status: u16) -> Answered {
        Answered {
            status,
            headers: Vec::new(),
            body: json!({"error": "on purpose"}).to_string().into(),
        }
    }
}

type Answer = dyn Fn(&Asked) -> Answered + Send + Sync;

/// An API that answers as it is told, and remembers what it was asked.
pub(crate) struct Api {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Api {
    pub(crate) async fn serve(answer: impl Fn(&Asked) -> Answered + Send + Sync + 'static) -> Api {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address: SocketAddr = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Answer> = Arc::new(answer);
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                tokio::spawn(async move {
                    let service = service_fn(|request| respond(request, &*answer, &log));
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Api { url: format!("http://{address}"), asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test panics while it holds this").clone()
    }

    /// The paths and queries asked for, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |asked: Asked| {
            let query: Vec<String> =
                asked.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{}?{}", asked.path, query.join("&")).trim_end_matches('?').to_owned()
        };
        self.asked().into_iter().map(line).collect()
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: &Answer,
    log: &Mutex<Vec<Asked>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let asked = Asked {
        path: head.uri.path().to_owned(),
        query: query.into_owned().collect(),
        headers: head.headers.iter().map(header).collect(),
        body: serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&body))),
    };
    let answered = answer(&asked);
    log.lock().expect("no test panics while it holds this").push(asked);
    let mut response = Response::new(Full::new(Bytes::from(answered.body)));
    *response.status_mut() = StatusCode::from_u16(answered.status).expect("a status");
    response.headers_mut().insert("content-type", "application/json".parse().expect("a header"));
    for (name, value) in answered.headers {
        response.headers_mut().insert(name, value.parse().expect("a header"));
    }
    Ok(response)
}

/// Rows `{"id": 1, "updated_at": …}` up to `count`, one a minute.
pub(crate) fn rows(count: u64) -> Vec<Value> {
    (1..=count)
        .map(|id| json!({"id": id, "updated_at": format!("2024-01-01T{:02}:{:02}:00Z", id / 60, id % 60)}))
        .collect()
}

/// A page of `rows` by number, counted from `first`.
pub(crate) fn numbered(rows: &[Value], asked: &Asked, first: usize, size: usize) -> Vec<Value> {
    let page: usize = asked.query.get("page").map_or(first, |page| page.parse().expect("a number"));
    rows.iter().skip((page - first) * size).take(size).cloned().collect()
}
