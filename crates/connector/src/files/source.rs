//! A file of a store as what formats read: anywhere in it, by and by.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::{FileError, Listed, Place};
use crate::format::{Piece, Position, RowReader};

/// A file that is being read, from a thread that may wait.
pub(crate) struct StoredFile {
    place: Place,
    pub(crate) file: Listed,
    runtime: Handle,
    /// Why it could not be read: formats put their own words around errors.
    failure: Mutex<Option<FileError>>,
}

/// A file that stays open between pages and between calls, so that it is not unpacked anew each time.
pub(crate) struct Opened {
    pub(crate) source: Arc<StoredFile>,
    pub(crate) rows: Box<dyn RowReader>,
    /// The last piece that was read: where it began, and whether more may follow.
    pub(crate) last: Option<(Position, Arc<Piece>, bool)>,
}

/// What is asked of a store at once.
const CHUNK_BYTES: u64 = 4 << 20;

impl StoredFile {
    pub(crate) fn new(place: Place, file: Listed, runtime: Handle) -> StoredFile {
        StoredFile { place, file, runtime, failure: Mutex::default() }
    }

    /// Why the store did not give what was asked.
    pub(crate) fn failure(&self) -> Option<FileError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Bytes of the file, fewer at its end.
    pub(crate) fn bytes(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let range = start..start.saturating_add(length);
        self.runtime.block_on(self.place.read(&self.file, range)).map_err(|error| {
            let told = io::Error::other(error.to_string());
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            told
        })
    }

    /// A reader of it, at its beginning.
    pub(crate) fn reader(self: &Arc<StoredFile>) -> FileReader {
        FileReader { file: Arc::clone(self), at: 0, chunk_at: 0, chunk: Bytes::new() }
    }
}

/// Reads a file front to back or anywhere, a chunk of it in memory.
pub(crate) struct FileReader {
    file: Arc<StoredFile>,
    at: u64,
    chunk_at: u64,
    chunk: Bytes,
}

impl FileReader {
    /// What of the chunk is at the place.
    fn rest(&self) -> &[u8] {
        let inside = self.at.checked_sub(self.chunk_at).and_then(|at| usize::try_from(at).ok());
        inside.and_then(|inside| self.chunk.get(inside..)).unwrap_or_default()
    }
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest().is_empty() && !buffer.is_empty() {
            self.chunk = self.file.bytes(self.at, CHUNK_BYTES)?;
            self.chunk_at = self.at;
        }
        let length = self.rest().read(buffer)?;
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for FileReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => {
                let bytes = self.file.file.bytes.ok_or_else(|| {
                    io::Error::other("its server does not tell how long the file is")
                })?;
                bytes.checked_add_signed(by)
            }
        };
        self.at = place.ok_or_else(|| io::Error::other("a place before the file"))?;
        Ok(self.at)
    }
}
