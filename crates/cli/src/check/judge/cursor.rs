//! What the state says about where the function stands: L-04, L-05, L-08, L-09.

use std::collections::{BTreeMap, BTreeSet};

use transport::Exchange;

use crate::check::leaves::{Leaf, Seen, leaves};
use crate::check::observation::{Keys, Row, Survey, Sync, place};
use crate::check::{Detail, Finding};

pub(super) fn findings(survey: &Survey, keys: &Keys) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, sync) in survey.syncs.iter().enumerate() {
        findings.extend(moved_between_pages(index, sync));
    }
    if let Some(first) = survey.syncs.first() {
        findings.extend(wall_clock(first));
    }
    if let [first, second] = &survey.syncs[..] {
        findings.extend(all_again(first, second, keys));
    }
    findings
}

/// L-04: a cursor that moves while a position counts rows within it: the next page skips.
fn moved_between_pages(index: usize, sync: &Sync) -> Option<Finding> {
    for (page, call, answer) in sync.pages().filter(|(_, call, _)| call.has_more()) {
        let before = leaves(call.state.as_json());
        let after = leaves(answer.response.state.as_json());
        let rows = Seen::of(answer.rows().map(|(_, row)| row));
        let counts: Vec<usize> = answer.insert.values().map(Vec::len).collect();
        let total: usize = counts.iter().sum();
        if total < 2 {
            continue;
        }
        let is_position = |place: &str, leaf: &Leaf| {
            let Some(number) = leaf.number.filter(|_| leaf.moment.is_none()) else { return false };
            let start = before.get(place).and_then(|leaf| leaf.number).unwrap_or(0.0);
            let steps = counts.iter().copied().chain([1, total]);
            let step = steps.map(|step| f64::from(u32::try_from(step).unwrap_or(u32::MAX)));
            !rows.has(leaf) && step.into_iter().any(|step| (number - start - step).abs() < 0.5)
        };
        let cursor = after.iter().find(|(place, leaf)| {
            let differs = before.get(*place).is_none_or(|old| old.text != leaf.text);
            // The first page may well be the one that sets it.
            differs && leaf.moment.is_some() && (rows.has(leaf) || leaf.is_clock(call))
        });
        let Some((cursor, moved)) = cursor else { continue };
        // One that is only carried along, to become the cursor when all has been read, is right.
        let next = sync.calls.get(page + 1).map_or(&[][..], |next| &next.upstream);
        let is_used = next.iter().any(|exchange| is_named(exchange, moved));
        if !is_used && !next.is_empty() {
            continue;
        }
        let position = after
            .iter()
            .find(|(place, leaf)| parent(place) == parent(cursor) && is_position(place, leaf));
        if let Some((position, _)) = position {
            let message = format!(
                "{cursor} moves while pages remain, and {position} counts within what it selects: the next page skips rows"
            );
            let finding = if is_used {
                Finding::wrong("L-04", message)
            } else {
                Finding::note(
                    "L-04",
                    format!(
                        "{message}. (If it is only carried along for later, this is right; what the source is asked was not seen)"
                    ),
                )
            };
            return Some(finding.on(place(index, page)).at(cursor.clone()));
        }
    }
    None
}

fn parent(place: &str) -> &str {
    place.rsplit_once(['.', '[']).map_or(place, |(parent, _)| parent)
}

/// Whether the API was told this value.
fn is_named(exchange: &Exchange, leaf: &Leaf) -> bool {
    leaf.is_named_in(&exchange.url) || leaf.is_named_in(&String::from_utf8_lossy(&exchange.sent))
}

