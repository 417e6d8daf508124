//! Events as lines for a person.

use std::time::{Duration, Instant};

use engine::{DeleteMode, Outcome, SyncEvent};

use protocol::Warning;

use super::Level;
use super::envelope::state_excerpt;
use crate::paint::Paint;
use crate::words;

/// Without a live line, a long sync says this often that it goes on.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// What has been told so far.
#[derive(Default)]
pub(super) struct Text {
    pages: u64,
    rows: u64,
    last_line_at: Option<Instant>,
}

impl Text {
    /// The lines for one event, each with the level from which it is said.
    pub(super) fn lines(
        &mut self,
        event: &SyncEvent<'_>,
        level: Level,
        paint: Paint,
    ) -> Vec<(Level, String)> {
        let lines = match event {
            SyncEvent::Started { sync_id, position, options } => {
                let from = match position.ordinal() {
                    0 => "the first of this connection".to_owned(),
                    commit => format!("goes on from commit {commit}"),
                };
                let deletes = match options.delete_mode {
                    DeleteMode::Soft => "marked as deleted",
                    DeleteMode::Hard => "removed",
                };
                let mut lines = vec![(
                    Level::Normal,
                    format!("sync {} began, {from}; rows in delete are {deletes}", sync_id.0),
                )];
                lines.extend(state_line("sends state", position.state().as_json(), level));
                lines
            }
            SyncEvent::Calling { .. } | SyncEvent::Landing { .. } => Vec::new(),
            SyncEvent::Called { page, rows, bytes, has_more, took, .. } => {
                (self.pages, self.rows) = (*page, self.rows + rows);
                let more = if *has_more { "more to come" } else { "the last" };
                let (rows, bytes) = (words::count(*rows, "row"), words::bytes(*bytes));
                let took = words::time(*took);
                vec![(Level::Verbose, format!("page {page}: {rows}, {bytes} in {took}, {more}"))]
            }
            SyncEvent::Warned { warning } => {
                vec![(Level::Normal, self::warning(warning, paint))]
            }
            SyncEvent::Landed { batch, took, .. } => {
                let (pages, rows) = (batch.pages(), batch.rows());
                let mut lines = vec![(
                    Level::Verbose,
                    format!(
                        "landed {} with {} in {} as commit {}",
                        words::count(pages, "page"),
                        words::count(rows, "row"),
                        words::time(*took),
                        batch.leaves().ordinal(),
                    ),
                )];
                lines.extend(state_line("holds state", batch.leaves().state().as_json(), level));
                lines
            }
            SyncEvent::Finished { summary } => match &summary.outcome {
                Outcome::Cancelled => vec![(
                    Level::Normal,
                    format!(
                        "stopped as asked; {} had landed whole, and the next sync goes on from there",
                        words::count(summary.pages, "page")
                    ),
                )],
                _ => Vec::new(),
            },
        };
        self.with_sign_of_life(lines, level)
    }

    /// At the normal level calls are silent; now and then one line says how far they are.
    fn with_sign_of_life(
        &mut self,
        mut lines: Vec<(Level, String)>,
        level: Level,
    ) -> Vec<(Level, String)> {
        let now = Instant::now();
        let last = *self.last_line_at.get_or_insert(now);
        if lines.iter().any(|(needed, _)| *needed <= level) {
            self.last_line_at = Some(now);
        } else if self.pages > 0 && now.duration_since(last) >= SIGN_OF_LIFE {
            self.last_line_at = Some(now);
            let (pages, rows) = (words::count(self.pages, "page"), words::count(self.rows, "row"));
            lines.push((Level::Normal, format!("{pages} with {rows} so far")));
        }
        lines
    }
}

pub(super) fn warning(warning: &Warning, paint: Paint) -> String {
    format!("{}: {}", paint.yellow(&format!("warning[{}]", warning.code)), warning.message)
}

/// At debug level only, and not without an end.
fn state_line(what: &str, state: &str, level: Level) -> Option<(Level, String)> {
    (level >= Level::Debug).then(|| (Level::Debug, format!("{what} {}", state_excerpt(state))))
}
