//! Whether the state jumps over rows when the API fails: L-03, with the number of rows lost.

use std::collections::{BTreeMap, BTreeSet};

use transport::Fault;

use super::repeated::is_unstable;
use crate::check::observation::{Call, FaultRun, Keys, Page, Survey, Sync, place};
use crate::check::{Detail, Finding};
use crate::words;

pub(super) fn findings(survey: &Survey, keys: &Keys) -> Vec<Finding> {
    // Rows that differ from call to call cannot be missed.
    let Some(first) = survey.syncs.first().filter(|first| first.is_whole()) else {
        return Vec::new();
    };
    if is_unstable(survey, keys) {
        return Vec::new();
    }
    let mut told = BTreeSet::new();
    let runs = survey.faults.iter().filter_map(|run| {
        let finding = judge_one(run, first, keys)?;
        told.insert((run.fault, finding.weight)).then_some(finding)
    });
    runs.collect()
}

fn judge_one(run: &FaultRun, first: &Sync, keys: &Keys) -> Option<Finding> {
    let page = run.call.page()?;
    let finished = run.rest.len() == 2 && run.rest.iter().all(Sync::is_whole);
    if !finished {
        return None;
    }
    let wanted = keys.identities(first.rows());
    let before = first.calls[..run.page].iter().filter_map(Call::page);
    let came = before.chain([page]).flat_map(Page::rows);
    let came = came.chain(run.rest.iter().flat_map(Sync::rows));
    let came = keys.identities(came);
    let lost: Vec<_> = wanted.difference(&came).collect();
    // What the API itself leaves out of a page, no function can know of.
    let left_out = match run.fault {
        Fault::EmptyPage => first.calls[run.page].upstream[run.request].listed().unwrap_or(0),
        _ => 0,
    };
    if lost.len() <= left_out {
        return None;
    }
    let mut tables: BTreeMap<&str, u64> = BTreeMap::new();
    for (table, _) in &lost {
        *tables.entry(table).or_default() += 1;
    }
    let tables = tables.into_iter().map(|(table, count)| {
        Detail::new(format!("table {table}: {} lost", words::count(count, "row")))
    });
    let message = format!(
        "{}: the call succeeds, the state moves on, and {} never come",
        describe(run.fault),
        words::count(lost.len() as u64, "row")
    );
    // An empty page without a way to the next is how most APIs say that there is no more.
    let told_more = run.call.upstream.get(run.request).is_some_and(transport::Exchange::says_more);
    if run.fault == Fault::EmptyPage && !told_more {
        return None;
    }
    let finding = Finding::wrong("L-03", message);
    let place = format!("{}, request {} to the API", place(0, run.page), run.request + 1);
    Some(finding.on(place).at("state").with(tables))
}

pub(crate) fn describe(fault: Fault) -> &'static str {
    match fault {
        Fault::Throttled => "when the API answers 429",
        Fault::ServerError => "when the API answers 500",
        Fault::NoAnswer => "when the API gives no answer",
        Fault::Truncated => "when an answer of the API breaks off",
        Fault::EmptyPage => "when the API gives an empty page",
        Fault::RepeatedToken => "when the API names a page again as the next",
        Fault::Nothing => "when the API holds nothing",
    }
}
