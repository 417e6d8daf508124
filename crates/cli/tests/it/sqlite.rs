//! Every command that reads or writes a destination, with a SQLite file.

use rusqlite::Connection;

use crate::support::{FakeFunction, Hasmore, page, write};

#[test]
fn a_connection_lives_in_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        page(r#"[{"id":1,"n":1},{"id":2,"n":2}]"#, r#"{"p":1}"#, true),
        page(r#"[{"id":2,"n":"nul\u0000"}]"#, r#"{"p":2}"#, false),
        page("[]", r#"{"p":3}"#, false),
    ]);
    let to = ["--to", "shop.sqlite"];
    let hasmore = |words: &[&str]| {
        Hasmore::new(folder.path()).args(words.iter().copied()).args(to.iter().copied())
    };
    let sync = ["sync", "--url", &function.url(), "--name", "orders"];
    let synced = hasmore(&sync).run().expect_code(0);
    let line = synced.stdout.lines().last().expect("a line to paste").trim().to_owned();
    assert_eq!(line, "sqlite3 shop.sqlite 'SELECT * FROM orders__t LIMIT 10'");

    let shown = hasmore(&["state", "show", "orders"]).run().expect_code(0);
    assert_eq!(shown.stdout.trim(), r#"{"p":2}"#);
    let tables = hasmore(&["tables", "orders", "--json"]).run().expect_code(0);
    let answer = &tables.json_lines()[0];
    assert_eq!((&answer["namespace"], &answer["commits"]), (&"orders".into(), &1.into()));
    assert_eq!(answer["tables"][0]["rows"], 2);
    assert_eq!(answer["tables"][0]["columns"][1]["type"], "string");

    hasmore(&["state", "set", "orders", "--state", "{\"p\":0}"]).run().expect_code(0);
    let history = hasmore(&["state", "history", "orders", "--json"]).run().expect_code(0);
    let states: Vec<_> =
        history.json_lines().iter().map(|past| past["state"].to_string()).collect();
    assert_eq!(states, [r#"{"p":0}"#, r#"{"p":2}"#]);
    hasmore(&["state", "rollback", "orders", "--commit", "1"]).run().expect_code(0);
    hasmore(&sync).run().expect_code(0);
    let shown = hasmore(&["state", "show", "orders"]).run().expect_code(0);
    assert_eq!(shown.stdout.trim(), r#"{"p":3}"#);
    hasmore(&["tables", "nobody"]).run().expect_error(2, "unknown_connection");

    let file = Connection::open(folder.path().join("shop.sqlite")).expect("the file opens");
    let mut statement =
        file.prepare("SELECT id, n, typeof(n) FROM orders__t ORDER BY id").expect("a table");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let rows: Vec<(i64, String, String)> =
        rows.expect("rows").map(|row| row.expect("a row")).collect();
    let text = |n: i64, text: &str| (n, text.to_owned(), "text".to_owned());
    assert_eq!(rows, [text(1, "1"), text(2, "nul\0")]);
}

#[test]
fn the_namespace_main_has_no_prefix_and_a_file_may_have_any_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let config = format!(
        "destination: {{to: \"sqlite:shop.db\"}}\nconnections:\n  orders:\n    url: {}\n    namespace: main\n",
        function.url()
    );
    write(folder.path(), "hasmore.yaml", &config);
    let run = |words: &[&str]| Hasmore::new(folder.path()).args(words.iter().copied()).run();
    let synced = run(&["sync", "--json"]).expect_code(0);
    assert_eq!(synced.json_lines()[0]["destination"], "sqlite:shop.db");
    assert_eq!(run(&["tables", "--json"]).expect_code(0).json_lines()[0]["commits"], 1);
    let file = Connection::open(folder.path().join("shop.db")).expect("the file opens");
    let count: i64 =
        file.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("a table");
    assert_eq!(count, 1);
}

#[test]
fn a_file_that_is_something_else_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let text = "a letter to a friend, long enough to be no empty file\n".repeat(30);
    write(folder.path(), "letter.sqlite", &text);
    let sync = |to: &str| {
        let words = ["sync", "--name", "orders", "--url", &function.url(), "--to", to];
        Hasmore::new(folder.path()).args(words).run()
    };
    sync("letter.sqlite").expect_error(4, "destination_not_sqlite");
    let left = std::fs::read_to_string(folder.path().join("letter.sqlite")).expect("the file");
    assert_eq!(left, text);
    sync("no/folder.sqlite").expect_error(4, "destination_not_found");
    let tables = ["tables", "--to", "nothing.sqlite"];
    Hasmore::new(folder.path()).args(tables).run().expect_error(2, "no_destination_file");
}
