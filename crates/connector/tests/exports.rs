//! Memory does not grow with what a server gives, by SFTP or at once by its API. A process of its own, since it
//! is the process that is measured.

#![cfg(target_os = "linux")]

mod measured;

use std::io::{BufWriter, Read, Write};
use std::net::TcpListener;

use measured::{FILE_BYTES, PEAK_KB_MAX, peak_kb, rows, write_rows};

/// The rows of an export, which have 100 bytes each.
const EXPORT_ROWS: u64 = FILE_BYTES / 100;

/// Answers every request with a row at a time: a table of text, or as a list of JSON where that is asked for.
fn serve_rows() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let mut asked = [0; 4096];
            let length = socket.read(&mut asked).unwrap_or_default();
            let is_json = String::from_utf8_lossy(&asked[..length]).starts_with("GET /json");
            let mut out = BufWriter::with_capacity(1 << 16, socket);
            let ends = if is_json { ["{\"rows\": [{}", "]}"] } else { ["", ""] };
            let length = EXPORT_ROWS * 100 + ends.concat().len() as u64;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{}", ends[0]);
            let _ = out.write_all(head.as_bytes());
            for id in 0..EXPORT_ROWS {
                let text = "some text of a row that goes on";
                let written = if is_json {
                    writeln!(out, ",{{\"id\": {id:9}, \"text\": {:71}}}", format!("\"{text}\""))
                } else {
                    writeln!(out, "{id:09},{text:89}")
                };
                if written.is_err() {
                    break;
                }
            }
            let _ = out.write_all(ends[1].as_bytes());
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn memory_does_not_grow_with_what_servers_give() {
    let folder = tempfile::tempdir().expect("a folder");
    let line =
        |id: u64| format!("{id},some text of a row that goes on for a while,{}.50\n", id * 7);
    let count = write_rows(&folder.path().join("large.csv"), FILE_BYTES, line, false);
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

    let export =
        format!("name: x\nbase_url: {url}\ntables:\n  json: {{path: /json, primary_key: []}}\n");
    assert_eq!(rows(&export).await.expect("rows"), EXPORT_ROWS + 1);
    assert!(peak_kb() < PEAK_KB_MAX, "a list of an API: {} kB", peak_kb());
}
