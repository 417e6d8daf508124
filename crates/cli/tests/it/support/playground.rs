//! The Fivetran API Playground, at work on a free port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A program of the virtual environment that has the playground and AWS's runtime client.
pub(crate) fn python() -> PathBuf {
    match std::env::var_os("HASMORE_TEST_VENV") {
        Some(folder) => Path::new(&folder).join("bin/python"),
        None => panic!("HASMORE_TEST_VENV names no virtual environment: run `cargo xtask test`"),
    }
}

/// Ended with the test.
pub(crate) struct Playground {
    process: Child,
    pub(crate) url: String,
    /// The keys that it made up when it started, by their names.
    keys: Value,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

/// Its own command, which cannot tell which port it took: its server is put in place of the one of
/// development, and it does not ask for a newer version of itself.
const START: &str = r#"
import json, sys
import fivetran_api_playground as playground
from werkzeug.serving import make_server

def serve(**_):
    server = make_server("127.0.0.1", 0, playground.app)
    keys = {name: value for name, value in vars(playground).items() if isinstance(value, str)}
    print("ready " + json.dumps({"port": server.server_port, "keys": keys}), flush=True)
    server.serve_forever()

playground.check_newer_version = lambda: None
playground.app.run = serve
sys.argv[0] = "playground"
playground.main()
"#;

impl Playground {
    /// `playground start`, with these words after it.
    pub(crate) fn start(words: &[&str]) -> Playground {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let mut process = Command::new(python())
            .args(["-c", START, "start"])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).expect("a file"))
            .spawn()
            .expect("the playground starts");
        let lines = BufReader::new(process.stdout.take().expect("its output is a pipe")).lines();
        let mut lines = lines.map(|line| line.expect("text"));
        let ready = lines.find_map(|line| line.strip_prefix("ready ").map(str::to_owned));
        let ready: Value =
            serde_json::from_str(&ready.expect("the playground is ready")).expect("JSON");
        Playground {
            process,
            url: format!("http://127.0.0.1:{}", ready["port"]),
            keys: ready["keys"].clone(),
            log,
            _folder: folder,
        }
    }

    /// A key that it made up, such as `API_KEY`.
    pub(crate) fn key(&self, name: &str) -> &str {
        self.keys[name].as_str().expect("a key of this name")
    }

    /// What a plain HTTP call answers, with one header.
    pub(crate) fn get(&self, path: &str, header: &str) -> Value {
        let address = self.url.strip_prefix("http://").expect("http");
        let mut connection = TcpStream::connect(address).expect("the playground listens");
        write!(connection, "GET {path} HTTP/1.0\r\nHost: {address}\r\n{header}\r\n\r\n")
            .expect("it reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(" 200 "), "GET {path}: {answer}");
        serde_json::from_str(body).expect("JSON")
    }

    /// The requests that it answered with this status.
    pub(crate) fn answered(&self, status: u16) -> usize {
        let log = std::fs::read_to_string(&self.log).expect("its log");
        log.lines().filter(|line| line.contains(&format!("\" {status} "))).count()
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        self.process.kill().expect("a child can be killed");
        self.process.wait().expect("a child can be waited for");
    }
}
