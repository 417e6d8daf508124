//! `hasmore preview`: one call, shown; nothing written.

use expect_test::expect;

use crate::support::{Answer, FakeFunction, Hasmore, page};

fn preview(folder: &std::path::Path, url: &str) -> Hasmore {
    Hasmore::new(folder).args(["preview", "--url", url, "--name", "orders"])
}

fn rich() -> Answer {
    Answer::json(
        r#"{"state":{"p":1},"insert":{"t":[{"id":1,"amount":19.90,"at":"2020-01-01T02:00:00+01:00","note":null,"tags":[1]},{"id":2,"amount":3,"note":"two\nlines"},{"id":3}]},"delete":{"t":[{"id":9}]},"schema":{"t":{"primary_key":["id"]}},"hasMore":true}"#,
    )
}

#[test]
fn rows_and_types_are_shown_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([rich()]);
    let ended = preview(folder.path(), &function.url()).args(["--rows", "2"]).run().expect_code(0);
    expect![[r#"
        t (4 rows, key id, a new table)
          id  amount  at                    note       tags
        long  double  instant               string     json
           1    19.9  2020-01-01T01:00:00Z  NULL       [1]
           2     3.0  NULL                  two⏎lines  NULL
        … 1 more row
        1 row would be marked as deleted

        orders: one call, 4 rows, 242 B; the function has more: a sync would call it again at once. Nothing was written.
    "#]]
    .assert_eq(&ended.stdout);
    assert_eq!(function.received().len(), 1);
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
}

#[test]
fn json_holds_rows_and_types() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([rich()]);
    let ended = preview(folder.path(), &function.url()).args(["--json"]).run().expect_code(0);
    let answer = &ended.json_lines()[0];
    assert_eq!(answer["has_more"], true);
    let table = &answer["tables"][0];
    assert_eq!(table["columns"][1], serde_json::json!({"name": "amount", "type": "double"}));
    assert_eq!(table["rows"][0]["at"], "2020-01-01T01:00:00Z");
    assert_eq!(table["rows"][2]["amount"], serde_json::Value::Null);
}

#[test]
fn it_goes_on_from_what_has_landed_unless_told_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start(vec![page(r#"[{"id":1}]"#, r#"{"p":1}"#, false); 4]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    let to = ["--to", "warehouse.duckdb"];
    let ended = preview(folder.path(), &function.url()).args(to).run().expect_code(0);
    assert!(!ended.stdout.contains("a new table"), "{}", ended.stdout);
    preview(folder.path(), &function.url()).args(to).args(["--from-start"]).run().expect_code(0);
    let states: Vec<_> = function.received().iter().map(|r| r.state().to_owned()).collect();
    assert_eq!(states, ["{}", r#"{"p":1}"#, "{}"]);
    let state = Hasmore::new(folder.path())
        .args(["state", "show", "--to", "warehouse.duckdb", "--json"])
        .run()
        .expect_code(0);
    assert_eq!(state.json_lines()[0]["commit"], 1, "nothing was written");
}

#[test]
fn what_goes_wrong_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        Answer::status(500, r#"{"errorMessage":"no luck"}"#),
        Answer::json(r#"{"state":{},"insert":{"t":[{}]},"schema":{"t":{"primary_key":["id"]}}}"#),
    ]);
    preview(folder.path(), &function.url()).run().expect_error(3, "function_error");
    preview(folder.path(), &function.url()).run().expect_error(3, "null_primary_key");
    Hasmore::new(folder.path()).args(["preview"]).run().expect_code(2);
}
