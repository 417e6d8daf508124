//! One sync of a file at a time, and a way to ask the running one to stop.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Flock, FlockType, Pid, Signal, fcntl_getlk, kill_process};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::failure::Failure;

/// Held while a file is written to; the system gives it back when the process ends, however it ends.
///
/// It lies beside the DuckDB file and tells who holds it. The system knows the holder's process, so
/// nobody else is ever signalled.
pub(crate) struct Lock {
    path: PathBuf,
    _file: File,
}

/// Who holds a lock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Holder {
    hasmore: String,
    process: i32,
    work: Work,
    connection: String,
    since: String,
}

/// What a lock is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    Sync,
    /// Of the state; it takes a moment.
    Change,
    Demo,
}

/// A running sync ends its call at once and lands what is whole; a long commit takes a while.
const STOP_WAIT: Duration = Duration::from_secs(60);
const STOP_POLL: Duration = Duration::from_millis(20);

impl Lock {
    /// Takes the lock of a DuckDB file, or says who holds it.
    pub(crate) fn acquire(database: &Path, work: Work, connection: &str) -> Result<Lock, Failure> {
        let path = lock_path(database);
        loop {
            let file = open(&path)?;
            if fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                return Err(running(database, holder_of(&file).as_ref()));
            }
            // Its last holder may have removed the file between our opening and locking it.
            let still_there = std::fs::metadata(&path)
                .is_ok_and(|named| file.metadata().is_ok_and(|ours| ours.ino() == named.ino()));
            if !still_there {
                continue;
            }
            let holder = Holder {
                hasmore: env!("CARGO_PKG_VERSION").to_owned(),
                process: rustix::process::getpid().as_raw_nonzero().get(),
                work,
                connection: connection.to_owned(),
                since: clock::milliseconds_text(clock::now()),
            };
            let told = serde_json::to_string(&holder).expect("a holder can be written as JSON");
            let written = file.set_len(0).and_then(|()| (&file).write_all(told.as_bytes()));
            written.map_err(|error| unwritable(&path, &error))?;
            return Ok(Lock { path, _file: file });
        }
    }

    /// The same, after asking whoever holds it to stop (F-084).
    pub(crate) fn acquire_by_force(
        database: &Path,
        work: Work,
        connection: &str,
    ) -> Result<Lock, Failure> {
        let began_at = Instant::now();
        let mut asked = None;
        loop {
            let refused = match Lock::acquire(database, work, connection) {
                Ok(lock) => return Ok(lock),
                Err(failure) if failure.code != "sync_running" => return Err(failure),
                Err(failure) => failure,
            };
            if began_at.elapsed() > STOP_WAIT {
                return Err(
                    refused.hint("it was asked to stop and has not done so yet; try again later")
                );
            }
            // Once each: a second signal would end it without landing what is whole.
            let unasked =
                |holder: &Holder| holder.work == Work::Sync && asked != Some(holder.process);
            if let Some(holder) = holder(database).filter(unasked) {
                asked = Some(holder.process);
                if let Some(process) = Pid::from_raw(holder.process) {
                    // It may have ended meanwhile, which is what is wanted.
                    let _ = kill_process(process, Signal::INT);
                }
            }
            std::thread::sleep(STOP_POLL);
        }
    }
}

impl Drop for Lock {
    /// Removed while it is still held, so that no other process loses a lock by it.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Holder {
    /// `a sync of connection orders (process 123, since 2026-01-01T00:00:00.000Z)`.
    fn describe(&self) -> String {
        let work = match self.work {
            Work::Sync => "a sync",
            Work::Change => "a change of state",
            Work::Demo => "a demo",
        };
        format!(
            "{work} of connection {:.60} (process {}, since {})",
            self.connection, self.process, self.since
        )
    }
}

/// Who writes to a DuckDB file, if it is one of us. Not to be asked by the holder itself: closing the
/// file would give its lock back.
pub(crate) fn holder(database: &Path) -> Option<Holder> {
    let file = OpenOptions::new().read(true).write(true).open(lock_path(database)).ok()?;
    holder_of(&file)
}

/// The process is the one that the system names; what it says of itself must agree.
fn holder_of(mut file: &File) -> Option<Holder> {
    let blocking = fcntl_getlk(file, &Flock::from(FlockType::WriteLock)).ok()??;
    let mut told = String::new();
    file.read_to_string(&mut told).ok()?;
    let holder: Holder = serde_json::from_str(&told).ok()?;
    (blocking.pid.map(|pid| pid.as_raw_nonzero().get()) == Some(holder.process)).then_some(holder)
}

/// Beside the file itself, by whatever name it is called.
fn lock_path(database: &Path) -> PathBuf {
    let database = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let mut path = database.into_os_string();
    path.push(".lock");
    path.into()
}

fn open(path: &Path) -> Result<File, Failure> {
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    options.map_err(|error| unwritable(path, &error))
}

pub(crate) fn running(database: &Path, holder: Option<&Holder>) -> Failure {
    let does = holder.map_or_else(|| "another process".to_owned(), Holder::describe);
    Failure::new("sync_running", format!("{does} is at work on {}", database.display()))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    let code = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => "destination_not_found",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "disk_full",
        _ => "destination_permission",
    };
    Failure::new(code, format!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_083_a_lock_is_free_again_and_gone_after_its_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("a.duckdb");
        assert!(holder(&database).is_none());
        drop(Lock::acquire(&database, Work::Change, "a").expect("the lock"));
        assert!(!lock_path(&database).exists());
        drop(Lock::acquire(&database, Work::Change, "a").expect("the lock again"));
    }

    #[test]
    fn a_lock_file_left_by_a_crash_is_no_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("a.duckdb");
        std::fs::write(
            lock_path(&database),
            r#"{"hasmore":"0","process":1,"work":"sync","connection":"a","since":""}"#,
        )
        .expect("a file");
        assert!(holder(&database).is_none());
        drop(Lock::acquire(&database, Work::Change, "a").expect("the lock"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let failure = Lock::acquire(Path::new("/nowhere/a.duckdb"), Work::Change, "a")
            .err()
            .expect("no folder");
        assert_eq!(failure.code, "destination_not_found");
    }
}
