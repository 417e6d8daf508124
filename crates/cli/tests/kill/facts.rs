//! A function over loopback HTTP that tells facts, and what its tables must hold.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use crate::place::Place;

/// Facts a page.
const PAGE: i64 = 50;
/// Facts that are new each time a sync has run to its end.
const GROWTH: i64 = 6000;
/// Rows of the keyed table: later facts replace earlier ones.
const SUBJECTS: i64 = 997;
/// What a page costs the source, so that lives end in the middle of a sync.
const PAGE_TAKES: Duration = Duration::from_millis(2);
/// From this fact on, a column of numbers holds a text as well: old rows must be widened.
const WORDS_FROM: i64 = 5000;

/// Facts 0, 1, 2, …; the state counts how many were sent. Each goes to a keyed table (the newest fact
/// of each subject) and to one without key (all facts), which no upsert could repair.
pub(crate) struct Source {
    port: u16,
    facts: Arc<AtomicI64>,
}

impl Source {
    pub(crate) fn start() -> Source {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of its own");
        let port = listener.local_addr().expect("an address").port();
        let facts = Arc::new(AtomicI64::new(GROWTH));
        let shared = Arc::clone(&facts);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let facts = Arc::clone(&shared);
                thread::spawn(move || answer_all(stream, &facts));
            }
        });
        Source { port, facts }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    pub(crate) fn facts(&self) -> i64 {
        self.facts.load(Ordering::SeqCst)
    }

    pub(crate) fn grow(&self) {
        self.facts.fetch_add(GROWTH, Ordering::SeqCst);
    }
}

/// Answers requests on one connection until the caller is gone, or killed.
fn answer_all(stream: TcpStream, facts: &AtomicI64) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut request = vec![0; length];
        reader.read_exact(&mut request).ok()?;
        thread::sleep(PAGE_TAKES);
        let body = answer(&request, facts.load(Ordering::SeqCst));
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        (&stream).write_all((head + &body).as_bytes()).ok()?;
    }
}

fn answer(request: &[u8], facts: i64) -> String {
    let request: serde_json::Value = serde_json::from_slice(request).expect("a request");
    let sent = request["state"]["sent"].as_i64().unwrap_or(0);
    let upto = (sent + PAGE).min(facts);
    let rows: Vec<String> = (sent..upto).map(row).collect();
    let rows = rows.join(",");
    format!(
        r#"{{"state":{{"sent":{upto}}},"insert":{{"latest":[{rows}],"log":[{rows}]}},"schema":{{"latest":{{"primary_key":["subject"]}}}},"hasMore":{}}}"#,
        upto < facts
    )
}

fn row(fact: i64) -> String {
    let note = if fact < WORDS_FROM { fact.to_string() } else { format!("\"fact {fact}\"") };
    format!(r#"{{"subject":{},"fact":{fact},"note":{note}}}"#, fact % SUBJECTS)
}

/// What a place holds, without the moments at which it came there.
#[derive(Debug, PartialEq)]
pub(crate) struct Tables {
    pub(crate) sent: i64,
    latest: BTreeMap<i64, (i64, String)>,
    log: Vec<(i64, i64, String)>,
}

pub(crate) fn tables(place: &Place) -> Option<Tables> {
    let state: serde_json::Value = serde_json::from_str(&place.state()?).expect("a state");
    let latest = place.rows("latest");
    let rows = latest.len();
    let latest: BTreeMap<_, _> =
        latest.into_iter().map(|(subject, fact, note)| (subject, (fact, note))).collect();
    assert_eq!(latest.len(), rows, "a key stands twice in the keyed table");
    Some(Tables { sent: state["sent"].as_i64().unwrap_or(0), latest, log: place.rows("log") })
}

/// The rows there are exactly the facts that the state says were sent.
pub(crate) fn check(place: &Place, when: &str) {
    let Some(tables) = tables(place) else { return };
    let note =
        |fact: i64| if fact < WORDS_FROM { fact.to_string() } else { format!("fact {fact}") };
    let log: Vec<_> = (0..tables.sent).map(|fact| (fact % SUBJECTS, fact, note(fact))).collect();
    let latest: BTreeMap<_, _> =
        (0..tables.sent).map(|fact| (fact % SUBJECTS, (fact, note(fact)))).collect();
    assert!(
        tables.log == log,
        "{when}: the log holds {} facts, the state says {}",
        tables.log.len(),
        tables.sent
    );
    assert!(
        tables.latest == latest,
        "{when}: the keyed table is not the fold of {} facts",
        tables.sent
    );
}
