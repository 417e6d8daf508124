//! `hasmore preview`: one call, shown; nothing written.

use expect_test::expect;

use crate::support::{Answer, FakeFunction, Hasmore, page, write};

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
fn of_a_manifest_it_tells_how_many_pages_a_sync_will_ask_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let api = FakeFunction::answering(|received| {
        let path = received.line.split(' ').nth(1).unwrap_or_default();
        Answer::json(match path {
            "/shops" => r#"[{"id":1}]"#,
            "/orders?page=1" => r#"{"rows":[{"id":1},{"id":2}],"total":9}"#,
            "/orders?page=2" => r#"{"rows":[{"id":3},{"id":4}],"total":9}"#,
            _ => return Answer::status(404, "{}"),
        })
    });
    let manifest = format!(
        "name: x\nbase_url: '{}'\ncall: {{pages: 3}}\ntables:\n  shops: {{primary_key: id}}\n  orders:\n    records: rows\n    primary_key: id\n    pagination: {{page: {{to: query.page}}, total: body.total}}\n",
        api.url()
    );
    write(folder.path(), "x.yaml", &manifest);
    let line = ["preview", "--manifest", "x.yaml"];
    let ended = Hasmore::new(folder.path()).args(line).run().expect_code(0);
    let told = ended.stdout.split_once("How its tables are read:").expect("a plan").1;
    let told = told.replace(&api.url(), "URL");
    expect![[r#"

          shops: GET URLshops
            pages: one holds all
            cursor: none: every sync reads the whole table
          orders: GET URLorders
            pages: numbered from 1 as query.page, until body.total is reached; fewer rows than body.total says are an error
            cursor: none: every sync reads the whole table

        shops: whole, in 1 page
        orders: a sync asks for about 3 pages more, as the API tells

        x: one call, 5 rows, 45 B; the function has more: a sync would call it again at once. Nothing was written.
    "#]].assert_eq(&told);
    let ended = Hasmore::new(folder.path()).args(line).args(["--json"]).run().expect_code(0);
    let answer = &ended.json_lines()[0];
    assert_eq!(answer["pages_left"], serde_json::json!({"table": "orders", "pages": 3}));
    assert_eq!(answer["readings"][0]["reason"], "last_page");
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
