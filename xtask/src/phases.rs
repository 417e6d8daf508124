//! The phases of a verb, announced as they start and told with their durations at the end.

use std::time::{Duration, Instant};

pub(crate) struct Phases {
    started: Instant,
    lines: Vec<Line>,
}

struct Line {
    name: &'static str,
    result: String,
    took: Duration,
}

impl Phases {
    pub(crate) fn start() -> Phases {
        Phases { started: Instant::now(), lines: Vec::new() }
    }

    /// Runs one phase; `describe` says in a few words what came of it.
    pub(crate) fn phase<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<T, String>,
        describe: impl FnOnce(&T) -> String,
    ) -> Result<T, String> {
        println!("── {name}");
        let started = Instant::now();
        let outcome = work();
        let took = started.elapsed();
        let result = outcome.as_ref().map_or_else(|_| "FAILED".to_owned(), describe);
        println!("── {name}: {result} ({})\n", shown(took));
        self.lines.push(Line { name, result, took });
        outcome
    }

    /// The same for a phase that either is done or fails.
    pub(crate) fn step(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        self.phase(name, work, |()| "done".to_owned())
    }

    /// Prints every phase again, and the verdict.
    pub(crate) fn summary(&self, verdict: &str) {
        for line in &self.lines {
            println!("{:>9}  {}: {}", shown(line.took), line.name, line.result);
        }
        println!("{:>9}  {verdict}", shown(self.started.elapsed()));
    }
}

fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    format!("{} min {:02} s", duration.as_secs() / 60, duration.as_secs() % 60)
}
