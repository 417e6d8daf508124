//! Files of a server that is reached by SFTP.

mod host_key;
mod session;

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use tokio::sync::Mutex;

use self::session::{Failure, Session};
use super::pattern::FilePattern;
use super::{FileError, Listed};
use crate::manifest::Sftp;

/// A server, and who logs in to it. Connected when it is first asked, and anew when the connection is lost.
pub(crate) struct SftpServer {
    address: Address,
    settings: Sftp,
    session: Mutex<Option<Arc<Session>>>,
    /// The file that was read last stays open.
    opened: Mutex<Option<OpenFile>>,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) user: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
}

struct OpenFile {
    file: Listed,
    session: Arc<Session>,
    handle: String,
}

/// A server must be able to answer so much at once (draft-ietf-secsh-filexfer-02, section 3).
const READ_BYTES: u32 = 32 << 10;
/// So many questions are under way, so that the way to the server and back is waited for once.
const READS_AHEAD: usize = 64;
/// A connection that breaks is made anew once for a question; after that the call ends, and is made again.
const TRIES: usize = 2;
/// More files behind one path are not listed.
const LISTED_MAX: usize = 1_000_000;
/// The kind of a file among the bits of its mode, and the kinds that matter.
const KIND: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

impl Address {
    /// Reads `user@host:port`.
    pub(crate) fn of(text: &str) -> Option<Address> {
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, text),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (host, port.strip_prefix(':'))
            }
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = port.map_or(Some(22), |port| port.parse().ok())?;
        let is_named = !host.is_empty() && user.as_ref().is_none_or(|user| !user.is_empty());
        is_named.then(|| Address { user, host: host.to_owned(), port })
    }

    /// What rows name a file of it by, up to its path.
    pub(crate) fn shown(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port {
            22 => format!("sftp://{host}"),
            port => format!("sftp://{host}:{port}"),
        }
    }
}

impl SftpServer {
    pub(crate) fn new(address: Address, settings: Sftp) -> SftpServer {
        let (session, opened) = (Mutex::default(), Mutex::default());
        SftpServer { address, settings, session, opened }
    }

    /// The files whose paths fit, in no order.
    ///
    /// # Errors
    /// When the server cannot be reached, is not the one that it should be, or does not let us.
    pub(crate) async fn list(
        &self,
        shown: &str,
        pattern: &FilePattern,
    ) -> Result<Vec<Listed>, FileError> {
        for _ in 1..TRIES {
            match self.list_once(shown, pattern).await {
                Err(Failure::Lost(_)) => {}
                found => return found.map_err(Failure::told),
            }
        }
        self.list_once(shown, pattern).await.map_err(Failure::told)
    }

    /// Bytes of a file, fewer at its end.
    ///
    /// # Errors
    /// [`FileError::Changed`] when it is not any more what was listed.
    pub(crate) async fn read(&self, file: &Listed, range: Range<u64>) -> Result<Bytes, FileError> {
        for _ in 1..TRIES {
            match self.read_once(file, range.clone()).await {
                Err(Failure::Lost(_)) => {}
                found => return found.map_err(Failure::told),
            }
        }
        self.read_once(file, range).await.map_err(Failure::told)
    }

