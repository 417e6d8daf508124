//! One sync of a file at a time: F-083, F-084, F-085.

use crate::support::{FakeFunction, Hasmore, page, query};

#[test]
fn f_083_a_second_sync_is_refused_and_the_first_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let held = page(r#"[{"id":2}]"#, "{}", false).held();
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, r#"{"p":1}"#, true), held]);
    let first = Hasmore::sync(folder.path(), &function.url()).start();
    function.wait_for(2);

    let second = FakeFunction::start([page(r#"[{"id":9}]"#, "{}", false)]);
    let refused = Hasmore::sync(folder.path(), &second.url()).run().expect_error(2, "sync_running");
    let holder = format!("a sync of connection orders (process {}", first.process());
    assert!(refused.stderr.contains(&holder), "{}", refused.stderr);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert!(second.received().is_empty());

    function.release();
    first.end().expect_code(0);
    let rows =
        query(&folder.path().join("warehouse.duckdb"), "SELECT id FROM orders.t ORDER BY id");
    assert_eq!(rows, [["1"], ["2"]]);
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").flatten().collect();
    assert_eq!(left.len(), 1, "only the DuckDB file is left: {left:?}");
}

#[test]
fn f_084_force_stops_the_running_sync_which_lands_what_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        page(r#"[{"id":1}]"#, r#"{"p":1}"#, true),
        page(r#"[{"id":2}]"#, r#"{"p":2}"#, true).held(),
    ]);
    let first =
        Hasmore::sync(folder.path(), &function.url()).args(["--log-format", "json"]).start();
    function.wait_for(2);

    let second = FakeFunction::start([page(r#"[{"id":3}]"#, "{}", false)]);
    Hasmore::sync(folder.path(), &second.url()).args(["--force"]).run().expect_code(0);
    let first = first.end().expect_code(130);
    let events = first.events();
    let end = events.last().expect("events");
    assert_eq!(end["event"], "sync_end");
    assert_eq!(end["data"]["status"], "CANCELED");
    assert_eq!(second.received()[0].state(), r#"{"p":1}"#, "page 1 had landed");
    let rows =
        query(&folder.path().join("warehouse.duckdb"), "SELECT id FROM orders.t ORDER BY id");
    assert_eq!(rows, [["1"], ["3"]]);
}

#[test]
fn f_085_the_state_is_not_changed_under_a_running_sync() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, r#"{"p":1}"#, false)]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    function.then([page(r#"[{"id":2}]"#, r#"{"p":2}"#, false).held()]);
    let sync = Hasmore::sync(folder.path(), &function.url()).start();
    function.wait_for(2);
    for line in [
        &["state", "set", "orders", "--state", "{}"][..],
        &["state", "reset", "orders"],
        &["state", "rollback", "orders", "--commit", "1"],
        &["state", "show", "orders"],
        &["tables", "orders"],
    ] {
        let ended = Hasmore::new(folder.path()).args(line).args(["--to", "warehouse.duckdb"]).run();
        ended.expect_error(2, "sync_running");
    }
    function.release();
    sync.end().expect_code(0);
    let state =
        Hasmore::new(folder.path()).args(["state", "show", "--to", "warehouse.duckdb"]).run();
    assert_eq!(state.expect_code(0).stdout, "{\"p\":2}\n");
}

#[test]
fn a_file_that_another_program_has_open_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("warehouse.duckdb");
    let held = duckdb::Connection::open(&database).expect("a database");
    held.execute_batch("CREATE TABLE mine (a INTEGER)").expect("a table");
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let ended =
        Hasmore::sync(folder.path(), &function.url()).run().expect_error(4, "destination_locked");
    let process = format!("process {}", std::process::id());
    assert!(ended.stderr.contains(&process), "{}", ended.stderr);
    assert!(function.received().is_empty());
    // Nobody but us is ever signalled: this test would end.
    Hasmore::sync(folder.path(), &function.url())
        .args(["--force"])
        .run()
        .expect_error(4, "destination_locked");
    drop(held);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
}

#[test]
fn a_killed_sync_leaves_no_lock() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false).held()]);
    let killed = Hasmore::sync(folder.path(), &function.url()).start();
    function.wait_for(1);
    killed.signal("KILL");
    assert_eq!(killed.end().code, None);
    function.then([page(r#"[{"id":1}]"#, "{}", false)]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
}
