//! Whatever comes in: a documented code, nothing changed, and the next sync goes on.

use std::path::Path;

use crate::support::{Answer, FakeFunction, Hasmore, page, query, table_names, write};

/// One good sync, then `bad` as the answer of the second, then a good third one.
///
/// The second ends with the code, leaves rows and state as they were, and the third goes on from there.
#[track_caller]
fn check(bad: Answer, exit_code: i32, code: &str, said: &str, options: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let first = FakeFunction::start([page(r#"[{"id":1,"v":"a"}]"#, r#"{"p":1}"#, false)]);
    Hasmore::sync(folder.path(), &first.url()).run().expect_code(0);
    let before = whole(folder.path());

    let function = FakeFunction::start(vec![bad; 4]);
    let ended = Hasmore::sync(folder.path(), &function.url())
        .args(options)
        .run()
        .expect_error(exit_code, code);
    assert!(ended.stderr.contains(said), "no {said:?} in:\n{}", ended.stderr);
    assert_eq!(whole(folder.path()), before, "{code}: nothing is changed");

    let good = FakeFunction::start([page(r#"[{"id":2,"v":"b"}]"#, r#"{"p":2}"#, false)]);
    Hasmore::sync(folder.path(), &good.url()).run().expect_code(0);
    assert_eq!(good.received()[0].state(), r#"{"p":1}"#, "{code}: the next sync goes on");
    assert_eq!(whole(folder.path()).rows.len(), 2);
}

/// Everything that a sync could have changed.
#[derive(Debug, PartialEq)]
struct Whole {
    tables: Vec<String>,
    columns: Vec<Vec<String>>,
    rows: Vec<Vec<String>>,
    position: Vec<Vec<String>>,
}

fn whole(folder: &Path) -> Whole {
    let database = folder.join("warehouse.duckdb");
    Whole {
        tables: table_names(&database, "orders"),
        columns: query(&database, "SELECT column_name, column_type FROM (DESCRIBE orders.t)"),
        rows: query(&database, "SELECT * FROM orders.t ORDER BY id"),
        position: query(&database, "SELECT ordinal, state, stored FROM _hasmore.positions"),
    }
}

fn check_json(body: &str, code: &str, said: &str) {
    check(Answer::json(body), 3, code, said, &[]);
}

#[test]
fn f_050_what_is_not_json_is_told() {
    check_json("<html>Log in</html>", "unable_to_parse_json", "<html>Log in</html>");
    check_json("", "unable_to_parse_json", "");
    check_json(r#"{"state":{},"insert":{"t":[{"id":2}"#, "unable_to_parse_json", "");
    check_json(r#"{"state":{}} trailing"#, "unable_to_parse_json", "");
    check_json(&"[".repeat(100_000), "unable_to_parse_json", "");
}

#[test]
fn f_032_f_033_f_038_f_039_f_041_f_043_what_is_not_the_protocol_is_told() {
    check_json("[]", "invalid_response", "");
    check_json("5", "invalid_response", "");
    check_json(r#"{"insert":{"t":[{"id":2}]}}"#, "missing_state", "no state");
    check_json(r#"{"state":{},"hasMore":1}"#, "invalid_response", "hasMore");
    check_json(r#"{"state":{},"insert":{"t":{"id":2}}}"#, "invalid_response", "table t");
    check_json(r#"{"state":{},"insert":{"t":[{"id":2},5]}}"#, "invalid_response", "row 2");
    check_json(r#"{"state":{},"insert":[{"id":2}]}"#, "invalid_response", "insert");
    check_json(r#"{"statusCode":200,"body":"{}"}"#, "invalid_response", "envelope");
}

#[test]
fn f_045_f_046_f_047_what_the_function_reports_is_told() {
    check_json(
        r#"{"errorMessage":"no luck","insert":{"t":[{"id":9}]},"state":{}}"#,
        "function_error",
        "no luck",
    );
    let report = r#"{"errorMessage":{"why":"no luck"},"errorType":"Bad","stackTrace":"one line"}"#;
    check(Answer::status(500, report), 3, "function_error", "no luck", &[]);
    check(Answer::status(401, "who are you"), 3, "function_error", "401", &[]);
}

#[test]
fn f_104_f_105_f_115_f_127_rows_that_cannot_be_placed_are_told_with_table_and_row() {
    let rows = |rows: &str| {
        format!(
            r#"{{"state":{{}},"insert":{{"t":{rows}}},"schema":{{"t":{{"primary_key":["id"]}}}}}}"#
        )
    };
    check_json(
        &rows(r#"[{"id":2},{"id":null}]"#),
        "null_primary_key",
        "table t, row 2: no value for key column id",
    );
    check_json(&rows(r#"[{"v":"x"}]"#), "null_primary_key", "row 1");
    check_json(&rows(r#"[{"id":2,"v":NaN}]"#), "non_finite_number", "column v");
    check_json(
        r#"{"state":{},"insert":{"t":[{"id":2}]},"schema":{"t":{"primary_key":["v"]}}}"#,
        "primary_key_changed",
        "table t",
    );
    check_json(
        r#"{"state":{},"delete":{"u":[{"id":2}]}}"#,
        "delete_without_primary_key",
        "table u",
    );
}

#[test]
fn f_054_an_answer_that_is_too_large_or_has_no_end_is_given_up() {
    let rows =
        format!(r#"{{"state":{{}},"insert":{{"t":[{{"id":2,"v":"{}"}}]}}}}"#, "x".repeat(100_000));
    let limit = &["--response-bytes", "50 KB"];
    check(Answer::json(rows), 3, "response_too_large", "50000 bytes", limit);
    check(Answer::Endless, 3, "response_too_large", "50000 bytes", limit);
}

#[test]
fn an_answer_that_breaks_off_is_tried_again_and_told() {
    check(Answer::HangUp, 3, "transport", "", &[]);
}

#[test]
fn an_answer_that_is_cut_short_is_tried_again_and_told() {
    let cut = r#"{"state":{},"insert":{"t":[{"id":2}"#;
    check(Answer::Truncated(cut.into()), 3, "transport", "", &[]);
}

#[test]
fn an_answer_that_is_too_slow_is_tried_once_more_and_told() {
    let slow = page("[]", "{}", false).after(std::time::Duration::from_secs(5));
    check(slow, 3, "function_timeout", "", &["--call-timeout", "200ms"]);
}

#[test]
fn a_function_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr();
    let url = format!("http://{}/", free.expect("an address"));
    Hasmore::sync(folder.path(), &url).run().expect_error(3, "transport");
}

#[test]
fn hostile_names_are_ordinary_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = "x".repeat(10_000);
    let names = ["\\\"; DROP TABLE orders.t; --", "select", "😀", "a\\u0000b", long.as_str(), ""];
    let tables: Vec<String> =
        names.iter().map(|name| format!(r#""{name}":[{{"id":1,"{name}":2,"order":3}}]"#)).collect();
    for naming in ["fivetran", "source"] {
        let body = format!(r#"{{"state":{{}},"insert":{{{}}}}}"#, tables.join(","));
        let function = FakeFunction::start([Answer::json(body)]);
        let ended = Hasmore::new(folder.path())
            .args(["sync", "--url", &function.url(), "--to", "warehouse.duckdb"])
            .args(["--name", naming, "--naming", naming])
            .run()
            .expect_code(0);
        assert!(ended.stderr.len() < 20_000, "a long name is cut: {}", ended.stderr.len());
        let found = table_names(&folder.path().join("warehouse.duckdb"), naming);
        assert_eq!(found.len(), names.len(), "{found:?}");
        Hasmore::new(folder.path())
            .args(["tables", naming, "--to", "warehouse.duckdb"])
            .run()
            .expect_code(0);
    }
}

#[test]
fn a_file_that_is_no_database_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let foreign = "This is a letter, not a database. ".repeat(1000);
    write(folder.path(), "warehouse.duckdb", &foreign);
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_error(4, "destination_not_duckdb");
    let after = std::fs::read_to_string(folder.path().join("warehouse.duckdb")).expect("the file");
    assert_eq!(after, foreign);
    assert!(function.received().is_empty(), "nobody is called when rows cannot land");
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    Hasmore::new(folder.path())
        .args(["sync", "--url", &function.url(), "--to", "nowhere/warehouse.duckdb"])
        .run()
        .expect_error(4, "destination_not_found");
    assert!(function.received().is_empty());
}

#[test]
fn f_199_a_table_that_is_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("warehouse.duckdb");
    let connection = duckdb::Connection::open(&database).expect("a database");
    connection
        .execute_batch("CREATE SCHEMA orders; CREATE TABLE orders.t AS SELECT 42 AS mine")
        .expect("a table");
    drop(connection);
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let ended =
        Hasmore::sync(folder.path(), &function.url()).run().expect_error(4, "unmanaged_table");
    assert!(ended.stderr.contains(" t"), "{}", ended.stderr);
    assert_eq!(query(&database, "SELECT mine FROM orders.t"), [["42"]]);
}

#[test]
fn a_file_and_a_connection_of_one_name_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let ended = Hasmore::new(folder.path())
        .args(["sync", "--url", &function.url(), "--to", "orders.duckdb", "--name", "orders"])
        .run()
        .expect_code(0);
    assert!(ended.stdout.contains("'FROM orders.orders.t LIMIT 10'"), "{}", ended.stdout);
    assert_eq!(query(&folder.path().join("orders.duckdb"), "FROM orders.orders.t").len(), 1);
}

#[test]
fn a_connection_keeps_its_namespace() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        page(r#"[{"id":1}]"#, "{}", false),
        page(r#"[{"id":1}]"#, "{}", false),
    ]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    Hasmore::sync(folder.path(), &function.url())
        .args(["--namespace", "elsewhere"])
        .run()
        .expect_error(2, "namespace_changed");
    assert_eq!(function.received().len(), 1);
}

#[test]
fn a_file_of_a_newer_duckdb_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    Hasmore::sync(folder.path(), &first.url()).run().expect_code(0);
    let database = folder.path().join("warehouse.duckdb");
    let mut bytes = std::fs::read(&database).expect("the file");
    // A header is a checksum, the word DUCK and the storage version.
    let checksum_of = |header: &[u8]| {
        let words = header
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
        words.fold(5381, |sum, word| sum ^ word.wrapping_mul(0xbf58_476d_1ce4_e5b9)).to_le_bytes()
    };
    assert_eq!((&bytes[8..12], &bytes[..8]), (&b"DUCK"[..], &checksum_of(&bytes[8..4096])[..]));
    bytes[12..20].copy_from_slice(&9999u64.to_le_bytes());
    let checksum = checksum_of(&bytes[8..4096]);
    bytes[..8].copy_from_slice(&checksum);
    std::fs::write(&database, &bytes).expect("the file");
    let function = FakeFunction::start([page(r#"[{"id":2}]"#, "{}", false)]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_error(4, "destination_newer");
    assert!(function.received().is_empty());
    assert_eq!(std::fs::read(&database).expect("the file"), bytes);
}

#[test]
fn a_position_of_a_newer_hasmore_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    Hasmore::sync(folder.path(), &first.url()).run().expect_code(0);
    let database = folder.path().join("warehouse.duckdb");
    let connection = duckdb::Connection::open(&database).expect("the file");
    connection
        .execute_batch("UPDATE _hasmore.positions SET stored = '{\"version\":99}'")
        .expect("a newer position");
    drop(connection);
    let function = FakeFunction::start([page(r#"[{"id":2}]"#, "{}", false)]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_error(4, "destination_newer");
    assert!(function.received().is_empty());
}

#[test]
fn a_full_disk_is_told_and_gone_on_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = |from: usize, count: usize| {
        let row = |id: usize| format!(r#"{{"id":{id},"v":"{}"}}"#, spread(id));
        let rows: Vec<_> = (from..from + count).map(row).collect();
        page(&format!("[{}]", rows.join(",")), &format!(r#"{{"p":{from}}}"#), false)
    };
    let function = FakeFunction::start([rows(0, 1000), rows(1000, 8000), rows(1000, 8000)]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    let size = std::fs::metadata(folder.path().join("warehouse.duckdb")).expect("the file").len();
    // A file may not grow beyond this many blocks of 1024 bytes, as on a full disk.
    let ended = Hasmore::limited(folder.path(), size / 1024 + 100)
        .args(["sync", "--url", &function.url(), "--to", "warehouse.duckdb", "--name", "orders"])
        .run()
        .expect_error(4, "disk_full");
    assert!(ended.stdout.contains("0 pages"), "{}", ended.stdout);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    assert_eq!(function.received()[2].state(), r#"{"p":0}"#);
    let count = query(&folder.path().join("warehouse.duckdb"), "SELECT count(*) FROM orders.t");
    assert_eq!(count, [["9000"]]);
}

#[test]
fn f_074_when_the_second_page_cannot_land_the_first_one_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows: Vec<_> =
        (2..8000).map(|id| format!(r#"{{"id":{id},"v":"{}"}}"#, spread(id))).collect();
    let large = page(&format!("[{}]", rows.join(",")), r#"{"p":2}"#, false);
    let function = FakeFunction::start([
        page(r#"[{"id":1,"v":"a"}]"#, r#"{"p":1}"#, true),
        large.clone(),
        large,
    ]);
    let ended = Hasmore::limited(folder.path(), 2000)
        .args(["sync", "--url", &function.url(), "--to", "warehouse.duckdb", "--name", "orders"])
        .args(["--batch-rows", "1", "--json"])
        .run()
        .expect_error(4, "disk_full");
    let answer = &ended.json_lines()[0];
    assert_eq!((&answer["pages"], &answer["outcome"]), (&1.into(), &"failed".into()));
    let database = folder.path().join("warehouse.duckdb");
    assert_eq!(query(&database, "SELECT id FROM orders.t"), [["1"]]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    assert_eq!(function.received()[2].state(), r#"{"p":1}"#);
    assert_eq!(query(&database, "SELECT count(*) FROM orders.t"), [["7999"]]);
}

/// Text that does not compress well.
fn spread(number: usize) -> String {
    let mut mixed = number as u64 + 1;
    let mut text = String::new();
    for _ in 0..80 {
        mixed = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ 0x5555;
        text.push_str(&format!("{mixed:016x}"));
    }
    text
}
