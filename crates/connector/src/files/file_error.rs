use crate::read_error::ReadError;

/// Why a file could not be listed or read.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It is another one now.
    #[error("the file has changed while it was read")]
    Changed,
    /// It is there no more.
    #[error("the file is gone")]
    Gone,
    /// Worth trying again.
    #[error("{0}")]
    Unavailable(String),
    /// The store does not let it be read.
    #[error("{message}")]
    Refused { message: String, hint: &'static str },
    /// Nothing says that the store is the one that it should be.
    #[cfg(feature = "sftp")]
    #[error("{message}")]
    Untrusted { code: &'static str, message: String, hint: String },
}

/// What lets a store's files be read.
const KEYS: &str = "check `storage` of the manifest and what its keys are allowed to do";

impl FileError {
    pub(crate) fn refused(message: impl Into<String>) -> FileError {
        FileError::Refused { message: message.into(), hint: KEYS }
    }
}

impl From<object_store::Error> for FileError {
    fn from(error: object_store::Error) -> FileError {
        use object_store::Error;
        match &error {
            Error::NotFound { .. } => FileError::Gone,
            Error::Precondition { .. } | Error::NotModified { .. } => FileError::Changed,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                FileError::refused(in_a_line(&error))
            }
            Error::InvalidPath { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::UnknownConfigurationKey { .. } => FileError::Refused {
                message: in_a_line(&error),
                hint: "correct `files` or `storage` of the manifest",
            },
            _ => match in_a_line(&error) {
                message if is_refusal(&message) => FileError::refused(message),
                message => FileError::Unavailable(message),
            },
        }
    }
}

/// Whether a store's message is about a status that no other try changes. Listings tell it only so.
fn is_refusal(message: &str) -> bool {
    let status = message.split("status code: ").nth(1).and_then(|rest| rest.get(..3));
    status.is_some_and(|status| status.starts_with('4') && !matches!(status, "408" | "425" | "429"))
}

/// A store's message in a line, without the queries of addresses, which may hold a signature.
fn in_a_line(error: &object_store::Error) -> String {
    let text = error.to_string();
    let words = text.split_whitespace().map(|word| match word.split_once('?') {
        Some((address, _)) if address.contains("://") => address,
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ").chars().take(500).collect()
}

impl From<FileError> for ReadError {
    fn from(error: FileError) -> ReadError {
        match error {
            FileError::Unavailable(message) => {
                ReadError::Unavailable { message, retry_after: None }
            }
            FileError::Refused { message, hint } => ReadError::new("files_refused", message, hint),
            #[cfg(feature = "sftp")]
            FileError::Untrusted { code, message, hint } => ReadError::new(code, message, &hint),
            changed @ (FileError::Changed | FileError::Gone) => {
                ReadError::Unavailable { message: changed.to_string(), retry_after: None }
            }
        }
    }
}
