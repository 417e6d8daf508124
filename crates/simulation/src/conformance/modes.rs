//! How rows are kept: as versions, as current state, as they come; and how much a sweep may delete.

use std::sync::Arc;

use engine::{Options, Policy, Share, TableMode};
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
