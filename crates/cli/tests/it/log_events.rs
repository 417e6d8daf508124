//! The events on standard error with `--log-format json`: F-220 to F-224, Dec-67.

use serde_json::{Value, json};

use crate::support::{Answer, FakeFunction, Hasmore, page};

fn sync(answers: Vec<Answer>, options: &[&str], exit_code: i32) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start(answers);
    let ended = Hasmore::sync(folder.path(), &function.url())
        .args(["--log-format", "json"])
        .args(options)
        .run()
        .expect_code(exit_code);
    ended.events()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().expect("a name")).collect()
}

fn of<'events>(events: &'events [Value], name: &str) -> Vec<&'events Value> {
    events.iter().filter(|event| event["event"] == name).map(|event| &event["data"]).collect()
}

#[test]
fn f_220_f_223_f_224_a_good_sync_is_told_in_order() {
    let rows = r#"[{"id":1},{"id":2},{"id":3},{"id":4}]"#;
    let events = sync(vec![page(rows, "{}", false)], &[], 0);
    assert_eq!(
        names(&events),
        [
            "sync_start",
            "function_call",
            "write_to_table_start",
            "create_schema",
            "create_table",
            "alter_table",
            "write_to_table_end",
            "records_modified",
            "state_saved",
            "sync_end",
        ]
    );
    assert_eq!(events[0]["data"]["delete_mode"], "soft", "Dec-24: the choice is on record");
    assert_eq!(of(&events, "write_to_table_start"), [&json!({"table": "t"})]);
    assert_eq!(
        of(&events, "records_modified"),
        [&json!({
            "schema": "orders", "table": "t", "operationType": "REPLACED_OR_INSERTED", "count": 4,
        })]
    );
    assert_eq!(
        of(&events, "create_table"),
        [&json!({"schema": "orders", "name": "t", "primary_key": ["id"]})]
    );
    assert_eq!(of(&events, "sync_end"), [&json!({"status": "SUCCESSFUL"})]);
    let call = of(&events, "function_call")[0];
    assert_eq!((&call["page"], &call["rows"]), (&json!(1), &json!(4)));
    assert_eq!((&call["hasMore"], &call["status"]), (&json!(false), &json!("OK")));
    assert!(call["ms"].is_u64() && call["bytes"].is_u64());
}

#[test]
fn f_220_every_event_has_the_envelope() {
    let events = sync(vec![page(r#"[{"id":1}]"#, "{}", false)], &["--namespace", "shop"], 0);
    for event in &events {
        assert_eq!(event["connector_id"], "orders");
        assert_eq!(event["connection_id"], "orders");
        assert_eq!(event["connector_name"], "shop");
        assert_eq!(event["connection_name"], "shop");
        assert_eq!(event["connector_type"], "function_url");
        assert_eq!(event["sync_id"], events[0]["sync_id"]);
        let created = event["created"].as_str().expect("a time");
        assert_eq!((created.len(), created.ends_with('Z')), (24, true), "{created}");
    }
}

#[test]
fn f_221_a_failed_call_is_told_with_its_reason() {
    let answers = vec![
        page(r#"[{"id":1}]"#, r#"{"p":1}"#, true),
        Answer::status(500, r#"{"errorMessage":"no luck"}"#),
    ];
    let events = sync(answers, &[], 3);
    let end = of(&events, "sync_end")[0];
    assert_eq!(end["status"], "FAILURE");
    assert!(end["reason"].as_str().expect("a reason").contains("no luck"), "{end}");
    let error = of(&events, "error")[0];
    assert_eq!(error["type"], "function_error");
    assert!(error["hint"].is_string());
    let calls = of(&events, "function_call");
    assert_eq!((&calls[1]["page"], &calls[1]["status"]), (&json!(2), &json!("function_error")));
    assert_eq!(of(&events, "state_saved").len(), 1, "page 1 has landed");
    assert_eq!(names(&events).last(), Some(&"sync_end"));
}

#[test]
fn f_221_what_a_person_has_to_mend_is_a_task() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = Hasmore::new(folder.path())
        .args(["sync", "--command", "./nowhere", "--to", "warehouse.duckdb"])
        .args(["--log-format", "json"])
        .run()
        .expect_code(2);
    let events = ended.events();
    let end = of(&events, "sync_end")[0];
    assert_eq!(end["status"], "FAILURE_WITH_TASK");
    assert_eq!(end["taskType"], "fix_configuration");
    assert_eq!(names(&events)[0], "sync_start");
}

#[test]
fn f_224_a_widened_column_is_told() {
    let answers = vec![
        page(r#"[{"id":1,"n":1}]"#, r#"{"p":1}"#, true),
        page(r#"[{"id":2,"n":1.5}]"#, r#"{"p":2}"#, false),
    ];
    let events = sync(answers, &["--batch-rows", "1"], 0);
    let change = json!({
        "schema": "orders", "table": "t", "type": "CHANGE_COLUMN_TYPE",
        "column": "n", "from": "long", "to": "double",
    });
    assert_eq!(of(&events, "type_change"), [&change]);
    assert!(of(&events, "alter_table").contains(&&change));
}

#[test]
fn deletes_sweeps_and_warnings_are_told() {
    let first = page(r#"[{"id":1},{"id":2},{"id":3}]"#, "{}", false);
    let second = Answer::json(
        r#"{"state":{},"insert":{"t":[{"id":1}]},"delete":{"t":[{"id":2}]},"schema":{"t":{"primary_key":["id"]}},"softDelete":["t"],"surprise":1}"#,
    );
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([first, second]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    let events = Hasmore::sync(folder.path(), &function.url())
        .args(["--log-format", "json"])
        .run()
        .expect_code(0)
        .events();
    let modified = of(&events, "records_modified");
    let counts: Vec<_> =
        modified.iter().map(|data| (&data["operationType"], &data["count"])).collect();
    assert_eq!(
        counts,
        [(&json!("REPLACED_OR_INSERTED"), &json!(1)), (&json!("DELETED"), &json!(1))]
    );
    let sweep = json!({"schema": "orders", "table": "t", "count": 1});
    assert_eq!(of(&events, "soft_delete_sweep"), [&sweep]);
    assert_eq!(of(&events, "warning")[0]["type"], "unknown_member");
}

/// Q-04: a state may hold tokens.
#[test]
fn a_state_is_in_the_log_at_debug_level_only_and_cut() {
    let state = format!(r#"{{"token":"st4te-token","long":"{}"}}"#, "x".repeat(2000));
    for (options, shown) in [(&[][..], false), (&["-v"], false), (&["-vv"], true)] {
        for format in ["json", "text"] {
            let folder = tempfile::tempdir().expect("a folder");
            let function = FakeFunction::start([page(r#"[{"id":1}]"#, &state, false)]);
            let ended = Hasmore::sync(folder.path(), &function.url())
                .args(["--log-format", format])
                .args(options)
                .run()
                .expect_code(0);
            assert!(!ended.stdout.contains("st4te-token"));
            assert_eq!(ended.stderr.contains("st4te-token"), shown, "{}", ended.stderr);
            assert!(!ended.stderr.contains(&"x".repeat(501)));
        }
    }
}
