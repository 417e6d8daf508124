//! How rows are kept: as versions, as current state, as they come; and how much a sweep may delete.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{Options, Policy, Share, TableMode, TablePolicy};
use expect_test::expect;

use crate::conformance::Storage;
use crate::conformance::bench::{Bench, print_counts};

fn kept(mode: TableMode) -> Options {
    let policy = Policy { mode, ..Policy::default() };
    Options { policy: Arc::new(policy), ..Options::default() }
}

pub fn f_210_f_211_f_213_every_version_is_kept<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::with(fresh, kept(TableMode::History));
    bench.sync(&[r#"[{"id":1,"v":"a"},{"id":2,"v":"b"}]"#]);
    let pages = [
        r#"[{"id":1,"v":"c"},{"id":2,"v":"b"},{"id":3,"v":{"x":1}}]"#,
        r#"[{"id":1,"v":"d"},{"id":3,"v":{"x":2}},{"id":2,"v":"e"}]"#,
        r#"[{"id":2,"v":"b"}]"#,
    ];
    let landed = bench.sync(&pages[..1]);
    assert_eq!(print_counts(&landed), "t: 1 inserted, 1 updated, 1 unchanged\n");
    bench.sync(&pages);
    let expected = expect![[r#"
        id long | v json | _fivetran_synced instant | _fivetran_active boolean | _fivetran_start instant | _fivetran_end instant
        1 | "a" | sync 2 | false | sync 1 | before sync 2
        1 | "c" | sync 3 | false | sync 2 | before sync 3
        1 | "d" | sync 3 | true | sync 3 | open
        2 | "b" | sync 3 | true | sync 1 | open
        3 | {"x":1} | sync 3 | false | sync 2 | before sync 3
        3 | {"x":2} | sync 3 | true | sync 3 | open
    "#]];
    bench.check("t", expected);
    let mut joined = Bench::with(fresh, kept(TableMode::History));
    joined.sync(&[r#"[{"id":1,"v":"a"},{"id":2,"v":"b"}]"#]);
    joined.sync_joined(&pages[..1]);
    joined.sync_joined(&pages);
    assert_eq!(joined.print("t"), bench.print("t"));
}

pub fn f_212_a_delete_and_a_sweep_end_a_version<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::with(fresh, kept(TableMode::History));
    bench.sync(&[r#"[{"id":1,"v":1},{"id":2,"v":2},{"id":3,"v":3}]"#]);
    let landed = bench.sync(&[r#"{"delete":{"t":[{"id":1},{"id":9}]}}"#]);
    assert_eq!(print_counts(&landed), "t: 1 deleted\n");
    let landed = bench.sync(&[
        r#"{"insert":{"t":[{"id":1,"v":1},{"id":2,"v":0}]},"delete":{"t":[{"id":2}]},"softDelete":["t"]}"#,
    ]);
    assert_eq!(print_counts(&landed), "t: 1 inserted, 1 updated, 1 deleted, 1 swept\n");
    bench.check(
        "t",
        expect![[r#"
            id long | v long | _fivetran_synced instant | _fivetran_active boolean | _fivetran_start instant | _fivetran_end instant
            1 | 1 | sync 1 | false | sync 1 | sync 2
            1 | 1 | sync 3 | true | sync 3 | open
            2 | 0 | sync 3 | false | sync 3 | sync 3
            2 | 2 | sync 3 | false | sync 1 | before sync 3
            3 | 3 | sync 1 | false | sync 1 | sync 3
        "#]],
    );
}

pub fn f_214_history_is_turned_on_and_off<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1,"v":1},{"id":2,"v":2}]"#]);
    bench.sync(&[r#"{"delete":{"t":[{"id":2}]}}"#]);
    bench.options = kept(TableMode::History);
    bench.sync(&[r#"[{"id":1,"v":"x","w":1}]"#]);
    bench.check(
        "t",
        expect![[r#"
            id long | v string | w long | _fivetran_synced instant | _fivetran_active boolean | _fivetran_start instant | _fivetran_end instant
            1 | 1 | NULL | sync 3 | false | sync 1 | before sync 3
            1 | x | 1 | sync 3 | true | sync 3 | open
            2 | 2 | NULL | sync 2 | false | sync 2 | sync 2
        "#]],
    );
    bench.options = Options::default();
    bench.sync(&[r#"[{"id":3,"v":3,"u":true}]"#]);
    bench.check(
        "t",
        expect![[r#"
            id long | v string | w long | u boolean | _fivetran_synced instant | _fivetran_deleted boolean
            1 | x | 1 | NULL | sync 3 | false
            2 | 2 | NULL | NULL | sync 2 | true
            3 | 3 | NULL | true | sync 4 | false
        "#]],
    );
    bench.close();
    let kept_apart = bench.storage.read("t__history_4").expect("older versions are kept");
    assert_eq!(kept_apart.rows.len(), 1);
    assert_eq!(kept_apart.rows[0]["v"].as_deref(), Some("1"));
    bench.options = kept(TableMode::History);
    bench.sync(&[r#"[{"id":1,"v":"y"}]"#]);
    bench.options = kept(TableMode::Live);
    bench.sync(&[r#"[{"id":1,"v":"z"}]"#]);
    bench.check(
        "t",
        expect![[r#"
            id long | v string | w long | u boolean | _fivetran_synced instant | _fivetran_deleted boolean
            1 | z | NULL | NULL | sync 6 | false
            3 | 3 | NULL | true | sync 4 | false
        "#]],
    );
}

pub fn live_tables_hold_what_is_there<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1},{"id":2},{"id":3}]"#]);
    bench.sync(&[r#"{"delete":{"t":[{"id":1}]}}"#]);
    bench.options = kept(TableMode::Live);
    let landed = bench.sync(&[
        r#"{"insert":{"t":[{"id":3},{"id":4}]},"delete":{"t":[{"id":4}]},"softDelete":["t"]}"#,
    ]);
    assert_eq!(print_counts(&landed), "t: 1 unchanged, 1 swept\n");
    bench.check(
        "t",
        expect![[r#"
            id long | _fivetran_synced instant | _fivetran_deleted boolean
            3 | sync 3 | false
        "#]],
    );
    let mut fresh_one = Bench::with(fresh, kept(TableMode::Live));
    fresh_one.sync(&[
        r#"{"insert":{"t":[{"id":1}]},"softDelete":["t"],"schema":{"t":{"primary_key":["id"]}}}"#,
    ]);
    fresh_one.sync(&[r#"{"softDelete":["t"]}"#]);
    fresh_one.check(
        "t",
        expect![[r#"
            id long | _fivetran_synced instant
        "#]],
    );
}

pub fn append_only_tables_grow<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::with(fresh, kept(TableMode::Append));
    bench.sync(&[r#"[{"id":1,"v":1},{"id":1,"v":1}]"#]);
    bench.sync(&[
        r#"{"insert":{"t":[{"id":1,"v":2}]},"delete":{"t":[{"id":1}]},"softDelete":["t"],"schema":{"t":{"primary_key":["id"]}}}"#,
    ]);
    bench.check(
        "t",
        expect![[r#"
            id long | v long | _fivetran_synced instant | _fivetran_batch instant | _fivetran_index long
            1 | 1 | sync 1 | sync 1 | 0
            1 | 1 | sync 1 | sync 1 | 1
            1 | 2 | sync 2 | sync 2 | 0
        "#]],
    );
}

pub fn a_sweep_of_too_much_is_refused<S: Storage>(fresh: &dyn Fn() -> S) {
    for mode in [TableMode::Upsert, TableMode::Live, TableMode::History] {
        let mut bench = Bench::with(fresh, kept(mode));
        Arc::make_mut(&mut bench.options.policy).max_deletes = Some(Share(2_000));
        let rows = |count: u8| {
            let rows = (1..=count).map(|id| format!(r#"{{"id":{id}}}"#));
            let rows = rows.collect::<Vec<_>>().join(",");
            format!(
                r#"{{"insert":{{"t":[{rows}]}},"schema":{{"t":{{"primary_key":["id"]}}}},"softDelete":["t"]}}"#
            )
        };
        bench.sync(&[&rows(10)]);
        let before = bench.print("t");
        bench.begin_sync();
        let refused = bench.land(&rows(7), true).expect_err("three of ten are more than 20 %");
        assert_eq!(refused.code(), "too_many_deletes");
        assert!(refused.to_string().contains("3 of 10 live rows"), "{refused}");
        assert_eq!(bench.print("t"), before, "nothing is changed");
        let landed = bench.sync(&[&rows(8)]);
        assert_eq!(print_counts(&landed), "t: 8 unchanged, 2 swept\n");
        Arc::make_mut(&mut bench.options.policy).max_deletes = None;
        let landed = bench.sync(&[&rows(1)]);
        assert_eq!(print_counts(&landed), "t: 1 unchanged, 7 swept\n");
    }
}

/// What versions of one key are left: since when each holds, its value, until when, and whether it is current.
type Left = Vec<(usize, u64, String, bool)>;

/// Days in 2020 on which versions begin.
const DAYS: usize = 5;

/// Versions and deletes of three keys, sync by sync and page by page: told once as it is, and once with the
/// versions of each page the other way round and pages joined. Both leave what the rules say.
pub fn dec_66_timed_versions_do_not_depend_on_their_order<S: Storage>(fresh: &dyn Fn() -> S) {
    let table = TablePolicy {
        mode: Some(TableMode::History),
        version_time: Some("since".to_owned()),
        ..TablePolicy::default()
    };
    let policy = Policy { tables: [("t".to_owned(), table)].into(), ..Policy::default() };
    let options = Options { policy: Arc::new(policy), ..Options::default() };
    for seed in 0..S::JOINED_STORIES {
        let mut chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |most: u64| {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            chance % most
        };
        let (mut apart, mut joined) =
            (Bench::with(fresh, options.clone()), Bench::with(fresh, options.clone()));
        let mut fold: BTreeMap<u64, BTreeMap<usize, (u64, Option<u64>)>> = BTreeMap::new();
        for sync in 1..=3 {
            let mut pages = Vec::new();
            let mut ended: Vec<(u64, usize)> = Vec::new();
            for _ in 0..=below(2) {
                let mut rows: BTreeMap<(u64, usize), u64> = BTreeMap::new();
                for _ in 0..below(4) {
                    let day = usize::try_from(below(DAYS as u64)).expect("a small number");
                    rows.insert((below(3), day), below(2));
                }
                let deleted: Option<u64> = Some(below(6)).filter(|key| *key < 3);
                let text = |((key, day), value): (&(u64, usize), &u64)| {
                    format!(r#"{{"id":{key},"v":{value},"since":"2020-01-{:02}"}}"#, day + 1)
                };
                let mut texts: Vec<String> = rows.iter().map(text).collect();
                let delete = deleted.map(|key| format!(r#","delete":{{"t":[{{"id":{key}}}]}}"#));
                let page = |texts: &[String]| {
                    format!(
                        r#"{{"insert":{{"t":[{}]}},"schema":{{"t":{{"primary_key":["id"]}}}}{}}}"#,
                        texts.join(","),
                        delete.clone().unwrap_or_default()
                    )
                };
                let forth = page(&texts);
                texts.reverse();
                pages.push((forth, page(&texts)));
                for ((key, day), value) in rows {
                    let versions = fold.entry(key).or_default();
                    versions.insert(day, (value, None));
                    // A row that is sent takes a delete of its sync back.
                    for (_, gone) in ended.extract_if(.., |(gone, _)| *gone == key) {
                        versions.entry(gone).and_modify(|(_, end)| *end = None);
                    }
                }
                let last = deleted.and_then(|key| Some((key, fold.get_mut(&key)?)));
                if let Some((key, versions)) = last
                    && let Some((day, (_, end @ None))) = versions.iter_mut().next_back()
                {
                    *end = Some(sync);
                    ended.push((key, *day));
                }
            }
            let forth: Vec<&str> = pages.iter().map(|(forth, _)| forth.as_str()).collect();
            let back: Vec<&str> = pages.iter().map(|(_, back)| back.as_str()).collect();
            apart.sync(&forth);
            joined.sync_joined(&back);
        }
        let expected: Vec<(u64, Left)> = fold
            .into_iter()
            .map(|(key, versions)| {
                let days: Vec<usize> = versions.keys().copied().collect();
                let left = versions.into_iter().enumerate().map(|(place, (day, (value, end)))| {
                    let next = days.get(place + 1);
                    let until = match (next, end) {
                        (Some(next), _) => format!("before 2020-01-{:02}", next + 1),
                        (None, Some(sync)) => format!("sync {sync}"),
                        (None, None) => "open".to_owned(),
                    };
                    (day, value, until, next.is_none() && end.is_none())
                });
                (key, left.collect())
            })
            .collect();
        for (bench, told) in [(&mut apart, "page by page"), (&mut joined, "joined, backwards")] {
            assert_eq!(versions_in(bench), expected, "seed {seed}, {told}");
        }
    }
}

fn versions_in<S: Storage>(bench: &mut Bench<S>) -> Vec<(u64, Left)> {
    let mut left: BTreeMap<u64, Left> = BTreeMap::new();
    for row in bench.read("t").map(|stored| stored.rows).unwrap_or_default() {
        let text = |name: &str| row[name].clone().expect("a value");
        let number = |name: &str| text(name).parse::<u64>().expect("a number");
        let start = text("_fivetran_start");
        assert!(start.starts_with("2020-01-"), "{start}");
        let day: usize = start[8..10].parse().expect("a day");
        let end = text("_fivetran_end");
        let until = match end.get(..4) {
            Some("9999") => "open".to_owned(),
            // The n-th sync begins on the n-th of January 2026.
            Some("2026") => format!("sync {}", end[8..10].parse::<u64>().expect("a day")),
            _ => {
                assert!(end.ends_with("T23:59:59.999Z"), "{end}");
                let before: usize = end[8..10].parse().expect("a day");
                format!("before 2020-01-{:02}", before + 1)
            }
        };
        left.entry(number("id")).or_default().push((
            day - 1,
            number("v"),
            until,
            text("_fivetran_active") == "true",
        ));
    }
    for versions in left.values_mut() {
        versions.sort();
    }
    left.into_iter().collect()
}
