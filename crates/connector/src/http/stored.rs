//! A body that is too large to hold: it goes to a file as it comes, and is read from there.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use sha2::{Digest, Sha256};

/// A body in a file that has no name, which is gone when nobody reads it any more.
#[derive(Debug)]
pub(crate) struct Stored {
    file: File,
    /// What tells this body from another.
    pub(crate) mark: String,
}

/// A body that is being stored.
pub(super) struct Storing {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Storing {
    /// Begins with what has come so far.
    pub(super) fn begin(first: &[u8]) -> io::Result<Storing> {
        let file = tempfile::tempfile()?;
        let mut storing = Storing { file, hash: Sha256::new(), bytes: 0 };
        storing.push(first)?;
        Ok(storing)
    }

    pub(super) fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(chunk)?;
        self.hash.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn end(self) -> Stored {
        Stored { file: self.file, mark: crate::page::short(self.hash) }
    }
}

impl Stored {
    /// A reader of it, at its beginning. Only one at a time: they share their place.
    ///
    /// # Errors
    /// When the machine gives no more files.
    pub(crate) fn reader(&self) -> io::Result<File> {
        let mut reader = self.file.try_clone()?;
        reader.seek(SeekFrom::Start(0))?;
        Ok(reader)
    }
}
