use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError, RwLock};

use protocol::{Secrets, json};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::failure::indented;
use crate::log::{Log, LogLine, LogSource};

/// What a process prints: passed on line by line without secrets, its last lines kept for the error
/// that may follow.
pub(crate) struct Output {
    log: Log,
    secrets: RwLock<Secrets>,
    last: Mutex<VecDeque<String>>,
}

/// Enough to see a trace's end.
const LINES_KEPT: usize = 20;
/// A longer line is passed on in pieces, so that output without line ends cannot fill memory.
const LINE_BYTES_MAX: usize = 16 << 10;
/// What is kept of a line for an error.
const LINE_CHARS_KEPT: usize = 500;

impl Output {
    pub(crate) fn new(log: Log) -> Output {
        Output { log, secrets: RwLock::default(), last: Mutex::default() }
    }

    /// A call begins: its secrets are the ones to hide, and what was printed before is not its.
    pub(crate) fn begin(&self, secrets: &Secrets) {
        *self.secrets.write().unwrap_or_else(PoisonError::into_inner) = by_line(secrets);
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Passes on everything until the end. A carriage return ends a line as well: AWS's client for
    /// Python writes traces with them.
    pub(crate) async fn pass_on(&self, mut from: impl AsyncRead + Unpin, source: LogSource) {
        let mut unfinished = Vec::new();
        let mut piece = vec![0; LINE_BYTES_MAX];
        loop {
            // A pipe that cannot be read any more has ended.
            let read = from.read(&mut piece).await.unwrap_or(0);
            if read == 0 {
                self.line(&unfinished, source);
                return;
            }
            for &byte in &piece[..read] {
                let is_end = matches!(byte, b'\n' | b'\r');
                if !is_end {
                    unfinished.push(byte);
                }
                if is_end || unfinished.len() == LINE_BYTES_MAX {
                    self.line(&unfinished, source);
                    unfinished.clear();
                }
            }
        }
    }

    /// The end of a sentence about a process that ended: what it printed last.
    pub(crate) fn last_words(&self) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.len() {
            0 => ", and printed nothing".to_owned(),
            _ => format!("; it last printed:{}", indented(last.iter())),
        }
    }

    /// Empty lines say nothing.
    fn line(&self, bytes: &[u8], source: LogSource) {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        let text = self.secrets.read().unwrap_or_else(PoisonError::into_inner).redact(text);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LINES_KEPT {
            last.pop_front();
        }
        last.push_back(text.chars().take(LINE_CHARS_KEPT).collect());
        drop(last);
        (self.log)(LogLine { source, text });
    }
}

/// A secret of several lines, such as a private key, is printed one line at a time.
fn by_line(secrets: &Secrets) -> Secrets {
    let mut all = secrets.clone();
    for name in secrets.names() {
        let Some(literal) = secrets.get_json(name).filter(|text| text.starts_with('"')) else {
            continue;
        };
        let text = json::unescape(literal);
        if text.trim_end().contains(['\n', '\r']) {
            for (number, line) in text.split(['\n', '\r']).enumerate() {
                all.insert(format!("{name} line {}", number + 1), line);
            }
        }
    }
    all
}