    /// The session, which is made where there is none, or none any more.
    async fn session(&self) -> Result<Arc<Session>, Failure> {
        let mut kept = self.session.lock().await;
        if let Some(session) = kept.as_ref().filter(|session| !session.is_closed()) {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(Session::open(&self.address, &self.settings).await?);
        *kept = Some(Arc::clone(&session));
        Ok(session)
    }

    /// A failure that ends the session makes room for the next one.
    async fn heed<T>(&self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(Failure::Lost(_)) = &outcome {
            *self.opened.lock().await = None;
            *self.session.lock().await = None;
        }
        outcome
    }

    async fn list_once(&self, shown: &str, pattern: &FilePattern) -> Result<Vec<Listed>, Failure> {
        let session = self.session().await?;
        let listed = match pattern.only() {
            Some(path) => match session.attributes(path).await {
                Ok(attributes) if kind(&attributes) == FOLDER => Err(Failure::told_as(format!(
                    "{path:.200} is a folder; say `{path:.200}/` for all that is in it"
                ))),
                Ok(attributes) => Ok(vec![listed(shown, path.to_owned(), &attributes)]),
                Err(Failure::Status(StatusCode::NoSuchFile, _)) => Ok(Vec::new()),
                Err(failure) => Err(failure),
            },
            None => walk(&session, shown, pattern).await,
        };
        self.heed(listed).await
    }

    async fn read_once(&self, file: &Listed, range: Range<u64>) -> Result<Bytes, Failure> {
        let end = file.bytes.map_or(range.end, |bytes| range.end.min(bytes));
        if range.start >= end {
            return Ok(Bytes::new());
        }
        let session = self.session().await?;
        let read = self.read_with(&session, file, range.start..end).await;
        self.heed(read).await
    }

    async fn read_with(
        &self,
        session: &Arc<Session>,
        file: &Listed,
        range: Range<u64>,
    ) -> Result<Bytes, Failure> {
        let mut opened = self.opened.lock().await;
        let is_open = opened
            .as_ref()
            .is_some_and(|open| open.file == *file && Arc::ptr_eq(&open.session, session));
        if !is_open {
            if let Some(before) = opened.take() {
                before.session.close(before.handle).await;
            }
            let handle = session.open_file(&file.key, OpenFlags::READ).await?;
            *opened = Some(OpenFile { file: file.clone(), session: Arc::clone(session), handle });
        }
        let handle = &opened.as_ref().expect("a file is open").handle;
        let bytes = session.read_range(handle, range).await?;
        // Whatever was written while it was read shows now.
        let now = session.attributes_of_open(handle).await?;
        if version(&now) != file.version || modified(&now) != file.modified {
            return Err(Failure::Changed);
        }
        Ok(bytes)
    }
}

/// Looks into every folder that may hold a file that fits. Links to files are followed, links to folders
/// are not, so that it ends.
async fn walk(
    session: &Session,
    shown: &str,
    pattern: &FilePattern,
) -> Result<Vec<Listed>, Failure> {
    let mut files = Vec::new();
    let mut folders = vec![pattern.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        let here = if folder.is_empty() { "." } else { &folder };
        let entries = match session.entries(here).await {
            Ok(entries) => entries,
            // No folder, no files: one that is made by the first upload is not there before it.
            Err(Failure::Status(StatusCode::NoSuchFile, _)) => continue,
            Err(failure) => return Err(failure),
        };
        for (name, attributes) in entries {
            let path = format!("{folder}{name}");
            let mut attributes = attributes;
            if kind(&attributes) == LINK {
                if !pattern.fits(&path) {
                    continue;
                }
                attributes = match session.attributes(&path).await {
                    Ok(attributes) if kind(&attributes) == REGULAR => attributes,
                    // It leads to a folder, or nowhere.
                    Ok(_) | Err(Failure::Status(StatusCode::NoSuchFile, _)) => continue,
                    Err(failure) => return Err(failure),
                };
            }
            match kind(&attributes) {
                FOLDER if pattern.leads_into(&path) => folders.push(path + "/"),
                REGULAR if pattern.fits(&path) => {
                    if path.contains(char::REPLACEMENT_CHARACTER) {
                        return Err(Failure::told_as(format!(
                            "the name {name:.200} is not UTF-8; rename the file, or leave it out of `files`"
                        )));
                    }
                    files.push(listed(shown, path, &attributes));
                }
                _ => {}
            }
        }
        if files.len() > LISTED_MAX {
            return Err(Failure::told_as(format!(
                "more than {LISTED_MAX} files are there; give a path of `files` that stands for fewer"
            )));
        }
    }
    Ok(files)
}

/// What kind of file it is; one whose server does not say is a file like any other.
fn kind(attributes: &FileAttributes) -> u32 {
    attributes.permissions.map_or(REGULAR, |mode| mode & KIND)
}

/// In milliseconds since 1970; the protocol tells whole seconds.
fn modified(attributes: &FileAttributes) -> Option<i64> {
    attributes.mtime.map(|seconds| i64::from(seconds) * 1000)
}

/// There are no tags: beside its time, a content is told from another by its length.
fn version(attributes: &FileAttributes) -> Option<String> {
    attributes.size.map(|size| size.to_string())
}

fn listed(shown: &str, path: String, attributes: &FileAttributes) -> Listed {
    let separator = if path.starts_with('/') { "" } else { "/~/" };
    let shown = format!("{shown}{separator}{path}");
    Listed::new(shown, path, modified(attributes), version(attributes), attributes.size)
}

impl Session {
    /// Bytes of an open file, fewer at its end, in many small questions.
    async fn read_range(&self, handle: &str, range: Range<u64>) -> Result<Bytes, Failure> {
        let starts = (range.start..range.end).step_by(READ_BYTES as usize);
        let pieces = starts.map(|start| {
            let end = range.end.min(start + u64::from(READ_BYTES));
            self.read_piece(handle, start..end)
        });
        let mut pieces = stream::iter(pieces).buffered(READS_AHEAD);
        let mut bytes = BytesMut::new();
        while let Some(piece) = pieces.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    /// A server may answer with less than was asked for.
    async fn read_piece(&self, handle: &str, range: Range<u64>) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        loop {
            let start = range.start + bytes.len() as u64;
            let wanted = u32::try_from(range.end - start).expect("a piece is small");
            if wanted == 0 {
                return Ok(bytes);
            }
            match self.read(handle, start, wanted).await {
                Ok(more) if more.is_empty() => return Ok(bytes),
                Ok(more) if bytes.is_empty() => bytes = more,
                Ok(more) => bytes.extend_from_slice(&more),
                Err(Failure::Status(StatusCode::Eof, _)) => return Ok(bytes),
                Err(failure) => return Err(failure),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        for (text, expected) in [
            ("files.example.com", Some((None, "files.example.com", 22))),
            ("jo@files.example.com:2222", Some((Some("jo"), "files.example.com", 2222))),
            ("jo@corp.example@host", Some((Some("jo@corp.example"), "host", 22))),
            ("[::1]:2022", Some((None, "::1", 2022))),
            ("[::1]", Some((None, "::1", 22))),
            ("", None),
            ("@host", None),
            ("host:port", None),
        ] {
            let found = Address::of(text);
            let found = found.as_ref().map(|it| (it.user.as_deref(), it.host.as_str(), it.port));
            assert_eq!(found, expected, "{text}");
        }
    }
}
