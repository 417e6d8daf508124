//! Deletes, marks and sweeps.

use expect_test::expect;

use super::*;
use crate::{Policy, Share};

#[test]
fn f_111_f_112_f_113_f_116_f_117_deletes() {
    let page = r#"{"state":{},"insert":{"t":[{"id":1,"v":1},{"id":2,"v":2}]},"delete":{"t":[{"id":2},{"id":9,"v":0}]},"schema":{"t":{"primary_key":["id"]}},"hasMore":true}"#;
    check(
        &[page],
        expect![[r#"
        t (id): id long, v long
        + 1 | 1
        + 2 | 2
        x 2
        x 9
    "#]],
    );
    let mut run = run();
    run.options.delete_mode = DeleteMode::Hard;
    check_with(
        &run,
        &[page, &rows(r#"[{"id":9,"v":7}]"#, "")],
        expect![[r#"
        t (id): id long, v long
        + 1 | 1
        + 9 | 7
        - 2
    "#]],
    );
    let again = r#"{"state":{},"delete":{"t":[{"id":1}]},"hasMore":true}"#;
    check_with(
        &run,
        &[page, again],
        expect![[r#"
        t (id): id long, v long
        - 2
        - 9
        - 1
    "#]],
    );
}

#[test]
fn f_114_f_115_deletes_without_a_place() {
    check(
        &[r#"{"state":{},"delete":{"t":[{"id":1}]},"schema":{"t":{"primary_key":["id"]}}}"#],
        expect![[""]],
    );
    check(
        &[r#"{"state":{},"delete":{"t":[{"id":1}]}}"#],
        expect![[r#"
            delete_without_primary_key: table t: there are rows to delete, but the table has no declared primary key
        "#]],
    );
    check(
        &[&rows(r#"[{"a":1}]"#, ""), r#"{"state":{},"delete":{"t":[{"a":1}]}}"#],
        expect![[r#"
            delete_without_primary_key: table t: there are rows to delete, but the table has no declared primary key
        "#]],
    );
    check(
        &[&rows(r#"[{"id":1}]"#, r#""id""#), r#"{"state":{},"delete":{"t":[{"id":1},{"x":1}]}}"#],
        expect![[r#"
            delete_without_primary_key: table t, row 2 of delete: no value for key column id
        "#]],
    );
}

#[test]
fn f_119_f_120_f_122_f_123_f_124_sweeps_ride_in_the_last_batch() {
    let page = |soft: &str, more: bool| {
        format!(
            r#"{{"state":{{}},"insert":{{"t":[{{"id":1}}]}},"schema":{{"t":{{"primary_key":["id"]}}}},"softDelete":{soft},"hasMore":{more}}}"#
        )
    };
    check(
        &[&page(r#"["t","nope"]"#, true)],
        expect![[r#"
        t (id): id long
        + 1
    "#]],
    );
    check(
        &[&page(r#"["t"]"#, true), &page("[]", false)],
        expect![[r#"
        t (id): id long
        + 1
        sweep t before 2023-11-14T22:13:20Z
    "#]],
    );
    check(
        &[&page("true", false)],
        expect![[r#"
        t (id): id long
        + 1
        sweep t before 2023-11-14T22:13:20Z
    "#]],
    );
}

#[test]
fn dec_22_a_sweep_has_the_maximum_of_the_user_or_else_of_the_function() {
    let page = r#"{"state":{},"insert":{"t":[{"id":1}]},"schema":{"t":{"primary_key":["id"]}},"softDelete":["t"],"maxDeletes":[{"table":"t","percent":20}],"hasMore":false}"#;
    let check = |policy: Policy, expected: Option<Share>| {
        let mut run = run();
        run.options.policy = Arc::new(policy);
        let batch = plan(page, &Position::default(), &run).expect("a batch");
        let found: Vec<_> = batch.sweeps().map(|sweep| sweep.max_share).collect();
        assert_eq!(found, [expected]);
    };
    check(Policy::default(), Some(Share(2_000)));
    // The user's word goes before the function's.
    check(Policy { max_deletes: Some(Share(5_000)), ..Policy::default() }, Some(Share(5_000)));
    let mut anything = Policy { max_deletes: Some(Share(5_000)), ..Policy::default() };
    anything.allow_deletes();
    check(anything, None);
}
