//! Files as the source of a table: which are new, and how they are read.

mod file_error;
mod kept;
mod pattern;
#[cfg(feature = "sftp")]
mod sftp;
mod source;
mod store;
mod url;
mod when;

pub(crate) use file_error::FileError;
pub(crate) use kept::KeptFiles;
pub(crate) use source::{Opened, StoredFile};
pub(crate) use store::{Place, Stores};
pub(crate) use when::{FileAt, FilesProgress};

use std::sync::Arc;

/// A file as its store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// What rows name it by: the whole path, with its scheme where it has one.
    pub(crate) path: String,
    /// The path as the store wants it.
    pub(crate) key: String,
    /// When it was changed, in milliseconds since 1970.
    pub(crate) modified: Option<i64>,
    /// What tells this content from another: an etag, where the store has one.
    pub(crate) version: Option<String>,
    pub(crate) bytes: Option<u64>,
    /// What the state remembers of it.
    pub(crate) mark: String,
}

/// The files that one path of a manifest stands for, the oldest change first.
pub(crate) type Listing = Arc<Vec<Listed>>;

impl Listed {
    pub(crate) fn new(
        path: String,
        key: String,
        modified: Option<i64>,
        version: Option<String>,
        bytes: Option<u64>,
    ) -> Listed {
        let (time, tag) = (modified.unwrap_or_default(), version.as_deref().unwrap_or_default());
        let mark = crate::page::mark(format!("{path}\n{time}\n{tag}").as_bytes());
        Listed { path, key, modified, version, bytes, mark }
    }

    /// The order in which files are read: by the time of their change, then by path. What has no time is
    /// never too old to be looked at.
    pub(crate) fn order(&self) -> (i64, &str) {
        (self.modified.unwrap_or(i64::MAX), &self.path)
    }

    /// Whether another content would have another mark.
    pub(crate) fn has_version(&self) -> bool {
        self.version.is_some() || self.modified.is_some()
    }
}
