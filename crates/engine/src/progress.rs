use std::collections::BTreeSet;
use std::time::Duration;

use protocol::{Response, Warning};

use crate::destination::Landed;
use crate::event::{Outcome, Summary, SyncEvent};
use crate::run::Run;
use crate::sync::SyncError;
use crate::time::Timestamp;
use crate::{Batch, Position};

/// Tells what happens and adds up what has landed.
pub(crate) struct Progress<'a, E> {
    run: &'a Run,
    on_event: &'a mut E,
    summary: Summary,
    told: BTreeSet<Warning>,
}

/// Warnings told and kept; a function that finds a new one on every page must not fill memory.
const WARNINGS_MAX: usize = 1000;

impl<'a, E: FnMut(SyncEvent<'_>) + Send> Progress<'a, E> {
    pub(crate) fn new(run: &'a Run, on_event: &'a mut E) -> Progress<'a, E> {
        Progress { run, on_event, summary: Summary::default(), told: BTreeSet::new() }
    }

    pub(crate) fn run(&self) -> &Run {
        self.run
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.run.clock)()
    }

    pub(crate) fn started(&mut self, position: &Position) {
        let Run { sync_id, options, .. } = self.run;
        (self.on_event)(SyncEvent::Started { sync_id, position, options });
    }

    pub(crate) fn calling(&mut self, page: u64) {
        (self.on_event)(SyncEvent::Calling { page });
    }

    pub(crate) fn called(&mut self, page: u64, response: &Response, took: Duration) {
        let (rows, bytes, has_more) = (response.rows(), response.body_bytes, response.has_more);
        for reading in &response.readings {
            let readings = self.summary.readings.entry(reading.table.clone()).or_default();
            readings.count += 1;
            readings.pages += reading.pages;
            readings.rows += reading.rows;
            readings.partial += u64::from(!reading.whole);
            readings.reason.clone_from(&reading.reason);
        }
        let deletes = response.delete.iter().map(|(_, records)| records.rows()).sum();
        (self.on_event)(SyncEvent::Called { page, rows, deletes, bytes, has_more, took });
    }

    pub(crate) fn warned(&mut self, warning: &Warning) {
        if self.told.len() < WARNINGS_MAX && self.told.insert(warning.clone()) {
            (self.on_event)(SyncEvent::Warned { warning });
            self.summary.warnings.push(warning.clone());
        }
    }

    pub(crate) fn landing(&mut self, batch: &Batch) {
        (self.on_event)(SyncEvent::Landing { batch });
    }

    pub(crate) fn landed(&mut self, batch: &Batch, landed: &Landed, took: Duration) {
        let changes = batch.changes();
        (self.on_event)(SyncEvent::Landed { batch, changes: &changes, landed, took });
        self.summary.pages += batch.pages();
        self.summary.commits += 1;
        self.summary.bytes += batch.wire_bytes();
        self.summary.changes.extend(changes);
        for (table, counts) in batch.held_back() {
            self.summary.held_back.entry(table.clone()).or_default().add(*counts);
        }
        for (table, counts) in &landed.tables {
            self.summary.tables.entry(table.clone()).or_default().add(*counts);
        }
    }

    pub(crate) fn finish(self, ended: Result<Outcome, SyncError>) -> Result<Summary, SyncError> {
        let Progress { run, on_event, mut summary, .. } = self;
        summary.took = (run.clock)().since(run.started_at);
        summary.outcome = match &ended {
            Ok(outcome) => outcome.clone(),
            Err(error) => Outcome::Failed { code: error.code(), message: error.to_string() },
        };
        on_event(SyncEvent::Finished { summary: &summary });
        ended.map(|_| summary)
    }
}
