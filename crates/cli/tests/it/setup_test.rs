//! `hasmore test`: the setup test, F-019 to F-028.

use crate::support::{Answer, Ended, FakeFunction, Hasmore, page};

fn test(answer: Answer) -> (Ended, FakeFunction, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([answer]);
    let ended = Hasmore::new(folder.path())
        .args(["test", "--url", &function.url(), "--name", "orders", "--call-timeout", "1s"])
        .run();
    (ended, function, folder)
}

fn passes(answer: Answer, warning: &str) {
    let (ended, function, folder) = test(answer);
    let ended = ended.expect_code(0);
    assert!(ended.stdout.starts_with("orders: passed"), "{}", ended.stdout);
    assert_eq!(ended.stderr.contains("warning["), !warning.is_empty(), "{}", ended.stderr);
    assert!(ended.stderr.contains(warning), "{}", ended.stderr);
    assert_eq!(function.received().len(), 1, "no second call");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
}

fn fails(answer: Answer, code: &str, said: &str) {
    let (ended, ..) = test(answer);
    let ended = ended.expect_error(3, code);
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[test]
fn f_020_f_021_f_022_an_empty_answer_passes() {
    let (ended, function, _) =
        test(Answer::json(r#"{"state":{},"insert":{},"delete":{},"schema":{},"hasMore":false}"#));
    ended.expect_code(0);
    let request = &function.received()[0].json();
    assert_eq!(request["setup_test"], true);
    assert_eq!(request["state"], serde_json::json!({}));
    assert!(request["sync_id"].is_string());
    passes(
        Answer::json(r#"{"state":{},"schema":{"t":{"primary_key":["id"]}},"hasMore":false}"#),
        "",
    );
}

#[test]
fn f_019_the_bare_value_true_passes_with_a_warning() {
    passes(Answer::json("true"), "warning[bare_true]");
}

#[test]
fn f_023_q_07_rows_are_dropped() {
    passes(page(r#"[{"id":1}]"#, r#"{"p":1}"#, true), "warning[setup_rows]");
}

#[test]
fn f_024_f_025_f_026_a_failure_is_told() {
    fails(Answer::json(r#"{"errorMessage":"bad key"}"#), "function_error", "bad key");
    fails(Answer::status(401, "who are you"), "function_error", "401");
    fails(Answer::status(401, "who are you"), "function_error", "who are you");
    fails(Answer::json("<html>"), "unable_to_parse_json", "<html>");
}

#[test]
fn f_027_a_large_answer_passes_with_a_warning() {
    let body = format!(r#"{{"state":{{}},"x":"{}"}}"#, "y".repeat(70_000));
    passes(Answer::json(body), "warning[large_setup_answer]");
}

#[test]
fn f_028_no_answer_in_time_fails() {
    let slow = Answer::json("{}").after(std::time::Duration::from_secs(10));
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([slow.clone(), slow]);
    Hasmore::new(folder.path())
        .args(["test", "--url", &function.url(), "--call-timeout", "200ms"])
        .run()
        .expect_error(3, "function_timeout");
}

#[test]
fn f_020_a_setup_test_changes_nothing_that_is_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        page(r#"[{"id":1}]"#, r#"{"p":1}"#, false),
        page(r#"[{"id":2}]"#, r#"{"p":2}"#, false),
    ]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    let before = std::fs::read(folder.path().join("warehouse.duckdb")).expect("the file");
    let ended = Hasmore::new(folder.path())
        .args(["test", "--url", &function.url(), "--to", "warehouse.duckdb", "--json"])
        .run()
        .expect_code(0);
    assert_eq!(ended.json_lines()[0]["passed"], true);
    assert_eq!(std::fs::read(folder.path().join("warehouse.duckdb")).expect("the file"), before);
}
