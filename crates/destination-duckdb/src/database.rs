//! An open file: one instance of DuckDB for it in this process, with one connection.
//!
//! DuckDB's file lock keeps other processes out but not a second instance in the same process, and two
//! instances damage the file. So whoever opens a file that is open already shares it, and takes turns.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use duckdb::{AccessMode, Config, Connection};
use engine::DestinationError;

use crate::failure::{self, refused};
use crate::rows::Stage;

/// The memory that DuckDB is given for a table, and for each column of it: room for 100,000 rows of 600
/// bytes in 16 columns. With more it only keeps what it has written anyway (measured: 0.31 CPU seconds for
/// such a commit with 96 MB as with 256 MB, and 90 MB less at the peak of ten).
const MEMORY_FOR_TABLE_BYTES: u64 = 80 << 20;
/// A few blocks of 256 KB: of the rows as they come, of the table, and of the file being written.
const MEMORY_FOR_COLUMN_BYTES: u64 = 1 << 20;

/// Commits are logged until their log is this long, and then go into the file.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// How DuckDB may use the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuckDbOptions {
    /// The most memory that DuckDB takes beside the batch. It takes about 100 MB as long as that is
    /// enough.
    pub memory_max_bytes: u64,
    /// Threads of one commit. One takes the least processor time (measured: 0.28 CPU seconds for 100,000
    /// rows, where two take 0.31 to 0.56), and the next call is under way beside a commit anyway.
    pub threads: u32,
}

impl Default for DuckDbOptions {
    fn default() -> DuckDbOptions {
        DuckDbOptions { memory_max_bytes: 1 << 30, threads: 1 }
    }
}

/// A share of an open file, given back when dropped.
pub(crate) struct SharedDatabase {
    path: PathBuf,
    database: Arc<Mutex<Database>>,
}

/// A file as it is open in this process.
pub(crate) struct Database {
    path: PathBuf,
    options: DuckDbOptions,
    read_only: bool,
    /// What DuckDB may take now.
    memory_bytes: u64,
    stage: Stage,
    /// `None` after a failure from which only opening the file again recovers.
    connection: Option<Connection>,
}

/// Files that are open in this process.
static OPEN: Mutex<BTreeMap<PathBuf, Open>> = Mutex::new(BTreeMap::new());

struct Open {
    database: Arc<Mutex<Database>>,
    shares: usize,
}

impl SharedDatabase {
    /// Opens a file, or shares it when it is open already (the options then stay as they are).
    pub(crate) fn open(
        path: &Path,
        options: &DuckDbOptions,
        read_only: bool,
    ) -> Result<SharedDatabase, DestinationError> {
        let path = resolved(path)?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Open { database, shares }) = open.get_mut(&path) {
            if database.lock().unwrap_or_else(PoisonError::into_inner).read_only && !read_only {
                return Err(refused(
                    "destination_locked",
                    format!("{} is in use for reading by this process", path.display()),
                    "end what reads it first",
                ));
            }
            *shares += 1;
            return Ok(SharedDatabase { path, database: Arc::clone(database) });
        }
        let mut database = Database {
            path: path.clone(),
            options: options.clone(),
            read_only,
            memory_bytes: MEMORY_FOR_TABLE_BYTES.min(options.memory_max_bytes),
            stage: Stage::default(),
            connection: None,
        };
        database.connection()?;
        let database = Arc::new(Mutex::new(database));
        open.insert(path.clone(), Open { database: Arc::clone(&database), shares: 1 });
        Ok(SharedDatabase { path, database })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Database> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SharedDatabase {
    /// The last one closes the file before anyone can open it again.
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Open { shares, .. }) = open.get_mut(&self.path) else { return };
        *shares -= 1;
        if *shares == 0 {
            open.remove(&self.path);
            self.lock().connection = None;
        }
    }
}

