//! Every kind of value comes back to the last digit.

use engine::NulCharacters;
use expect_test::expect;

use crate::conformance::Storage;
use crate::conformance::bench::Bench;

pub fn f_165_to_f_168_numbers_keep_every_digit<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1,
        "small": 0, "negative": -1, "int": 2147483648, "most": 9223372036854775807,
        "least": -9223372036854775808, "big": 9223372036854775808,
        "biggest": 99999999999999999999999999999999999999,
        "forty": 1234567890123456789012345678901234567890,
        "minus": -0, "price": 19.90, "tiny": 5e-324, "huge": 1.7976931348623157e308,
        "far": 1e400, "near": 1e-400, "sixteenths": 0.30000000000000004,
        "fine": 0.1234567890123456789012345678901234567, "long": 9007199254740993.25,
        "over": 1152921504606847000.0}]"#]);
    bench.check("t", expect![[r#"
        id long | small long | negative long | int long | most long | least long | big bigDecimal(38,0) | biggest bigDecimal(38,0) | forty string | minus long | price double | tiny double | huge double | far string | near string | sixteenths double | fine bigDecimal(38,37) | long bigDecimal(38,2) | over double | _fivetran_synced instant
        1 | 0 | -1 | 2147483648 | 9223372036854775807 | -9223372036854775808 | 9223372036854775808 | 99999999999999999999999999999999999999 | 1234567890123456789012345678901234567890 | 0 | 19.9 | 5e-324 | 1.7976931348623157e308 | 1e400 | 1e-400 | 0.30000000000000004 | 0.1234567890123456789012345678901234567 | 9007199254740993.25 | 1152921504606847000 | sync 1
    "#]]);
}

pub fn f_162_numbers_of_every_size_in_one_column<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[
        {"id":1, "a": 9, "b": 9007199254740993, "c": 1, "d": 0.5, "e": -9223372036854775808},
        {"id":2, "a": 10.0, "b": 0.5, "c": 99999999999999999999, "d": 1e-400, "e": 0.25},
        {"id":3, "a": -0.0, "b": -0.25, "c": -1, "d": 1e300, "e": 1e15}]"#]);
    bench.check("t", expect![[r#"
        id long | a double | b bigDecimal(38,2) | c bigDecimal(38,0) | d string | e bigDecimal(38,2) | _fivetran_synced instant
        1 | 9 | 9007199254740993 | 1 | 0.5 | -9223372036854775808 | sync 1
        2 | 10 | 0.5 | 99999999999999999999 | 1e-400 | 0.25 | sync 1
        3 | 0 | -0.25 | -1 | 1e300 | 1000000000000000 | sync 1
    "#]]);
}

pub fn f_169_to_f_172_f_181_dates_and_times<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[
        {"id":1, "i": "2017-12-31T05:12:05Z", "l": "2017-12-31T05:12:05", "d": "2017-12-31", "m": "2017-12-31", "o": "10000-01-01"},
        {"id":2, "i": "2017-12-31T05:12:05+02:00", "l": "2017-12-31T05:12:05.123456", "d": "0001-01-01", "m": "2017-12-31T05:12:05.5", "o": "2020-02-29"},
        {"id":3, "i": "0001-01-01T00:00:00Z", "l": "0001-01-01T00:00:00", "d": "9999-12-31", "o": "0000-12-31"},
        {"id":4, "i": "9999-12-31T23:59:59.999999Z", "l": "9999-12-31T23:59:59.999999", "d": "1970-01-01"},
        {"id":5, "i": "1969-12-31T23:59:59.999999Z", "l": "1582-10-10T00:00:00", "d": "1582-10-10"},
        {"id":6, "i": "2024-03-31T02:30:00+01:00", "l": "2024-03-31T02:30:00", "d": "1900-02-28"}]"#]);
    bench.check("t", expect![[r#"
        id long | i instant | l localDateTime | d localDate | m localDateTime | o localDate | _fivetran_synced instant
        1 | 2017-12-31T05:12:05Z | 2017-12-31T05:12:05 | 2017-12-31 | 2017-12-31T00:00:00 | NULL | sync 1
        2 | 2017-12-31T03:12:05Z | 2017-12-31T05:12:05.123456 | 0001-01-01 | 2017-12-31T05:12:05.5 | 2020-02-29 | sync 1
        3 | 0001-01-01T00:00:00Z | 0001-01-01T00:00:00 | 9999-12-31 | NULL | NULL | sync 1
        4 | 9999-12-31T23:59:59.999999Z | 9999-12-31T23:59:59.999999 | 1970-01-01 | NULL | NULL | sync 1
        5 | 1969-12-31T23:59:59.999999Z | 1582-10-10T00:00:00 | 1582-10-10 | NULL | NULL | sync 1
        6 | 2024-03-31T01:30:00Z | 2024-03-31T02:30:00 | 1900-02-28 | NULL | NULL | sync 1
    "#]]);
}

pub fn f_183_dec_62_any_text_comes_back<S: Storage>(fresh: &dyn Fn() -> S) {
    let texts = [
        "\"\"",
        "\" \"",
        "\"null\"",
        "\"NULL\"",
        "\"\\\\N\"",
        "\"it's\"",
        "\"a\\\"b\"",
        "\"back\\\\slash\"",
        "\"line\\nbreak\\r\\ttab\"",
        "\"nul \\u0000 inside\"",
        "\"\\u0000\"",
        "\"\\u0001\\u001f\\u007f\"",
        "\"\u{1f980} crab \\ud83e\\udd80\"",
        "\"\\ud800 lone \\udc00\"",
        "\"\u{feff}bom \u{202e}turned \u{0301}\"",
        "\"007\"",
        "\"9\"",
        "\"1e5\"",
        "\"true\"",
        "\"{}\"",
        "\"2017-12-31 \"",
        "\"$1; DROP TABLE t; --\"",
        "\"{'a': 1, [NULL]}\"",
    ];
    let rows = texts.iter().zip(1..).map(|(text, id)| format!(r#"{{"id":{id},"x":{text}}}"#));
    let mut bench = Bench::new(fresh);
    bench.sync(&[&format!("[{}]", rows.collect::<Vec<_>>().join(","))]);
    let stored = bench.read("t").expect("the table was created");
    for (text, id) in texts.iter().zip(1..) {
        let row = stored.rows.iter().find(|row| row["id"] == Some(format!("{id}")));
        let found = row.expect("the row is there")["x"].as_deref();
        assert_eq!(found, Some(held::<S>(text).as_str()), "{text}");
    }
    bench.sync(&[r#"{"insert":{"j":[{"a":{}},{"a":"nul \u0000 inside"}]}}"#]);
    let stored = bench.read("j").expect("the table was created");
    let texts: Vec<_> = stored.rows.iter().filter_map(|row| row["a"].as_deref()).collect();
    let expected = match S::NUL_CHARACTERS {
        NulCharacters::Keep => r#""nul \u0000 inside""#,
        NulCharacters::Remove => r#""nul  inside""#,
    };
    assert!(texts.contains(&expected), "{texts:?}");
}

/// What is kept of a text, given as JSON.
fn held<S: Storage>(literal: &str) -> String {
    let text = protocol::json::unescape(literal);
    match S::NUL_CHARACTERS {
        NulCharacters::Keep => text,
        NulCharacters::Remove => text.replace('\0', ""),
    }
}

pub fn f_176_nested_values_stay_as_they_were_written<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[
        {"id":1, "j": {"b": 1.0, "a": [1, 2 ,{}], "b": 9007199254740993}, "m": 1},
        {"id":2, "j": [], "m": {"k": "it's \"quoted\" \\ \n \u0000"}},
        {"id":3, "j": {"\ud83e\udd80": "\ud800"}, "m": "text with \"quotes\""},
        {"id":4, "j": [1e400, -0, 0.10, 12345678901234567890123456789012345678901234567890], "m": true},
        {"id":5, "j": null, "m": null}]"#]);
    bench.check(
        "t",
        expect![[r#"
        id long | j json | m json | _fivetran_synced instant
        1 | {"b": 1.0, "a": [1, 2 ,{}], "b": 9007199254740993} | 1 | sync 1
        2 | [] | {"k": "it's \"quoted\" \\ \n \u0000"} | sync 1
        3 | {"🦀": "�"} | "text with \"quotes\"" | sync 1
        4 | [1e400, -0, 0.10, 12345678901234567890123456789012345678901234567890] | true | sync 1
        5 | NULL | NULL | sync 1
    "#]],
    );
}

pub fn nesting_ten_thousand_deep_comes_back<S: Storage>(fresh: &dyn Fn() -> S) {
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let mut bench = Bench::new(fresh);
    bench.sync(&[
        &format!(r#"[{{"id":1,"j":{deep}}},{{"id":2,"j":{objects}}}]"#),
        r#"[{"id":3,"j":{}}]"#,
    ]);
    let stored = bench.read("t").expect("the table was created");
    let found = |id: &str| {
        let row = stored.rows.iter().find(|row| row["id"].as_deref() == Some(id));
        row.expect("the row is there")["j"].clone().expect("a value")
    };
    assert!(found("1") == deep && found("2") == objects, "deeply nested values differ");
}

pub fn f_160_f_161_nulls_and_late_columns<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[
        r#"[{"id":1,"never":null,"late":null}]"#,
        r#"[{"id":2,"never":null,"late":5},{"id":3}]"#,
    ]);
    bench.check(
        "t",
        expect![[r#"
        id long | late long | _fivetran_synced instant
        1 | NULL | sync 1
        2 | 5 | sync 1
        3 | NULL | sync 1
    "#]],
    );
    bench.sync(&[r#"{"insert":{"k":[{},{"a":null}]}}"#]);
    bench.check(
        "k",
        expect![[r#"
        _fivetran_synced instant | _fivetran_batch instant | _fivetran_index long
        sync 2 | sync 2 | 0
        sync 2 | sync 2 | 1
    "#]],
    );
}

pub fn long_values_come_back<S: Storage>(fresh: &dyn Fn() -> S) {
    let long = "l\u{f6}ng ".repeat(400_000);
    let mut bench = Bench::new(fresh);
    bench.sync(&[&format!(r#"[{{"id":1,"x":"{long}"}},{{"id":2,"x":"short"}}]"#)]);
    let stored = bench.read("t").expect("the table was created");
    let lengths: Vec<usize> = stored
        .rows
        .iter()
        .filter(|row| row["id"].as_deref() == Some("1"))
        .map(|row| row["x"].as_ref().map_or(0, String::len))
        .collect();
    assert_eq!(lengths, [long.len()]);
}
