use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::{FunctionError, Secrets};
use rustix::fs::{FlockOperation, flock};
use tokio::process::Command;

use crate::log::{Log, LogLine, LogSource};
use crate::output::Output;
use crate::process::{Pipes, Process};

/// Where environments and clients are kept that are made once: outside of every project.
pub(crate) fn default_folder() -> PathBuf {
    let named = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    named("XDG_CACHE_HOME")
        .or_else(|| named("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("hasmore")
}

/// Makes `folder` by `making`, once for all processes and all time.
///
/// Only a folder whose marker was written at the end counts as made; a half-made one is removed and
/// begun again. It is made where it stays, since virtual environments do not survive a move.
///
/// # Errors
/// Those of `making`, and [`FunctionError::Refused`] when the folder cannot be written.
pub(crate) async fn made_once(
    folder: &Path,
    log: &Log,
    making: impl Future<Output = Result<(), FunctionError>>,
) -> Result<(), FunctionError> {
    let marker = folder.join("made");
    if marker.is_file() {
        return Ok(());
    }
    let unwritable = |error: io::Error| FunctionError::Refused {
        code: "cache_unwritable",
        message: format!("{} cannot be written: {error}", folder.display()),
        hint: "make it writable, or name another place in XDG_CACHE_HOME".into(),
    };
    let parent = folder.parent().expect("a folder in the cache has a parent");
    fs::create_dir_all(parent).map_err(unwritable)?;
    // Held until the end of this function, and by the system's care no longer than this process lives.
    let _lock = lock(folder, log).await.map_err(unwritable)?;
    if marker.is_file() {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(unwritable)?;
    }
    fs::create_dir_all(folder).map_err(unwritable)?;
    making.await?;
    fs::write(marker, "").map_err(unwritable)
}

async fn lock(folder: &Path, log: &Log) -> io::Result<File> {
    let mut name = folder.as_os_str().to_owned();
    name.push(".lock");
    let file = File::create(PathBuf::from(name))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => return Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {}
        Err(error) => return Err(error.into()),
    }
    log(LogLine::hasmore(format!("waiting for another process that makes {}", folder.display())));
    tokio::task::spawn_blocking(move || {
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    })
    .await
    .map_err(io::Error::other)?
}

/// Runs an installer to its end and passes on what it prints.
///
/// # Errors
/// What happened, with the last lines it printed.
pub(crate) async fn install(
    command: Command,
    name: &str,
    timeout: Duration,
    log: &Log,
) -> Result<(), String> {
    let running = async {
        let (process, Pipes { stdin, stdout, stderr }) = Process::start(command)
            .map_err(|error| format!("{name} could not be started: {error}"))?;
        drop(stdin);
        let output = Output::new(log.clone());
        output.begin(&Secrets::default());
        tokio::join!(
            output.pass_on(stdout, LogSource::Hasmore),
            output.pass_on(stderr, LogSource::Hasmore)
        );
        let ended = process.ended().await;
        if ended.well() { Ok(()) } else { Err(format!("{name} {ended}{}", output.last_words())) }
    };
    match tokio::time::timeout(timeout, running).await {
        Ok(result) => result,
        Err(_) => Err(format!("{name} did not end within {} s", timeout.as_secs())),
    }
}
