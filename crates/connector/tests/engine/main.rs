//! The engine with a manifest as its function: every single fault at every step, of either port and of the
//! API. Whatever happens, the tables hold the API's rows in the end, each once.

mod api;
mod world;

use simulation::fault::FAULTS;

use crate::api::ApiFault;
use crate::world::{Plan, play};

/// A manifest, and its tables with the rows that the API has after each of two syncs.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) manifest: &'static str,
    pub(crate) tables: &'static [&'static str],
}

const PAGES: Story = Story {
    name: "pages by number, deletes by sweep",
    manifest: "
  items:
    records: data
    primary_key: id
    pagination: {page: {to: query.page}, size: {to: query.size, value: 2}}
    deletes: sweep
",
    tables: &["items"],
};

const TOKENS: Story = Story {
    name: "tokens that live for one sync, a cursor",
    manifest: "
  items:
    records: data
    primary_key: id
    pagination: {cursor: {from: body.next, to: query.token}, size: {to: query.size, value: 2}}
    cursor: {field: updated_at, to: query.since}
",
    tables: &["items"],
};

const WINDOWS: Story = Story {
    name: "windows of time",
    manifest: "
  items:
    records: data
    primary_key: id
    pagination: {offset: {to: query.offset}, size: {to: query.size, value: 2}}
    cursor: {field: updated_at, to: query.since, until: query.until, step: 1d, start: 2024-01-01}
",
    tables: &["items"],
};

const CHILDREN: Story = Story {
    name: "children of every row",
    manifest: "
  items:
    records: data
    primary_key: id
    pagination: {page: {to: query.page}, size: {to: query.size, value: 2}}
  parts:
    for_each: items
    path: /items/{{ parent.id }}/parts
    records: data
    primary_key: id
",
    tables: &["items", "parts"],
};

/// Every plan of one fault.
fn check(story: &Story) {
    let whole = play(story, &Plan::default());
    assert!(whole.steps >= 8 && whole.requests >= 5, "{}: {whole:?}", story.name);
    let mut plans = 0;
    for (step, fault) in (0..whole.steps).flat_map(|step| FAULTS.map(|fault| (step, fault))) {
        play(story, &Plan { port: Some((step, fault)), api: None });
        plans += 1;
    }
    for at in 0..whole.requests {
        for fault in ApiFault::ALL {
            play(story, &Plan { port: None, api: Some((at, fault)) });
            plans += 1;
        }
    }
    println!("{}: {plans} plans of one fault, {whole:?}", story.name);
}

#[test]
fn f_073_f_090_any_one_fault_loses_and_doubles_nothing_page_by_page() {
    check(&PAGES);
}

#[test]
fn f_073_f_093_any_one_fault_loses_and_doubles_nothing_token_by_token() {
    check(&TOKENS);
}

#[test]
fn f_073_f_095_any_one_fault_loses_and_doubles_nothing_window_by_window() {
    check(&WINDOWS);
}

#[test]
fn f_073_f_091_any_one_fault_loses_and_doubles_nothing_parent_by_parent() {
    check(&CHILDREN);
}
