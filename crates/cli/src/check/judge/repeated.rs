//! Whether the same call gives the same answer (F-090), and why not (L-10, L-11).

use std::collections::BTreeSet;

use crate::check::leaves::leaves;
use crate::check::observation::{Call, Keys, Page, Replay, Row, Survey, place};
use crate::check::{Detail, Finding};

pub(super) fn findings(survey: &Survey, keys: &Keys) -> Vec<Finding> {
    let mut told: BTreeSet<&'static str> = BTreeSet::new();
    let mut findings = Vec::new();
    for replay in &survey.replays {
        let Some(first) = survey.syncs.get(replay.sync).and_then(|it| it.calls.get(replay.page))
        else {
            continue;
        };
        if let Some(finding) = compare(first, replay, keys).filter(|found| told.insert(found.id)) {
            findings.push(finding.on(place(replay.sync, replay.page)));
        }
    }
    findings
}

/// Whether any row differed: then nothing can be said about rows that are missing elsewhere.
pub(super) fn is_unstable(survey: &Survey, keys: &Keys) -> bool {
    survey.replays.iter().any(|replay| {
        let first = survey.syncs.get(replay.sync).and_then(|sync| sync.calls.get(replay.page));
        first.and_then(Call::page).zip(replay.call.page()).is_some_and(|(first, again)| {
            keys.identities(first.rows()) != keys.identities(again.rows())
        })
    })
}

fn compare(first: &Call, replay: &Replay, keys: &Keys) -> Option<Finding> {
    let when = if replay.later { "later, after the syncs" } else { "at once" };
    let page = first.page()?;
    let again = match &replay.call.answer {
        Ok(again) => again,
        Err(error) => {
            let message = format!("the same call, made again {when}, fails: {error}");
            return Some(Finding::wrong("F-090", message).at("state"));
        }
    };
    // An API that answers the same request differently has new data: that is not the function's doing.
    if source_changed(first, &replay.call) {
        return None;
    }
    if let Some(finding) = random_key(page, again, keys, when) {
        return Some(finding);
    }
    let details = row_differences(page, again, keys);
    if !details.is_empty() {
        let window_moved = !first.upstream.is_empty()
            && requests(first) != requests(&replay.call)
            && same_hosts(first, &replay.call);
        // An open end may have grown meanwhile; what was there must still be there.
        let (before, after) = (keys.identities(page.rows()), keys.identities(again.rows()));
        let may_have_changed = before.is_subset(&after) && (replay.later || before != after);
        if may_have_changed && first.upstream.is_empty() && !first.has_more() {
            let message = format!(
                "the same call, made again {when}, gives more rows, or newer ones: the source has changed, or the window ends \"now\""
            );
            return Some(Finding::note("L-10", message).with(details));
        }
        let (id, why) = if window_moved {
            ("L-10", ": it asks the API for something else each time")
        } else {
            ("F-090", "")
        };
        let message = format!("the same state, sent again {when}, gives other rows{why}");
        return Some(Finding::wrong(id, message).at("insert").with(details));
    }
    let details = state_differences(first, page, &replay.call, again);
    if page.response.has_more != again.response.has_more {
        let message = format!("the same state, sent again {when}, gives another hasMore");
        return Some(Finding::wrong("F-090", message).at("hasMore").with(details));
    }
    (!details.is_empty()).then(|| {
        let message = format!("the same state, sent again {when}, gives another next state");
        Finding::wrong("F-090", message).at("state").with(details)
    })
}

fn requests(call: &Call) -> Vec<(&str, &str, &[u8])> {
    let each = call.upstream.iter();
    each.map(|it| (&*it.method, &*it.url, &it.sent[..])).collect()
}

fn same_hosts(first: &Call, again: &Call) -> bool {
    let hosts = |call: &Call| -> BTreeSet<String> {
        let urls = call.upstream.iter().map(|it| it.url.split('/').nth(2).unwrap_or_default());
        urls.map(str::to_owned).collect()
    };
    hosts(first) == hosts(again)
}

fn source_changed(first: &Call, again: &Call) -> bool {
    !first.upstream.is_empty()
        && requests(first) == requests(again)
        && first.upstream.iter().zip(&again.upstream).any(|(a, b)| a.body != b.body)
}

