//! Ctrl-C and SIGTERM.

use std::time::{Duration, Instant};

use crate::support::{FakeFunction, Hasmore, page, query};

/// A sync whose second call takes long, stopped by a signal while it waits.
fn check(signal: &str, exit_code: i32) {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        page(r#"[{"id":1}]"#, r#"{"p":1}"#, true),
        page(r#"[{"id":2}]"#, r#"{"p":2}"#, false).held(),
    ]);
    let sync = Hasmore::sync(folder.path(), &function.url()).start();
    function.wait_for(2);
    let asked_at = Instant::now();
    sync.signal(signal);
    let ended = sync.end().expect_code(exit_code);
    assert!(asked_at.elapsed() < Duration::from_secs(5), "the call under way is not waited for");
    assert!(ended.stderr.contains("stopping: what is whole lands first"), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 page had landed whole"), "{}", ended.stderr);
    assert!(ended.stdout.contains("orders: stopped: 1 page"), "{}", ended.stdout);
    let database = folder.path().join("warehouse.duckdb");
    assert_eq!(query(&database, "SELECT id FROM orders.t"), [["1"]]);
    function.then([page(r#"[{"id":2}]"#, r#"{"p":2}"#, false)]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    assert_eq!(function.received()[2].state(), r#"{"p":1}"#);
}

#[test]
fn f_222_ctrl_c_lands_what_is_whole() {
    check("INT", 130);
}

#[test]
fn f_222_sigterm_lands_what_is_whole() {
    check("TERM", 143);
}

#[test]
fn a_stop_ends_the_syncs_that_have_not_begun_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let slow = FakeFunction::start([page("[]", "{}", false).held()]);
    let later = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let text = format!(
        "destination: {{to: a.duckdb}}\nconnections:\n  a: {{url: \"{}\"}}\n  b: {{url: \"{}\"}}\n",
        slow.url(),
        later.url()
    );
    crate::support::write(folder.path(), "hasmore.yaml", &text);
    let sync = Hasmore::new(folder.path()).args(["sync"]).start();
    slow.wait_for(1);
    sync.signal("INT");
    sync.end().expect_code(130);
    assert!(later.received().is_empty());
}
