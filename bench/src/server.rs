//! A function that serves [`Rows`] on loopback, in a process of its own so that its CPU is not counted; and
//! to GET an API that serves the same rows in pages that have numbers.
//!
//! Its state is `{"round":1,"position":5000}`: how many rows of the round were sent. A new round
//! sends everything again. Commands come on standard input, and its end ends the server.

use crate::rows::Rows;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::{self, BufRead, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

/// What the driver switches between syncs.
#[derive(Default)]
struct Switches {
    round: AtomicU64,
    edits_shown: AtomicBool,
}

/// Prints its port, then obeys the lines `round N` and `edits on|off` until standard input ends.
pub fn serve(row_count: usize) -> io::Result<()> {
    let rows = Rc::new(Rows::generate(row_count));
    let switches = Arc::new(Switches { round: AtomicU64::new(1), ..Switches::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        answer(listener.local_addr()?.port())?;
        let obeying = Arc::clone(&switches);
        std::thread::spawn(move || obey(&obeying));
        loop {
            let (connection, _) = listener.accept().await?;
            connection.set_nodelay(true)?;
            let (rows, switches) = (Rc::clone(&rows), Arc::clone(&switches));
            tokio::task::spawn_local(async move {
                let service = service_fn(|request| respond(request, &rows, &switches));
                // A client that goes away is no concern of the server's.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(connection), service)
                    .await;
            });
        }
    })
}

fn obey(switches: &Switches) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        match line.split_once(' ') {
            Some(("round", round)) => {
                switches.round.store(round.parse().unwrap_or(1), Ordering::SeqCst);
            }
            Some(("edits", shown)) => switches.edits_shown.store(shown == "on", Ordering::SeqCst),
            _ => {}
        }
        if answer(&line).is_err() {
            break;
        }
    }
    std::process::exit(0);
}

/// One line to the driver.
fn answer(line: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// `POST /?page_rows=1000`, in the function protocol; `GET /users?page=1&per_page=1000&pause=50`, where
/// `pause` is milliseconds.
async fn respond(
    request: Request<Incoming>,
    rows: &Rows,
    switches: &Switches,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let query = request.uri().query().unwrap_or_default();
    if request.method() == Method::GET {
        tokio::time::sleep(Duration::from_millis(parameter(query, "pause").unwrap_or(0))).await;
        let number = |name| parameter(query, name).and_then(|value| usize::try_from(value).ok());
        let (page, page_rows) = (number("page").unwrap_or(1), number("per_page").unwrap_or(1_000));
        return Ok(json(api_page(rows, page, page_rows)));
    }
    let page_rows = parameter(query, "page_rows").and_then(|rows| usize::try_from(rows).ok());
    let page_rows = page_rows.filter(|rows| *rows > 0).unwrap_or(1_000);
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Ok(refused(&error.to_string())),
    };
    let Ok(request) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return Ok(refused("the request is not JSON"));
    };
    let round = switches.round.load(Ordering::SeqCst);
    let state = &request["state"];
    let position = if state["round"].as_u64() == Some(round) {
        usize::try_from(state["position"].as_u64().unwrap_or(0)).unwrap_or(usize::MAX)
    } else {
        0
    };
    let edits = if switches.edits_shown.load(Ordering::SeqCst) { rows.edited() } else { 0 };
    Ok(json(page(rows, round, position, page_rows, rows.count() + edits)))
}

fn json(text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    response
}

/// A page of the API: the first one is 1, and one past the end is empty.
pub fn api_page(rows: &Rows, page: usize, page_rows: usize) -> String {
    let first = (page.max(1) - 1).saturating_mul(page_rows).min(rows.count());
    let end = rows.count().min(first + page_rows);
    format!(r#"{{"data":[{}],"total":{}}}"#, rows.page(first..end), rows.count())
}

/// One answer: the rows after `position`, of those that are `visible`.
pub fn page(rows: &Rows, round: u64, position: usize, page_rows: usize, visible: usize) -> String {
    let first = position.min(visible);
    let end = visible.min(first + page_rows);
    format!(
        r#"{{"state":{{"round":{round},"position":{end}}},"insert":{{"users":[{}]}},"schema":{{"users":{{"primary_key":["id"]}}}},"hasMore":{}}}"#,
        rows.page(first..end),
        end < visible
    )
}

/// A number in a query.
fn parameter(query: &str, name: &str) -> Option<u64> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse().ok())
}

fn refused(why: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(why.to_owned())));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[track_caller]
    fn check(position: usize, visible: usize, state: &Value, row_count: usize, has_more: bool) {
        let page: Value =
            serde_json::from_str(&page(&Rows::generate(200), 2, position, 50, visible))
                .expect("a page is JSON");
        assert_eq!(&page["state"], state);
        assert_eq!(page["insert"]["users"].as_array().map(Vec::len), Some(row_count));
        assert_eq!(page["hasMore"], json!(has_more));
    }

    #[test]
    fn pages_follow_the_position_and_end() {
        check(0, 200, &json!({"round": 2, "position": 50}), 50, true);
        check(150, 200, &json!({"round": 2, "position": 200}), 50, false);
        check(200, 202, &json!({"round": 2, "position": 202}), 2, false);
        check(202, 202, &json!({"round": 2, "position": 202}), 0, false);
    }

    #[test]
    fn pages_of_the_api_have_numbers_and_end() {
        let rows = Rows::generate(200);
        let count = |page| {
            let page: Value = serde_json::from_str(&api_page(&rows, page, 150)).expect("JSON");
            assert_eq!(page["total"], 200);
            page["data"].as_array().map(Vec::len)
        };
        assert_eq!([count(1), count(2), count(3)], [Some(150), Some(50), Some(0)]);
    }

    #[test]
    fn the_query_names_the_rows_of_a_page() {
        assert_eq!(parameter("page_rows=100", "page_rows"), Some(100));
        assert_eq!(parameter("a=b&page_rows=7", "page_rows"), Some(7));
        assert_eq!(parameter("page_rows=x", "page_rows"), None);
    }
}
