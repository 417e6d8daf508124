use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use futures_util::{Stream, StreamExt};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::header::CONTENT_ENCODING;

/// Why a body was not read to its end.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// Reading stopped at the limit (Dec-36).
    TooLarge,
    /// The connection ended, or the compression was broken.
    Broken(String),
    /// It is compressed in a way that was not asked for.
    Encoding(String),
}

/// Reads a body, unpacked where it is gzip, and stops as soon as it is over `bytes_max`.
///
/// A body that comes in one piece is not copied.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: Incoming,
    bytes_max: u64,
) -> Result<Bytes, BodyError> {
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let encoding = headers.get(CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
    match encoding.as_deref() {
        None | Some(b"" | b"identity") => read_plain(body, bytes_max).await,
        Some(b"gzip" | b"x-gzip") => read_gzip(body, bytes_max).await,
        Some(other) => Err(BodyError::Encoding(String::from_utf8_lossy(other).into_owned())),
    }
}

/// The beginning of a body that explains an error status: what came before its end, `bytes_max` or
/// a lost connection.
pub(crate) async fn read_beginning(
    headers: &HeaderMap,
    mut body: Incoming,
    bytes_max: usize,
) -> Bytes {
    let mut packed = Vec::new();
    while packed.len() < bytes_max
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Some(piece) = frame.data_ref() {
            packed.extend_from_slice(&piece[..piece.len().min(bytes_max - packed.len())]);
        }
    }
    if headers.get(CONTENT_ENCODING).is_none() {
        return packed.into();
    }
    let mut decoder = MultiGzDecoder::new(Bounded { bytes: Vec::new(), bytes_max });
    // What could be unpacked before an error is what there is to show.
    let _ = decoder.write_all(&packed).and_then(|()| decoder.flush());
    std::mem::take(&mut decoder.get_mut().bytes).into()
}

async fn read_plain(mut body: Incoming, bytes_max: usize) -> Result<Bytes, BodyError> {
    let announced =
        body.size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(BodyError::TooLarge);
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(piece) = next_piece(&mut body).await? {
        if first.len() + whole.len() + piece.len() > bytes_max {
            return Err(BodyError::TooLarge);
        }
        if first.is_empty() && whole.is_empty() {
            first = piece;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(announced.unwrap_or(2 * (first.len() + piece.len())));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

async fn read_gzip(mut body: Incoming, bytes_max: usize) -> Result<Bytes, BodyError> {
    let mut decoder = MultiGzDecoder::new(Bounded { bytes: Vec::new(), bytes_max });
    while let Some(piece) = next_piece(&mut body).await? {
        unpacked(decoder.write_all(&piece))?;
    }
    unpacked(decoder.try_finish())?;
    Ok(std::mem::take(&mut decoder.get_mut().bytes).into())
}

/// Reads an object of object storage to its end, unpacked where its first bytes are those of gzip
/// (Dec-05), and stops as soon as it is over `bytes_max`.
pub(crate) async fn read_object<E: std::error::Error + 'static>(
    mut pieces: impl Stream<Item = Result<Bytes, E>> + Unpin,
    bytes_max: u64,
) -> Result<Bytes, BodyError> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let mut whole = BytesMut::new();
    // Pieces may be cut anywhere, between the two bytes as well.
    while whole.len() < GZIP.len()
        && let Some(piece) = pieces.next().await
    {
        whole.extend_from_slice(&piece.map_err(broken)?);
    }
    if !whole.starts_with(&GZIP) {
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(broken)?;
            if whole.len() + piece.len() > bytes_max {
                return Err(BodyError::TooLarge);
            }
            whole.extend_from_slice(&piece);
        }
        return if whole.len() > bytes_max { Err(BodyError::TooLarge) } else { Ok(whole.freeze()) };
    }
    let mut decoder = MultiGzDecoder::new(Bounded { bytes: Vec::new(), bytes_max });
    unpacked(decoder.write_all(&whole))?;
    while let Some(piece) = pieces.next().await {
        unpacked(decoder.write_all(&piece.map_err(broken)?))?;
    }
    unpacked(decoder.try_finish())?;
    Ok(std::mem::take(&mut decoder.get_mut().bytes).into())
}

fn broken(error: impl std::error::Error + 'static) -> BodyError {
    BodyError::Broken(innermost(&error))
}

fn unpacked(result: io::Result<()>) -> Result<(), BodyError> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => BodyError::TooLarge,
        _ => BodyError::Broken(format!("its gzip compression is broken: {error}")),
    })
}

async fn next_piece(body: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(innermost(&error)))?;
        if let Ok(piece) = frame.into_data()
            && !piece.is_empty()
        {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

/// Takes bytes up to a maximum, so that a small body cannot unpack into all memory.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + piece.len() > self.bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The root cause, without the libraries' layers around it.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
