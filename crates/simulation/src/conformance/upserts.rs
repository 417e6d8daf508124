//! What a row in `insert` does.

use engine::{Keyless, Options};
use expect_test::expect;

use crate::conformance::Storage;
use crate::conformance::bench::{Bench, print_counts};

pub fn f_100_a_row_is_replaced_whole<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1,"a":"x","b":1},{"id":2,"a":"y","b":2}]"#]);
    bench.sync(&[r#"[{"id":1,"b":3}]"#]);
    bench.check(
        "t",
        expect![[r#"
        id long | a string | b long | _fivetran_synced instant
        1 | NULL | 3 | sync 2
        2 | y | 2 | sync 1
    "#]],
    );
}

pub fn f_101_f_102_the_last_word_on_a_key_counts<S: Storage>(fresh: &dyn Fn() -> S) {
    let pages = [
        r#"[{"id":1,"v":"a"},{"id":1,"v":"b"},{"id":2,"v":"c"},{"id":1,"v":"d"}]"#,
        r#"[{"id":2,"v":"e"},{"id":3,"v":"f"},{"id":2,"v":"g"}]"#,
    ];
    let mut apart = Bench::new(fresh);
    apart.sync(&pages);
    apart.check(
        "t",
        expect![[r#"
        id long | v string | _fivetran_synced instant
        1 | d | sync 1
        2 | g | sync 1
        3 | f | sync 1
    "#]],
    );
    let mut joined = Bench::new(fresh);
    joined.sync_joined(&pages);
    assert_eq!(joined.print("t"), apart.print("t"));
}

pub fn f_103_keys_of_several_columns<S: Storage>(fresh: &dyn Fn() -> S) {
    let page = |rows: &str, key: &str| {
        format!(r#"{{"insert":{{"t":{rows}}},"schema":{{"t":{{"primary_key":{key}}}}}}}"#)
    };
    let mut bench = Bench::new(fresh);
    bench.sync(&[&page(
        r#"[{"b":1,"a":"x","v":1},{"b":2,"a":"x","v":2},{"b":1,"a":"y","v":3}]"#,
        r#"["a","b"]"#,
    )]);
    bench.sync(&[&page(r#"[{"a":"x","b":2,"v":4},{"v":5,"a":"y","b":2}]"#, r#"["b","a"]"#)]);
    bench.check(
        "t",
        expect![[r#"
        b long | a string | v long | _fivetran_synced instant
        1 | x | 1 | sync 1
        1 | y | 3 | sync 1
        2 | x | 4 | sync 2
        2 | y | 5 | sync 2
    "#]],
    );
}

pub fn f_106_f_107_f_108_rows_without_key_are_counted<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[
        r#"{"insert":{"t":[{"a":1},{"a":1},{"a":1}]}}"#,
        r#"{"insert":{"t":[{"a":1},{"a":2}]}}"#,
    ]);
    bench.sync(&[r#"{"insert":{"t":[{"a":1},{"a":1}]}}"#]);
    bench.check(
        "t",
        expect![[r#"
        a long | _fivetran_synced instant | _fivetran_batch instant | _fivetran_index long
        1 | sync 1 | sync 1 | 0
        1 | sync 1 | sync 1 | 1
        1 | sync 1 | sync 1 | 2
        1 | sync 1 | sync 1 | 3
        1 | sync 2 | sync 2 | 0
        1 | sync 2 | sync 2 | 1
        2 | sync 1 | sync 1 | 4
    "#]],
    );
}

pub fn f_109_equal_rows_are_one_by_their_hash<S: Storage>(fresh: &dyn Fn() -> S) {
    let options = Options { keyless: Keyless::RowHash, ..Options::default() };
    let mut bench = Bench::with(fresh, options);
    bench.sync(&[r#"{"insert":{"t":[{"a":1,"b":"x"},{"b":"x","a":1},{"a":2}]}}"#]);
    let again = bench.sync(&[r#"{"insert":{"t":[{"a":1,"b":"x","c":null},{"a":3}]}}"#]);
    assert_eq!(print_counts(&again), "t: 1 inserted, 1 unchanged\n");
    bench.check(
        "t",
        expect![[r#"
        a long | b string | _fivetran_synced instant | _fivetran_id string
        1 | x | sync 2 | ecf9e98ec0641e23113ff3ce8bdc78d0ddd249886517fd4a7f68cc83d4e65667
        2 | NULL | sync 1 | 7e8059f495589fcd981232cc11d00b00da3802c01d688fa1cf1f6bed6e5bb33c
        3 | NULL | sync 2 | 70778ce01ad8d1a82c80a3500bee476f34651238edeb936c4a7b0161b1395169
    "#]],
    );
}

pub fn f_110_every_row_says_when_it_was_synced<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1,"v":1},{"id":2,"v":2},{"id":3,"v":3}]"#]);
    bench.sync(&[r#"[{"id":2,"v":2}]"#, r#"[{"id":3,"v":4}]"#]);
    let stored = bench.read("t").expect("the table was created");
    let synced = |id: &str| {
        let row = stored.rows.iter().find(|row| row["id"].as_deref() == Some(id));
        row.expect("the row is there")["_fivetran_synced"].clone().expect("a moment")
    };
    assert_eq!(
        ["1", "2", "3"].map(synced),
        ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z"]
    );
}

pub fn f_128_a_known_key_needs_no_schema<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1,"v":1}]"#]);
    bench.sync(&[r#"{"insert":{"t":[{"id":1,"v":2}]}}"#]);
    bench.check(
        "t",
        expect![[r#"
        id long | v long | _fivetran_synced instant
        1 | 2 | sync 2
    "#]],
    );
}

pub fn keys_of_every_type_meet_their_rows<S: Storage>(fresh: &dyn Fn() -> S) {
    let keys = [
        ("boolean", "true", "false"),
        ("long", "-9223372036854775808", "9223372036854775807"),
        ("decimal", "9223372036854775808", "-9223372036854775809"),
        ("double", "0.1", "1e300"),
        ("string", "\"\"", "\"\\u0000 \u{1f980}\""),
        ("date", "\"2020-01-01\"", "\"2020-01-02\""),
        ("json", "{\"a\":1}", "[1]"),
    ];
    let mut bench = Bench::new(fresh);
    for (table, one, other) in keys {
        let page = |rows: &str| {
            format!(
                r#"{{"insert":{{"{table}":{rows}}},"schema":{{"{table}":{{"primary_key":["k"]}}}}}}"#
            )
        };
        bench.sync(&[&page(&format!(r#"[{{"k":{one},"v":1}},{{"k":{other},"v":2}}]"#))]);
        let again =
            bench.sync(&[&page(&format!(r#"[{{"k":{other},"v":2}},{{"k":{one},"v":3}}]"#))]);
        assert_eq!(print_counts(&again), format!("{table}: 1 updated, 1 unchanged\n"));
        let delete = format!(r#"{{"delete":{{"{table}":[{{"k":{one}}}]}}}}"#);
        let deleted = bench.sync(&[&delete]);
        assert_eq!(print_counts(&deleted), format!("{table}: 1 deleted\n"));
    }
}

/// Zero is one number, however it is written.
pub fn zero_is_one_key<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    let rows = r#"[{"id":0.5,"v":1},{"id":0.0,"v":2},{"id":-0.0,"v":3},{"id":0,"v":4}]"#;
    assert_eq!(print_counts(&bench.sync(&[rows])), "t: 2 inserted\n");
    bench.sync(&[r#"[{"id":-0.0,"v":5}]"#, r#"{"delete":{"t":[{"id":0}]}}"#]);
    bench.check(
        "t",
        expect![[r#"
        id double | v long | _fivetran_synced instant | _fivetran_deleted boolean
        0 | 5 | sync 2 | true
        0.5 | 1 | sync 1 | false
    "#]],
    );
}
