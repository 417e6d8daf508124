use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A server that speaks raw bytes, so that it can break any rule of HTTP.
pub(crate) struct Fake {
    pub(crate) url: String,
    sent: Arc<Mutex<Vec<Sent>>>,
    accepting: JoinHandle<()>,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) head: String,
    pub(crate) body: String,
    /// Which connection brought it, counted from 0.
    pub(crate) connection: usize,
}

#[derive(Clone)]
pub(crate) enum Reply {
    /// Bytes, and the connection stays open.
    Bytes(Vec<u8>),
    /// Bytes, and the connection is closed.
    BytesThenClose(Vec<u8>),
    /// Bytes, then a piece again and again without end.
    Endless { first: Vec<u8>, piece: Vec<u8>, pause: Duration },
    /// Bytes after a pause.
    Late { pause: Duration, bytes: Vec<u8> },
    /// Nothing, ever.
    Silence,
}

impl Fake {
    /// Gives request number n reply number n; the last reply is repeated.
    pub(crate) async fn start(replies: Vec<Reply>) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let url = format!("http://{}/", listener.local_addr().expect("a bound address"));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&sent);
        let accepting = tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.expect("loopback accepts");
                tokio::spawn(serve(stream, connection, replies.clone(), Arc::clone(&all)));
            }
        });
        Fake { url, sent, accepting }
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().expect("no test panics while it counts").clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A well-formed answer.
pub(crate) fn http(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    replies: Vec<Reply>,
    sent: Arc<Mutex<Vec<Sent>>>,
) {
    let mut unread = Vec::new();
    while let Some((head, body)) = read_request(&mut stream, &mut unread).await {
        let number = {
            let mut sent = sent.lock().expect("no test panics while it counts");
            sent.push(Sent { head, body, connection });
            sent.len() - 1
        };
        match &replies[number.min(replies.len() - 1)] {
            Reply::Bytes(bytes) => stream.write_all(bytes).await.expect("the client reads"),
            Reply::BytesThenClose(bytes) => {
                stream.write_all(bytes).await.expect("the client reads");
                return;
            }
            Reply::Endless { first, piece, pause } => {
                stream.write_all(first).await.expect("the client reads");
                while stream.write_all(piece).await.is_ok() {
                    tokio::time::sleep(*pause).await;
                }
                return;
            }
            Reply::Late { pause, bytes } => {
                tokio::time::sleep(*pause).await;
                stream.write_all(bytes).await.expect("the client reads");
            }
            Reply::Silence => std::future::pending().await,
        }
    }
}

async fn read_request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<(String, String)> {
    let head_end = loop {
        if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(unread.drain(..head_end).collect()).expect("a head is text");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().expect("a length"))
    });
    let length: usize = length.unwrap_or(0);
    while unread.len() < length {
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(unread.drain(..length).collect()).expect("a body is text");
    Some((head, body))
}
