use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// Reads an answer and prints what was understood, in one line a fact.
fn check(body: &str, expected: Expect) {
    check_for(&Request::default(), body, expected);
}

fn check_for(request: &Request, body: &str, expected: Expect) {
    let mut out = String::new();
    match Response::from_json(Bytes::copy_from_slice(body.as_bytes()), request) {
        Ok(read) => {
            out += &format!("state {} more {}\n", read.state.as_json(), read.has_more);
            for (verb, tables) in [("insert", &read.insert), ("delete", &read.delete)] {
                for (table, records) in tables {
                    let json = std::str::from_utf8(records.as_json()).expect("UTF-8");
                    out += &format!("{verb} {table} {} {json:.60}\n", records.rows());
                }
            }
            for (table, hint) in &read.schema {
                out += &format!("key {table} {:?}\n", hint.primary_key);
            }
            if !read.soft_delete.is_empty() {
                out += &format!("soft delete {:?}\n", read.soft_delete);
            }
            for warning in &read.warnings {
                out += &format!("warning {}: {}\n", warning.code, warning.message);
            }
        }
        Err(error) => {
            out += &format!("{}: {error}\n", error.code());
            if let FunctionError::Failed(failure) = error {
                for line in failure.stack_trace {
                    out += &format!(
                        "  {line}
"
                    );
                }
            }
        }
    }
    expected.assert_eq(&out);
}

fn setup_test() -> Request {
    Request { setup_test: true, ..Request::default() }
}

