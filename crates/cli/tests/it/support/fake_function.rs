use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// An HTTP server on loopback that gives its answers in order and keeps what it was sent.
///
/// After the last answer it says 500.
pub(crate) struct FakeFunction {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    answers: Vec<Answer>,
    answer: Option<Arc<AnswerTo>>,
    next: usize,
    received: Vec<Received>,
    released: bool,
}

type AnswerTo = dyn Fn(&Received) -> Answer + Send + Sync;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) at: Instant,
    /// `POST / HTTP/1.1`.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// What the function says to one request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Body {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// Nothing for a while, then the answer.
    After(Duration, Box<Answer>),
    /// Nothing until [`FakeFunction::release`], then the answer.
    Held(Box<Answer>),
    /// Announces more than it sends, then hangs up.
    Truncated(String),
    /// Announces less than it sends.
    Overlong(String),
    /// One byte after the other, without an end.
    Endless,
    /// Hangs up without a word.
    HangUp,
}

impl Answer {
    pub(crate) fn json(body: impl Into<String>) -> Answer {
        Answer::status(200, body)
    }

    pub(crate) fn status(status: u16, body: impl Into<String>) -> Answer {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Answer::Body { status, headers, body: body.into().into_bytes() }
    }

    pub(crate) fn after(self, pause: Duration) -> Answer {
        Answer::After(pause, Box::new(self))
    }

    pub(crate) fn held(self) -> Answer {
        Answer::Held(Box::new(self))
    }
}

impl FakeFunction {
    pub(crate) fn start(answers: impl IntoIterator<Item = Answer>) -> FakeFunction {
        FakeFunction::with(answers, None)
    }

    /// Each answer is made from its request.
    pub(crate) fn answering(
        answer: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    ) -> FakeFunction {
        FakeFunction::with([], Some(Arc::new(answer)))
    }

    fn with(
        answers: impl IntoIterator<Item = Answer>,
        answer: Option<Arc<AnswerTo>>,
    ) -> FakeFunction {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let script = Script { answers: answers.into_iter().collect(), answer, ..Script::default() };
        let script = Arc::new(Mutex::new(script));
        let shared = Arc::clone(&script);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let script = Arc::clone(&shared);
                // A connection that breaks is the client's to notice.
                std::thread::spawn(move || serve(connection, &script));
            }
        });
        FakeFunction { address, script }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// More answers, after those that are left.
    pub(crate) fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.lock().expect("a script").answers.extend(answers);
    }

    /// Lets the answers go that are held.
    pub(crate) fn release(&self) {
        self.script.lock().expect("a script").released = true;
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.script.lock().expect("a script").received.clone()
    }

    /// Forgets the requests so far.
    pub(crate) fn take_received(&self) -> Vec<Received> {
        std::mem::take(&mut self.script.lock().expect("a script").received)
    }

    /// Waits until so many requests have come.
    pub(crate) fn wait_for(&self, requests: usize) {
        let end = Instant::now() + Duration::from_secs(30);
        while self.received().len() < requests {
            assert!(Instant::now() < end, "only {} requests came", self.received().len());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a request is JSON")
    }

    /// The state's text, byte for byte.
    pub(crate) fn state(&self) -> &str {
        let from =
            self.body.find("\"state\":").expect("a request has a state") + "\"state\":".len();
        let to = self.body.find(",\"secrets\":").expect("secrets follow the state");
        &self.body[from..to]
    }
}

fn serve(connection: TcpStream, script: &Mutex<Script>) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    loop {
        let received = receive(&mut reader)?;
        let answer = {
            let mut script = script.lock().expect("a script");
            script.received.push(received.clone());
            let answer = script.answers.get(script.next).cloned();
            script.next += 1;
            match (answer, script.answer.clone()) {
                (Some(answer), _) => answer,
                (None, Some(answer)) => {
                    drop(script);
                    answer(&received)
                }
                (None, None) => Answer::status(500, "the script has no more answers"),
            }
        };
        send(&connection, answer, script)?;
    }
}

fn receive(reader: &mut impl BufRead) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let at = Instant::now();
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Received { at, line: line.trim_end().to_owned(), headers, body })
}

fn send(mut connection: &TcpStream, answer: Answer, script: &Mutex<Script>) -> Option<()> {
    match answer {
        Answer::Body { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n", body.len());
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            connection.write_all(format!("{head}\r\n").as_bytes()).ok()?;
            connection.write_all(&body).ok()
        }
        Answer::After(pause, answer) => {
            std::thread::sleep(pause);
            send(connection, *answer, script)
        }
        Answer::Held(answer) => {
            while !script.lock().expect("a script").released {
                std::thread::sleep(Duration::from_millis(5));
            }
            send(connection, *answer, script)
        }
        Answer::Truncated(body) => {
            let head = format!("HTTP/1.1 200 Said\r\nContent-Length: {}\r\n\r\n", body.len() + 10);
            connection.write_all((head + &body).as_bytes()).ok()?;
            None
        }
        Answer::Overlong(body) => {
            let head = format!("HTTP/1.1 200 Said\r\nContent-Length: {}\r\n\r\n", body.len() - 10);
            connection.write_all((head + &body).as_bytes()).ok()
        }
        Answer::Endless => {
            connection
                .write_all(b"HTTP/1.1 200 Said\r\n\r\n{\"state\":{},\"insert\":{\"t\":[")
                .ok()?;
            loop {
                connection.write_all(&[b' '; 8 << 10]).ok()?;
            }
        }
        Answer::HangUp => None,
    }
}
