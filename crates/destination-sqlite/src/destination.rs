use std::path::Path;
use std::time::Duration;

use engine::{Batch, Destination, DestinationError, Landed, Position};
use rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};

use crate::positions::CREATE;
use crate::statements::{identifier, table_name};

/// How long the lock of another writer is waited for: longer than a large commit takes.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Nothing depends on how the library was built: a commit is on disk when it has ended, the user's own
/// foreign keys do not reach into what we do, and a table can be remade under a view.
const SETTINGS: &str =
    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON;";

/// A SQLite file, as the destination of one connection.
///
/// SQLite knows no schemas, so the namespace is part of the names of tables: `shop__orders`. The positions
/// and their history are in the table `_hasmore_history` of the same file.
pub struct Sqlite {
    pub(crate) connection: Connection,
    pub(crate) connection_name: String,
    pub(crate) namespace: String,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    Write,
    Look,
}

impl Access {
    fn flags(self) -> OpenFlags {
        match self {
            Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            Access::Look => OpenFlags::SQLITE_OPEN_READ_ONLY,
        }
    }
}

impl Sqlite {
    /// Opens a file. For syncing it is created when it is not there, nothing is written before the first
    /// commit, and a file that is no SQLite database is left as it is. To look at, it must be there, and
    /// commits are refused.
    ///
    /// # Errors
    /// With a code and a hint, when the file cannot be reached or is no SQLite database.
    pub fn open(
        path: &Path,
        connection_name: &str,
        namespace: &str,
        access: Access,
    ) -> Result<Sqlite, DestinationError> {
        let open = || {
            let connection = Connection::open_with_flags(path, access.flags())?;
            connection.busy_timeout(LOCK_WAIT)?;
            connection.execute_batch(SETTINGS)?;
            // The first look at the file: whether it is one of SQLite's.
            connection.table_exists(None, "any").map(|_| connection)
        };
        let connection = open().map_err(of(format!("opening {}", path.display())))?;
        let (connection_name, namespace) = (connection_name.to_owned(), namespace.to_owned());
        Ok(Sqlite { connection, connection_name, namespace })
    }

    /// Everything of a commit but its last word.
    fn write(&self, batch: &Batch) -> Result<Landed, DestinationError> {
        let stored = self.stored()?;
        batch.check_lands_on(&stored)?;
        self.run(CREATE)?;
        self.check_salt(&stored, batch)?;
        let landed = self.land(batch, stored.schema())?;
        self.write_position(batch, &landed).map_err(of("writing the position"))?;
        Ok(landed)
    }

    /// What a table is called in statements.
    pub(crate) fn quoted(&self, table: &str) -> String {
        identifier(&table_name(&self.namespace, table))
    }

    pub(crate) fn run(&self, statement: &str) -> Result<(), DestinationError> {
        self.connection.execute_batch(statement).map_err(of(statement))
    }
}

impl Destination for Sqlite {
    async fn position(&mut self) -> Result<Position, DestinationError> {
        self.stored()
    }

    async fn commit(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        // The one writer from here on, so that the ordinal stays what it is read to be.
        self.run("BEGIN IMMEDIATE")?;
        let landed = self.write(batch).and_then(|landed| self.run("COMMIT").map(|()| landed));
        if landed.is_err() && !self.connection.is_autocommit() {
            self.run("ROLLBACK")?;
        }
        landed
    }
}

/// What SQLite says when it fails, as what to do about it. Its messages name tables and columns, never
/// values.
pub(crate) fn of(doing: impl Into<String>) -> impl Fn(Error) -> DestinationError {
    let doing = doing.into();
    move |error| {
        let (code, said) = match &error {
            // Its text is the user's own, and may quote a row.
            Error::SqliteFailure(failure, _)
                if failure.extended_code == SQLITE_CONSTRAINT_TRIGGER =>
            {
                (failure.code, Some("a trigger that was added by hand refuses a row".to_owned()))
            }
            Error::SqliteFailure(failure, said) => (failure.code, said.clone()),
            Error::SqlInputError { error, msg, .. } => (error.code, Some(msg.clone())),
            _ => (ErrorCode::Unknown, Some("it holds what hasmore did not write".to_owned())),
        };
        let message = format!("{doing}: {}", said.unwrap_or_else(|| error.to_string()));
        let (code, hint) = match code {
            // Whether it has landed, the position tells.
            ErrorCode::SystemIoFailure => return DestinationError::Unavailable(message),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                ("destination_locked", "end the program that writes to the file, or reads it long")
            }
            ErrorCode::DiskFull => ("disk_full", "free some space: it goes on where it stopped"),
            ErrorCode::ReadOnly => ("destination_read_only", "make file and folder writable"),
            ErrorCode::CannotOpen => ("destination_not_found", "check the path; make the folder"),
            ErrorCode::PermissionDenied => ("destination_permission", "make the file readable"),
            ErrorCode::NotADatabase => ("destination_not_sqlite", "name another file"),
            ErrorCode::DatabaseCorrupt => ("destination_damaged", "restore the file from a backup"),
            ErrorCode::TooBig => ("value_too_large", "let the function send less of it"),
            // We make no constraint but the key's, and that is looked at.
            ErrorCode::ConstraintViolation => {
                ("table_changed_by_hand", "drop the index or trigger that was added by hand")
            }
            _ if message.contains("too many columns") => {
                ("too_many_columns", "let the function send such data as one nested object")
            }
            _ => ("destination_error", "nothing was written; report this if it stays"),
        };
        DestinationError::Refused { code, message, hint: hint.to_owned() }
    }
}
