//! `hasmore migrate`: a connection moves between files and servers, and the next sync goes on there.

use std::path::Path;

use ::postgres::{Client, NoTls};

use crate::support::{
    Answer, Ended, FakeFunction, Hasmore, empty_page, page, query, table_names, write,
};

/// A database of a test's own, since all that hash into one have one salt; it goes with the test.
pub(crate) struct Namespace(String);

impl Namespace {
    pub(crate) fn new() -> Namespace {
        let name = format!("moved_{}", uuid::Uuid::new_v4().simple());
        let created = Namespace::session().batch_execute(&format!("CREATE DATABASE {name}"));
        created.expect("a database");
        Namespace(name)
    }

    fn session() -> Client {
        Client::connect(&postgres_cluster::url(), NoTls).expect("the server lets us in")
    }

    pub(crate) fn url(&self) -> String {
        let url = postgres_cluster::url();
        let (place, words) = url
            .split_once('?')
            .map_or((&*url, String::new()), |(place, words)| (place, format!("?{words}")));
        let (server, _) = place.rsplit_once('/').expect("a database is named");
        format!("{server}/{}{words}", self.0)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.0);
        // What is left over is in nobody's way.
        let _ = Namespace::session().batch_execute(&drop);
    }
}

/// Every type, every mode, deletes, keys of any kind.
const FIRST: &str = r#"{"state":{"p":1},"insert":{
    "kinds":[{"id":1,"b":true,"l":-9223372036854775808,"d":1.5,"n":12345678901234567890.12,"t":"2024-02-29","dt":"2024-02-29T01:02:03.000004","i":"0001-01-01T00:00:00Z","s":"é\n\\\"","j":{"a":[1.0,"x"]}},
             {"id":2,"b":null,"l":1,"d":1e300,"n":-0.01,"t":"9999-12-31","dt":"1969-12-31T23:59:59","i":"2024-01-01T00:00:00.123456Z","s":"","j":[]},
             {"id":3}],
    "prices":[{"id":1,"v":1,"at":"2024-01-01T00:00:00Z"},{"id":1,"v":2,"at":"2024-01-02T00:00:00Z"}],
    "clicks":[{"u":"a"},{"u":"a"}],
    "gone":[{"id":1,"k":"x"},{"id":2,"k":"y"}]},
    "delete":{"gone":[{"id":1,"k":"x"}]},
    "schema":{"kinds":{"primary_key":["id"]},"prices":{"primary_key":["id"]},"gone":{"primary_key":["id","k"]}},
    "hasMore":false}"#;

fn configure(folder: &Path, name: &str, url: &str, to: &str) {
    let text = format!(
        "destination: {{to: \"{to}\"}}\nconnections:\n  {name}:\n    url: {url}\n    tables:\n      prices: {{mode: history, version_time: at}}\n      gone: {{columns: {{v: {{hash: true}}}}}}\n"
    );
    write(folder, "hasmore.yaml", &text);
}

fn run(folder: &Path, words: &[&str]) -> Ended {
    Hasmore::new(folder).args(words.iter().copied()).run()
}

/// Everything of a namespace, table by table.
fn all_rows(file: &Path, namespace: &str) -> Vec<(String, Vec<Vec<String>>)> {
    let rows = |table: String| {
        let rows = query(file, &format!("SELECT * FROM {namespace}.\"{table}\" ORDER BY ALL"));
        (table, rows)
    };
    table_names(file, namespace).into_iter().map(rows).collect()
}

