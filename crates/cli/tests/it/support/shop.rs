//! The API of a small shop, for the handlers in `tests/handlers`.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use serde_json::{Value, json};

/// An HTTP server on loopback; gone with the test's process.
pub(crate) struct Shop {
    pub(crate) url: String,
}

impl Shop {
    pub(crate) fn open() -> Shop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                // A connection that breaks is the client's to notice.
                std::thread::spawn(move || serve(connection));
            }
        });
        Shop { url }
    }
}

/// 23 orders, one a minute.
fn orders() -> Vec<Value> {
    let order = |number: u32| json!({ "id": 1000 + number, "updated_at": format!("2024-01-01T00:{number:02}:00Z"), "total": number * 10 });
    (1..=23).map(order).collect()
}

fn answer(path: &str, query: &[(String, String)]) -> Value {
    let text =
        |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let number = |name: &str| text(name).and_then(|value| value.parse::<usize>().ok());
    let mut found = orders();
    match path {
        "/orders" => {
            let since = text("since").unwrap_or("");
            let inclusive = text("inclusive").is_some();
            found.retain(|order| {
                let at = order["updated_at"].as_str().unwrap_or_default();
                at > since || (inclusive && at == since)
            });
        }
        // At each moment another order is the newest, and all others move one place down.
        "/newest-first" => {
            let until = number("until").unwrap_or(0);
            let length = found.len();
            found.rotate_left(until % length);
        }
        "/last-again" => {
            let page = number("page").unwrap_or(0).min(2);
            found = found[page * 5..(page + 1) * 5].to_vec();
        }
        "/tokens" => {
            let from = number("token").unwrap_or(0);
            let to = (from + 8).min(found.len());
            let next = if to < found.len() { json!(to.to_string()) } else { Value::Null };
            return json!({ "data": found[from..to], "next": next });
        }
        _ => {
            let hour: usize = path.rsplit('/').next().and_then(|it| it.parse().ok()).unwrap_or(0);
            found = found.into_iter().skip(hour * 5).take(5).collect();
        }
    }
    let from = number("offset").unwrap_or(0).min(found.len());
    let to = number("limit").map_or(found.len(), |limit| (from + limit).min(found.len()));
    json!({ "data": found[from..to], "has_more": to < found.len() })
}

fn serve(mut connection: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            if header.trim_end().is_empty() {
                break;
            }
        }
        let target = line.split(' ').nth(1)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let pairs: Vec<_> =
            pairs.map(|(name, value)| (name.to_owned(), value.replace("%3A", ":"))).collect();
        let body = answer(path, &pairs).to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all((head + &body).as_bytes()).ok()?;
    }
}
