//! The API of the stories: its rows change once, and one of its answers goes wrong.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// What one answer of the API does in place of what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiFault {
    /// 503.
    Down,
    /// 429, with a time to wait.
    Busy,
    /// The body ends half-way.
    Truncated,
    /// The connection ends without an answer.
    Silent,
    /// Every token given out so far is void from now on.
    Expired,
}

impl ApiFault {
    pub(crate) const ALL: [ApiFault; 5] =
        [ApiFault::Down, ApiFault::Busy, ApiFault::Truncated, ApiFault::Silent, ApiFault::Expired];
}

/// An API on loopback. It ends with the process.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) url: String,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// The day and hour of the last change, by id.
    rows: BTreeMap<u64, String>,
    fault: Option<(u64, ApiFault)>,
    requests: u64,
    generation: u64,
}

/// As many as fit on a page.
const SIZE: usize = 2;

impl Api {
    pub(crate) fn serve(fault: Option<(u64, ApiFault)>) -> Api {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let rows = (1..=5).map(|id| (id, format!("2024-01-0{}T0{id}:00:00Z", 1 + id / 2)));
        let inner = Inner { rows: rows.collect(), fault, ..Inner::default() };
        let api = Api { url, inner: Arc::new(Mutex::new(inner)) };
        let shared = api.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let Ok(socket) = socket else { return };
                let api = shared.clone();
                std::thread::spawn(move || while api.answer(&socket).is_some() {});
            }
        });
        api
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.lock().requests
    }

    /// Between the syncs: a row changes, one comes, and one goes where that can be told.
    pub(crate) fn change(&self, removes: bool) {
        let mut inner = self.lock();
        inner.rows.insert(2, "2024-01-05T00:00:00Z".into());
        inner.rows.insert(6, "2024-01-05T00:00:00Z".into());
        if removes {
            inner.rows.remove(&4);
        }
    }

    /// The ids of a table and their last changes, as they should have landed.
    pub(crate) fn rows(&self, table: &str) -> BTreeMap<u64, String> {
        let rows = self.lock().rows.clone();
        match table {
            "items" => rows,
            _ => rows
                .into_iter()
                .flat_map(|(id, time)| [(id * 10, time.clone()), (id * 10 + 1, time)])
                .collect(),
        }
    }

    /// Answers one request of a connection; nothing where it is over.
    fn answer(&self, socket: &TcpStream) -> Option<()> {
        let mut asked = BufReader::new(socket);
        let mut first = String::new();
        asked.read_line(&mut first).ok().filter(|length| *length > 0)?;
        let mut line = String::new();
        while asked.read_line(&mut line).ok()? > 2 {
            line.clear();
        }
        let target = first.split(' ').nth(1)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut inner = self.lock();
        let fault = inner.fault.filter(|(at, _)| *at == inner.requests).map(|(_, fault)| fault);
        inner.requests += 1;
        if fault == Some(ApiFault::Expired) {
            inner.generation += 1;
        }
        let (status, body) = inner.page(path, &query);
        drop(inner);
        let mut socket = socket;
        // In one piece: two would wait for each other.
        let mut send = |status: &str, headers: &str, length: usize, body: &str| {
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
            );
            socket.write_all(answer.as_bytes()).ok()
        };
        match fault {
            Some(ApiFault::Down) => send("503 Down", "", 2, "{}"),
            Some(ApiFault::Busy) => send("429 Busy", "retry-after: 0\r\n", 2, "{}"),
            Some(ApiFault::Truncated) => {
                send(status, "", body.len(), &body[..body.len() / 2]);
                None
            }
            Some(ApiFault::Silent) => None,
            Some(ApiFault::Expired) | None => send(status, "", body.len(), &body),
        }
    }
}

impl Inner {
    fn page(&self, path: &str, query: &BTreeMap<String, String>) -> (&'static str, String) {
        if let Some(parent) = path.strip_prefix("/items/") {
            let id: u64 = parent.trim_end_matches("/parts").parse().expect("an id");
            let time = &self.rows[&id];
            let row = |id: u64| json!({"id": id, "updated_at": time});
            return ("200 OK", json!({"data": [row(id * 10), row(id * 10 + 1)]}).to_string());
        }
        let mut rows: Vec<(&String, u64)> =
            self.rows.iter().map(|(id, time)| (time, *id)).collect();
        // Pages by number hold still only where rows keep their places.
        if !query.contains_key("page") {
            rows.sort_unstable();
        }
        let text = |name: &str| query.get(name).filter(|text| !text.is_empty());
        rows.retain(|(time, _)| {
            text("since").is_none_or(|since| *time >= since)
                && text("until").is_none_or(|until| *time <= until)
        });
        let number = |name: &str| text(name).map(|text| text.parse::<usize>().expect("a number"));
        let mut start = number("offset").unwrap_or(0);
        if let Some(page) = number("page") {
            start = (page - 1) * SIZE;
        }
        if let Some((of, at)) = text("token").and_then(|token| token.split_once('-')) {
            if of != self.generation.to_string() {
                return ("410 Gone", "{}".into());
            }
            start = at.parse().expect("a number");
        }
        let shown: Vec<Value> = rows
            .iter()
            .skip(start)
            .take(SIZE)
            .map(|(time, id)| json!({"id": id, "updated_at": time}))
            .collect();
        let end = start + SIZE;
        let next = (end < rows.len()).then(|| format!("{}-{end}", self.generation));
        ("200 OK", json!({"data": shown, "next": next}).to_string())
    }
}
