//! gzip, zstd and zip, known by their first bytes, and never unpacked beyond a limit.

use std::io::{Cursor, Read};

use bytes::Bytes;

use super::FormatError;

/// The content of a packed body, or the body itself. Packed twice is unpacked twice, and no more.
pub(super) fn unpack(body: Bytes, bytes_max: u64) -> Result<Bytes, FormatError> {
    let mut body = body;
    for _ in 0..2 {
        let unpacked = match &body[..] {
            [0x1f, 0x8b, ..] => {
                read("gzip", flate2::read::MultiGzDecoder::new(&body[..]), bytes_max)?
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let decoder =
                    zstd::Decoder::new(&body[..]).map_err(|error| broken("zstd", &error))?;
                read("zstd", decoder, bytes_max)?
            }
            [b'P', b'K', 3, 4, ..] => unzip(&body, bytes_max)?,
            _ => return Ok(body),
        };
        body = unpacked;
    }
    Ok(body)
}

/// A zip archive holds one file, beside folders.
fn unzip(body: &[u8], bytes_max: u64) -> Result<Bytes, FormatError> {
    let mut archive =
        zip::ZipArchive::new(Cursor::new(body)).map_err(|error| broken("zip", &error))?;
    let files: Vec<usize> = (0..archive.len())
        .filter(|index| archive.by_index_raw(*index).is_ok_and(|file| file.is_file()))
        .collect();
    let [only] = files[..] else {
        let count = files.len();
        return Err(FormatError::Packed(format!("the zip archive holds {count} files, not one")));
    };
    let file = archive.by_index(only).map_err(|error| broken("zip", &error))?;
    read("zip", file, bytes_max)
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
