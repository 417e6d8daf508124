//! Lines on standard error: what happens, for a person or for a machine.

mod envelope;
mod events;
mod text;

use std::io::Write;
use std::sync::Arc;

use engine::SyncEvent;
use protocol::{SyncId, Warning};
use transport::{LogLine, LogSource};

use crate::arguments::{GlobalArguments, LogFormat};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::paint::Paint;
use crate::progress::Progress;

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Errors.
    Quiet,
    Normal,
    /// Each call.
    Verbose,
    /// States too, cut to a length.
    Debug,
}

/// Where lines go. One for the process; the live progress line makes way for each.
pub(crate) struct Log {
    pub(crate) level: Level,
    format: LogFormat,
    pub(crate) paint: Paint,
    pub(crate) progress: Progress,
}

impl Log {
    pub(crate) fn new(global: &GlobalArguments) -> Log {
        let level = match (global.quiet, global.verbose) {
            (true, _) => Level::Quiet,
            (false, 0) => Level::Normal,
            (false, 1) => Level::Verbose,
            (false, _) => Level::Debug,
        };
        let live = level != Level::Quiet && global.log_format == LogFormat::Text;
        Log {
            level,
            format: global.log_format,
            paint: Paint::of(&std::io::stderr()),
            progress: Progress::new(live),
        }
    }

    /// A line for a person; JSON logs hold events only.
    pub(crate) fn say(&self, level: Level, line: &str) {
        if level <= self.level && self.format == LogFormat::Text {
            self.write(line);
        }
    }

    /// An error, whatever the level.
    pub(crate) fn fail(&self, failure: &Failure) {
        match self.format {
            LogFormat::Text => {
                let text = failure.render();
                let (head, rest) = text.split_once(": ").unwrap_or((&text, ""));
                self.write(&format!("{}: {rest}", self.paint.red(head)));
            }
            LogFormat::Json => self.write(&envelope::failure(failure)),
        }
    }

    /// Errors in writing are ignored: there is nowhere left to tell them.
    fn write(&self, line: &str) {
        self.progress.make_way(|| {
            let mut stderr = std::io::stderr().lock();
            let _ = writeln!(stderr, "{line}");
        });
    }
}

/// The lines about one connection, each without any of its secrets (F-018).
pub(crate) struct ConnectionLog {
    log: Arc<Log>,
    connection: Arc<Connection>,
    sync_id: SyncId,
}

impl ConnectionLog {
    pub(crate) fn new(
        log: &Arc<Log>,
        connection: &Arc<Connection>,
        sync_id: &SyncId,
    ) -> Arc<ConnectionLog> {
        Arc::new(ConnectionLog {
            log: Arc::clone(log),
            connection: Arc::clone(connection),
            sync_id: sync_id.clone(),
        })
    }

    /// For the carrier of a function: what its process prints, and what the carrier has to say.
    pub(crate) fn for_transport(self: &Arc<ConnectionLog>) -> transport::Log {
        let log = Arc::clone(self);
        Arc::new(move |line| log.function_line(&line))
    }

    fn function_line(&self, line: &LogLine) {
        match self.log.format {
            LogFormat::Text => {
                let mark = match line.source {
                    LogSource::Stdout | LogSource::Stderr => self.log.paint.dim("│ "),
                    LogSource::Hasmore => String::new(),
                };
                self.line(Level::Normal, &format!("{mark}{}", line.text));
            }
            LogFormat::Json => {
                let source = match line.source {
                    LogSource::Stdout => "stdout",
                    LogSource::Stderr => "stderr",
                    LogSource::Hasmore => "hasmore",
                };
                let data = serde_json::json!({ "source": source, "message": line.text });
                self.envelope("function_log", Some(data));
            }
        }
    }

    /// What was tolerated outside of a sync.
    pub(crate) fn warn_all(&self, warnings: &[Warning]) {
        for warning in warnings {
            self.warn(warning);
        }
    }

    fn warn(&self, warning: &Warning) {
        match self.log.format {
            LogFormat::Text => {
                self.line(Level::Normal, &text::warning(warning, self.log.paint));
            }
            LogFormat::Json => self.envelope("warning", Some(envelope::warning_data(warning))),
        }
    }

    /// An error outside of a sync.
    pub(crate) fn fail(&self, failure: &Failure) {
        let failure = failure.clone().redacted(&self.connection);
        match self.log.format {
            LogFormat::Text => self.log.fail(&failure),
            LogFormat::Json => self.envelope("error", Some(envelope::error_data(&failure))),
        }
    }

    fn line(&self, level: Level, line: &str) {
        let name = self.log.paint.bold(&self.connection.name);
        self.log.say(level, &format!("{name}: {}", self.connection.redact(line)));
    }

    fn envelope(&self, name: &str, mut data: Option<serde_json::Value>) {
        if self.log.level == Level::Quiet && name != "error" {
            return;
        }
        if let Some(data) = &mut data {
            redact(data, &self.connection);
        }
        self.log.write(&envelope::line(name, data, &self.connection, &self.sync_id));
    }
}

/// Texts only: a number that equals a secret is still a number.
fn redact(value: &mut serde_json::Value, connection: &Connection) {
    match value {
        serde_json::Value::String(text) => *text = connection.redact(text),
        serde_json::Value::Array(items) => {
            for item in items {
                redact(item, connection);
            }
        }
        serde_json::Value::Object(members) => {
            for member in members.values_mut() {
                redact(member, connection);
            }
        }
        _ => {}
    }
}

/// The account of one sync.
pub(crate) struct SyncLog {
    out: Arc<ConnectionLog>,
    text: text::Text,
    envelope: envelope::Events,
}

impl SyncLog {
    pub(crate) fn new(out: &Arc<ConnectionLog>) -> SyncLog {
        let namespace = out.connection.namespace.clone();
        let debug = out.log.level == Level::Debug;
        SyncLog {
            out: Arc::clone(out),
            text: text::Text::default(),
            envelope: envelope::Events::new(namespace, debug),
        }
    }

    /// Tells what happened: one event of the engine becomes lines.
    pub(crate) fn event(&mut self, event: &SyncEvent<'_>) {
        let ConnectionLog { log, connection, .. } = &*self.out;
        log.progress.event(&connection.name, event);
        match log.format {
            LogFormat::Text => {
                for (level, line) in self.text.lines(event, log.level, log.paint) {
                    self.out.line(level, &line);
                }
            }
            LogFormat::Json => {
                for (name, data) in self.envelope.of(event) {
                    self.out.envelope(name, data);
                }
            }
        }
    }

    /// Why a sync could not even begin: with the events that a failed one has, and the text of the
    /// failure.
    pub(crate) fn never_began(&self, failure: &Failure) {
        match self.out.log.format {
            LogFormat::Text => self.out.fail(failure),
            LogFormat::Json => {
                self.out.envelope("sync_start", None);
                self.out.envelope("error", Some(envelope::error_data(failure)));
                let end = envelope::end_of(failure.code, &failure.message);
                self.out.envelope("sync_end", Some(end));
            }
        }
    }

    /// How a sync failed, for a person; the JSON log has told it in its `error` event.
    pub(crate) fn fail(&self, failure: &Failure) {
        if self.out.log.format == LogFormat::Text {
            self.out.fail(failure);
        }
    }
}
