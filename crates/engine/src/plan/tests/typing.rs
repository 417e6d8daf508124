//! What values become, and how columns widen.

use expect_test::expect;

use super::*;

#[test]
fn f_160_f_161_a_column_appears_with_its_first_value() {
    check(
        &[&rows(r#"[{"id":1,"a":null,"b":null},{"id":2,"a":5}]"#, r#""id""#)],
        expect![[r#"
        t (id): id long, a long
        + 1 | null
        + 2 | 5
    "#]],
    );
}

#[test]
fn f_162_f_163_f_164_f_168_numbers_widen() {
    check(
        &[&rows(
            r#"[{"id":1,"a":9,"b":1.5,"c":1.5,"d":9007199254740993},{"id":2,"a":10.0,"b":true,"c":"abc","d":0.5}]"#,
            r#""id""#,
        )],
        expect![[r#"
            t (id): id long, a double, b string, c string, d bigDecimal(38,1)
            + 1 | 9 | "1.5" | "1.5" | 9007199254740993
            + 2 | 10 | "true" | "abc" | 0.5
        "#]],
    );
}

#[test]
fn f_169_to_f_177_strings_and_nested() {
    check(
        &[&rows(
            r#"[{"id":1,"i":"2017-12-31T05:12:05+02:00","l":"2017-12-31T05:12:05","d":"2017-12-31","x":"2017-12-31","z":"007","o":{"a": [1]},"s":"t\u00e9xt","e":""},{"id":2,"d":"2017-12-31T05:12:05","x":"n/a","z":"9","o":[],"s":{"k":1},"e":"x"}]"#,
            r#""id""#,
        )],
        expect![[r#"
            t (id): id long, i instant, l localDateTime, d localDateTime, x string, z string, o json, s json, e string
            + 1 | "2017-12-31T03:12:05Z" | "2017-12-31T05:12:05" | "2017-12-31T00:00:00" | "2017-12-31" | "007" | {"a": [1]} | "téxt" | ""
            + 2 | null | null | "2017-12-31T05:12:05" | "n/a" | "9" | [] | {"k":1} | "x"
        "#]],
    );
}

#[test]
fn f_173_f_177_values_of_earlier_pages_widen_alike() {
    check(
        &[
            &rows(
                r#"[{"id":1,"x":"2017-12-31","n":9,"f":19.90,"j":"te\"xt","b":true,"q":9007199254740993}]"#,
                r#""id""#,
            ),
            &rows(
                r#"[{"id":2,"x":"n/a","n":0.5,"f":"abc","j":[1],"b":0,"q":0.25,"new":"v"}]"#,
                r#""id""#,
            ),
            &rows(r#"[{"id":3}]"#, r#""id""#),
        ],
        expect![[r#"
            t (id): id long, x string, n double, f string, j json, b string, q bigDecimal(38,2), new string
            + 1 | "2017-12-31" | 9 | "19.9" | "te\"xt" | "true" | 9007199254740993 | null
            + 2 | "n/a" | 0.5 | "abc" | [1] | "0" | 0.25 | "v"
            + 3 | null | null | null | null | null | null | null
        "#]],
    );
}

#[test]
fn f_175_strings_read_in_full() {
    let mut run = run();
    run.options.string_inference = StringInference::Full;
    check_with(
        &run,
        &[&rows(
            r#"[{"id":"1","n":"9","d":"9.90","z":"007","b":"t","e":"1e3"},{"id":"2","n":"-3","d":"x","z":"1","b":"false"}]"#,
            r#""id""#,
        )],
        expect![[r#"
            t (id): id string, n long, d string, z string, b boolean, e double
            + "1" | 9 | "9.90" | "007" | true | 1000
            + "2" | -3 | "x" | "1" | false | null
        "#]],
    );
}

#[test]
fn f_181_years_out_of_range_become_null() {
    check(
        &[&rows(
            r#"[{"id":1,"d":"10000-01-01"},{"id":2,"d":"0000-12-31"},{"id":3,"d":"2020-01-01"}]"#,
            r#""id""#,
        )],
        expect![[r#"
            t (id): id long, d localDate
            + 1 | null
            + 2 | null
            + 3 | "2020-01-01"
            warning date_out_of_range: table t, row 1, column d: outside the years 0001 to 9999, became NULL
        "#]],
    );
}

#[test]
fn q_13_nan_is_refused_with_its_place() {
    check(
        &[&rows(r#"[{"id":1,"a":1.5},{"id":2,"a":NaN}]"#, r#""id""#)],
        expect![[r#"
        non_finite_number: table t, row 2, column a: NaN or Infinity is not JSON
    "#]],
    );
    check(
        &[&rows(r#"[{"id":1,"a":{"x":[-Infinity,"NaN"]}}]"#, r#""id""#)],
        expect![[r#"
        non_finite_number: table t, row 1, column a: NaN or Infinity is not JSON
    "#]],
    );
}

#[test]
fn dec_62_lenient_numbers_become_null() {
    let mut run = run();
    run.options.lenient_numbers = true;
    check_with(
        &run,
        &[&rows(r#"[{"id":1,"a":NaN,"b":{"x":[-Infinity,"NaN"]}},{"id":2,"a":1.5}]"#, r#""id""#)],
        expect![[r#"
            t (id): id long, a double, b json
            + 1 | null | {"x":[null,"NaN"]}
            + 2 | 1.5 | null
            warning non_finite_number: table t: 2 values NaN or Infinity became NULL
        "#]],
    );
}

#[test]
fn dec_62_nul_is_removed_where_it_cannot_be_held() {
    let mut run = run();
    run.options.nul_characters = NulCharacters::Remove;
    check_with(
        &run,
        &[
            &rows(
                r#"[{"id":"x\u0000","a":"\u0000a\u0000","b":{"x":"\u0000"},"c":"\\u0000"},{"id":"x","a":1,"b":"\u0000"}]"#,
                r#""id""#,
            ),
            r#"{"state":{},"delete":{"t":[{"id":"\u0000x"}]}}"#,
        ],
        expect![[r#"
            t (id): id string, a string, b json, c string
            + "x" | "1" | "" | null
            x "x"
            warning nul_removed: table t, row 1, column id: NUL characters were removed
            warning nul_removed: table t, row 1, column a: NUL characters were removed
            warning nul_removed: table t, row 2, column b: NUL characters were removed
            warning nul_removed: table t, row 1, column id: NUL characters were removed
        "#]],
    );
}

#[test]
fn dec_15_a_repeated_name_in_a_row_keeps_its_last_value() {
    check(
        &[&rows(r#"[{"id":1,"a":"x","a":1},{"id":2,"a":2}]"#, r#""id""#)],
        expect![[r#"
            t (id): id long, a long
            + 1 | 1
            + 2 | 2
            warning duplicate_key: table t: column a is named twice in a row; the last value counts
        "#]],
    );
}

#[test]
fn dec_62_lone_surrogates_and_nul() {
    check(
        &[&rows(
            r#"[{"id":1,"a":"\ud800x","b":{"\udc00":"\ud83e\udd80 \n"},"c":"a\u0000b"}]"#,
            r#""id""#,
        )],
        expect![[r#"
            t (id): id long, a string, b json, c string
            + 1 | "�x" | {"�":"🦀 \n"} | "a\u0000b"
        "#]],
    );
}

#[test]
fn f_170_an_escaped_plus_is_a_plus() {
    check(
        &[&rows(
            r#"[{"id":1,"a":"2017-12-31T05:12:05\u002B02:00","b":"2017\u002d12-31","c":"\u0031"},{"id":2,"a":null,"b":"x","c":[]}]"#,
            r#""id""#,
        )],
        expect![[r#"
            t (id): id long, a instant, b string, c json
            + 1 | "2017-12-31T03:12:05Z" | "2017-12-31" | "1"
            + 2 | null | "x" | []
        "#]],
    );
}

#[test]
fn dec_57_integers_beyond_2_to_53_are_never_doubles() {
    check(
        &[&rows(r#"[{"id":1,"a":1152921504606847000},{"id":2,"a":0.5}]"#, r#""id""#)],
        expect![[r#"
            t (id): id long, a bigDecimal(38,1)
            + 1 | 1152921504606847000
            + 2 | 0.5
        "#]],
    );
}
