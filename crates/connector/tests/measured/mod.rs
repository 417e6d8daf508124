//! What a process holds at most while it reads.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use connector::manifest::Manifest;
use connector::{Connector, system_clock};
use flate2::Compression;
use flate2::write::GzEncoder;
use protocol::{Function, FunctionError, Request};

/// What the whole process may ever hold, in kilobytes: answers of 4.5 MB, pieces of 1 MB, chunks of 4 MB, and the
/// 16 MiB that the manifests below allow a body, twice while it grows. Of what was given back, the allocator keeps
/// as much again. What is read has 300 MB to 2 GB.
pub(crate) const PEAK_KB_MAX: u64 = 180_000;
/// The rows of the large file.
pub(crate) const FILE_BYTES: u64 = 300_000_000;

pub(crate) fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("kilobytes")
}

/// Reads a manifest to its end, and keeps nothing but the number of its rows.
pub(crate) async fn rows(manifest: &str) -> Result<u64, FunctionError> {
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

pub(crate) fn write_rows(
    path: &Path,
    bytes: u64,
    row: impl Fn(u64) -> String,
    packed: bool,
) -> u64 {
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
