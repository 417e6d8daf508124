//! Rows that come more than once: L-01, L-07, L-14.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::leaves::leaves;
use crate::check::observation::{Call, Keys, Page, Row, Survey, Sync, place};
use crate::check::{Detail, Finding};

pub(super) fn findings(survey: &Survey, keys: &Keys) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, sync) in survey.syncs.iter().enumerate() {
        findings.extend(sliding(index, sync));
        findings.extend(twice(index, sync));
    }
    findings.extend(without_key(survey, keys));
    findings
}

/// L-01: most of a page comes again at the beginning of the next, again and again.
///
/// A window that includes its own beginning repeats a row or two; a position that moves by one row a call
/// repeats all but one.
fn sliding(index: usize, sync: &Sync) -> Option<Finding> {
    let mut details = Vec::new();
    let mut at = None;
    for ((_, _, before), (page, call, after)) in sync.pages().zip(sync.pages().skip(1)) {
        for (table, rows) in &after.insert {
            let Some(earlier) = before.insert.get(table) else { continue };
            let common = overlap(earlier, rows);
            if common < earlier.len() && common * 2 > earlier.len() && common >= 2 {
                details.push(Detail::new(format!(
                    "insert.{table}: the first {common} of {} rows were the last of {} on the page before",
                    rows.len(),
                    earlier.len()
                )));
                at = at.or_else(|| Some((page, table.clone(), position(call, after))));
            }
        }
    }
    let (page, table, position) = at.filter(|_| details.len() >= 2)?;
    let why = position.map_or(String::new(), |place| {
        let returns = sync.last_state().is_some_and(|state| {
            leaves(state.as_json()).get(&place).is_none_or(|leaf| leaf.number == Some(0.0))
        });
        let kept = if returns || !sync.is_whole() {
            ""
        } else {
            ", and it does not return to its start when hasMore is false"
        };
        format!("; {place} grows by 1 a call instead of by the rows sent{kept}")
    });
    let message = format!("table {table}: pages overlap: each repeats most of the one before{why}");
    Some(
        Finding::wrong("L-01", message)
            .on(place(index, page))
            .at(format!("insert.{table}"))
            .with(details),
    )
}

/// How many rows at the end of one page are the beginning of the next.
fn overlap(before: &[Row], after: &[Row]) -> usize {
    let longest = before.len().min(after.len());
    let longest = (1..=longest).rev().find(|n| before[before.len() - n..] == after[..*n]);
    longest.unwrap_or(0)
}

/// The number in the state that grew by 1 in this call.
fn position(call: &Call, page: &Page) -> Option<String> {
    let before = leaves(call.state.as_json());
    let after = leaves(page.response.state.as_json());
    after.into_iter().find_map(|(place, leaf)| {
        let grew = leaf.number? - before.get(&place)?.number?;
        ((grew - 1.0).abs() < f64::EPSILON).then_some(place)
    })
}

/// L-07: the last page is the one before once more.
fn twice(index: usize, sync: &Sync) -> Option<Finding> {
    let pages: Vec<_> = sync.pages().collect();
    let [.., (_, _, before), (page, _, last)] = &pages[..] else { return None };
    let same = last.has_rows() && last.insert == before.insert && last.delete == before.delete;
    (same && sync.is_whole()).then(|| {
        let message = "the last page has the rows of the page before once more: the function sees the end only when an answer repeats";
        Finding::wrong("L-07", message).on(place(index, *page)).at("insert")
    })
}

/// L-14: rows of a table without a key that come again are there twice.
fn without_key(survey: &Survey, keys: &Keys) -> Vec<Finding> {
    let mut seen: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut again: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for (index, sync) in survey.syncs.iter().enumerate() {
        for (page, _, answer) in sync.pages() {
            for (table, rows) in &answer.insert {
                let swept = answer.response.soft_delete.iter().any(|name| &name.0 == table);
                if keys.of_table(table).is_some() || swept {
                    continue;
                }
                let of_page: BTreeSet<String> = rows.iter().map(|row| format!("{row:?}")).collect();
                let known = seen.entry(table).or_default();
                let count = of_page.intersection(known).count();
                if count > 0 {
                    again.entry(table).or_insert((0, place(index, page))).0 += count;
                }
                known.extend(of_page);
            }
        }
    }
    let finding = |(table, known): (&str, BTreeSet<String>)| match again.get(table) {
        Some((count, page)) => {
            let message = format!(
                "table {table} has no key, and {count} of its rows came again: each is there twice"
            );
            Finding::wrong("L-14", message).on(page.clone()).at(format!("schema.{table}"))
        }
        None => {
            let message = format!(
                "table {table} has no key: a page that is sent again would add its {} rows once more",
                known.len()
            );
            Finding::note("L-14", message).at(format!("schema.{table}"))
        }
    };
    seen.into_iter().map(finding).collect()
}
