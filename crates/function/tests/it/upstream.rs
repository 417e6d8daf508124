//! The API that a manifest reads, on loopback.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// An API that answers by the query of a request. It ends with the test's process.
pub(crate) struct Upstream {
    pub(crate) url: String,
}

type Answer = dyn Fn(&BTreeMap<String, String>) -> String + Send + Sync;

impl Upstream {
    pub(crate) fn serve(
        answer: impl Fn(&BTreeMap<String, String>) -> String + Send + Sync + 'static,
    ) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let answer: Arc<Answer> = Arc::new(answer);
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || talk(&connection, &*answer));
            }
        });
        Upstream { url }
    }
}

fn talk(connection: &TcpStream, answer: &Answer) {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        // The rest of the head.
        while lines.next().is_some_and(|line| !line.is_empty()) {}
        let target = first.split(' ').nth(1).unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let body = answer(&query);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        let mut out = connection;
        // A caller that has gone away does not read.
        if out.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}
