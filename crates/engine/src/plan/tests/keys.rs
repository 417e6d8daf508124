//! Keys, rows without key, and the names of columns.

use expect_test::expect;

use super::*;

#[test]
fn f_101_f_102_the_last_word_on_a_key_counts() {
    check(
        &[
            &rows(r#"[{"id":1,"v":"a"},{"id":1,"v":"b"},{"id":2,"v":"c"}]"#, r#""id""#),
            &rows(r#"[{"id":2,"v":"d"},{"id":3}]"#, r#""id""#),
        ],
        expect![[r#"
            t (id): id long, v string
            + 1 | "b"
            + 2 | "d"
            + 3 | null
        "#]],
    );
}

#[test]
fn f_103_a_composite_key_in_another_order_is_the_same() {
    check(
        &[
            &rows(r#"[{"a":1,"b":2,"v":1}]"#, r#""a","b""#),
            &rows(r#"[{"b":2,"a":1,"v":2}]"#, r#""b","a""#),
        ],
        expect![[r#"
            t (a, b): a long, b long, v long
            + 1 | 2 | 2
        "#]],
    );
}

#[test]
fn f_104_f_105_a_missing_key_is_an_error_with_its_place() {
    check(
        &[&rows(r#"[{"id":1},{"id":null}]"#, r#""id""#)],
        expect![[r#"
        null_primary_key: table t, row 2: no value for key column id
    "#]],
    );
    check(
        &[&rows(r#"[{"id":1},{"x":2}]"#, r#""id""#)],
        expect![[r#"
        null_primary_key: table t, row 2: no value for key column id
    "#]],
    );
    check(
        &[&rows(r#"[{"x":2}]"#, r#""id""#)],
        expect![[r#"
        null_primary_key: table t, row 1: no value for key column id
    "#]],
    );
}

#[test]
fn f_106_f_107_keyless_rows_are_counted_through_the_sync() {
    check(
        &[&rows(r#"[{"a":1},{"a":1}]"#, ""), &rows(r#"[{"a":1},{"a":1}]"#, "")],
        expect![[r#"
        t (none: batch index): a long
        + 1 | 0
        + 1 | 1
        + 1 | 2
        + 1 | 3
    "#]],
    );
}

#[test]
fn f_109_row_hash_gives_equal_rows_one_id() {
    let mut run = run();
    run.options.keyless = Keyless::RowHash;
    check_with(
        &run,
        &[&rows(r#"[{"a":1,"b":{"x": 1}},{"b":{"x":1},"a":1,"c":null},{"a":2}]"#, "")],
        expect![[r#"
            t (none: row hash): a long, b json
            + 1 | {"x":1} | "855351e282583abfb5efda214ca268eed649bbe0aafaed1e95792bd625834f0b"
            + 2 | null | "7e8059f495589fcd981232cc11d00b00da3802c01d688fa1cf1f6bed6e5bb33c"
        "#]],
    );
}

#[test]
fn f_127_f_128_keys_stay() {
    check(
        &[&rows(r#"[{"id":1}]"#, r#""id""#), &rows(r#"[{"id":1}]"#, r#""other""#)],
        expect![[r#"
            primary_key_changed: table t: its primary key is (id), and the function now declares (other)
        "#]],
    );
    check(
        &[&rows(r#"[{"id":1}]"#, ""), &rows(r#"[{"id":1}]"#, r#""id""#)],
        expect![[r#"
        primary_key_changed: table t: its primary key is (none: batch index), and the function now declares (id)
    "#]],
    );
    check(
        &[
            r#"{"state":{},"schema":{"t":{"primary_key":["id"]}},"hasMore":true}"#,
            &rows(r#"[{"id":1}]"#, ""),
        ],
        expect![[r#"
            t (id): id long
            + 1
        "#]],
    );
    // Before the first row the latest key counts, but one answer says one thing.
    check(
        &[
            r#"{"state":{},"schema":{"t":{"primary_key":["id"]}},"hasMore":true}"#,
            &rows(r#"[{"id":1,"code":2}]"#, r#""code""#),
        ],
        expect![[r#"
            t (code): id long, code long
            + 1 | 2
        "#]],
    );
    check(
        &[
            r#"{"state":{},"schema":{"t":{"primary_key":["id"]},"T":{"primary_key":["code"]}},"hasMore":true}"#,
        ],
        expect![[r#"
            primary_key_changed: table t: its primary key is (id), and the function now declares (code)
        "#]],
    );
}

#[test]
fn f_129_f_146_f_147_f_148_names() {
    check(
        &[
            &rows(
                r#"[{"orderId":1,"aB":1,"a_b":2,"_fivetran_synced":"x","select":1,"\"; DROP TABLE t; --":1}]"#,
                r#""orderId""#,
            ),
            r#"{"state":{},"insert":{"T":[{"orderId":2}]},"delete":{"t":[{"order_id":1}]},"hasMore":true}"#,
        ],
        expect![[r#"
            t (order_id): order_id long, a_b long, a_b_2 long, select long, _drop_table_t_ long
            + 1 | 1 | 2 | 1 | 1
            + 2 | null | null | null | null
            x 1
            warning columns_renamed: table t: column a_b is kept as a_b_2, since a_b is taken
            warning reserved_column: table t: column _fivetran_synced has a name that is ours; it is left out
            warning tables_merged: tables t and T both become t
        "#]],
    );
    let mut run = run();
    run.options.naming = Naming::Source;
    check_with(
        &run,
        &[&rows(r#"[{"Order Id":1,"aB":1,"ab":2}]"#, r#""Order Id""#)],
        expect![[r#"
        t (Order Id): Order Id long, aB long, ab_2 long
        + 1 | 1 | 2
        warning columns_renamed: table t: column ab is kept as ab_2, since ab is taken
    "#]],
    );
}

#[test]
fn f_186_keys_keep_their_text() {
    check(
        &[&rows(r#"[{"id":"2020-01-01","d":"2020-01-01"}]"#, r#""id""#)],
        expect![[r#"
        t (id): id string, d localDate
        + "2020-01-01" | "2020-01-01"
    "#]],
    );
}

#[test]
fn a_key_that_widens_meets_itself_again() {
    check(
        &[
            &rows(r#"[{"id":1,"v":"a"},{"id":10000000000000000,"v":"b"}]"#, r#""id""#),
            &rows(r#"[{"id":"1","v":"c"},{"id":1e16,"v":"d"},{"id":"x"}]"#, r#""id""#),
        ],
        expect![[r#"
            t (id): id string, v string
            + "1" | "c"
            + "10000000000000000" | "d"
            + "x" | null
        "#]],
    );
}

#[test]
fn dec_51_a_key_that_two_columns_claim_is_an_error() {
    check(
        &[&rows(r#"[{"aB":1,"a_b":2},{"aB":1,"a_b":3}]"#, r#""a_b""#)],
        expect![[r#"
        ambiguous_primary_key: table t: key column a_b is named by two columns of the rows, which differ in case or signs only
    "#]],
    );
}

#[test]
fn a_negative_zero_is_the_key_zero() {
    check(
        &[&rows(r#"[{"id":0.5,"v":1},{"id":0.0,"v":2},{"id":-0.0,"v":3}]"#, r#""id""#)],
        expect![[r#"
            t (id): id double, v long
            + 0.5 | 1
            + 0 | 3
        "#]],
    );
}
