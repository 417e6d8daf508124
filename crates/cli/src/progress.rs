//! The live line of a sync on a terminal.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use engine::SyncEvent;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::words;

/// What is waited for, pages, rows, rows each second, and where the state last moved.
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
    /// Pages that have landed, all and up to the last one by which the state moved.
    landed: u64,
    moved_at: Option<u64>,
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
            landed: 0,
            moved_at: None,
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
                self.landed += batch.pages();
                if state != self.state {
                    self.moved_at = Some(self.landed);
                    state.clone_into(&mut self.state);
                }
            }
            SyncEvent::Started { .. } | SyncEvent::Warned { .. } | SyncEvent::Finished { .. } => {}
        }
        self.bar.set_message(self.message());
    }

    fn message(&self) -> String {
        let rate = words::rate(self.rows, self.began_at.elapsed());
        let state = match (self.landed, self.moved_at) {
            (0, _) => String::new(),
            (_, None) => " · state unchanged".to_owned(),
            (_, Some(page)) => format!(" · state moved at page {}", words::number(page)),
        };
        let waits = match (self.landing, self.calling) {
            (true, _) => "waits for the destination · ".to_owned(),
            (false, Some(page)) => {
                format!("waits for the function, page {} · ", words::number(page))
            }
            (false, None) => String::new(),
        };
        format!(
            "{}: {waits}{} · {} · {} rows/s{state}",
            self.connection,
            words::count(self.pages, "page"),
            words::count(self.rows, "row"),
            words::number(rate),
        )
    }
}