impl Database {
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The connection and the stage of its statements; opens the file when it is not.
    pub(crate) fn connection(&mut self) -> Result<(&Connection, &Stage), DestinationError> {
        if self.connection.is_none() {
            let connection =
                open(&self.path, self.memory_bytes, self.options.threads, self.read_only)
                    .map_err(|error| failure::to_open(&error, &self.path))?;
            self.stage
                .register(&connection)
                .map_err(|error| failure::of(&error, "registering the rows' function"))?;
            self.connection = Some(connection);
        }
        let connection = self.connection.as_ref().expect("the file was opened above");
        Ok((connection, &self.stage))
    }

    /// Begins a transaction; a file that an earlier failure has left unusable is opened again first.
    ///
    /// What `logged` is false for goes into the file at once, as large commits do, and not into its
    /// log: DuckDB 1.5 cannot read back a log in which an expression changes a column
    /// (<https://github.com/duckdb/duckdb/issues/20543>), so that a crash would leave a file that cannot
    /// be opened.
    pub(crate) fn begin(&mut self, logged: bool) -> Result<(), DestinationError> {
        let begin = |database: &mut Database| {
            let (connection, _) = database.connection()?;
            let threshold = if logged { LOG_BYTES_MAX } else { 1 };
            let begin = format!("SET checkpoint_threshold = '{threshold}B'; BEGIN TRANSACTION");
            connection
                .execute_batch(&begin)
                .map_err(|error| failure::of(&error, "beginning a transaction"))
        };
        begin(self).or_else(|_| {
            self.close();
            begin(self)
        })
    }

    /// Gives DuckDB the memory to write a table of so many columns.
    pub(crate) fn allow_memory_for(&mut self, columns: usize) -> Result<(), DestinationError> {
        let bytes = MEMORY_FOR_TABLE_BYTES + MEMORY_FOR_COLUMN_BYTES * columns as u64;
        self.allow_memory(bytes).map(|_| ())
    }

    /// Gives DuckDB twice the memory, for another attempt; `false` when it has all that is allowed.
    pub(crate) fn allow_twice_the_memory(&mut self) -> Result<bool, DestinationError> {
        self.allow_memory(self.memory_bytes * 2)
    }

    /// Gives DuckDB all the memory that is allowed, for what cannot be attempted twice.
    pub(crate) fn allow_all_memory(&mut self) -> Result<(), DestinationError> {
        self.allow_memory(self.options.memory_max_bytes).map(|_| ())
    }

    fn allow_memory(&mut self, bytes: u64) -> Result<bool, DestinationError> {
        let bytes = bytes.min(self.options.memory_max_bytes);
        if bytes <= self.memory_bytes {
            return Ok(false);
        }
        self.memory_bytes = bytes;
        let (connection, _) = self.connection()?;
        connection
            .execute_batch(&format!("SET memory_limit = '{bytes}B'"))
            .map_err(|error| failure::of(&error, "setting the memory limit"))?;
        Ok(true)
    }

    /// Closes the file; the next use opens it again. What is in it then is what is on disk.
    pub(crate) fn close(&mut self) {
        self.connection = None;
    }
}

fn open(
    path: &Path,
    memory_bytes: u64,
    threads: u32,
    read_only: bool,
) -> duckdb::Result<Connection> {
    let mode = if read_only { AccessMode::ReadOnly } else { AccessMode::ReadWrite };
    let config = Config::default()
        .access_mode(mode)?
        .max_memory(&format!("{memory_bytes}B"))?
        .threads(i64::from(threads))?
        // Nothing is fetched from anywhere because of what a file or a statement looks like.
        .enable_autoload_extension(false)?
        // Whatever makes the log too long goes into the file instead.
        .with("auto_checkpoint_skip_wal_threshold", "0")?
        .custom_user_agent("hasmore")?;
    Connection::open_with_flags(path, config)
}

/// The one name of a file that may not be there yet.
fn resolved(path: &Path) -> Result<PathBuf, DestinationError> {
    let found = fs::canonicalize(path).or_else(|_| {
        let name = path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Ok(fs::canonicalize(folder.unwrap_or(Path::new(".")))?.join(name))
    });
    found.map_err(|error: std::io::Error| {
        refused(
            "destination_not_found",
            format!("{} cannot be opened: {}", path.display(), error.kind()),
            "check the path, and create the folder first",
        )
    })
}
