use std::sync::Arc;

/// Where the lines go that a function prints and that its carrier has to say.
///
/// Called from the tasks that read a process's output, so it must not block for long.
pub type Log = Arc<dyn Fn(LogLine) + Send + Sync>;

/// One line for a person to read; secrets of the running call are already replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub source: LogSource,
    /// Without its line end.
    pub text: String,
}

/// Who wrote the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// The function's process, on its standard output.
    Stdout,
    /// The function's process, on its standard error.
    Stderr,
    /// This product: what it installs, starts and waits for.
    Hasmore,
}

impl LogLine {
    pub fn hasmore(text: impl Into<String>) -> LogLine {
        LogLine { source: LogSource::Hasmore, text: text.into() }
    }
}

/// A log that nobody reads.
pub fn no_log() -> Log {
    Arc::new(|_| {})
}
