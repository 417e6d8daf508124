//! `hasmore state`: F-085 to F-089.

use std::path::Path;

use crate::support::{FakeFunction, Hasmore, page, query};

fn state(folder: &Path, line: &[&str]) -> Hasmore {
    Hasmore::new(folder).args(["state"]).args(line).args(["--to", "warehouse.duckdb"])
}

/// Two syncs of one row each, with states `{"p":1}` and `{"p":2}`.
fn synced(folder: &Path) -> FakeFunction {
    let function = FakeFunction::start([
        page(r#"[{"id":1}]"#, r#"{"p":1}"#, false),
        page(r#"[{"id":2}]"#, r#"{"p":2}"#, false),
    ]);
    for _ in 0..2 {
        Hasmore::sync(folder, &function.url()).run().expect_code(0);
    }
    function
}

#[test]
fn f_086_before_the_first_sync_there_is_no_state() {
    let folder = tempfile::tempdir().expect("a folder");
    state(folder.path(), &["show"]).run().expect_error(2, "no_destination_file");
    let text =
        "destination: {to: warehouse.duckdb}\nconnections: {orders: {url: http://localhost}}\n";
    crate::support::write(folder.path(), "hasmore.yaml", text);
    synced(folder.path());
    let text = text.replace("orders", "other");
    crate::support::write(folder.path(), "hasmore.yaml", &text);
    let show = || Hasmore::new(folder.path()).args(["state", "show", "other"]);
    show().run().expect_error(2, "no_state");
    let set = ["state", "set", "other", "--state", "{}"];
    Hasmore::new(folder.path()).args(set).run().expect_error(2, "no_state");
}

#[test]
fn a_state_is_shown_set_and_sent_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = synced(folder.path());
    assert_eq!(state(folder.path(), &["show"]).run().expect_code(0).stdout, "{\"p\":2}\n");
    let new = r#"{"a":9007199254740993,  "b":1.0}"#;
    state(folder.path(), &["set", "--state", new]).run().expect_code(0);
    assert_eq!(state(folder.path(), &["show"]).run().expect_code(0).stdout, format!("{new}\n"));
    function.then([page(r#"[{"id":3}]"#, r#"{"p":3}"#, false)]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    assert_eq!(function.received()[2].state(), new);
    crate::support::write(folder.path(), "state.json", " {\"from\":\"file\"}\n");
    state(folder.path(), &["set", "--file", "state.json"]).run().expect_code(0);
    assert_eq!(
        state(folder.path(), &["show"]).run().expect_code(0).stdout,
        "{\"from\":\"file\"}\n"
    );
    state(folder.path(), &["set", "--state", "{no"]).run().expect_error(2, "invalid_state");
    assert_eq!(
        state(folder.path(), &["show"]).run().expect_code(0).stdout,
        "{\"from\":\"file\"}\n"
    );
}

#[test]
fn history_is_kept_and_gone_back_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = synced(folder.path());
    let history = state(folder.path(), &["history", "--json"]).run().expect_code(0).json_lines();
    let states: Vec<_> = history.iter().map(|past| past["state"].to_string()).collect();
    assert_eq!(states, [r#"{"p":2}"#, r#"{"p":1}"#]);
    assert_eq!(history[1]["commit"], 1);
    let ids: Vec<_> = function.received().iter().map(|r| r.json()["sync_id"].clone()).collect();
    assert_eq!(history[0]["sync_id"], ids[1]);
    state(folder.path(), &["rollback", "--commit", "9"]).run().expect_error(2, "unknown_commit");
    state(folder.path(), &["rollback", "--commit", "1"]).run().expect_code(0);
    assert_eq!(state(folder.path(), &["show"]).run().expect_code(0).stdout, "{\"p\":1}\n");
    let history = state(folder.path(), &["history"]).run().expect_code(0);
    assert_eq!(history.stdout.lines().count(), 4, "a change is a commit too: {}", history.stdout);
    let rows =
        query(&folder.path().join("warehouse.duckdb"), "SELECT id FROM orders.t ORDER BY id");
    assert_eq!(rows, [["1"], ["2"]], "rows stay");
}

#[test]
fn f_087_f_088_a_reset_begins_again_and_marks_what_is_not_seen() {
    for (options, deleted) in [(&["reset"][..], "true"), (&["reset", "--keep-missing"], "NULL")] {
        let folder = tempfile::tempdir().expect("a folder");
        let function = synced(folder.path());
        state(folder.path(), options).run().expect_code(0);
        function.then([
            page(r#"[{"id":1}]"#, r#"{"p":7}"#, true),
            page(r#"[{"id":3}]"#, r#"{"p":8}"#, false),
        ]);
        Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
        assert_eq!(function.received()[2].state(), "{}");
        let database = folder.path().join("warehouse.duckdb");
        assert_eq!(query(&database, "SELECT id FROM orders.t ORDER BY id"), [["1"], ["2"], ["3"]]);
        let columns = query(&database, "SELECT column_name FROM (DESCRIBE orders.t)");
        let marks = columns.iter().any(|column| column[0] == "_fivetran_deleted");
        assert_eq!(marks, deleted == "true");
        if marks {
            let marked = query(&database, "SELECT id FROM orders.t WHERE _fivetran_deleted");
            assert_eq!(marked, [["2"]]);
        }
    }
}

#[test]
fn f_089_a_reset_whose_sync_fails_marks_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = synced(folder.path());
    state(folder.path(), &["reset"]).run().expect_code(0);
    function.then([page(r#"[{"id":1}]"#, r#"{"p":7}"#, true)]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(3);
    let columns = query(
        &folder.path().join("warehouse.duckdb"),
        "SELECT column_name FROM (DESCRIBE orders.t)",
    );
    assert!(!columns.iter().any(|column| column[0] == "_fivetran_deleted"));
}

/// Going back after a reset is a change of mind: the next sync reads what is new, and must not take
/// what it does not see for deleted.
#[test]
fn a_rollback_after_a_reset_takes_the_marking_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = synced(folder.path());
    state(folder.path(), &["reset"]).run().expect_code(0);
    state(folder.path(), &["rollback", "--commit", "2"]).run().expect_code(0);
    function.then([page(r#"[{"id":3}]"#, r#"{"p":3}"#, false)]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    let columns = query(
        &folder.path().join("warehouse.duckdb"),
        "SELECT column_name FROM (DESCRIBE orders.t)",
    );
    assert!(!columns.iter().any(|column| column[0] == "_fivetran_deleted"), "{columns:?}");
}

#[test]
fn with_several_connections_one_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    synced(folder.path());
    let other = FakeFunction::start([page(r#"[{"id":1}]"#, r#"{"o":1}"#, false)]);
    Hasmore::new(folder.path())
        .args(["sync", "--url", &other.url(), "--to", "warehouse.duckdb", "--name", "other"])
        .run()
        .expect_code(0);
    let ended = state(folder.path(), &["show"]).run().expect_error(2, "usage");
    assert!(ended.stderr.contains("orders, other"), "{}", ended.stderr);
    assert_eq!(state(folder.path(), &["show", "other"]).run().expect_code(0).stdout, "{\"o\":1}\n");
    state(folder.path(), &["show", "nobody"]).run().expect_error(2, "unknown_connection");
}
