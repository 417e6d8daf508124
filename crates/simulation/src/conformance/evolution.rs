//! Tables and columns only grow, and only by what lands.

use engine::DestinationError;
use expect_test::expect;

use crate::conformance::Storage;
use crate::conformance::bench::{Bench, print_counts};

pub fn tables_and_columns_appear<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1}]"#, r#"[{"id":2,"b":true}]"#]);
    bench.sync(&[
        r#"{"insert":{"t":[{"id":3,"a":"x","c":1.5}],"u":[{"k":"v"}]},"schema":{"u":{"primary_key":["k"]}}}"#,
    ]);
    bench.check(
        "t",
        expect![[r#"
        id long | b boolean | a string | c double | _fivetran_synced instant
        1 | NULL | NULL | NULL | sync 1
        2 | true | NULL | NULL | sync 1
        3 | NULL | x | 1.5 | sync 2
    "#]],
    );
    bench.check(
        "u",
        expect![[r#"
        k string | _fivetran_synced instant
        v | sync 2
    "#]],
    );
}

pub fn dec_43_soft_deletes_appear_for_the_rows_that_are_there<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1},{"id":2}]"#]);
    bench.sync(&[r#"{"delete":{"t":[{"id":2}]}}"#]);
    bench.check(
        "t",
        expect![[r#"
        id long | _fivetran_synced instant | _fivetran_deleted boolean
        1 | sync 1 | false
        2 | sync 2 | true
    "#]],
    );
}

/// The column for soft deletes comes with the first page of a commit, other changes with the second.
pub fn soft_deletes_and_other_changes_share_a_commit<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1,"n":1},{"id":2,"n":2}]"#]);
    bench.sync_joined(&[
        r#"{"delete":{"t":[{"id":1}]}}"#,
        r#"[{"id":2,"n":"x","new":1}]"#,
        r#"[{"id":3,"n":{},"newer":1}]"#,
    ]);
    bench.check("t", expect![[r#"
        id long | n json | new long | newer long | _fivetran_synced instant | _fivetran_deleted boolean
        1 | "1" | NULL | NULL | sync 2 | true
        2 | "x" | 1 | NULL | sync 2 | false
        3 | {} | NULL | 1 | sync 2 | false
    "#]]);
}

pub fn f_195_f_196_what_vanishes_stays<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[
        r#"{"insert":{"t":[{"id":1,"a":"x"},{"id":2,"a":"y"}],"u":[{"k":1}]},"schema":{"t":{"primary_key":["id"]}}}"#,
    ]);
    bench.sync(&[r#"[{"id":2}]"#]);
    bench.check(
        "t",
        expect![[r#"
        id long | a string | _fivetran_synced instant
        1 | x | sync 1
        2 | NULL | sync 2
    "#]],
    );
    bench.check(
        "u",
        expect![[r#"
        k long | _fivetran_synced instant | _fivetran_batch instant | _fivetran_index long
        1 | sync 1 | sync 1 | 0
    "#]],
    );
}

pub fn f_178_a_column_does_not_narrow<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1,"n":0.5,"s":"x","l":9223372036854775807,"i":10000000000000000000000000000000000000000}]"#]);
    bench.sync(&[r#"[{"id":2,"n":1,"s":7,"l":1,"i":0.5}]"#]);
    bench.check(
        "t",
        expect![[r#"
        id long | n double | s string | l long | i string | _fivetran_synced instant
        1 | 0.5 | x | 9223372036854775807 | 10000000000000000000000000000000000000000 | sync 1
        2 | 1 | 7 | 1 | 0.5 | sync 2
    "#]],
    );
}

pub fn f_179_many_rows_widen_at_once<S: Storage>(fresh: &dyn Fn() -> S) {
    const ROWS: usize = 100_000;
    let rows = (0..ROWS).map(|id| format!(r#"{{"id":{id},"n":{id},"d":"2020-01-01"}}"#));
    let rows = format!("[{}]", rows.collect::<Vec<_>>().join(","));
    let mut bench = Bench::new(fresh);
    bench.sync(&[&rows]);
    bench.sync(&[r#"[{"id":0,"n":"none","d":"n/a"}]"#]);
    let stored = bench.read("t").expect("the table was created");
    assert_eq!((stored.rows.len(), stored.columns["n"].as_str()), (ROWS, "string"));
    for row in &stored.rows {
        let expected = match row["id"].as_deref() {
            Some("0") => [Some("none"), Some("n/a")],
            id => [id, Some("2020-01-01")],
        };
        assert_eq!([row["n"].as_deref(), row["d"].as_deref()], expected);
    }
}

/// The batch widens `t` and then meets a table that is not ours.
pub fn f_180_a_batch_that_fails_changes_no_schema<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1,"n":1},{"id":2,"n":2}]"#]);
    bench.close();
    bench.storage.create_unmanaged("u");
    let before = (bench.position().stored(), bench.print("t"));
    bench.begin_sync();
    let page = r#"{"insert":{"t":[{"id":1,"n":"x","new":1}],"u":[{"a":1}],"v":[{"a":1}]},"delete":{"t":[{"id":2}]},"softDelete":["t"]}"#;
    let refused = bench.land(page, true).expect_err("table u is not ours");
    assert_eq!(refused.code(), "unmanaged_table");
    assert_eq!((bench.position().stored(), bench.print("t")), before);
    assert_eq!(bench.read("v"), None);
    let landed = bench.sync(&[r#"[{"id":1,"n":1}]"#]);
    assert_eq!(print_counts(&landed), "t: 1 unchanged\n");
}

pub fn f_199_a_table_that_is_not_ours_is_refused<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.storage.create_unmanaged("t");
    let before = bench.storage.read("t");
    bench.begin_sync();
    let refused = bench.land(r#"[{"id":1}]"#, true).expect_err("table t is not ours");
    let DestinationError::Refused { code, message, hint } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(code, "unmanaged_table");
    assert!(message.contains('t') && !hint.is_empty());
    bench.close();
    assert_eq!(bench.storage.read("t"), before);
    assert_eq!(bench.position().ordinal(), 0);
}
