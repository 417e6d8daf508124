//! gzip, zstd and zip, known by their first bytes: whole and never beyond a limit, or as they are read.

use std::io::{self, Cursor, Read, SeekFrom};

use bytes::Bytes;
use flate2::CrcReader;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use zip::{CompressionMethod, ZipArchive};

use super::FormatError;
use super::text::File;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const ZIP: &[u8] = b"PK\x03\x04";

/// Whether a file that begins so is packed.
pub(super) fn is_packed(first: &[u8]) -> bool {
    [GZIP, ZSTD, ZIP].iter().any(|magic| first.starts_with(magic))
}

/// The content of a packed file as it is read.
///
/// # Errors
/// When it is broken, or an archive of several files.
pub(super) fn flowing(
    file: Box<dyn File>,
    first: &[u8],
) -> Result<Box<dyn Read + Send>, FormatError> {
    if first.starts_with(GZIP) {
        return Ok(Box::new(MultiGzDecoder::new(file)));
    }
    if first.starts_with(ZSTD) {
        let decoder = zstd::Decoder::new(file).map_err(|error| broken("zstd", &error))?;
        return Ok(Box::new(decoder));
    }
    let mut archive = ZipArchive::new(file).map_err(|error| broken("zip", &error))?;
    let only = only_file(&mut archive)?;
    let (start, length, packing, crc) = {
        let entry = archive.by_index(only).map_err(|error| broken("zip", &error))?;
        let start = entry.data_start();
        (start, entry.compressed_size(), entry.compression(), entry.crc32())
    };
    let mut file = archive.into_inner();
    file.seek(SeekFrom::Start(start))?;
    let packed = file.take(length);
    let content: Box<dyn Read + Send> = match packing {
        CompressionMethod::Stored => Box::new(packed),
        CompressionMethod::Deflated => Box::new(DeflateDecoder::new(packed)),
        other => return Err(broken("zip", &format!("it is packed by {other}"))),
    };
    Ok(Box::new(Summed { content: CrcReader::new(content), crc }))
}

/// The content of what was unpacked, where it is packed once more. An archive cannot be read so.
///
/// # Errors
/// When it is broken.
pub(super) fn flowing_again(
    content: Box<dyn Read + Send>,
    first: &[u8],
) -> Result<Box<dyn Read + Send>, FormatError> {
    if first.starts_with(GZIP) {
        return Ok(Box::new(MultiGzDecoder::new(content)));
    }
    if first.starts_with(ZSTD) {
        let decoder = zstd::Decoder::new(content).map_err(|error| broken("zstd", &error))?;
        return Ok(Box::new(decoder));
    }
    Ok(content)
}

/// A content whose sum is held against the one that was written with it.
struct Summed {
    content: CrcReader<Box<dyn Read + Send>>,
    crc: u32,
}

impl Read for Summed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.content.read(buffer)?;
        if length == 0 && !buffer.is_empty() && self.content.crc().sum() != self.crc {
            return Err(io::Error::other("the zip is broken: its sum is another"));
        }
        Ok(length)
    }
}

/// The content of a packed body, or the body itself. Packed twice is unpacked twice, and no more.
pub(super) fn unpack(body: Bytes, bytes_max: u64) -> Result<Bytes, FormatError> {
    let mut body = body;
    for _ in 0..2 {
        body = if body.starts_with(GZIP) {
            read("gzip", MultiGzDecoder::new(&body[..]), bytes_max)?
        } else if body.starts_with(ZSTD) {
            let decoder = zstd::Decoder::new(&body[..]).map_err(|error| broken("zstd", &error))?;
            read("zstd", decoder, bytes_max)?
        } else if body.starts_with(ZIP) {
            unzip(&body, bytes_max)?
        } else {
            return Ok(body);
        };
    }
    Ok(body)
}

fn unzip(body: &[u8], bytes_max: u64) -> Result<Bytes, FormatError> {
    let mut archive = ZipArchive::new(Cursor::new(body)).map_err(|error| broken("zip", &error))?;
    let only = only_file(&mut archive)?;
    let file = archive.by_index(only).map_err(|error| broken("zip", &error))?;
    read("zip", file, bytes_max)
}

/// A zip archive holds one file, beside folders.
fn only_file<R: Read + io::Seek>(archive: &mut ZipArchive<R>) -> Result<usize, FormatError> {
    let files: Vec<usize> = (0..archive.len())
        .filter(|index| archive.by_index_raw(*index).is_ok_and(|file| file.is_file()))
        .collect();
    let [only] = files[..] else {
        let count = files.len();
        return Err(FormatError::Packed(format!("the zip archive holds {count} files, not one")));
    };
    Ok(only)
}

fn read(kind: &str, decoder: impl Read, bytes_max: u64) -> Result<Bytes, FormatError> {
    let mut content = Vec::new();
    let mut limited = decoder.take(bytes_max + 1);
    limited.read_to_end(&mut content).map_err(|error| broken(kind, &error))?;
    if content.len() as u64 > bytes_max {
        return Err(FormatError::Packed(format!(
            "the {kind} unpacks to more than {bytes_max} bytes (`requests.body_bytes`)"
        )));
    }
    Ok(content.into())
}

fn broken(kind: &str, error: &dyn std::fmt::Display) -> FormatError {
    FormatError::Packed(format!("the {kind} is broken: {error}"))
}