#[test]
fn a_connection_moves_there_and_back_and_goes_on() {
    let (folder, namespace) = (tempfile::tempdir().expect("a folder"), Namespace::new());
    let (name, server) = (namespace.0.as_str(), namespace.url());
    let folder = folder.path();
    let function = FakeFunction::start([
        Answer::json(FIRST.to_owned()),
        page(r#"[{"id":9}]"#, r#"{"p":2}"#, false),
        Answer::json(r#"{"state":{"p":3},"insert":{"prices":[{"id":1,"v":3,"at":"2024-01-03T00:00:00Z"}],"kinds":[{"id":3,"l":7}],"clicks":[{"u":"b"}]},"delete":{"gone":[{"id":2,"k":"y"}]},"hasMore":false}"#.to_owned()),
    ]);
    configure(folder, name, &function.url(), "first.duckdb");
    run(folder, &["sync"]).expect_code(0);
    let first = folder.join("first.duckdb");
    let before = all_rows(&first, name);
    assert_eq!(before.len(), 4, "{before:?}");

    let moved = run(folder, &["migrate", name, "--to", &server]).expect_code(0);
    assert!(moved.stdout.contains("4 tables and the position are in"), "{}", moved.stdout);
    assert!(moved.stdout.contains("prices: 2 rows"), "{}", moved.stdout);
    let again = run(folder, &["migrate", name, "--to", &server]);
    again.expect_error(4, "connection_exists");
    assert_eq!(all_rows(&first, name), before, "what is here stays");

    // The file that it comes back to is another, where the same rows are.
    let back = ["migrate", name, "--from", &server, "--to", "second.duckdb"];
    run(folder, &back).expect_code(0);
    assert_eq!(all_rows(&folder.join("second.duckdb"), name), before, "there and back");
    let shown = run(folder, &["state", "show", name, "--to", &server]).expect_code(0);
    assert_eq!(shown.stdout.trim(), r#"{"p":1}"#);

    configure(folder, name, &function.url(), &server);
    run(folder, &["sync"]).expect_code(0);
    let last = run(folder, &["sync", "--json"]).expect_code(0).json_lines().remove(0);
    assert_eq!(last["tables"]["gone"]["deleted"], 1, "{last}");
    assert_eq!(last["tables"]["kinds"]["updated"], 1, "{last}");
    assert_eq!(last["tables"]["prices"]["inserted"], 1, "{last}");
    let states: Vec<String> =
        function.received().iter().map(|request| request.state().to_owned()).collect();
    assert_eq!(states, ["{}", r#"{"p":1}"#, r#"{"p":2}"#]);

    // From file to file.
    let copied = ["migrate", name, "--from", &server, "--to", "third.duckdb"];
    run(folder, &copied).expect_code(0);
    let third = folder.join("third.duckdb");
    let file = ["migrate", name, "--from", "third.duckdb", "--to", "fourth.duckdb"];
    run(folder, &file).expect_code(0);
    assert_eq!(all_rows(&folder.join("fourth.duckdb"), name), all_rows(&third, name));
}

/// From file to file to lake and back, nothing is another; and the function goes on in each.
#[test]
fn a_connection_moves_through_sqlite_and_a_lake() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let function = FakeFunction::start([Answer::json(FIRST.to_owned())]);
    configure(folder, "shop", &function.url(), "first.duckdb");
    run(folder, &["sync"]).expect_code(0);
    let first = all_rows(&folder.join("first.duckdb"), "shop");
    let places = ["first.duckdb", "a.sqlite", "delta:lake", "b.sqlite", "second.duckdb"];
    for pair in places.windows(2) {
        let moved = run(folder, &["migrate", "shop", "--from", pair[0], "--to", pair[1]]);
        let moved = moved.expect_code(0);
        assert!(moved.stdout.contains("4 tables and the position are in"), "{}", moved.stdout);
    }
    assert_eq!(all_rows(&folder.join("second.duckdb"), "shop"), first, "there and back");
    for place in &places[1..4] {
        run(folder, &["migrate", "shop", "--from", "first.duckdb", "--to", place])
            .expect_error(4, "connection_exists");
        function.take_received();
        function.then([page(r#"[{"id":9}]"#, r#"{"p":2}"#, false), Answer::json(r#"{"state":{"p":3},"insert":{"prices":[{"id":1,"v":3,"at":"2024-01-03T00:00:00Z"}],"kinds":[{"id":3,"l":7}],"clicks":[{"u":"b"}]},"delete":{"gone":[{"id":2,"k":"y"}]},"hasMore":false}"#.to_owned())]);
        configure(folder, "shop", &function.url(), place);
        run(folder, &["sync"]).expect_code(0);
        let last = run(folder, &["sync", "--json"]).expect_code(0).json_lines().remove(0);
        assert_eq!(last["tables"]["gone"]["deleted"], 1, "{place}: {last}");
        assert_eq!(last["tables"]["kinds"]["updated"], 1, "{place}: {last}");
        assert_eq!(last["tables"]["prices"]["inserted"], 1, "{place}: {last}");
        assert_eq!(function.received()[0].state(), r#"{"p":1}"#);
    }
}

/// What is not there any more is not taken for empty, and what was written by hand comes along.
#[test]
fn what_was_done_by_hand_is_told_or_comes_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let line = ["sync", "--url", &function.url(), "--to", "a.sqlite", "--name", "shop"];
    run(folder, &line).expect_code(0);
    let by_hand = |sql: &str| {
        let file = rusqlite::Connection::open(folder.join("a.sqlite")).expect("a file");
        file.execute_batch(sql).expect("it may be done");
    };
    by_hand(
        "INSERT INTO shop__t (rowid, id) VALUES (-9223372036854775807 - 1, 2), (-1, 3), (0, 4)",
    );
    let migrate =
        |from: &str, to: &str| run(folder, &["migrate", "shop", "--from", from, "--to", to]);
    assert!(migrate("a.sqlite", "delta:lake").expect_code(0).stdout.contains("t: 4 rows"));
    by_hand("ALTER TABLE shop__t ADD COLUMN RowId TEXT");
    let hidden = migrate("a.sqlite", "b.duckdb").expect_error(4, "table_changed_by_hand");
    assert!(hidden.stderr.contains("hides the row ids"), "{}", hidden.stderr);
    // The newest commit says nothing of the table.
    function.then([empty_page(r#"{"p":2}"#, false)]);
    let line = ["sync", "--url", &function.url(), "--to", "delta:lake", "--name", "shop"];
    run(folder, &line).expect_code(0);
    std::fs::remove_dir_all(folder.join("lake/shop/t")).expect("a table");
    let gone = migrate("delta:lake", "c.duckdb").expect_error(4, "table_changed_by_hand");
    assert!(gone.stderr.contains("table t is not as it was left: it is gone"));
}

#[test]
fn what_is_in_the_way_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let function = FakeFunction::start([
        page(r#"[{"id":1,"n":"nul\u0000"}]"#, r#"{"p":1}"#, false),
        page(r#"[{"id":1}]"#, r#"{"p":1}"#, false),
    ]);
    let sync = |to: &str, name: &str| {
        run(folder, &["sync", "--url", &function.url(), "--to", to, "--name", name]).expect_code(0);
    };
    let migrate = |words: &[&str]| run(folder, &[&["migrate"], words].concat());
    sync("a.duckdb", "orders");
    migrate(&["orders", "--from", "a.duckdb", "--to", "./a.duckdb"])
        .expect_error(2, "same_destination");
    migrate(&["orders", "--from", "no.duckdb", "--to", "b.duckdb"])
        .expect_error(2, "no_destination_file");
    migrate(&["sales", "--from", "a.duckdb", "--to", "b.duckdb"])
        .expect_error(2, "unknown_connection");
    assert!(!folder.join("b.duckdb").exists());
    // A table of that name is there, of another connection.
    let other = ["sync", "--url", &function.url(), "--to", "b.duckdb", "--name", "other"];
    run(folder, &[&other[..], &["--namespace", "orders"]].concat()).expect_code(0);
    migrate(&["orders", "--from", "a.duckdb", "--to", "b.duckdb"])
        .expect_error(4, "unmanaged_table");
    let tables = run(folder, &["tables", "--to", "b.duckdb", "--json"]).expect_code(0);
    assert_eq!(tables.json_lines().len(), 1, "only the other connection is there");
    for place in ["b.sqlite", "delta:lake"] {
        let migrate = |words: &[&str], place| migrate(&[words, &["--to", place]].concat());
        migrate(&["other", "--from", "b.duckdb"], place).expect_code(0);
        let unmanaged = migrate(&["orders", "--from", "a.duckdb"], place);
        unmanaged.expect_error(4, "unmanaged_table");
        let tables = run(folder, &["tables", "--to", place, "--json"]).expect_code(0);
        assert_eq!(tables.json_lines().len(), 1, "{place}");
    }

    let namespace = Namespace::new();
    let server = namespace.url();
    let function = FakeFunction::start([page(r#"[{"id":1,"n":"nul\u0000"}]"#, "{}", false)]);
    let name = namespace.0.as_str();
    run(folder, &["sync", "--url", &function.url(), "--to", "c.duckdb", "--name", name])
        .expect_code(0);
    let moved = migrate(&[name, "--from", "c.duckdb", "--to", &server]).expect_code(0);
    assert!(moved.stderr.contains("warning[nul_removed]: table t, column n"), "{}", moved.stderr);
}
