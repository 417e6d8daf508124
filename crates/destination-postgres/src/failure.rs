//! What Postgres says when it fails, as what to do about it.
//!
//! It tells apart by SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
//! Messages can quote values, so only those of classes that do not are passed on.

use std::error::Error as _;

use engine::DestinationError;
use tokio_postgres::Error;

/// A refusal with its code and what to do.
pub(crate) fn refused(
    code: &'static str,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> DestinationError {
    DestinationError::Refused { code, message: message.into(), hint: hint.into() }
}

/// Classes of errors whose messages speak of servers, rights, names and limits, not of values.
const CLASSES_WITHOUT_VALUES: [&str; 14] =
    ["08", "0A", "25", "28", "2B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58"];
/// In class 42: messages that may quote a value of a statement.
const STATES_WITH_VALUES: [&str; 2] = ["42601", "42804"];

/// The message without anything that may be a value.
pub(crate) fn message(error: &Error) -> String {
    let Some(told) = error.as_db_error() else {
        let cause = error.source().map(|cause| format!(": {cause}"));
        return format!("{error}{}", cause.unwrap_or_default());
    };
    let state = told.code().code();
    let class = &state[..2];
    if CLASSES_WITHOUT_VALUES.contains(&class) && !STATES_WITH_VALUES.contains(&state) {
        format!("{} (SQLSTATE {state})", told.message())
    } else {
        let constraint = told.constraint().map(|name| format!(", constraint {name}"));
        let constraint = constraint.unwrap_or_default();
        format!("SQLSTATE {state}{constraint} (the text is left out because it may quote a value)")
    }
}

/// A failure while reading or writing.
pub(crate) fn of(error: &Error, doing: &str) -> DestinationError {
    let said = || format!("{doing}: {}", message(error));
    let Some(told) = error.as_db_error() else {
        return DestinationError::Unavailable(said());
    };
    let state = told.code().code();
    match state {
        // Connections, shutdowns, deadlocks, and too many of us: the position tells what is there.
        "40001" | "40P01" | "53300" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => {
            DestinationError::Unavailable(said())
        }
        _ if state.starts_with("08") => DestinationError::Unavailable(said()),
        "25006" => refused(
            "destination_read_only",
            said(),
            "name the primary server, or turn off default_transaction_read_only for this user",
        ),
        "42501" => refused(
            "destination_permission",
            said(),
            "grant it: docs/guide/postgres.md lists the few rights that are needed",
        ),
        "53100" => disk_full(doing),
        "53200" => refused(
            "destination_out_of_memory",
            said(),
            "give the server more memory, or make commits smaller with limits.batch_rows",
        ),
        "54011" => refused(
            "too_many_columns",
            said(),
            "Postgres has 1600 columns a table; let the function send such data as one nested object",
        ),
        "54000" | "54001" => refused(
            "value_too_large",
            said(),
            "a row, a key or nested data is larger than Postgres holds; let the function send less of it, or another key",
        ),
        "55P03" => refused(
            "destination_locked",
            said(),
            "another session holds a lock on the table: SELECT * FROM pg_stat_activity shows whose; end it and sync again, or set lock_timeout for this user",
        ),
        "57014" => refused(
            "statement_timeout",
            said(),
            "raise statement_timeout for this user, or make commits smaller with limits.batch_rows",
        ),
        // A column in a view, an index or a constraint of somebody else's; a key that is gone.
        "0A000" if told.message().contains("type of a column") => refused(
            "column_in_use",
            format!("{}{}", said(), told.detail().map(|d| format!(": {d}")).unwrap_or_default()),
            "drop the view or rule, sync, and create it again; a view can cast the column to the type that it needs",
        ),
        "2BP01" | "42P10" | "42P16" => by_hand(said()),
        _ if state.starts_with("23") => by_hand(said()),
        "42P01" | "42703" | "3F000" => by_hand(said()),
        _ if is_disk_full(told.message()) => disk_full(doing),
        _ => refused(
            "destination_error",
            said(),
            "nothing was written; sync again, and report this if it stays",
        ),
    }
}

/// A failure to begin a transaction: the lock of the connection is part of it.
pub(crate) fn to_begin(error: &Error) -> DestinationError {
    match error.code().map(|state| state.code().to_owned()).as_deref() {
        Some("55P03") => refused(
            "destination_locked",
            "another process is committing for this connection, or was cut off and the server has not noticed",
            "wait for it and sync again; SELECT * FROM pg_locks WHERE locktype = 'advisory' shows who holds the lock",
        ),
        _ => of(error, "beginning a transaction"),
    }
}

/// A failure to put a table in the place of another.
pub(crate) fn to_replace(error: &Error, doing: &str) -> DestinationError {
    match error.as_db_error().filter(|told| told.code().code() == "2BP01") {
        Some(told) => refused(
            "column_in_use",
            format!("{doing}: {}", told.detail().unwrap_or_else(|| told.message())),
            "drop the view or rule, sync, and create it again: the table is replaced by one that was made anew",
        ),
        None => of(error, doing),
    }
}

/// A failure to connect to a server.
pub(crate) fn to_connect(error: &Error, server: &str) -> DestinationError {
    let doing = format!("connecting to {server}");
    let said = || format!("{doing}: {}", message(error));
    match error.code().map(|state| state.code().to_owned()).as_deref() {
        Some("28P01" | "28000") => refused(
            "destination_authentication",
            said(),
            "check user and password: they come from the URL, PGUSER and PGPASSWORD, or ~/.pgpass",
        ),
        Some("3D000") => refused(
            "destination_not_found",
            said(),
            "create the database first, or correct its name",
        ),
        Some(_) => of(error, &doing),
        None if message(error).contains("password missing") => refused(
            "destination_authentication",
            said(),
            "give the password by PGPASSWORD, in ~/.pgpass, or in the URL by ${NAME}",
        ),
        None if message(error).contains("TLS") => refused(
            "destination_tls",
            said(),
            "name the server's CA with sslrootcert=FILE; sslmode=disable does without encryption, where the network is yours",
        ),
        None => DestinationError::Unavailable(said()),
    }
}

fn disk_full(doing: &str) -> DestinationError {
    refused(
        "disk_full",
        format!("the server's disk is full ({doing})"),
        "free some space and sync again: it goes on where it stopped",
    )
}

/// Some writes fail with the state of any input or output error.
fn is_disk_full(message: &str) -> bool {
    ["No space left on device", "Disk quota exceeded", "File too large"]
        .iter()
        .any(|text| message.contains(text))
}

/// Something of ours that somebody has changed.
pub(crate) fn by_hand(what: impl Into<String>) -> DestinationError {
    refused(
        "table_changed_by_hand",
        what,
        "undo the change by hand, or drop the table and resync into another schema",
    )
}
