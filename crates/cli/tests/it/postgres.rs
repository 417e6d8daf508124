//! Every command that reads or writes a destination, with Postgres.

use ::postgres::{Client, NoTls};

use crate::support::{FakeFunction, Hasmore, page, write};

/// A connection of its own, whose schema has the same name.
struct Connection {
    name: String,
}

impl Connection {
    fn new() -> Connection {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("it is after 1970")
            .as_nanos();
        Connection { name: format!("orders_{}_{nanos}", std::process::id()) }
    }

    fn session() -> Client {
        Client::connect(&postgres_cluster::url(), NoTls).expect("the server lets us in")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let drop = format!(
            "SET client_min_messages = warning; DROP SCHEMA IF EXISTS {} CASCADE",
            self.name
        );
        // What is left over is in nobody's way.
        let _ = Connection::session().batch_execute(&drop);
    }
}

#[test]
fn a_connection_lives_in_postgres() {
    let (folder, connection) = (tempfile::tempdir().expect("a folder"), Connection::new());
    let (name, url) = (connection.name.as_str(), postgres_cluster::url());
    let function = FakeFunction::start([
        page(r#"[{"id":1,"n":1},{"id":2,"n":2}]"#, r#"{"p":1}"#, true),
        page(r#"[{"id":2,"n":"nul\u0000"}]"#, r#"{"p":2}"#, false),
    ]);
    let hasmore = |words: &[&str]| Hasmore::new(folder.path()).args(words.iter().copied());
    let synced = hasmore(&["sync", "--url", &function.url(), "--to", &url, "--name", name]);
    let synced = synced.run().expect_code(0);
    assert!(synced.stderr.contains("warning[nul_removed]"), "{}", synced.stderr);
    let line = synced.stdout.lines().last().expect("a line to paste").trim().to_owned();
    assert!(line.starts_with("psql "), "{line}");
    assert!(line.contains(&format!("TABLE {name}.t LIMIT 10")), "{line}");

    let shown = hasmore(&["state", "show", name, "--to", &url]).run().expect_code(0);
    assert_eq!(shown.stdout.trim(), r#"{"p":2}"#);
    let tables = hasmore(&["tables", name, "--to", &url, "--json"]).run().expect_code(0);
    let answer = &tables.json_lines()[0];
    assert_eq!((&answer["namespace"], &answer["commits"]), (&name.into(), &1.into()));
    assert_eq!(answer["tables"][0]["rows"], 2);
    assert_eq!(answer["tables"][0]["columns"][1]["type"], "string");
    let listed = hasmore(&["tables", name, "--to", &url]).run().expect_code(0);
    assert!(listed.stdout.contains("t (2 rows, key id)"), "{}", listed.stdout);

    hasmore(&["state", "set", name, "--state", "{\"p\":0}", "--to", &url]).run().expect_code(0);
    let history = hasmore(&["state", "history", name, "--to", &url, "--json"]).run().expect_code(0);
    let states: Vec<_> =
        history.json_lines().iter().map(|past| past["state"].to_string()).collect();
    assert_eq!(states, [r#"{"p":0}"#, r#"{"p":2}"#]);
    hasmore(&["state", "rollback", name, "--commit", "1", "--to", &url]).run().expect_code(0);
    let shown = hasmore(&["state", "show", name, "--to", &url]).run().expect_code(0);
    assert_eq!(shown.stdout.trim(), r#"{"p":2}"#);

    let unknown = hasmore(&["tables", "nobody", "--to", &url]).run();
    unknown.expect_error(2, "unknown_connection");
    let rows = Connection::session()
        .query(&format!("SELECT id, n FROM {name}.t ORDER BY id"), &[])
        .expect("the rows");
    let rows: Vec<(i64, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [(1, "1".to_owned()), (2, "nul".to_owned())]);
}

#[test]
fn the_address_may_come_from_the_environment() {
    let (folder, connection) = (tempfile::tempdir().expect("a folder"), Connection::new());
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let config = format!(
        "destination: {{to: \"${{WAREHOUSE}}\"}}\nconnections:\n  {}:\n    url: {}\n",
        connection.name,
        function.url()
    );
    write(folder.path(), "hasmore.yaml", &config);
    let run = |words: &[&str]| {
        let hasmore = Hasmore::new(folder.path()).args(words.iter().copied());
        hasmore.env("WAREHOUSE", &postgres_cluster::url())
    };
    run(&["config", "check"]).run().expect_code(0);
    let synced = run(&["sync", "--json"]).run().expect_code(0);
    let destination = synced.json_lines()[0]["destination"].to_string();
    assert!(destination.starts_with("\"postgres://"), "{destination}");
    assert_eq!(run(&["tables", "--json"]).run().expect_code(0).json_lines()[0]["commits"], 1);
    run(&["preview", &connection.name]).run().expect_error(3, "function_error");
    let missing = Hasmore::new(folder.path()).args(["sync"]).run();
    missing.expect_error(2, "missing_secret");
}

#[test]
fn a_password_is_never_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let url = "postgres://ada:opensesame@127.0.0.1:1/shop";
    for words in [
        vec!["sync", "--url", &function.url(), "--to", url, "--name", "orders"],
        vec!["tables", "--to", url],
        vec!["state", "show", "orders", "--to", url],
    ] {
        let ended = Hasmore::new(folder.path()).args(words.iter().copied()).run();
        let ended = ended.expect_error(4, "destination_unavailable");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains("postgres://ada@127.0.0.1:1/shop"), "{said}");
        assert!(!said.contains("opensesame"), "{said}");
        if words[0] == "sync" {
            assert!(said.contains("warning[inline_secret]"), "{said}");
        }
    }
    let wrong = Hasmore::new(folder.path()).args(["tables", "--to", "postgres://a:b@c:d/e"]).run();
    wrong.expect_error(4, "destination_url");
    let other = Hasmore::new(folder.path()).args(["tables", "--to", "mysql://a/b"]).run();
    other.expect_error(2, "unknown_destination");
}
