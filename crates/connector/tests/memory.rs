//! Memory does not grow with what is read. A process of its own, since it is the process that is measured.

#![cfg(target_os = "linux")]

mod measured;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use measured::{FILE_BYTES, PEAK_KB_MAX, peak_kb, rows, write_rows};

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

fn append(path: &Path, text: &str) {
    let mut file = File::options().append(true).open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("room on the disk");
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
    let element = |id: u64| format!("{}{}", if id == 1 { "[" } else { "," }, object(id));
    let listed = write_rows(&folder.path().join("list.json"), FILE_BYTES, element, false);
    append(&folder.path().join("list.json"), "]");
    let element = |id: u64| {
        let begin = if id == 1 { "<list>" } else { "" };
        format!("{begin}<row id='{id}'><text>of a row that goes on</text></row>\n")
    };
    let tagged = write_rows(&folder.path().join("list.xml"), FILE_BYTES, element, false);
    append(&folder.path().join("list.xml"), "</list>");
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
    assert_eq!(rows(&manifest("list.json", "format: json")).await.expect("rows"), listed);
    assert!(peak_kb() < PEAK_KB_MAX, "one list: {} kB", peak_kb());
    let xml = manifest("list.xml", "format: xml, records: list.row");
    assert_eq!(rows(&xml).await.expect("rows"), tagged);
    assert!(peak_kb() < PEAK_KB_MAX, "one document: {} kB", peak_kb());

    let zeros = zeros();
    std::fs::write(folder.path().join("zeros.gz"), &zeros).expect("a file");
    for format in ["csv", "json_lines", "json", "xml"] {
        let error = rows(&manifest("zeros.gz", &format!("format: {format}"))).await;
        let told = error.expect_err("two gigabytes").to_string();
        let expected = match format {
            // It is seen at once.
            "json_lines" => "expected an object",
            "json" => "is not an object",
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
