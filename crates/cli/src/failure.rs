//! What went wrong, told to a person: what, why, and what to do next.

use std::fmt::Write;
use std::process::ExitCode;

use engine::{DestinationError, SyncError};
use protocol::FunctionError;

use crate::config::{ConfigError, FileKind, Unusable};
use crate::connection::Connection;
use crate::explain::{self, Kind};

/// An end that is not the one wished for. Its exit code is that of its kind (see `explain.rs`).
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// More to read, below the message: a snippet, a stack trace.
    pub(crate) detail: Option<String>,
    /// What to do next, in a sentence.
    pub(crate) hint: Option<String>,
}

/// A long stack trace says little more after its innermost calls.
const TRACE_LINES_MAX: usize = 20;

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), detail: None, hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Failure {
        Failure { hint: Some(hint.into()), ..self }
    }

    /// The same, said of one connection.
    pub(crate) fn of(self, connection: &str) -> Failure {
        Failure { message: format!("connection {connection:.60}: {}", self.message), ..self }
    }

    /// The same without any secret of the connection (F-018).
    pub(crate) fn redacted(self, connection: &Connection) -> Failure {
        let redact = |text: String| connection.redact(&text);
        Failure { message: redact(self.message), detail: self.detail.map(redact), ..self }
    }

    pub(crate) fn kind(&self) -> Kind {
        explain::explain(self.code).map_or(Kind::Bug, |explanation| explanation.kind)
    }

    pub(crate) fn exit(&self) -> Exit {
        match self.kind() {
            Kind::Configuration => Exit::Configuration,
            Kind::Function => Exit::Function,
            Kind::Destination => Exit::Destination,
            Kind::Stopped => Exit::Interrupted,
            Kind::Bug | Kind::Warning => Exit::Bug,
        }
    }

    /// The one sentence that helps: the error's own, or that of its code.
    pub(crate) fn advice(&self) -> Option<String> {
        self.hint.clone().or_else(|| explain::explain(self.code).map(|known| as_hint(known.cure)))
    }

    /// Several lines, the first of which says what is wrong.
    pub(crate) fn render(&self) -> String {
        let mut out = format!("error[{}]: {}", self.code, self.message);
        for line in self.detail.iter().flat_map(|detail| detail.lines()) {
            let _ = write!(out, "\n  {line}");
        }
        if let Some(hint) = self.advice() {
            let _ = write!(out, "\n  hint: {hint}");
        }
        out
    }
}

/// A sentence of the error page as the end of a line.
fn as_hint(cure: &str) -> String {
    let cure = cure.trim_end_matches('.');
    let mut characters = cure.chars();
    let first = characters.next().unwrap_or_default();
    first.to_lowercase().chain(characters).collect()
}

/// How the process ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    #[default]
    Landed,
    /// SIGINT: what was whole has landed.
    Interrupted,
    /// SIGTERM: the same.
    Terminated,
    Configuration,
    Function,
    Destination,
    Bug,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Landed => 0,
            Exit::Bug => 1,
            Exit::Configuration => 2,
            Exit::Function => 3,
            Exit::Destination => 4,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

impl From<FunctionError> for Failure {
    fn from(error: FunctionError) -> Failure {
        let mut failure = Failure::new(error.code(), error.to_string());
        match error {
            FunctionError::Refused { hint, .. } => failure.hint = Some(hint),
            FunctionError::Failed(report) if !report.stack_trace.is_empty() => {
                let skipped = report.stack_trace.len().saturating_sub(TRACE_LINES_MAX);
                let mut lines = vec!["the function's own trace:".to_owned()];
                if skipped > 0 {
                    lines.push(format!("  … {skipped} lines before"));
                }
                lines.extend(report.stack_trace[skipped..].iter().map(|line| format!("  {line}")));
                failure.detail = Some(lines.join("\n"));
            }
            _ => {}
        }
        failure
    }
}

impl From<DestinationError> for Failure {
    fn from(error: DestinationError) -> Failure {
        let failure = Failure::new(error.code(), error.to_string());
        match error {
            DestinationError::Refused { hint, .. } => failure.hint(hint),
            _ => failure,
        }
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Failure {
        let message = error.to_string();
        let inner = match error {
            SyncError::Function { source, .. } => source.into(),
            SyncError::Destination(source) => source.into(),
            _ => Failure::new(error.code(), ""),
        };
        Failure { message, ..inner }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        let file = error.path.display().to_string();
        let (what, [missing, unreadable, wrong]) = match error.file {
            FileKind::Configuration => {
                ("configuration file", ["config_not_found", "config_unreadable", "config_invalid"])
            }
            FileKind::Manifest => {
                ("manifest", ["manifest_not_found", "manifest_unreadable", "invalid_manifest"])
            }
        };
        match error.reason {
            Unusable::Missing => Failure::new(missing, format!("there is no {what} {file}")),
            Unusable::Unreadable(message) => {
                Failure::new(unreadable, format!("the {what} {file} cannot be read: {message}"))
            }
            Unusable::Wrong { text, problems } => {
                let rendered = problems.iter().map(|problem| problem.render(&file, &text));
                let count = match problems.len() {
                    1 => "one mistake".to_owned(),
                    many => format!("{many} mistakes"),
                };
                Failure {
                    detail: Some(rendered.collect::<Vec<_>>().join("\n")),
                    ..Failure::new(wrong, format!("{file} has {count}"))
                }
            }
        }
    }
}

/// A panic is our bug: says how to report it, and ends with exit code 1.
pub(crate) fn report_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        eprintln!(
            "\nerror[bug]: hasmore {} has a bug. What had landed is safe, and the next sync goes on from there.\n  hint: report it on the project's issue page, with the lines above and what you ran (without secrets)",
            env!("CARGO_PKG_VERSION"),
        );
        std::process::exit(i32::from(Exit::Bug.code()));
    }));
}