/// L-11: the rows are the same but for their key.
fn random_key(first: &Page, again: &Page, keys: &Keys, when: &str) -> Option<Finding> {
    for (table, rows) in &first.insert {
        let (Some(key), Some(others)) = (keys.of_table(table), again.insert.get(table)) else {
            continue;
        };
        let column = key.iter().find(|column| {
            let values = |rows: &[Row]| -> Vec<String> {
                rows.iter().map(|row| row.get(*column).cloned().unwrap_or_default()).collect()
            };
            let without = |rows: &[Row]| -> Vec<Row> {
                let rows = rows.iter().cloned();
                rows.map(|mut row| {
                    row.remove(*column);
                    row
                })
                .collect()
            };
            rows.len() == others.len()
                && rows.iter().any(|row| row.len() > 1)
                && values(rows) != values(others)
                && without(rows) == without(others)
        });
        if let Some(column) = column {
            let message = format!(
                "table {table}: key column {column} has other values for the same rows when the state is sent again {when}: every retry would add the rows once more"
            );
            let values = |rows: &[Row]| rows.first().and_then(|row| row.get(column)).cloned();
            let details = Detail {
                what: format!("insert.{table}[0].{column}"),
                values: values(rows).into_iter().chain(values(others)).collect(),
            };
            return Some(
                Finding::wrong("L-11", message)
                    .at(format!("insert.{table}[0].{column}"))
                    .with([details]),
            );
        }
    }
    None
}

/// `- insert.orders[3]: only the first answer has this row`.
fn row_differences(first: &Page, again: &Page, keys: &Keys) -> Vec<Detail> {
    let mut details = Vec::new();
    for (member, first, again) in
        [("insert", &first.insert, &again.insert), ("delete", &first.delete, &again.delete)]
    {
        let tables: BTreeSet<&String> = first.keys().chain(again.keys()).collect();
        for table in tables {
            let none = Vec::new();
            let (a, b) = (first.get(table).unwrap_or(&none), again.get(table).unwrap_or(&none));
            let mut left: Vec<(usize, &Row)> = b.iter().enumerate().collect();
            for (index, row) in a.iter().enumerate() {
                let identity = keys.identity(table, row);
                let found =
                    left.iter().position(|(_, other)| keys.identity(table, other) == identity);
                let Some((_, other)) = found.map(|at| left.remove(at)) else {
                    details.push(Detail {
                        what: format!("- {member}.{table}[{index}]: only in the first answer"),
                        values: vec![json_of(row)],
                    });
                    continue;
                };
                let columns: BTreeSet<&String> = row.keys().chain(other.keys()).collect();
                for column in columns.into_iter().filter(|name| row.get(*name) != other.get(*name))
                {
                    let value =
                        |row: &Row| row.get(column).map_or("absent", String::as_str).to_owned();
                    details.push(Detail {
                        what: format!("~ {member}.{table}[{index}].{column}: another value"),
                        values: vec![value(row), value(other)],
                    });
                }
            }
            details.extend(left.into_iter().map(|(index, row)| Detail {
                what: format!("+ {member}.{table}[{index}]: only in the second answer"),
                values: vec![json_of(row)],
            }));
        }
    }
    details
}

fn json_of(row: &Row) -> String {
    let members = row.iter().map(|(name, value)| format!("{name:?}: {value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
}

/// Leaves that differ, without those that tell the time of the call: they have a finding of their own.
fn state_differences(first: &Call, page: &Page, replay: &Call, again: &Page) -> Vec<Detail> {
    let before = leaves(page.response.state.as_json());
    let after = leaves(again.response.state.as_json());
    let places: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differing = places.into_iter().filter(|place| {
        let (a, b) = (before.get(*place), after.get(*place));
        let clocks = a.is_some_and(|leaf| leaf.is_clock(first))
            && b.is_some_and(|leaf| leaf.is_clock(replay));
        a != b && !clocks
    });
    let text = |leaf: Option<&super::super::leaves::Leaf>| {
        leaf.map_or_else(|| "absent".to_owned(), |leaf| leaf.text.clone())
    };
    let detail = |place: &String| Detail {
        what: format!("~ {place}: another value"),
        values: vec![text(before.get(place)), text(after.get(place))],
    };
    differing.map(detail).collect()
}
