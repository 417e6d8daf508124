//! What the function asked of the API behind it: L-02, L-03, L-06, L-12.

use std::collections::BTreeSet;

use crate::check::Finding;
use crate::check::observation::{Call, Page, Survey, Sync, place};

pub(super) fn findings(survey: &Survey) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, sync) in survey.syncs.iter().enumerate() {
        findings.extend(stopped_early(index, sync));
        findings.extend(error_passed_over(index, sync));
        findings.extend(whole_each_time(index, sync));
    }
    findings.extend(survey.nothing.as_ref().and_then(|call| nothing_there(survey, call)));
    findings
}

/// L-02: the API said that there is more, nobody asked, and the state moved on.
fn stopped_early(index: usize, sync: &Sync) -> Option<Finding> {
    let (page, call, answer) = sync.pages().last().filter(|_| sync.is_whole())?;
    if !answer.has_rows() || answer.response.state == call.state {
        return None;
    }
    // The last answer for each address: what stands in its query tells one page from another.
    let path = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
    let mut paths = BTreeSet::new();
    let last = call.upstream.iter().rev().filter(|exchange| {
        exchange.status == 200 && paths.insert((exchange.method.clone(), path(&exchange.url)))
    });
    let left = last.into_iter().find(|exchange| {
        exchange.says_more()
            && exchange.listed().is_some_and(|rows| rows > 0)
            // One that asks for a single row wants to know the newest, not all.
            && call.upstream.iter().filter(|it| path(&it.url) == path(&exchange.url)).count() > 1
    })?;
    let asked = call.upstream.iter().filter(|it| path(&it.url) == path(&left.url)).count();
    let message = format!(
        "after {asked} requests to {} its last answer says that there is more; the function stops, says hasMore false and moves its state past rows that it never saw",
        path(&left.url)
    );
    Some(Finding::wrong("L-02", message).on(place(index, page)).at("hasMore"))
}

/// L-03: the API failed, and the page looks as if there were nothing.
fn error_passed_over(index: usize, sync: &Sync) -> Option<Finding> {
    sync.pages().find_map(|(page, call, answer)| {
        let failed = call.upstream.iter().find(|exchange| is_error(exchange.status))?;
        let passed_over = !answer.has_rows() && answer.response.state != call.state;
        let all = call.upstream.iter().all(|exchange| is_error(exchange.status));
        (passed_over && all).then(|| {
            let message = format!(
                "the API answered {}, the page is empty, and the state moves on: the rows of that window are lost",
                failed.status
            );
            Finding::wrong("L-03", message).on(place(index, page)).at("state")
        })
    })
}

pub(super) fn is_error(status: u16) -> bool {
    status == 0 || status == 429 || status >= 500
}

/// L-06: each page makes the same requests, and sends another part of the same answers.
fn whole_each_time(index: usize, sync: &Sync) -> Option<Finding> {
    let pages: Vec<(usize, &Call, &Page)> =
        sync.pages().filter(|(_, _, page)| page.has_rows()).collect();
    let (_, first, sent) = pages.first()?;
    let requests = |call: &Call| -> Vec<(String, String, Vec<u8>)> {
        let each = call.upstream.iter().filter(|it| it.listed().is_some());
        each.map(|it| (it.method.clone(), it.url.clone(), it.sent.to_vec())).collect()
    };
    let asked = requests(first);
    let same = pages.len() > 1
        && !asked.is_empty()
        && pages.iter().all(|(_, call, _)| requests(call) == asked)
        && pages[1..].iter().all(|(_, _, page)| page.insert != sent.insert);
    // Answers that change between the same requests are a queue: taking from it is no waste.
    let same_answers = pages.iter().all(|(_, call, _)| {
        let bodies = |call: &Call| -> Vec<_> {
            call.upstream
                .iter()
                .filter(|it| it.listed().is_some())
                .map(|it| it.body.clone())
                .collect()
        };
        bodies(call) == bodies(first)
    });
    (same && same_answers).then(|| {
        let message = format!(
            "each of {} pages asks the API for the same {} and sends a part of it: rows that come or go meanwhile shift the parts, and every page costs the whole",
            pages.len(),
            if asked.len() == 1 { "list".to_owned() } else { format!("{} lists", asked.len()) }
        );
        Finding::wrong("L-06", message).on(place(index, pages[1].0)).at("insert")
    })
}

/// L-12: an API that holds nothing makes it fail.
fn nothing_there(survey: &Survey, call: &Call) -> Option<Finding> {
    let first = survey.syncs.first()?.calls.first()?;
    let error = call.answer.as_ref().err().filter(|_| first.page().is_some())?;
    let message = format!("when every list of the API is empty, the function fails: {error}");
    Some(Finding::wrong("L-12", message).on("first page, with an API that holds nothing".into()))
}
