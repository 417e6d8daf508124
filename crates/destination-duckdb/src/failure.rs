//! What DuckDB says when it fails, as what to do about it.
//!
//! DuckDB has one kind of error and tells apart by message. Messages can quote values, so only those of
//! classes that do not are passed on, and of those the first line.

use std::path::Path;

use engine::DestinationError;

/// A refusal with its code and what to do.
pub(crate) fn refused(
    code: &'static str,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> DestinationError {
    DestinationError::Refused { code, message: message.into(), hint: hint.into() }
}

pub(crate) const OUT_OF_MEMORY_CODE: &str = "destination_out_of_memory";

/// Parts of the messages by which DuckDB says that its memory limit does not do.
const OUT_OF_MEMORY: [&str; 4] = [
    "Out of Memory Error",
    "failed to pin block",
    "could not allocate block",
    "failed to allocate data",
];

/// Classes of messages that speak of files, memory, names and statements, not of values.
const CLASSES_WITHOUT_VALUES: [&str; 10] = [
    "IO Error",
    "Out of Memory Error",
    "Catalog Error",
    "Binder Error",
    "Dependency Error",
    "TransactionContext Error",
    "FATAL Error",
    "Parser Error",
    "Permission Error",
    "INTERNAL Error",
];

/// The message without anything that may be a value.
pub(crate) fn message(error: &duckdb::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let class = line.split(": ").next().unwrap_or_default();
    if CLASSES_WITHOUT_VALUES.contains(&class) {
        line.to_owned()
    } else if matches!(error, duckdb::Error::DuckDBFailure(..)) {
        format!("{class} (its text is left out because it may quote a value)")
    } else {
        "the driver failed (its text is left out because it may quote a value)".to_owned()
    }
}

/// A failure while reading or writing.
pub(crate) fn of(error: &duckdb::Error, doing: &str) -> DestinationError {
    let text = error.to_string();
    let said = message(error);
    let has = |part: &str| text.contains(part);
    if has("No space left on device") || has("File too large") || has("Disk quota exceeded") {
        return refused(
            "disk_full",
            format!("the disk is full ({doing})"),
            "free some space and sync again: it goes on where it stopped",
        );
    }
    if OUT_OF_MEMORY.iter().any(|part| has(part)) {
        return refused(
            OUT_OF_MEMORY_CODE,
            format!("{doing}: {said}"),
            "raise the destination's memory limit, or free space for its temporary files",
        );
    }
    // We make no index and no constraint.
    let is_guarded =
        ["Dependency Error", "Constraint Error"].iter().any(|class| text.starts_with(class));
    if is_guarded || has("an index depends on it") {
        return refused(
            "table_changed_by_hand",
            format!("{doing}: {said}"),
            "drop the index or constraint that was added by hand, or sync into another schema",
        );
    }
    if has("read-only mode") {
        return read_only();
    }
    if has("database has been invalidated") {
        return DestinationError::Unavailable(format!("{doing}: {said}"));
    }
    if has("Corrupt database file") || has("Could not read enough bytes") {
        return damaged(doing, &said);
    }
    refused(
        "destination_error",
        format!("{doing}: {said}"),
        "nothing was written; sync again, and report this if it stays",
    )
}

/// A failure to open a file.
pub(crate) fn to_open(error: &duckdb::Error, path: &Path) -> DestinationError {
    let text = error.to_string();
    let name = path.display();
    let has = |part: &str| text.contains(part);
    if has("Could not set lock on file") {
        let holder = holder(&text);
        return refused(
            "destination_locked",
            format!("{name} is in use{}", holder.map(|by| format!(" by {by}")).unwrap_or_default()),
            "close the program that has it open, or wait for its sync to end; only one can write",
        );
    }
    if has("not a valid DuckDB database file") || has("Is a directory") || has("sqlite") {
        return refused(
            "destination_not_duckdb",
            format!("{name} is not a DuckDB database"),
            "name another file: this one was left as it is",
        );
    }
    if has("newer version") || has("we can only read versions between") {
        return newer(&format!("{name} was written by a newer DuckDB"));
    }
    if has("No such file or directory") || has("database does not exist") || has("Not a directory")
    {
        return refused(
            "destination_not_found",
            format!("{name} cannot be opened: there is no such file or folder"),
            "check the path, and create the folder first",
        );
    }
    if has("Permission denied") || has("Read-only file system") {
        return refused(
            "destination_permission",
            format!("{name} may not be opened for writing"),
            "give this user the right to read and write the file and its folder",
        );
    }
    if has("replaying WAL") {
        return damaged(
            &format!("opening {name}"),
            "its log (the .wal file beside it) cannot be read",
        );
    }
    if has("encrypt") {
        return refused(
            "destination_encrypted",
            format!("{name} is encrypted"),
            "name a database without encryption",
        );
    }
    of(error, &format!("opening {name}"))
}

/// Something that a later version has written.
pub(crate) fn newer(message: &str) -> DestinationError {
    refused("destination_newer", message, "use a newer version of hasmore with it")
}

/// Something that we wrote, and that is not as we wrote it.
pub(crate) fn damaged(doing: &str, said: &str) -> DestinationError {
    refused(
        "destination_damaged",
        format!("{doing}: {said}"),
        "restore the file from a backup, or sync into a new one",
    )
}

pub(crate) fn read_only() -> DestinationError {
    refused(
        "destination_read_only",
        "the database was opened for reading only",
        "open it for writing",
    )
}

/// `python3 (process 1234)` of a message that tells who holds a lock.
fn holder(text: &str) -> Option<String> {
    let after = text.split_once("held in ")?.1;
    let (program, rest) = after.split_once(" (PID ")?;
    let process = rest.split_once(')')?.0;
    let program = Path::new(program).file_name()?.to_string_lossy();
    Some(format!("{program} (process {process})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_named() {
        let text = "IO Error: Could not set lock on file \"/d/w.duckdb\": Conflicting lock is held in \
                    /usr/bin/python3.11 (PID 12393). See also https://duckdb.org/docs";
        assert_eq!(holder(text).as_deref(), Some("python3.11 (process 12393)"));
        assert_eq!(holder("IO Error: Could not set lock on file"), None);
    }

    #[test]
    fn a_value_in_a_message_is_left_out() {
        let failure = |text: &str| {
            let code = duckdb::ffi::Error { code: duckdb::ErrorCode::Unknown, extended_code: 1 };
            message(&duckdb::Error::DuckDBFailure(code, Some(text.to_owned())))
        };
        assert_eq!(
            failure("Conversion Error: Could not convert string \"secret\" to INT64\nLINE 1"),
            "Conversion Error (its text is left out because it may quote a value)"
        );
        assert_eq!(
            failure("IO Error: Could not write file\nmore"),
            "IO Error: Could not write file"
        );
    }
}