#[test]
fn a_full_answer_is_read() {
    check(
        r#"{"state":{"a":1.0},"insert":{"t":[{"id":1}, {"id":2}]},"delete":{"t":[{"id":3}]},"schema":{"t":{"primary_key":["id"],"columns":{}}},"softDelete":["t"],"hasMore":true}"#,
        expect![[r#"
            state {"a":1.0} more true
            insert t 2 [{"id":1}, {"id":2}]
            delete t 1 [{"id":3}]
            key t ["id"]
            soft delete [TableName("t")]
        "#]],
    );
}

#[test]
fn f_003_the_state_is_byte_exact() {
    check(
        r#"{"state": {"a":9007199254740993,"b":1.0, "c" : "é"} }"#,
        expect![[r#"
            state {"a":9007199254740993,"b":1.0, "c" : "é"} more false
        "#]],
    );
}

#[test]
fn f_019_f_021_f_022_f_023_setup_tests_pass() {
    for (body, rows) in [
        (r#"{"state":{},"insert":{},"delete":{},"schema":{},"hasMore":false}"#, 0),
        (r#"{"state":{},"schema":{"t":{"primary_key":["id"]}},"hasMore":false}"#, 0),
        (r#"{"insert":{"t":[{"id":1}]},"hasMore":true}"#, 1),
        ("true", 0),
    ] {
        let read = Response::from_json(Bytes::copy_from_slice(body.as_bytes()), &setup_test());
        assert_eq!(read.expect(body).rows(), rows);
    }
    check_for(
        &setup_test(),
        "true",
        expect![[r#"
            state {} more false
            warning bare_true: the setup test was answered by the bare value true
        "#]],
    );
    check(
        "true",
        expect![
            "invalid_response: function broke the protocol: the answer is JSON, but not an object\n"
        ],
    );
}

#[test]
fn f_024_f_026_setup_tests_fail() {
    check_for(
        &setup_test(),
        r#"{"errorMessage":"bad key"}"#,
        expect!["function_error: function failed: bad key\n"],
    );
    check_for(
        &setup_test(),
        "ok",
        expect![
            "unable_to_parse_json: function broke the protocol: the answer is not JSON: expected a value at byte 0; it begins: ok\n"
        ],
    );
}

#[test]
fn f_030_state_and_insert_are_enough() {
    check(
        r#"{"state":{"n":1},"insert":{"t":[{"id":1}]}}"#,
        expect![[r#"
            state {"n":1} more false
            insert t 1 [{"id":1}]
        "#]],
    );
}

#[test]
fn f_031_f_032_q_01_has_more_as_a_string() {
    for (flag, read) in
        [(r#""false""#, false), (r#""True""#, true), (r#""False""#, false), ("null", false)]
    {
        let body = format!(r#"{{"state":{{}},"hasMore":{flag}}}"#);
        let response = Response::from_json(Bytes::from(body), &Request::default()).expect(flag);
        assert_eq!(response.has_more, read, "{flag}");
    }
    for flag in ["1", r#""yes""#, "[]"] {
        let body = format!(r#"{{"state":{{}},"hasMore":{flag}}}"#);
        let error = Response::from_json(Bytes::from(body), &Request::default()).expect_err(flag);
        assert_eq!(error.code(), "invalid_response");
    }
}

#[test]
fn f_033_no_state() {
    for body in [r#"{"insert":{}}"#, r#"{"state":null}"#] {
        check(
            body,
            expect![
                "missing_state: function broke the protocol: the answer has no state; return the state to send with the next call, or {} if there is none\n"
            ],
        );
    }
}

#[test]
fn f_034_q_04_a_state_of_another_kind_is_kept() {
    check(
        r#"{"state":[]}"#,
        expect![[r#"
            state [] more false
            warning unusual_state: the state is not an object; it is kept and sent back as it came
        "#]],
    );
    let response =
        Response::from_json(Bytes::from_static(br#"{"state":"x"}"#), &Request::default());
    assert_eq!(response.expect("read").state.as_json(), r#""x""#);
}

#[test]
fn f_035_f_036_f_037_q_02_q_03_empty_things_are_normal() {
    check(
        r#"{"state":{},"insert":{"t":[],"u":null},"delete":[],"schema":{"x":{"primary_key":["id"]},"y":{},"z":null}}"#,
        expect![[r#"
            state {} more false
            insert t 0 
            insert u 0 
            key x ["id"]
            key y []
        "#]],
    );
    check(
        r#"{"state":{},"insert":{},"delete":null,"schema":[]}"#,
        expect!["state {} more false\n"],
    );
}

#[test]
fn f_038_f_039_f_041_wrong_types() {
    check(
        r#"{"state":{},"insert":{"t":{"id":1}}}"#,
        expect![
            "invalid_response: function broke the protocol: table t: insert holds something other than an array of rows\n"
        ],
    );
    check(
        r#"{"state":{},"insert":{"t":[{"id":1},5]}}"#,
        expect![
            "invalid_response: function broke the protocol: table t, row 2: insert holds something other than an object\n"
        ],
    );
    check(
        "[]",
        expect![
            "invalid_response: function broke the protocol: the answer is JSON, but not an object\n"
        ],
    );
    check(
        r#"{"state":{},"insert":[1]}"#,
        expect![
            "invalid_response: function broke the protocol: insert is not an object of tables\n"
        ],
    );
}

#[test]
fn f_040_unknown_members_are_ignored_aloud() {
    check(
        r#"{"state":{},"update":{"t":[{"id":1}]},"meta":1}"#,
        expect![[r#"
            state {} more false
            warning update_ignored: the answer has a member update, which is not part of the protocol: its rows are NOT applied; send changed rows in insert
            warning unknown_member: the answer has a member "meta", which the protocol does not know; it is ignored
        "#]],
    );
}

#[test]
fn f_042_q_12_an_answer_encoded_twice() {
    check(
        r#""{\"state\":{\"a\":\"\\u00e9\"},\"insert\":{\"t\":[{\"id\":1}]}}""#,
        expect![[r#"
            state {"a":"\u00e9"} more false
            insert t 1 [{"id":1}]
            warning encoded_twice: the answer is a JSON string that holds the object; return the object itself
        "#]],
    );
    check(
        r#""{\"state\":{}"#,
        expect![
            "unable_to_parse_json: function broke the protocol: the answer is not JSON: expected the closing quote of a string at byte 14\n"
        ],
    );
    check(
        r#""\"{}\"""#,
        expect![
            "invalid_response: function broke the protocol: the answer is a JSON string; return an object\n"
        ],
    );
}

#[test]
fn f_043_an_api_gateway_envelope_is_named() {
    check(
        r#"{"statusCode":200,"body":"{}"}"#,
        expect![
            "invalid_response: function broke the protocol: the answer is an API Gateway envelope with statusCode and body; return the object in body itself\n"
        ],
    );
}

#[test]
fn f_045_f_047_q_10_error_reports_win_over_rows() {
    check(
        r#"{"state":{},"insert":{"t":5},"errorMessage":"no access","errorType":"AuthError","stackTrace":["a","b"]}"#,
        expect![[r#"
            function_error: function failed: AuthError: no access
              a
              b
        "#]],
    );
    check(
        r#"{"errorMessage":{"code":7},"stackTrace":"line 1\nline 2"}"#,
        expect![[r#"
            function_error: function failed: {"code":7}
              line 1
              line 2
        "#]],
    );
    check(
        r#"{"errorMessage":"no access","errorType":null}"#,
        expect!["function_error: function failed: no access\n"],
    );
    check(r#"{"state":{},"errorMessage":null}"#, expect!["state {} more false\n"]);
}

#[test]
fn f_048_f_049_lambda_error_payloads() {
    check(
        r#"{"errorType":"Runtime.UserCodeSyntaxError","errorMessage":"SyntaxError","trace":["at x","at y"]}"#,
        expect![[r#"
            function_error: function failed: Runtime.UserCodeSyntaxError: SyntaxError
              at x
              at y
        "#]],
    );
    check(
        r#"{"errorMessage":"2026-01-01T00:00:00Z id Task timed out after 3.00 seconds"}"#,
        expect![
            "function_error: function failed: 2026-01-01T00:00:00Z id Task timed out after 3.00 seconds\n"
        ],
    );
}

#[test]
fn f_050_a_body_that_is_not_json_is_shown_and_redacted() {
    let mut request = Request::default();
    request.secrets.insert("key", "hunter22");
    check_for(
        &request,
        "<html>hunter22</html>",
        expect![
            "unable_to_parse_json: function broke the protocol: the answer is not JSON: expected a value at byte 0; it begins: <html><secret key></html>\n"
        ],
    );
    check("", expect!["unable_to_parse_json: function broke the protocol: the answer is empty\n"]);
}

#[test]
fn f_018_a_truncated_page_shows_no_row_value() {
    check(
        r#"{"state":{},"insert":{"t":[{"card":"4111"}"#,
        expect![
            "unable_to_parse_json: function broke the protocol: the answer is not JSON: expected `,` or `]` after a row at byte 42\n"
        ],
    );
}

#[test]
fn f_124_soft_delete_true_means_every_table_of_the_answer() {
    check(
        r#"{"state":{},"insert":{"a":[]},"delete":{"b":[]},"schema":{"a":{},"c":{}},"softDelete":"True"}"#,
        expect![[r#"
            state {} more false
            insert a 0 
            delete b 0 
            key a []
            key c []
            soft delete [TableName("a"), TableName("b"), TableName("c")]
        "#]],
    );
    check(
        r#"{"state":{},"insert":{"a":[]},"softDelete":false}"#,
        expect!["state {} more false\ninsert a 0 \n"],
    );
    check(r#"{"state":{},"softDelete":[]}"#, expect!["state {} more false\n"]);
    check(
        r#"{"state":{},"softDelete":[1]}"#,
        expect![
            "invalid_response: function broke the protocol: softDelete is neither a list of table names nor a boolean\n"
        ],
    );
}

#[test]
fn dec_15_the_last_of_equal_keys_counts() {
    check(
        r#"{"state":1,"state":{},"insert":{"t":[{}],"t":[{},{}]}}"#,
        expect![[r#"
            state {} more false
            insert t 2 [{},{}]
            warning duplicate_key: the answer names state twice; the last one counts
            warning duplicate_key: table t: insert names it twice; the last one counts
        "#]],
    );
}

#[test]
fn q_13_nan_is_left_for_the_rows_and_refused_elsewhere() {
    let body = Bytes::from_static(br#"{"state":{},"insert":{"t":[{"a":NaN}]}}"#);
    let read = Response::from_json(body, &Request::default()).expect("read");
    assert!(read.insert[0].1.has_non_finite());
    check(
        r#"{"state":{"a":NaN}}"#,
        expect![
            "unable_to_parse_json: function broke the protocol: the answer is not JSON: expected a number that JSON can hold, not NaN or Infinity, at byte 14\n"
        ],
    );
}

#[test]
fn a_byte_order_mark_and_white_space_are_accepted() {
    check("\u{feff}\r\n {\"state\":{}}\n ", expect!["state {} more false\n"]);
    check(
        "{\"state\":{}} x",
        expect![
            "unable_to_parse_json: function broke the protocol: the answer is not JSON: there is more text after its end at byte 13\n"
        ],
    );
}

#[test]
fn nesting_ten_thousand_deep_is_read() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let body = format!(r#"{{"state":{{}},"insert":{{"t":[{{"a":{deep}}}]}}}}"#);
    let read = Response::from_json(Bytes::from(body), &Request::default()).expect("read");
    assert_eq!(read.insert[0].1.rows(), 1);
}

#[test]
fn what_is_written_is_read_back() {
    let body = r#"{"state":{"a":1.0},"insert":{"t":[{"id":1}]},"delete":{"u":[]},"schema":{"t":{"primary_key":["id"]}},"softDelete":["t"],"hasMore":true}"#;
    let read = Response::from_json(Bytes::copy_from_slice(body.as_bytes()), &Request::default())
        .expect("read");
    assert_eq!(String::from_utf8(read.to_json()).expect("UTF-8"), body);
}

proptest! {
    #[test]
    fn any_bytes_give_a_response_or_a_coded_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Response::from_json(Bytes::from(bytes), &Request::default());
    }
}
