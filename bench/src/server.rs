//! A function that serves [`Rows`] on loopback, in a process of its own so that its CPU is not counted.
//!
//! Its state is `{"round":1,"position":5000}`: how many rows of the round were sent. A new round
//! sends everything again. Commands come on standard input, and its end ends the server.

use crate::rows::Rows;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::{self, BufRead, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
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

/// `POST /?page_rows=1000`, in the function protocol.
async fn respond(
    request: Request<Incoming>,
    rows: &Rows,
    switches: &Switches,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let page_rows = request.uri().query().and_then(page_rows).unwrap_or(1_000);
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
    let page = page(rows, round, position, page_rows, rows.count() + edits);
    let mut response = Response::new(Full::new(Bytes::from(page)));
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    Ok(response)
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

fn page_rows(query: &str) -> Option<usize> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("page_rows="))?;
    value.parse().ok().filter(|rows| *rows > 0)
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
    fn the_query_names_the_rows_of_a_page() {
        assert_eq!(page_rows("page_rows=100"), Some(100));
        assert_eq!(page_rows("a=b&page_rows=7"), Some(7));
        assert_eq!(page_rows("page_rows=0"), None);
    }
}
