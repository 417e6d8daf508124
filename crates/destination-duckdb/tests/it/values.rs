//! Values that are easily lost, there and back.

use engine::Options;
use expect_test::{Expect, expect};

use crate::support::{World, rows, told};

/// Lands rows of one value `v` each, and prints the column's type and what is in it.
fn check(values: &str, expected: Expect) {
    let world = World::with(Options::default());
    let objects = values
        .lines()
        .enumerate()
        .map(|(id, value)| format!(r#"{{"id":{id},"v":{}}}"#, value.trim()));
    let page = rows(&format!("[{}]", objects.collect::<Vec<_>>().join(",")), "id");
    world.land(0, &page).expect("a page that fits");
    let again = told(&world.land(1, &page));
    assert!(again.ends_with(" unchanged") && !again.contains("updated"), "{again}");
    let utc = "if(typeof(v) = 'TIMESTAMP WITH TIME ZONE', 'Z', '')";
    expected.assert_eq(&world.query(&format!(
        "SELECT typeof(v), CAST(v AS VARCHAR), length(CAST(v AS VARCHAR)), {utc} FROM shop.t ORDER BY id"
    )));
}

#[test]
fn f_166_f_167_f_168_digits_are_never_lost() {
    check(
        "9223372036854775807\n-9223372036854775808\nnull",
        expect![[r#"
        BIGINT | 9223372036854775807 | 19 | 
        BIGINT | -9223372036854775808 | 20 | 
        BIGINT | NULL | NULL | 
    "#]],
    );
    check(
        "9223372036854775808\n-99999999999999999999999999999999999999",
        expect![[r#"
        DECIMAL(38,0) | 9223372036854775808 | 19 | 
        DECIMAL(38,0) | -99999999999999999999999999999999999999 | 39 | 
    "#]],
    );
    check(
        "1234567890123456789012345678901234567890\n1",
        expect![[r#"
        VARCHAR | 1234567890123456789012345678901234567890 | 40 | 
        VARCHAR | 1 | 1 | 
    "#]],
    );
    check(
        "9007199254740993\n0.5",
        expect![[r#"
        DECIMAL(38,1) | 9007199254740993.0 | 18 | 
        DECIMAL(38,1) | 0.5 | 3 | 
    "#]],
    );
    check(
        "0.1\n1e300\n-0.0\n5e-324\n1.7976931348623157e308",
        expect![[r#"
        DOUBLE | 0.1 | 3 | 
        DOUBLE | 1e+300 | 6 | 
        DOUBLE | 0.0 | 3 | 
        DOUBLE | 5e-324 | 6 | 
        DOUBLE | 1.7976931348623157e+308 | 23 | 
    "#]],
    );
    check(
        "1e400\n1",
        expect![[r#"
        VARCHAR | 1e400 | 5 | 
        VARCHAR | 1 | 1 | 
    "#]],
    );
}

#[test]
fn f_169_f_171_dates_and_times() {
    check(
        "\"0001-01-01\"\n\"9999-12-31\"",
        expect![[r#"
        DATE | 0001-01-01 | 10 | 
        DATE | 9999-12-31 | 10 | 
    "#]],
    );
    check(
        "\"0001-01-01T00:00:00\"\n\"9999-12-31T23:59:59.999999\"",
        expect![[r#"
        TIMESTAMP | 0001-01-01 00:00:00 | 19 | 
        TIMESTAMP | 9999-12-31 23:59:59.999999 | 26 | 
    "#]],
    );
}

#[test]
fn f_183_texts_are_kept_as_they_are() {
    check(
        r#""a\u0000b"
           ""
           "twelve bytes"
           "more than twelve bytes \u0000 of text"
           "\ud800"
           "\ud83d\ude00 é \u0001"
           "quote \" backslash \\ line \n""#,
        expect![[r#"
            VARCHAR | a\u{0}b | 3 | 
            VARCHAR |  | 0 | 
            VARCHAR | twelve bytes | 12 | 
            VARCHAR | more than twelve bytes \u{0} of text | 32 | 
            VARCHAR | � | 1 | 
            VARCHAR | 😀 é \u{1} | 5 | 
            VARCHAR | quote " backslash \ line \n | 26 | 
        "#]],
    );
}

#[test]
fn f_176_json_is_kept_as_it_is_written() {
    check(
        r#"{"b":1.0,"a":[9007199254740993,1e400,"\u0000","\ud800"],"a":2}
           [ 1 , 2 ]
           "text"
           1.50
           true"#,
        expect![[r#"
            JSON | {"b":1.0,"a":[9007199254740993,1e400,"\u0000","�"],"a":2} | 57 | 
            JSON | [ 1 , 2 ] | 9 | 
            JSON | "text" | 6 | 
            JSON | 1.5 | 3 | 
            JSON | true | 4 | 
        "#]],
    );
}

#[test]
fn json_of_any_depth_and_length_is_kept() {
    let world = World::new();
    let depth = 10_000;
    let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let long = format!(r#"["{}"]"#, "x".repeat(1 << 20));
    let page = rows(&format!(r#"[{{"id":1,"v":{deep}}},{{"id":2,"v":{long}}}]"#), "id");
    world.land(0, &page).expect("a page that fits");
    assert_eq!(told(&world.land(1, &page)), "t: 2 unchanged");
    assert_eq!(
        world.query("SELECT v::VARCHAR FROM shop.t ORDER BY id"),
        format!("{deep}\n{long}\n")
    );
}

#[test]
fn instants_are_kept_in_utc_whatever_the_session() {
    let world = World::new();
    let page = rows(
        r#"[{"id":1,"v":"2017-12-31T05:12:05.123456+02:00"},{"id":2,"v":"0001-01-01T00:00:00Z"}]"#,
        "id",
    );
    world.land(0, &page).expect("a page that fits");
    expect![[r#"
        2017-12-31 03:12:05.123456 | 1700000000000000
        0001-01-01 00:00:00 | 1700000000000000
    "#]].assert_eq(&world.query(
        "SELECT make_timestamp(epoch_us(v))::VARCHAR, epoch_us(_fivetran_synced) FROM shop.t ORDER BY id",
    ));
}
