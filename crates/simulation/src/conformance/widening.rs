//! A column that becomes wider keeps what is in it.

use engine::NulCharacters;
use expect_test::expect;

use crate::conformance::Storage;
use crate::conformance::bench::Bench;

/// Values that land first, a value that widens their column, the types before and after, and the texts
/// of the first values afterwards.
type Widening =
    (&'static [&'static str], &'static str, &'static str, &'static str, &'static [&'static str]);

const NUMBERS: &[&str] =
    &["0.1", "10.0", "1e16", "1152921504606847000.0", "-2.5", "1e-7", "690055930000609.2"];
const NUMBER_TEXTS: &[&str] = &[
    "0.1",
    "10",
    "10000000000000000",
    "1152921504606847000",
    "-2.5",
    "0.0000001",
    "690055930000609.2",
];
const FAR_NUMBERS: &[&str] = &[
    "1e300",
    "1.5e-40",
    "5e-324",
    "1.7976931348623157e308",
    "0.30000000000000004",
    "-0.0",
    "1e37",
];
const FAR_TEXTS: &[&str] = &[
    "1e300",
    "1.5e-40",
    "5e-324",
    "1.7976931348623157e308",
    "0.30000000000000004",
    "0",
    "10000000000000000000000000000000000000",
];
const LONGS: &[&str] = &["9", "-3", "0", "9007199254740993", "-9223372036854775808"];
const DECIMALS: &[&str] = &["9007199254740993.10", "-0.05", "12345678901234567890", "0.0"];
const DECIMAL_TEXTS: &[&str] = &["9007199254740993.1", "-0.05", "12345678901234567890", "0"];
const DATES: &[&str] = &["\"2017-12-31\"", "\"0001-01-01\"", "\"9999-12-31\"", "\"1969-12-31\""];
const DATE_TEXTS: &[&str] = &["2017-12-31", "0001-01-01", "9999-12-31", "1969-12-31"];
const TIMES: &[&str] = &[
    "\"2017-12-31T05:12:05\"",
    "\"2017-12-31T05:12:05.120\"",
    "\"0001-01-01T00:00:00.000001\"",
    "\"9999-12-31T23:59:59.999999\"",
    "\"1969-12-31T23:59:59\"",
];
const TIME_TEXTS: &[&str] = &[
    "2017-12-31T05:12:05",
    "2017-12-31T05:12:05.12",
    "0001-01-01T00:00:00.000001",
    "9999-12-31T23:59:59.999999",
    "1969-12-31T23:59:59",
];
const INSTANTS: &[&str] = &[
    "\"2017-12-31T05:12:05Z\"",
    "\"2017-12-31T05:12:05.5+02:00\"",
    "\"0001-01-01T00:00:00.000001Z\"",
    "\"9999-12-31T23:59:59.999999Z\"",
];
const INSTANT_TEXTS: &[&str] = &[
    "2017-12-31T05:12:05Z",
    "2017-12-31T03:12:05.5Z",
    "0001-01-01T00:00:00.000001Z",
    "9999-12-31T23:59:59.999999Z",
];

const WIDENINGS: &[Widening] = &[
    (&["true", "false"], "\"x\"", "boolean", "string", &["true", "false"]),
    (&["true", "false"], "{}", "boolean", "json", &["true", "false"]),
    (&["9", "-3", "4503599627370496"], "0.5", "long", "double", &["9", "-3", "4503599627370496"]),
    (LONGS, "9223372036854775808", "long", "bigDecimal(38,0)", LONGS),
    (LONGS, "0.25", "long", "bigDecimal(38,2)", LONGS),
    (LONGS, "\"x\"", "long", "string", LONGS),
    (LONGS, "[]", "long", "json", LONGS),
    (NUMBERS, "9007199254740993", "double", "bigDecimal(38,7)", NUMBER_TEXTS),
    (NUMBERS, "\"x\"", "double", "string", NUMBER_TEXTS),
    (NUMBERS, "[]", "double", "json", NUMBER_TEXTS),
    (FAR_NUMBERS, "9007199254740993", "double", "string", FAR_TEXTS),
    (FAR_NUMBERS, "true", "double", "string", FAR_TEXTS),
    (FAR_NUMBERS, "{}", "double", "json", FAR_TEXTS),
    (
        &["18446744073700000000", "1"],
        "0.5",
        "bigDecimal(38,0)",
        "bigDecimal(38,1)",
        &["18446744073700000000", "1"],
    ),
    (DECIMALS, "0.00000001", "bigDecimal(38,2)", "bigDecimal(38,8)", DECIMAL_TEXTS),
    (DECIMALS, "1e300", "bigDecimal(38,2)", "string", DECIMAL_TEXTS),
    (DECIMALS, "\"x\"", "bigDecimal(38,2)", "string", DECIMAL_TEXTS),
    (DECIMALS, "[]", "bigDecimal(38,2)", "json", DECIMAL_TEXTS),
    (
        DATES,
        "\"2020-01-01T00:00:01\"",
        "localDate",
        "localDateTime",
        &[
            "2017-12-31T00:00:00",
            "0001-01-01T00:00:00",
            "9999-12-31T00:00:00",
            "1969-12-31T00:00:00",
        ],
    ),
    (DATES, "\"n/a\"", "localDate", "string", DATE_TEXTS),
    (DATES, "\"2020-01-01T00:00:01Z\"", "localDate", "string", DATE_TEXTS),
    (DATES, "[]", "localDate", "json", DATES),
    (TIMES, "\"n/a\"", "localDateTime", "string", TIME_TEXTS),
    (
        TIMES,
        "[]",
        "localDateTime",
        "json",
        &[
            "\"2017-12-31T05:12:05\"",
            "\"2017-12-31T05:12:05.12\"",
            "\"0001-01-01T00:00:00.000001\"",
            "\"9999-12-31T23:59:59.999999\"",
            "\"1969-12-31T23:59:59\"",
        ],
    ),
    (INSTANTS, "\"n/a\"", "instant", "string", INSTANT_TEXTS),
    (INSTANTS, "1", "instant", "string", INSTANT_TEXTS),
    (
        INSTANTS,
        "[]",
        "instant",
        "json",
        &[
            "\"2017-12-31T05:12:05Z\"",
            "\"2017-12-31T03:12:05.5Z\"",
            "\"0001-01-01T00:00:00.000001Z\"",
            "\"9999-12-31T23:59:59.999999Z\"",
        ],
    ),
    (
        &[
            "\"\"",
            "\"te\\\"xt\"",
            "\"back\\\\slash \\n \\u0000 \\u001f\"",
            "\"\u{1f980}\"",
            "\"null\"",
            "\"1\"",
        ],
        "[]",
        "string",
        "json",
        &[
            "\"\"",
            "\"te\\\"xt\"",
            "\"back\\\\slash \\n \\u0000 \\u001f\"",
            "\"\u{1f980}\"",
            "\"null\"",
            "\"1\"",
        ],
    ),
];

pub fn every_pair_of_types_widens_to_the_last_digit<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    for (index, (values, widens, from, to, texts)) in WIDENINGS.iter().enumerate() {
        let table = format!("t{index}");
        let page = |rows: &str| {
            format!(
                r#"{{"insert":{{"{table}":[{rows}]}},"schema":{{"{table}":{{"primary_key":["id"]}}}}}}"#
            )
        };
        let rows =
            values.iter().enumerate().map(|(id, value)| format!(r#"{{"id":{id},"x":{value}}}"#));
        let rows = rows.collect::<Vec<_>>().join(",");
        bench.sync(&[&page(&format!(r#"{rows},{{"id":100,"x":null}}"#))]);
        let before = bench.read(&table).expect("the table was created").columns["x"].clone();
        bench.sync(&[&page(&format!(r#"{{"id":101,"x":{widens}}}"#))]);
        let stored = bench.read(&table).expect("the table is there");
        assert_eq!((before.as_str(), stored.columns["x"].as_str()), (*from, *to));
        assert_eq!(stored.rows.len(), values.len() + 2, "{from} to {to}");
        for row in &stored.rows {
            let id: usize = row["id"].as_deref().expect("a key").parse().expect("a number");
            let expected = match id {
                100 => None,
                101 => continue,
                id if S::NUL_CHARACTERS == NulCharacters::Keep => Some(texts[id].to_owned()),
                id => Some(texts[id].replace("\\u0000", "")),
            };
            assert_eq!(row["x"], expected, "{from} to {to}");
        }
    }
}

pub fn a_key_that_widens_meets_its_row<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1,"v":"a"},{"id":10000000000000000,"v":"b"},{"id":2,"v":"c"}]"#]);
    bench.sync(&[r#"[{"id":1e16,"v":"d"},{"id":0.5,"v":"e"}]"#]);
    bench
        .sync(&[r#"[{"id":"1","v":"f"},{"id":"10000000000000000","v":"g"},{"id":"0.5","v":"h"}]"#]);
    bench.check(
        "t",
        expect![[r#"
        id string | v string | _fivetran_synced instant
        0.5 | h | sync 3
        1 | f | sync 3
        10000000000000000 | g | sync 3
        2 | c | sync 1
    "#]],
    );
}

pub fn several_columns_widen_in_one_commit<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1,"a":1,"b":true,"c":"2020-01-01","d":0.5},{"id":2,"a":2}]"#]);
    bench.sync_joined(&[
        r#"[{"id":2,"a":0.5,"b":"x","c":"2020-01-02","d":9007199254740993,"e":1}]"#,
        r#"[{"id":3,"a":"x","c":"n/a","d":[],"e":"x"}]"#,
        r#"{"delete":{"t":[{"id":1}]}}"#,
    ]);
    bench.check("t", expect![[r#"
        id long | a string | b string | c string | d json | e string | _fivetran_synced instant | _fivetran_deleted boolean
        1 | 1 | true | 2020-01-01 | 0.5 | NULL | sync 2 | true
        2 | 0.5 | x | 2020-01-02 | 9007199254740993 | 1 | sync 2 | false
        3 | x | NULL | n/a | [] | x | sync 2 | false
    "#]]);
}

/// What is stored is widened page by page, as the rows of the commit are: whether two pages land
/// together must not show in a text.
pub fn a_column_that_widens_twice_in_one_commit_goes_through_both_types<S: Storage>(
    fresh: &dyn Fn() -> S,
) {
    let pages = [
        r#"[{"id":2,"j":"text","k":1,"d":"2020-01-01T00:00:01"}]"#,
        r#"[{"id":3,"j":[],"k":"x","d":"n/a"}]"#,
        r#"[{"id":4,"k":{}}]"#,
    ];
    let first = r#"[{"id":1,"j":1e300,"k":true,"d":"2020-01-01"}]"#;
    let mut apart = Bench::new(fresh);
    apart.sync(&[first]);
    apart.sync(&pages);
    apart.check(
        "t",
        expect![[r#"
        id long | j json | k json | d string | _fivetran_synced instant
        1 | "1e300" | "true" | 2020-01-01T00:00:00 | sync 1
        2 | "text" | "1" | 2020-01-01T00:00:01 | sync 2
        3 | [] | "x" | n/a | sync 2
        4 | NULL | {} | NULL | sync 2
    "#]],
    );
    let mut joined = Bench::new(fresh);
    joined.sync(&[first]);
    joined.sync_joined(&pages);
    assert_eq!(joined.print("t"), apart.print("t"));
}
