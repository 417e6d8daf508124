use std::path::Path;
use std::time::Duration;

use engine::{
    Batch, Destination, DestinationError, HistoryEntry, Landed, Position, Schema, StoredConnection,
};
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};

use crate::landing::Landing;
use crate::positions::Positions;
use crate::statements::Place;

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
    connection: Connection,
    connection_name: String,
    namespace: String,
}

impl Sqlite {
    /// Opens a file for syncing; it is created when it is not there. Nothing is written before the first
    /// commit, and a file that is no SQLite database is left as it is.
    ///
    /// # Errors
    /// With a code and a hint, when the file cannot be reached or is no SQLite database.
    pub fn open(path: &Path, name: &str, namespace: &str) -> Result<Sqlite, DestinationError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        Sqlite::open_as(path, name, namespace, flags)
    }

    /// Opens a file to look at it. It must be there; commits are refused.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub fn look(path: &Path, name: &str, namespace: &str) -> Result<Sqlite, DestinationError> {
        Sqlite::open_as(path, name, namespace, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn open_as(
        path: &Path,
        name: &str,
        namespace: &str,
        flags: OpenFlags,
    ) -> Result<Sqlite, DestinationError> {
        let open = || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(LOCK_WAIT)?;
            connection.execute_batch(SETTINGS)?;
            // The first look at the file: whether it is one of SQLite's.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(connection)
        };
        let connection = open().map_err(of(format!("opening {}", path.display())))?;
        let (connection_name, namespace) = (name.to_owned(), namespace.to_owned());
        Ok(Sqlite { connection, connection_name, namespace })
    }

    /// The connection's commits, the newest first; at most [`engine::HISTORY_COMMITS_MAX`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn history(&self) -> Result<Vec<HistoryEntry>, DestinationError> {
        self.positions().history(&self.connection_name)
    }

    /// Every connection that has committed to this file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn connections(&self) -> Result<Vec<StoredConnection>, DestinationError> {
        self.positions().connections()
    }

    /// The rows of one of the connection's tables, those marked as deleted too.
    ///
    /// # Errors
    /// When the table is not there, or cannot be read.
    pub fn row_count(&self, table: &str) -> Result<u64, DestinationError> {
        let table = Place { namespace: &self.namespace, table }.quoted();
        let query = format!("SELECT count(*) FROM {table}");
        let count = self.connection.query_row(&query, [], |row| row.get(0));
        count.map(i64::unsigned_abs).map_err(of(format!("counting the rows of {table}")))
    }

    fn positions(&self) -> Positions<'_> {
        Positions { connection: &self.connection }
    }

    fn stored(&self) -> Result<Option<Position>, DestinationError> {
        self.positions().read(&self.connection_name, &self.namespace)
    }

    /// Everything of a commit but its last word.
    fn write(&self, batch: &Batch) -> Result<Landed, DestinationError> {
        let before = self.stored()?;
        let found = before.as_ref().map_or(0, Position::ordinal);
        if found != batch.after() {
            return Err(DestinationError::Moved { expected: batch.after(), found });
        }
        self.positions().create()?;
        let schema = before.as_ref().map_or(&Schema::default(), Position::schema).clone();
        let (connection, namespace) = (&self.connection, self.namespace.as_str());
        let landed = Landing { connection, namespace, before: &schema }.land(batch)?;
        self.positions().write(&self.connection_name, namespace, batch, &landed)?;
        Ok(landed)
    }

    fn run(&self, statement: &str) -> Result<(), DestinationError> {
        self.connection.execute_batch(statement).map_err(of(statement))
    }
}

impl Destination for Sqlite {
    async fn position(&mut self) -> Result<Position, DestinationError> {
        Ok(self.stored()?.unwrap_or_default())
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
            Error::SqliteFailure(failure, said) => (failure.code, said.clone()),
            Error::SqlInputError { error, msg, .. } => (error.code, Some(msg.clone())),
            _ => (ErrorCode::Unknown, Some("it holds what hasmore did not write".to_owned())),
        };
        let message = format!("{doing}: {}", said.unwrap_or_else(|| error.to_string()));
        let (code, hint) = match code {
            // Whether it has landed, the position tells.
            ErrorCode::SystemIoFailure => return DestinationError::Unavailable(message),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (
                "destination_locked",
                "end the program that writes to the file, or reads it for long",
            ),
            ErrorCode::DiskFull => ("disk_full", "free some space: it goes on where it stopped"),
            ErrorCode::ReadOnly => {
                ("destination_read_only", "make the file and its folder writable")
            }
            ErrorCode::CannotOpen => {
                ("destination_not_found", "check the path, and create the folder")
            }
            ErrorCode::PermissionDenied => {
                ("destination_permission", "make the file readable and writable")
            }
            ErrorCode::NotADatabase => {
                ("destination_not_sqlite", "name another file: this one was left as it is")
            }
            ErrorCode::DatabaseCorrupt => ("destination_damaged", "restore the file from a backup"),
            ErrorCode::TooBig => ("value_too_large", "let the function send less of it"),
            // We make no constraint but the key's, and that is looked at.
            ErrorCode::ConstraintViolation => (
                "table_changed_by_hand",
                "drop the index, constraint or trigger that was added by hand",
            ),
            _ => (
                "destination_error",
                "nothing was written; sync again, and report this if it stays",
            ),
        };
        DestinationError::Refused { code, message, hint: hint.to_owned() }
    }
}
