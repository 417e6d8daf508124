//! The verdict, told: for people, for machines, for a CI's list of tests, and as a page.

pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod text;

use std::time::Duration;

use super::Finding;
use super::observation::{Call, Survey, Sync, Target};

/// All that is told of one connection.
pub(crate) struct Verdict<'check> {
    pub(crate) connection: &'check str,
    pub(crate) survey: &'check Survey,
    pub(crate) findings: Vec<Finding>,
    pub(crate) show_values: bool,
    /// Whether the requests to the API behind the function were seen.
    pub(crate) sees_upstream: bool,
}

/// How near to one cloud's limits the largest answer and the longest call came.
pub(crate) struct Headroom {
    pub(crate) target: Target,
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
}

impl Headroom {
    pub(crate) fn bytes_used_percent(&self) -> u64 {
        (self.bytes * 100).div_ceil(self.target.bytes_max())
    }

    pub(crate) fn time_used_percent(&self) -> u64 {
        let used = (self.took.as_millis() * 100).div_ceil(self.target.time_max().as_millis());
        u64::try_from(used).unwrap_or(u64::MAX)
    }
}

impl Verdict<'_> {
    pub(crate) fn is_right(&self) -> bool {
        super::judge::is_right(&self.findings)
    }

    fn pages(&self) -> impl Iterator<Item = &Call> {
        self.survey.syncs.iter().flat_map(|sync| &sync.calls)
    }

    fn calls(&self) -> usize {
        let survey = self.survey;
        let rest = |run: &super::observation::FaultRun| {
            1 + run.rest.iter().map(|sync| sync.calls.len()).sum::<usize>()
        };
        usize::from(survey.setup.is_some())
            + usize::from(survey.nothing.is_some())
            + self.pages().count()
            + survey.replays.len()
            + survey.faults.iter().map(rest).sum::<usize>()
    }

    fn rows(&self) -> u64 {
        let pages = self.pages().filter_map(Call::page);
        pages.map(|page| page.response.rows()).sum()
    }

    fn headroom(&self) -> Vec<Headroom> {
        let bytes = self.pages().filter_map(Call::page).map(|page| page.response.body_bytes);
        let bytes = bytes.max().unwrap_or(0);
        let took = self.pages().map(|call| call.took).max().unwrap_or_default();
        let each = Target::ALL.into_iter();
        each.map(|target| Headroom { target, bytes, took }).collect()
    }

    fn memory_bytes(&self) -> Option<u64> {
        self.pages().filter_map(|call| call.memory_bytes).max()
    }

    /// What limits the verdict's worth, in sentences.
    fn reservations(&self) -> Vec<String> {
        let mut reservations = Vec::new();
        if !self.survey.syncs.last().is_some_and(Sync::is_whole)
            && self.pages().all(|call| call.page().is_some())
        {
            reservations.push(format!(
                "a sync was left after {} pages; --pages NUMBER goes further",
                self.survey.pages_max
            ));
        }
        if !self.sees_upstream {
            reservations.push(
                "the function runs elsewhere, or shows its API a certificate: what it asks of it was not seen (L-02, L-06, L-12, faults)"
                    .to_owned(),
            );
        } else if self.pages().all(|call| call.upstream.is_empty()) {
            reservations.push(
                "no request to an API was seen: no fault could be tried (L-02, L-06, L-12)"
                    .to_owned(),
            );
        }
        reservations
    }
}

/// `not right: 2 findings, 1 worth knowing`.
fn headline(verdict: &Verdict<'_>) -> String {
    let wrong = verdict.findings.iter().filter(|it| it.weight == super::Weight::Wrong).count();
    let notes = verdict.findings.len() - wrong;
    let notes = match notes {
        0 => String::new(),
        notes => format!(", {notes} worth knowing"),
    };
    match wrong {
        0 => format!("right{notes}"),
        wrong => format!("not right: {}{notes}", crate::words::count(wrong as u64, "finding")),
    }
}
