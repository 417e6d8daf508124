//! A joined batch lands what its pages would have landed one by one, and both what the reference lands.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{
    Batch, DeleteMode, Keyless, Options, Policy, Position, SoftDeleteTiming, StringInference,
    TableMode, TablePolicy,
};

use crate::conformance::Storage;
use crate::conformance::bench::{Bench, print_counts, response};
use crate::fault::Chance;
use crate::memory::Memory;

/// The same random pages, landed one by one, joined at random, and one by one in memory.
pub fn a_joined_batch_equals_its_pages<S: Storage>(fresh: &dyn Fn() -> S) {
    for seed in 0..S::JOINED_STORIES {
        let mut chance = Chance::new(seed);
        let options = options(&mut chance);
        let syncs: Vec<Vec<String>> = (0..=chance.below(3)).map(|_| story(&mut chance)).collect();
        let mut apart = Bench::with(fresh, options.clone());
        let mut joined = Bench::with(fresh, options.clone());
        let mut reference = Bench::with(&Memory::default, options);
        let story = format!("seed {seed}: {syncs:#?}");
        for pages in &syncs {
            let policy = policy(&mut chance);
            for options in [&mut apart.options, &mut joined.options, &mut reference.options] {
                options.policy = Arc::clone(&policy);
            }
            let pages = land_apart(&mut apart, &mut reference, pages, &story);
            land_joined(&mut joined, &pages, &mut chance);
        }
        compare(&mut apart, &mut joined, &story);
        compare(&mut apart, &mut reference, &story);
    }
}

/// From one sync to the next, a table may be kept otherwise.
fn policy(chance: &mut Chance) -> Arc<Policy> {
    let modes = [TableMode::Upsert, TableMode::Live, TableMode::History, TableMode::History];
    let tables = ["t", "u"].map(|name| {
        let mode = Some(chance.pick(&modes));
        (name.to_owned(), TablePolicy { mode, ..TablePolicy::default() })
    });
    let tables = if chance.below(2) == 0 { tables.into() } else { BTreeMap::new() };
    Arc::new(Policy { tables, ..Policy::default() })
}

fn options(chance: &mut Chance) -> Options {
    Options {
        delete_mode: chance.pick(&[DeleteMode::Soft, DeleteMode::Hard]),
        keyless: chance.pick(&[Keyless::BatchIndex, Keyless::RowHash]),
        soft_delete_timing: chance
            .pick(&[SoftDeleteTiming::OnSuccess, SoftDeleteTiming::OnResponse]),
        string_inference: chance.pick(&[StringInference::Temporal, StringInference::Full]),
        ..Options::default()
    }
}

/// Keys that meet one another again when their column widens.
const KEYS: [&str; 14] = [
    "1",
    "2",
    "3",
    "1",
    "2",
    "3",
    "\"1\"",
    "\"x\"",
    "0.5",
    "0",
    "-0.0",
    "1e16",
    "10000000000000000",
    "true",
];
const VALUES: [&str; 20] = [
    "null",
    "1",
    "-7",
    "0.5",
    "19.90",
    "1e300",
    "9007199254740993",
    "9223372036854775808",
    "true",
    "\"\"",
    "\"text\"",
    "\"9\"",
    "\"it's \\u0000\"",
    "\"2020-01-01\"",
    "\"2020-01-01T10:00:00\"",
    "\"2020-01-01T10:00:00Z\"",
    "{\"a\": [1, 2.0]}",
    "[]",
    "1e400",
    "1234567890123456789012345678901234567890",
];

/// The pages of one sync.
fn story(chance: &mut Chance) -> Vec<String> {
    (0..=chance.below(5)).map(|_| page(chance)).collect()
}

