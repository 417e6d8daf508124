//! What tests need of the machine they run on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use transport::{Log, LogLine};

/// The virtual environment with AWS's and Google's runtime clients.
pub(crate) fn venv() -> PathBuf {
    match std::env::var_os("HASMORE_TEST_VENV") {
        Some(folder) => folder.into(),
        None => panic!("HASMORE_TEST_VENV names no virtual environment: run `cargo xtask test`"),
    }
}

/// A file of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A log to look at afterwards.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<LogLine>>>);

impl Lines {
    pub(crate) fn log(&self) -> Log {
        let lines = self.clone();
        Arc::new(move |line| lines.0.lock().expect("no test panics while it logs").push(line))
    }

    /// `Stdout: text`, a line each.
    pub(crate) fn text(&self) -> String {
        let lines = self.0.lock().expect("no test panics while it logs");
        let lines = lines.iter().map(|line| format!("{:?}: {}", line.source, line.text));
        lines.collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn count(&self, part: &str) -> usize {
        self.text().matches(part).count()
    }
}

/// A folder with files, gone after the test.
pub(crate) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().expect("a file is in a folder")).expect("a folder");
        std::fs::write(file, text).expect("a file is written");
    }
    folder
}

pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within half a minute: {what}");
}

/// Whether a process runs; one that ended and was not waited for does not.
pub(crate) fn is_alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

/// Runs the test in a process of its own with these variables, since a process's environment cannot
/// be changed while its other tests run. `true` inside that process.
pub(crate) fn alone(test: &str, variables: &[(&str, &str)]) -> bool {
    let Some(mut process) = begin_alone(test, variables) else { return true };
    assert!(process.wait().expect("a child can be waited for").success(), "{test} failed alone");
    false
}

/// The same, not waited for; nothing inside that process.
pub(crate) fn begin_alone(test: &str, variables: &[(&str, &str)]) -> Option<std::process::Child> {
    if std::env::var_os("HASMORE_TEST_ALONE").is_some() {
        return None;
    }
    let program = std::env::current_exe().expect("a test knows its program");
    let process = std::process::Command::new(program)
        .args([test, "--exact", "--nocapture"])
        .env("HASMORE_TEST_ALONE", "1")
        .envs(variables.iter().copied())
        .spawn();
    Some(process.expect("a test's program can be started again"))
}