/// L-05: the cursor is the time of the call and no value of a row.
fn wall_clock(sync: &Sync) -> Option<Finding> {
    let (page, call, answer) = sync.pages().last().filter(|_| sync.is_whole())?;
    let seen = Seen::of(sync.rows().map(|(_, row)| row));
    sync.rows().next()?;
    let before = leaves(call.state.as_json());
    let after = leaves(answer.response.state.as_json());
    let (at, leaf) = after.iter().find(|(place, leaf)| {
        let moved = before.get(*place).is_none_or(|old| old.text != leaf.text);
        moved && leaf.is_clock(call) && !seen.has(leaf)
    })?;
    let exchanges = || sync.calls.iter().flat_map(|call| &call.upstream);
    if exchanges().any(|exchange| is_named(exchange, leaf)) {
        // The API was told to end there: that is a window, closed and passed on.
        return None;
    }
    let message = format!(
        "{at} is the time of the call, not a value of the rows: what changes at the source while it is read, or is written late, is never asked for"
    );
    let finding = if exchanges().next().is_some() {
        Finding::wrong("L-05", message)
    } else {
        Finding::note(
            "L-05",
            format!(
                "{message}. (If the source is asked for rows up to that time, this is right; what it is asked was not seen)"
            ),
        )
    };
    let details = Detail { what: at.clone(), values: vec![leaf.text.clone()] };
    Some(finding.on(place(0, page)).at(at.clone()).with([details]))
}

/// Whether a number is the largest of a column that has several.
fn is_newest(number: f64, sync: &Sync) -> bool {
    let mut columns: BTreeMap<(&str, &str), BTreeSet<u64>> = BTreeMap::new();
    for (table, row) in sync.rows() {
        for (name, text) in row {
            if let Ok(value) = text.parse::<u64>() {
                columns.entry((table, name)).or_default().insert(value);
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "ids beyond 2^53 are no counters")]
    let is_last = |values: &BTreeSet<u64>| {
        values.len() > 1 && values.last().is_some_and(|last| (*last as f64 - number).abs() < 0.5)
    };
    columns.values().any(is_last)
}

/// L-08 and L-09: the second sync brings all rows of the first once more.
fn all_again(first: &Sync, second: &Sync, keys: &Keys) -> Option<Finding> {
    let (page, ..) = second.pages().next()?;
    let (sent, again) = (keys.identities(first.rows()), keys.identities(second.rows()));
    if sent.len() < 2 || !sent.is_subset(&again) || !first.is_whole() || !second.is_whole() {
        return None;
    }
    // A table that is swept is read whole by design.
    let swept: BTreeSet<&str> = second
        .pages()
        .flat_map(|(_, _, page)| &page.response.soft_delete)
        .map(|table| table.0.as_str())
        .collect();
    if sent.iter().all(|(table, _)| swept.contains(table)) {
        return None;
    }
    let rows = sent.len();
    let (before, after) = (first.last_state()?, second.last_state()?);
    let (known, next) = (leaves(before.as_json()), leaves(after.as_json()));
    let every_row_has = |leaf: &Leaf| {
        let has = |row: &Row| Seen::of([row].into_iter()).has(leaf);
        first.rows().all(|(_, row)| has(row))
    };
    if known.is_empty() {
        let message = format!("the state stays empty: each sync sends all {rows} rows again");
        return Some(Finding::note("L-08", message).at("state"));
    }
    // Where all rows are as new as the newest, sending them again is what an inclusive cursor does.
    if known.values().any(|leaf| !leaf.is_empty && leaf.moment.is_some() && every_row_has(leaf)) {
        return None;
    }
    let seen = Seen::of(first.rows().map(|(_, row)| row));
    let stuck = known.iter().find(|(place, leaf)| {
        let unmoved = next.get(*place).is_some_and(|later| later.text == leaf.text);
        unmoved && (leaf.is_empty || leaf.moment.is_some()) && !seen.has(leaf)
    });
    if let Some((place_of, _)) = stuck.filter(|_| before == after) {
        let message = format!(
            "{place_of} did not move although {rows} rows came: every sync asks for the first window again"
        );
        return Some(Finding::wrong("L-08", message).on(place(1, page)).at(place_of.clone()));
    }
    let cursor = known.iter().find(|(_, leaf)| {
        leaf.moment.is_some() || leaf.number.is_some_and(|number| is_newest(number, first))
    });
    cursor.map(|(place_of, _)| {
        let message = format!(
            "{place_of} says where the first sync ended, and the second sends all {rows} rows again: the function does not look at its state"
        );
        Finding::wrong("L-09", message).on(place(1, page)).at(place_of.clone())
    })
}
