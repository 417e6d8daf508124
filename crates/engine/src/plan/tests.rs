use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use bytes::Bytes;
use expect_test::{Expect, expect};
use protocol::{Request, SyncId};

use super::*;
use crate::run::{Limits, Naming, NulCharacters, Options};
use crate::{Feature, system_columns, widen};

fn run() -> Run {
    run_of("sync-1", 1_700_000_000_000_000)
}

fn run_of(sync_id: &str, started_at: i64) -> Run {
    Run {
        sync_id: SyncId(sync_id.to_owned()),
        started_at: Timestamp(started_at),
        clock: Arc::new(move || Timestamp(started_at)),
        agent: String::new(),
        secrets: protocol::Secrets::default(),
        custom_payload: protocol::CustomPayload::default(),
        options: Options::default(),
        limits: Limits::default(),
    }
}

fn response(body: &str) -> Response {
    Response::from_json(Bytes::copy_from_slice(body.as_bytes()), &Request::default()).expect(body)
}

fn plan(body: &str, position: &Position, run: &Run) -> Result<Batch, PlanError> {
    Batch::plan(response(body), position, run)
}

/// A page of one table `t`, more to come.
fn rows(rows: &str, key: &str) -> String {
    let schema = if key.is_empty() {
        "{}".to_owned()
    } else {
        format!(r#"{{"t":{{"primary_key":[{key}]}}}}"#)
    };
    format!(r#"{{"state":{{}},"insert":{{"t":{rows}}},"schema":{schema},"hasMore":true}}"#)
}

/// Plans pages one on the other, joined, and prints the batch.
fn check(pages: &[&str], expected: Expect) {
    check_with(&run(), pages, expected);
}

fn check_with(run: &Run, pages: &[&str], expected: Expect) {
    let mut batch: Option<Batch> = None;
    for page in pages {
        let position =
            batch.as_ref().map_or_else(Position::default, |batch| batch.leaves().clone());
        batch = match (plan(page, &position, run), batch) {
            (Ok(next), None) => Some(next),
            (Ok(next), Some(batch)) => Some(batch.join(next)),
            (Err(error), _) => return expected.assert_eq(&format!("{}: {error}\n", error.code())),
        };
    }
    expected.assert_eq(&print(&batch.expect("a page was planned")));
}

fn print(batch: &Batch) -> String {
    let mut out = String::new();
    for table in batch.tables() {
        let columns = batch.leaves().schema().tables[table.table()].columns.iter();
        let columns: Vec<String> =
            columns.map(|column| format!("{} {}", column.name, column.column_type())).collect();
        out += &format!("{} {}: {}\n", table.table(), table.primary_key(), columns.join(", "));
        for (verb, chunks) in
            [("+", table.upserts()), ("x", table.marks()), ("-", table.removals())]
        {
            for chunk in chunks {
                out += &print_rows(verb, &chunk, table.columns());
            }
        }
    }
    for sweep in batch.sweeps() {
        out += &format!("sweep {} before {}\n", sweep.table, sweep.before);
    }
    for warning in batch.warnings() {
        out += &format!("warning {}: {}\n", warning.code, warning.message);
    }
    out
}

fn print_rows(verb: &str, rows: &RecordBatch, columns: &[(String, ColumnType)]) -> String {
    let mut out = String::new();
    for row in 0..rows.num_rows() {
        let mut cells = Vec::new();
        for (field, array) in rows.schema().fields().iter().zip(rows.columns()) {
            let (name, column_type) =
                columns.iter().find(|(name, _)| name == field.name()).expect("a column");
            if name == system_columns::SYNCED || name == system_columns::BATCH {
                continue;
            }
            let text = widen(array, *column_type, ColumnType::Json);
            cells.push(if text.is_null(row) {
                "null".into()
            } else {
                text.as_string::<i32>().value(row).to_owned()
            });
        }
        out += &format!("{verb} {}\n", cells.join(" | "));
    }
    out
}

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
fn f_108_the_next_sync_is_later_even_when_the_clock_is_not() {
    let first = plan(&rows(r#"[{"a":1}]"#, ""), &Position::default(), &run()).expect("a batch");
    let next =
        plan(&rows(r#"[{"a":1}]"#, ""), first.leaves(), &run_of("sync-2", 0)).expect("a batch");
    assert!(next.synced_at() > first.synced_at());
    assert_eq!(next.leaves().next_index["t"], 1);
}

#[test]
fn evidence_says_where_a_type_came_from() {
    let first = plan(
        &rows(r#"[{"id":1,"a":1},{"id":2,"a":0.5}]"#, r#""id""#),
        &Position::default(),
        &run(),
    )
    .expect("a batch");
    let next =
        plan(&rows(r#"[{"id":3,"a":2},{"id":4,"a":"x"}]"#, r#""id""#), first.leaves(), &run())
            .expect("a batch");
    let evidence = &next.leaves().schema().tables["t"].columns[1].evidence;
    let places: Vec<_> =
        evidence.iter().map(|one| (one.seen.iter().next(), one.page, one.row)).collect();
    assert_eq!(
        places,
        [
            (Some(Feature::Integer), 1, 1),
            (Some(Feature::Fraction), 1, 2),
            (Some(Feature::Text), 2, 2)
        ]
    );
}

#[test]
fn a_stored_position_comes_back() {
    let page = r#"{"state":{"a":1.0},"insert":{"t":[{"id":1,"a":0.5}],"k":[{"x":1}]},"schema":{"t":{"primary_key":["id"]},"later":{"primary_key":["x"]}},"softDelete":["t"],"hasMore":true}"#;
    let batch = plan(page, &Position::default(), &run()).expect("a batch");
    let left = batch.leaves();
    let back = Position::from_stored(
        left.state().clone(),
        left.ordinal(),
        left.committed_by().clone(),
        &left.stored(),
    );
    assert_eq!(back.as_ref(), Ok(left));
    let newer = left.stored().replace(r#""version":1"#, r#""version":99"#);
    assert!(Position::from_stored(State::default(), 1, SyncId::default(), &newer).is_err());
}

#[test]
fn set_state_and_resync_are_batches_without_rows() {
    let first =
        plan(&rows(r#"[{"id":1}]"#, r#""id""#), &Position::default(), &run()).expect("a batch");
    let edit = Batch::set_state(
        first.leaves(),
        State::from_json(r#"{"x":1}"#).expect("a state"),
        &run_of("edit", 1),
    );
    assert_eq!((edit.after(), edit.leaves().state().as_json(), edit.rows()), (1, r#"{"x":1}"#, 0));
    let taken_back = Batch::resync(edit.leaves(), true, &run_of("resync", 2));
    let edited = Batch::set_state(taken_back.leaves(), State::default(), &run_of("edit", 3));
    assert_eq!(edited.leaves().chain(), None);
    let resync = Batch::resync(edit.leaves(), true, &run_of("resync", 2));
    let last = r#"{"state":{},"insert":{"t":[{"id":2}]},"hasMore":false}"#;
    let next = plan(last, resync.leaves(), &run_of("sync-2", 3)).expect("a batch");
    assert_eq!(resync.leaves().state(), &State::default());
    assert_eq!(
        next.sweeps().collect::<Vec<_>>(),
        [crate::Sweep { table: "t".into(), before: next.synced_at() }]
    );
}

#[test]
fn f_151_naming_is_chosen_once() {
    let first = plan(&rows(r#"[{"id":1}]"#, ""), &Position::default(), &run()).expect("a batch");
    let mut other = run();
    other.options.naming = Naming::Source;
    let error =
        plan(&rows(r#"[{"id":1}]"#, ""), first.leaves(), &other).expect_err("names are kept");
    assert_eq!(error.code(), "naming_changed");
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
