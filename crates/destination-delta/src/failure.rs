//! What a store says when it fails, as what to do about it. Its messages name places, never values.

use engine::DestinationError;
use object_store::Error;

pub(crate) fn of(error: &Error, doing: &str) -> DestinationError {
    let said = innermost(error);
    let denied = || {
        refused(
            "destination_permission",
            format!("{doing}: the store does not allow it: {said}"),
            "let the credentials read, write, list and delete there, or name others",
        )
    };
    let missing = || {
        refused(
            "destination_not_found",
            format!("{doing}: {said}"),
            "check the address: the bucket or the folder must be there",
        )
    };
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => denied(),
        Error::NotFound { .. } => missing(),
        // What a list is answered has no kind of its own.
        _ if said.contains("403 Forbidden") || said.contains("401 Unauthorized") => denied(),
        _ if said.contains("404 Not Found") => missing(),
        _ if said.contains("No space left on device") => refused(
            "disk_full",
            format!("{doing}: the disk is full"),
            "free some space and sync again: it goes on where it stopped",
        ),
        // Whether it was written, the newest position tells.
        _ => DestinationError::Unavailable(format!("{doing}: {said}")),
    }
}

pub(crate) fn refused(
    code: &'static str,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> DestinationError {
    DestinationError::Refused { code, message: message.into(), hint: hint.into() }
}

/// A file that nobody but us writes is not what we write.
pub(crate) fn damaged(what: &str) -> DestinationError {
    refused(
        "destination_damaged",
        format!("{what} cannot be read: it is not what was written"),
        "restore it from a backup, or resync into another folder",
    )
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    let said = error.to_string();
    let line = said.lines().next().unwrap_or_default();
    // What a store says in XML says no more than its status.
    line.split_once(": <?xml").map_or(line, |(said, _)| said).to_owned()
}
