//! What `delete`, `softDelete` and a resync do.

use engine::{Batch, DeleteMode, Options, SoftDeleteTiming};
use expect_test::expect;

use crate::conformance::Storage;
use crate::conformance::bench::{Bench, print_counts};

const ABC: &str = r#"[{"id":"a","v":1},{"id":"b","v":2},{"id":"c","v":3}]"#;

fn hard() -> Options {
    Options { delete_mode: DeleteMode::Hard, ..Options::default() }
}

pub fn f_111_f_113_f_114_a_soft_delete_marks<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[ABC]);
    let landed = bench
        .sync(&[r#"{"delete":{"t":[{"id":"a"},{"id":"b","v":99},{"id":"nobody"},{"id":"a"}]}}"#]);
    assert_eq!(print_counts(&landed), "t: 2 deleted\n");
    bench.check(
        "t",
        expect![[r#"
        id string | v long | _fivetran_synced instant | _fivetran_deleted boolean
        a | 1 | sync 2 | true
        b | 2 | sync 2 | true
        c | 3 | sync 1 | false
    "#]],
    );
    let again = bench.sync(&[r#"{"delete":{"t":[{"id":"a"}]}}"#]);
    assert_eq!(print_counts(&again), "", "it was marked already");
}

pub fn f_112_a_hard_delete_removes<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::with(fresh, hard());
    bench.sync(&[ABC]);
    let landed = bench.sync(&[r#"{"delete":{"t":[{"id":"a"},{"id":"nobody"},{"id":"c","v":0}]}}"#]);
    assert_eq!(print_counts(&landed), "t: 2 deleted\n");
    bench.check(
        "t",
        expect![[r#"
        id string | v long | _fivetran_synced instant
        b | 2 | sync 1
    "#]],
    );
}

pub fn f_116_f_117_deletes_and_inserts_of_one_key<S: Storage>(fresh: &dyn Fn() -> S) {
    let page = r#"{"insert":{"t":[{"id":"a","v":5},{"id":"new","v":6}]},"delete":{"t":[{"id":"a"},{"id":"new"}]}}"#;
    let mut soft = Bench::new(fresh);
    soft.sync(&[ABC]);
    let landed = soft.sync(&[page]);
    assert_eq!(print_counts(&landed), "t: 1 inserted, 1 updated, 2 deleted\n");
    soft.check(
        "t",
        expect![[r#"
        id string | v long | _fivetran_synced instant | _fivetran_deleted boolean
        a | 5 | sync 2 | true
        b | 2 | sync 1 | false
        c | 3 | sync 1 | false
        new | 6 | sync 2 | true
    "#]],
    );
    let landed = soft.sync(&[r#"[{"id":"a","v":5},{"id":"new","v":7}]"#]);
    assert_eq!(print_counts(&landed), "t: 2 updated\n");
    soft.check(
        "t",
        expect![[r#"
        id string | v long | _fivetran_synced instant | _fivetran_deleted boolean
        a | 5 | sync 3 | false
        b | 2 | sync 1 | false
        c | 3 | sync 1 | false
        new | 7 | sync 3 | false
    "#]],
    );

    let mut removed = Bench::with(fresh, hard());
    removed.sync(&[ABC]);
    removed.sync(&[page]);
    removed.check(
        "t",
        expect![[r#"
        id string | v long | _fivetran_synced instant
        b | 2 | sync 1
        c | 3 | sync 1
    "#]],
    );
    removed.sync(&[r#"[{"id":"a","v":8}]"#]);
    removed.check(
        "t",
        expect![[r#"
        id string | v long | _fivetran_synced instant
        a | 8 | sync 3
        b | 2 | sync 1
        c | 3 | sync 1
    "#]],
    );
}

pub fn f_118_no_deletes_no_column<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::with(fresh, hard());
    bench.sync(&[ABC]);
    bench.sync(&[r#"{"delete":{"t":[{"id":"a"}]}}"#]);
    let stored = bench.read("t").expect("the table was created");
    assert!(!stored.columns.contains_key("_fivetran_deleted"), "{:?}", stored.columns);
}

pub fn f_119_f_126_a_sweep_marks_what_was_not_seen<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[ABC]);
    let landed = bench.sync(&[
        r#"{"insert":{"t":[{"id":"b","v":2}]},"softDelete":["t"]}"#,
        r#"{"insert":{"t":[{"id":"d","v":4}]}}"#,
    ]);
    assert_eq!(print_counts(&landed), "t: 1 inserted, 1 unchanged, 2 swept\n");
    bench.check(
        "t",
        expect![[r#"
        id string | v long | _fivetran_synced instant | _fivetran_deleted boolean
        a | 1 | sync 1 | true
        b | 2 | sync 2 | false
        c | 3 | sync 1 | true
        d | 4 | sync 2 | false
    "#]],
    );
    let again = bench.sync(&[r#"{"insert":{"t":[{"id":"b","v":2}]},"softDelete":["t"]}"#]);
    assert_eq!(print_counts(&again), "t: 1 unchanged, 1 swept\n", "marked rows stay as they are");

    let at_once =
        Options { soft_delete_timing: SoftDeleteTiming::OnResponse, ..Options::default() };
    let mut bench = Bench::with(fresh, at_once);
    bench.sync(&[ABC]);
    bench.begin_sync();
    let page = r#"{"insert":{"t":[{"id":"b","v":2}]},"softDelete":["t"]}"#;
    let landed = bench.land(page, false).expect("the page lands");
    assert_eq!(print_counts(&landed), "t: 1 unchanged, 2 swept\n");
    let landed = bench.land(r#"{"insert":{"t":[{"id":"c","v":3}]}}"#, true).expect("it lands");
    assert_eq!(print_counts(&landed), "t: 1 updated\n");
}

pub fn f_122_f_123_sweeps_of_silent_and_missing_tables<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[ABC]);
    let landed = bench.sync(&[r#"{"softDelete":["t","nope"]}"#]);
    assert_eq!(print_counts(&landed), "t: 3 swept\n");
    assert_eq!(bench.read("nope"), None);
    bench.check(
        "t",
        expect![[r#"
        id string | v long | _fivetran_synced instant | _fivetran_deleted boolean
        a | 1 | sync 1 | true
        b | 2 | sync 1 | true
        c | 3 | sync 1 | true
    "#]],
    );
}

pub fn f_125_soft_delete_is_stronger_than_hard<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::with(fresh, hard());
    bench.sync(&[ABC]);
    let page =
        r#"{"insert":{"t":[{"id":"b","v":2}]},"delete":{"t":[{"id":"a"}]},"softDelete":["t"]}"#;
    let landed = bench.sync(&[page]);
    assert_eq!(print_counts(&landed), "t: 1 unchanged, 1 deleted, 1 swept\n");
    bench.check(
        "t",
        expect![[r#"
        id string | v long | _fivetran_synced instant | _fivetran_deleted boolean
        a | 1 | sync 2 | true
        b | 2 | sync 2 | false
        c | 3 | sync 1 | true
    "#]],
    );
}

pub fn dec_27_a_sweep_of_a_table_without_key<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    let page = |value: u64| {
        format!(r#"{{"insert":{{"t":[{{"a":{value}}},{{"a":{value}}}]}},"softDelete":["t"]}}"#)
    };
    bench.sync(&[&page(1)]);
    let landed = bench.sync(&[&page(2)]);
    assert_eq!(print_counts(&landed), "t: 2 inserted, 2 swept\n");
    bench.check("t", expect![[r#"
        a long | _fivetran_synced instant | _fivetran_batch instant | _fivetran_index long | _fivetran_deleted boolean
        1 | sync 1 | sync 1 | 0 | true
        1 | sync 1 | sync 1 | 1 | true
        2 | sync 2 | sync 2 | 0 | false
        2 | sync 2 | sync 2 | 1 | false
    "#]]);
}

pub fn dec_40_a_resync_marks_what_is_missing<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[
        r#"{"insert":{"t":[{"id":"a"},{"id":"b"}],"k":[{"x":1}]},"schema":{"t":{"primary_key":["id"]}}}"#,
    ]);
    bench.begin_sync();
    let position = bench.position();
    let resync = Batch::resync(
        &position,
        &engine::Resync { mark_missing: true, ..engine::Resync::default() },
        &bench.run(),
    );
    bench.commit(&resync).expect("a resync lands");
    let landed = bench.sync(&[r#"[{"id":"b"}]"#, r#"[{"id":"c"}]"#]);
    assert_eq!(print_counts(&landed), "t: 1 inserted, 1 unchanged, 1 swept\n");
    bench.check(
        "t",
        expect![[r#"
        id string | _fivetran_synced instant | _fivetran_deleted boolean
        a | sync 1 | true
        b | sync 3 | false
        c | sync 3 | false
    "#]],
    );
    bench.check(
        "k",
        expect![[r#"
        x long | _fivetran_synced instant | _fivetran_batch instant | _fivetran_index long
        1 | sync 1 | sync 1 | 0
    "#]],
    );
}
