//! When to stop, other than at the end: empty pages, no progress, six hours.

use std::hash::{DefaultHasher, Hash, Hasher};

use protocol::{Response, State, Warning};

use crate::event::{Outcome, SyncEvent};
use crate::progress::Progress;
use crate::run::Limits;
use crate::sync::SyncError;
use crate::time::Timestamp;

/// Equal answers in a row that end a sync (Dec-33).
const EQUAL_ANSWERS_MAX: u32 = 3;
/// Empty answers in a row from which a person is warned (Dec-32).
const EMPTY_ANSWERS_WARNED: u32 = 5;

/// What has been seen of a sync's answers.
pub(crate) struct Guard {
    limits: Limits,
    first_call_at: Timestamp,
    empty_in_a_row: u32,
    equal_in_a_row: u32,
    rows_before: Option<u64>,
}

/// What follows a page that was accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Call,
    Stop(Outcome),
}

impl Guard {
    pub(crate) fn new(limits: &Limits, now: Timestamp) -> Guard {
        Guard {
            limits: limits.clone(),
            first_call_at: now,
            empty_in_a_row: 0,
            equal_in_a_row: 0,
            rows_before: None,
        }
    }

    /// Says what follows the answer to `sent`; an error means that the page itself is not applied.
    pub(crate) fn judge(
        &mut self,
        page: u64,
        sent: &State,
        response: &Response,
        progress: &mut Progress<'_, impl FnMut(SyncEvent<'_>) + Send>,
    ) -> Result<Next, SyncError> {
        if !response.has_more {
            return Ok(Next::Stop(Outcome::Complete));
        }
        self.count_empty(page, response, progress)?;
        self.count_equal(page, sent, response, progress)?;
        match self.limits.sync_time_max {
            Some(max) if progress.now().since(self.first_call_at) >= max => {
                progress.warned(&Warning::new(
                    "sync_time_limit",
                    format!(
                        "{} s of calls are over; the next sync goes on from here",
                        max.as_secs()
                    ),
                ));
                Ok(Next::Stop(Outcome::TimeLimit))
            }
            _ => Ok(Next::Call),
        }
    }

    fn count_empty(
        &mut self,
        page: u64,
        response: &Response,
        progress: &mut Progress<'_, impl FnMut(SyncEvent<'_>) + Send>,
    ) -> Result<(), SyncError> {
        self.empty_in_a_row = if response.rows() == 0 { self.empty_in_a_row + 1 } else { 0 };
        let (in_a_row, max) = (self.empty_in_a_row, self.limits.empty_pages_max);
        if max > 0 && in_a_row > max {
            return Err(SyncError::TooManyEmptyResponses { page, in_a_row });
        }
        if in_a_row == EMPTY_ANSWERS_WARNED {
            progress.warned(&Warning::new(
                "empty_responses",
                format!("{in_a_row} answers in a row had no rows and said hasMore; more than {max} end the sync"),
            ));
        }
        Ok(())
    }

    /// Empty answers are the other counter's. Only an answer that leaves the state as it was is read
    /// again, to compare its rows: those of a function that goes on are not.
    fn count_equal(
        &mut self,
        page: u64,
        sent: &State,
        response: &Response,
        progress: &mut Progress<'_, impl FnMut(SyncEvent<'_>) + Send>,
    ) -> Result<(), SyncError> {
        let stuck = response.state == *sent && response.rows() > 0;
        let rows = stuck.then(|| hash_of_rows(response));
        let again = self.rows_before == rows;
        self.rows_before = rows;
        self.equal_in_a_row = match (stuck, again) {
            (false, _) => 0,
            (true, true) => self.equal_in_a_row + 1,
            (true, false) => 1,
        };
        if self.equal_in_a_row >= EQUAL_ANSWERS_MAX {
            return Err(SyncError::NoProgress { page, times: self.equal_in_a_row });
        }
        if stuck {
            progress.warned(&Warning::new(
                "no_progress",
                "the function answered the state that was sent and says hasMore; the same answer three times ends the sync",
            ));
        }
        Ok(())
    }
}

fn hash_of_rows(response: &Response) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (table, records) in response.insert.iter().chain(&response.delete) {
        (table, records.as_json()).hash(&mut hasher);
    }
    hasher.finish()
}