/// `t` has a key, `u` a composite one, `k` none.
fn page(chance: &mut Chance) -> String {
    // Most stories widen keys but once: values of a kind are likelier.
    let kinds = if chance.below(3) == 0 { KEYS.len() } else { 6 };
    let key = |chance: &mut Chance| chance.pick(&KEYS[..kinds]);
    let t = rows(chance, 4, &|chance| format!(r#""id":{},{}"#, key(chance), fields(chance)));
    let u = rows(chance, 3, &|chance| {
        format!(r#""b":{},"a":{},{}"#, key(chance), key(chance), fields(chance))
    });
    let k = rows(chance, 3, &fields);
    let gone = rows(chance, 2, &|chance| format!(r#""id":{}"#, key(chance)));
    let soft = chance.pick(&["[]", "[]", "[\"t\"]", "[\"k\",\"t\"]", "true"]);
    format!(
        r#"{{"insert":{{"t":{t},"u":{u},"k":{k}}},"delete":{{"t":{gone}}},"schema":{{"t":{{"primary_key":["id"]}},"u":{{"primary_key":["a","b"]}}}},"softDelete":{soft}}}"#
    )
}

fn rows(chance: &mut Chance, max: u64, row: &dyn Fn(&mut Chance) -> String) -> String {
    let rows = (0..chance.below(max + 1)).map(|_| format!("{{{}}}", row(chance)));
    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

fn fields(chance: &mut Chance) -> String {
    let fields = ["v", "w", "x"];
    let fields = fields.map(|name| format!(r#""{name}":{}"#, chance.pick(&VALUES)));
    let count = usize::try_from(1 + chance.below(3)).expect("a small number");
    fields[..count].join(",")
}

/// Lands each page by itself, all but those that cannot be placed, and counts rows as the reference does;
/// answers the pages that landed, and whether each is the last of its sync.
fn land_apart<S: Storage>(
    bench: &mut Bench<S>,
    reference: &mut Bench<Memory>,
    pages: &[String],
    story: &str,
) -> Vec<(String, bool)> {
    bench.begin_sync();
    reference.begin_sync();
    let mut placed = Vec::new();
    for (index, page) in pages.iter().enumerate() {
        let (position, is_last) = (bench.position(), index + 1 == pages.len());
        // A last page that cannot be placed leaves the sync without an end, in every way.
        let Ok(batch) = Batch::plan(response(page, is_last), &position, &bench.run()) else {
            continue;
        };
        let landed = bench.commit(&batch).unwrap_or_else(|error| panic!("{error}: {story}"));
        let expected = reference.commit(&batch).expect("the reference is at the same position");
        assert_eq!(print_counts(&landed), print_counts(&expected), "{page} of {story}");
        placed.push((page.clone(), is_last));
    }
    placed
}

/// Lands the pages, joined by chance into few commits or one.
fn land_joined<S: Storage>(bench: &mut Bench<S>, pages: &[(String, bool)], chance: &mut Chance) {
    bench.begin_sync();
    let mut batch: Option<Batch> = None;
    for (page, is_last) in pages {
        let stored = bench.position();
        let tip: &Position = batch.as_ref().map_or(&stored, Batch::leaves);
        let next = bench.plan(page, *is_last, tip);
        let whole = match batch.take() {
            Some(batch) => batch.join(next),
            None => next,
        };
        if chance.below(4) == 0 {
            commit(bench, &whole, pages);
        } else {
            batch = Some(whole);
        }
    }
    if let Some(batch) = batch {
        commit(bench, &batch, pages);
    }
}

fn commit<S: Storage>(bench: &mut Bench<S>, batch: &Batch, pages: &[(String, bool)]) {
    let committed = bench.commit(batch);
    committed.unwrap_or_else(|error| panic!("{error}: {:#?} of {pages:#?}", batch.changes()));
}

fn compare<S: Storage, T: Storage>(one: &mut Bench<S>, other: &mut Bench<T>, story: &str) {
    let (here, there) = (one.position(), other.position());
    assert_eq!(here.schema(), there.schema(), "{story}");
    assert_eq!(here.chain(), there.chain(), "{story}");
    assert_eq!(here.stored(), there.stored(), "{story}");
    for table in here.schema().tables.keys() {
        assert_eq!(one.print(table), other.print(table), "table {table} of {story}");
    }
}
