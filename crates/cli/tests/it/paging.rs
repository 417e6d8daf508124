//! The loop and its guards, through the binary: F-071 to F-081.

use std::path::Path;

use crate::support::{Answer, FakeFunction, Hasmore, empty_page, page, query};

fn rows(folder: &Path) -> Vec<Vec<String>> {
    query(&folder.join("warehouse.duckdb"), "SELECT id FROM orders.t ORDER BY id")
}

#[test]
fn f_073_a_failed_page_keeps_what_came_before_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        page(r#"[{"id":1}]"#, r#"{"p":1}"#, true),
        page(r#"[{"id":2}]"#, r#"{"p":2}"#, true),
        Answer::status(
            500,
            r#"{"errorMessage":"no luck","errorType":"Bad","stackTrace":["line 1"]}"#,
        ),
        page(r#"[{"id":3}]"#, r#"{"p":3}"#, false),
    ]);
    let ended =
        Hasmore::sync(folder.path(), &function.url()).run().expect_error(3, "function_error");
    assert!(
        ended.stderr.contains("page 3: ") && ended.stderr.contains("no luck"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("line 1"), "the function's own trace: {}", ended.stderr);
    assert_eq!(rows(folder.path()), [["1"], ["2"]]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    let received = function.received();
    assert_eq!(received.len(), 4, "F-052: a failure of the function is not tried again");
    assert_eq!(received[3].state(), r#"{"p":2}"#);
    assert_eq!(rows(folder.path()), [["1"], ["2"], ["3"]]);
}

#[test]
fn f_077_f_080_eleven_empty_pages_in_a_row_are_too_many() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = |n: usize| empty_page(&format!(r#"{{"p":{n}}}"#), true);
    let function = FakeFunction::start((1..=20).map(empty));
    let ended = Hasmore::sync(folder.path(), &function.url()).run();
    let ended = ended.expect_error(3, "too_many_empty_responses");
    assert!(ended.stderr.contains("warning[empty_responses]"), "{}", ended.stderr);
    assert_eq!(function.take_received().len(), 11);

    let function = FakeFunction::start((1..=20).map(empty));
    Hasmore::sync(folder.path(), &function.url())
        .args(["--empty-pages", "3"])
        .run()
        .expect_error(3, "too_many_empty_responses");
    assert_eq!(function.take_received().len(), 4);
}

#[test]
fn f_076_ten_empty_pages_then_a_row_are_fine() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = |n: usize| empty_page(&format!(r#"{{"p":{n}}}"#), true);
    let last = page(r#"[{"id":1}]"#, "{}", false);
    let function = FakeFunction::start((1..=10).map(empty).chain([last]));
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    assert_eq!(rows(folder.path()), [["1"]]);
}

#[test]
fn f_081_a_function_that_does_not_move_is_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let stuck = || page(r#"[{"id":1}]"#, "{}", true);
    let function = FakeFunction::start([stuck(), stuck(), stuck(), stuck()]);
    let ended = Hasmore::sync(folder.path(), &function.url()).run().expect_error(3, "no_progress");
    assert!(ended.stderr.contains("warning[no_progress]"), "{}", ended.stderr);
    assert_eq!(function.received().len(), 3);
}

#[test]
fn f_051_a_throttled_call_is_tried_again_with_the_same_state() {
    let folder = tempfile::tempdir().expect("a folder");
    let function =
        FakeFunction::start([Answer::status(503, "busy"), page(r#"[{"id":1}]"#, "{}", false)]);
    let ended = Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    assert!(ended.stderr.contains("trying again"), "{}", ended.stderr);
    let received = function.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].body, received[1].body);
}

#[test]
fn f_082_a_sync_that_takes_too_long_ends_well_and_is_gone_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let slow = std::time::Duration::from_millis(300);
    let last = || page(r#"[{"id":2}]"#, r#"{"p":2}"#, false);
    // Twice: the first sync may have asked for it ahead.
    let function = FakeFunction::start([
        page(r#"[{"id":1}]"#, r#"{"p":1}"#, true).after(slow),
        last(),
        last(),
    ]);
    let ended = Hasmore::sync(folder.path(), &function.url())
        .args(["--sync-time", "100ms"])
        .run()
        .expect_code(0);
    assert!(ended.stderr.contains("warning[sync_time_limit]"), "{}", ended.stderr);
    assert!(ended.stdout.contains("time limit"), "{}", ended.stdout);
    assert_eq!(rows(folder.path()), [["1"]]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    assert_eq!(function.received()[1].state(), r#"{"p":1}"#);
    assert_eq!(rows(folder.path()), [["1"], ["2"]]);
}

#[test]
fn f_110_every_row_has_the_start_of_its_sync_in_milliseconds() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        page(r#"[{"id":1},{"id":2}]"#, r#"{"p":1}"#, true),
        page(r#"[{"id":3}]"#, "{}", false),
    ]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    let database = folder.path().join("warehouse.duckdb");
    let found = query(
        &database,
        "SELECT count(DISTINCT _fivetran_synced), count(*), \
         bool_and(epoch_us(_fivetran_synced) % 1000 = 0), \
         bool_and(_fivetran_synced BETWEEN now() - INTERVAL 1 MINUTE AND now()) FROM orders.t",
    );
    assert_eq!(found, [["1", "3", "true", "true"]]);
}
