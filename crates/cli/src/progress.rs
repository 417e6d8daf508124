//! The live line of a sync on a terminal.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use engine::SyncEvent;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::words;

/// Pages, rows, rows each second, the last move of the state, and what is waited for.
pub(crate) struct Progress {
    live: bool,
    line: Mutex<Option<Line>>,
}

struct Line {
    bar: ProgressBar,
    connection: String,
    began_at: Instant,
    pages: u64,
    rows: u64,
    /// The state as it last landed, to see whether it moves; it is never shown.
    state: String,
    moved: Option<bool>,
    calling: Option<u64>,
    landing: bool,
}

/// Often enough to look alive, seldom enough to cost nothing.
const TICK: Duration = Duration::from_millis(120);

impl Progress {
    /// Draws nothing where standard error is no terminal.
    pub(crate) fn new(wanted: bool) -> Progress {
        Progress { live: wanted && std::io::stderr().is_terminal(), line: Mutex::new(None) }
    }

    /// Writes above the live line.
    pub(crate) fn make_way(&self, write: impl FnOnce()) {
        let bar = self.lock().as_ref().map(|line| line.bar.clone());
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    pub(crate) fn event(&self, connection: &str, event: &SyncEvent<'_>) {
        if !self.live {
            return;
        }
        let mut line = self.lock();
        if let SyncEvent::Started { position, .. } = event {
            *line = Some(Line::new(connection, position.state().as_json()));
        }
        if let SyncEvent::Finished { .. } = event {
            if let Some(line) = line.take() {
                line.bar.finish_and_clear();
            }
            return;
        }
        if let Some(line) = line.as_mut() {
            line.event(event);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Line>> {
        self.line.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Line {
    fn new(connection: &str, state: &str) -> Line {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        bar.set_style(style.expect("the template is one"));
        bar.enable_steady_tick(TICK);
        Line {
            bar,
            connection: connection.to_owned(),
            began_at: Instant::now(),
            pages: 0,
            rows: 0,
            state: state.to_owned(),
            moved: None,
            calling: None,
            landing: false,
        }
    }

    fn event(&mut self, event: &SyncEvent<'_>) {
        match event {
            SyncEvent::Calling { page } => self.calling = Some(*page),
            SyncEvent::Called { rows, .. } => {
                self.calling = None;
                self.pages += 1;
                self.rows += rows;
            }
            SyncEvent::Landing { .. } => self.landing = true,
            SyncEvent::Landed { batch, .. } => {
                self.landing = false;
                let state = batch.leaves().state().as_json();
                self.moved = Some(state != self.state);
                state.clone_into(&mut self.state);
            }
            SyncEvent::Started { .. } | SyncEvent::Warned { .. } | SyncEvent::Finished { .. } => {}
        }
        self.bar.set_message(self.message());
    }

    fn message(&self) -> String {
        let rate = words::rate(self.rows, self.began_at.elapsed());
        let state = match self.moved {
            None => "",
            Some(true) => " · state moved",
            Some(false) => " · state unchanged",
        };
        let waits = match (self.landing, self.calling) {
            (true, _) => " · waits for the destination".to_owned(),
            (false, Some(page)) => format!(" · waits for the function, page {page}"),
            (false, None) => String::new(),
        };
        format!(
            "{}: {} · {} · {} rows/s{state}{waits}",
            self.connection,
            words::count(self.pages, "page"),
            words::count(self.rows, "row"),
            words::number(rate),
        )
    }
}
