//! How long a sync takes from the start of its process to the first request at its function.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The best of so many counts: what disturbs a start only ever slows it.
const TRIES: usize = 20;

const ANSWER: &str = r#"{"state":{},"insert":{"t":[{"id":1}]},"schema":{"t":{"primary_key":["id"]}},"hasMore":false}"#;

/// Milliseconds; of the syncs after the first, which find a file and a position in it.
pub(crate) fn milliseconds(hasmore: &Path, folder: &Path) -> Result<f64, String> {
    let failed = |error: std::io::Error| format!("measuring the start: {error}");
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
    let url = format!("http://{}/", listener.local_addr().map_err(failed)?);
    let database = folder.join("start.duckdb");
    let mut best = Duration::MAX;
    for number in 0..=TRIES {
        let mut words = ["sync", "--quiet", "--url", &url, "--to"].map(OsString::from).to_vec();
        words.push(database.clone().into());
        let started_at = Instant::now();
        let mut process = Command::new(hasmore)
            .args(words)
            .current_dir(folder)
            .stdin(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let (mut connection, _) = listener.accept().map_err(failed)?;
        let mut request = [0; 4096];
        connection.read(&mut request).map_err(failed)?;
        let took = started_at.elapsed();
        let length = ANSWER.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{ANSWER}");
        connection.write_all(answer.as_bytes()).map_err(failed)?;
        let status = process.wait().map_err(failed)?;
        if !status.success() {
            return Err(format!("measuring the start: hasmore ended with {status}"));
        }
        if number > 0 {
            best = best.min(took);
        }
    }
    Ok(best.as_secs_f64() * 1000.0)
}
