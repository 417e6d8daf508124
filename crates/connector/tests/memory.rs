//! Memory does not grow with what is read. A process of its own, since it is the process that is measured.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::net::TcpListener;
use std::path::Path;

use connector::manifest::Manifest;
use connector::{Connector, system_clock};
use flate2::Compression;
use flate2::write::GzEncoder;
use protocol::{Function, FunctionError, Request};

/// What the whole process may ever hold, in kilobytes: answers of 4.5 MB, pieces of 1 MB, chunks of 4 MB, and the
/// 16 MiB that the manifests below allow a body.
const PEAK_KB_MAX: u64 = 120_000;
/// The rows of the large file.
const FILE_BYTES: u64 = 300_000_000;

fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("kilobytes")
}

/// Reads a manifest to its end, and keeps nothing but the number of its rows.
async fn rows(manifest: &str) -> Result<u64, FunctionError> {
    let manifest = Manifest::parse(manifest).expect("a manifest");
    let connector = Connector::new(manifest, system_clock()).expect("a connector");
    let mut request = Request::default();
    let mut rows = 0;
    loop {
        let response = connector.call(&request).await?;
        rows += response.insert.iter().map(|(_, records)| records.rows()).sum::<u64>();
        request.state = response.state;
        if !response.has_more {
            return Ok(rows);
        }
    }
}

fn write_rows(path: &Path, bytes: u64, row: impl Fn(u64) -> String, packed: bool) -> u64 {
    let file = BufWriter::new(File::create(path).expect("a file"));
    let mut out: Box<dyn Write> =
        if packed { Box::new(GzEncoder::new(file, Compression::fast())) } else { Box::new(file) };
    let (mut written, mut count) = (0, 0);
    while written < bytes {
        count += 1;
        let line = row(count);
        out.write_all(line.as_bytes()).expect("room on the disk");
        written += line.len() as u64;
    }
    out.flush().expect("room on the disk");
    count
}

/// Two gigabytes of zeros, packed: two megabytes.
fn zeros() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let block = vec![b'0'; 1 << 20];
    for _ in 0..2048 {
        encoder.write_all(&block).expect("memory");
    }
    encoder.finish().expect("memory")
}

/// Answers every request with this body, packed.
fn serve(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let mut asked = [0; 4096];
            let _ = socket.read(&mut asked);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            // Who asked hangs up when it is too much.
            let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(&body));
        }
    });
    format!("http://{address}")
}

/// The rows of an export, which have 100 bytes each.
const EXPORT_ROWS: u64 = FILE_BYTES / 100;

/// Answers every request with a table of text, a row at a time.
fn serve_rows() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let mut asked = [0; 4096];
            let _ = socket.read(&mut asked);
            let mut out = BufWriter::with_capacity(1 << 16, socket);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", EXPORT_ROWS * 100);
            let _ = out.write_all(head.as_bytes());
            for id in 0..EXPORT_ROWS {
                if writeln!(out, "{id:09},{:89}", "some text of a row that goes on").is_err() {
                    break;
                }
            }
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn memory_does_not_grow_with_files_and_bodies() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().to_str().expect("a path");
    let line =
        |id: u64| format!("{id},some text of a row that goes on for a while,{}.50\n", id * 7);
    let count = write_rows(&folder.path().join("large.csv"), FILE_BYTES, line, false);
    let object = |id: u64| format!("{{\"id\": {id}, \"text\": \"of a row that goes on\"}}\n");
    let packed = write_rows(&folder.path().join("packed.gz"), FILE_BYTES / 3, object, true);
    let manifest = |file: &str, format: &str| {
        format!(
            "name: x\nrequests: {{body_bytes: 16MiB}}\ntables:\n  items: {{files: '{place}/{file}', {format}}}\n"
        )
    };
    let found = rows(&manifest("large.csv", "format: csv, csv: {header: false}")).await;
    assert_eq!(found.expect("rows"), count);
    assert!(peak_kb() < PEAK_KB_MAX, "a table of text: {} kB", peak_kb());
    assert_eq!(rows(&manifest("packed.gz", "format: json_lines")).await.expect("rows"), packed);
    assert!(peak_kb() < PEAK_KB_MAX, "packed lines: {} kB", peak_kb());

    let server = openssh::Server::start();
    std::fs::rename(folder.path().join("large.csv"), server.folder().join("large.csv"))
        .expect("a file");
    let key = server.key().replace('\n', "\\n");
    let on_server = format!(
        "name: x\nstorage: {{sftp: {{user: {}, private_key: \"{key}\", host_key: '{}'}}}}\ntables:\n  items: {{files: '{}/~/large.csv', format: csv, csv: {{header: false}}}}\n",
        openssh::USER,
        server.fingerprint(),
        server.url()
    );
    assert_eq!(rows(&on_server).await.expect("rows"), count);
    assert!(peak_kb() < PEAK_KB_MAX, "a table of text by SFTP: {} kB", peak_kb());
    drop(server);

    let url = serve_rows();
    let export = format!(
        "name: x\nbase_url: {url}\ntables:\n  items: {{format: csv, csv: {{header: false}}, primary_key: []}}\n"
    );
    assert_eq!(rows(&export).await.expect("rows"), EXPORT_ROWS);
    assert!(peak_kb() < PEAK_KB_MAX, "an export of an API: {} kB", peak_kb());

    let zeros = zeros();
    std::fs::write(folder.path().join("zeros.gz"), &zeros).expect("a file");
    for format in ["csv", "json_lines", "json", "xml"] {
        let error = rows(&manifest("zeros.gz", &format!("format: {format}"))).await;
        let told = error.expect_err("two gigabytes").to_string();
        let expected = match format {
            // It is seen at once.
            "json_lines" => "expected an object",
            _ => "(`requests.body_bytes`)",
        };
        assert!(told.contains(expected), "{format}: {told}");
        assert!(peak_kb() < PEAK_KB_MAX, "a file of zeros as {format}: {} kB", peak_kb());
    }
    let url = serve(zeros);
    let manifest = format!(
        "name: x\nbase_url: {url}\nrequests: {{body_bytes: 16MiB}}\ntables:\n  items: {{}}\n"
    );
    let told = rows(&manifest).await.expect_err("two gigabytes").to_string();
    assert!(told.contains("is larger than 16777216 bytes (`requests.body_bytes`)"), "{told}");
    assert!(peak_kb() < PEAK_KB_MAX, "a body of zeros: {} kB", peak_kb());
}
