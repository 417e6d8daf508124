//! The configuration file, through the binary.

use std::path::Path;

use expect_test::{expect, expect_file};

use crate::support::{FakeFunction, Hasmore, page, query, write};

fn hasmore(folder: &Path, line: &[&str]) -> Hasmore {
    Hasmore::new(folder).args(line)
}

#[test]
fn the_json_schema_is_current() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = hasmore(folder.path(), &["config", "schema"]).run().expect_code(0);
    expect_file!["../../../../docs/reference/config.schema.json"].assert_eq(&ended.stdout);
    let schema: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn a_mistake_is_shown_with_line_column_and_the_nearest_word() {
    let folder = tempfile::tempdir().expect("a folder");
    write(
        folder.path(),
        "hasmore.yaml",
        "destination: {to: warehouse.duckdb}\nconnections:\n  orders:\n    url: http://localhost\n    options:\n      delete_mod: hard\n      naming: sauce\n",
    );
    let lines = [&["config", "check"][..], &["sync"], &["sync", "orders"], &["preview", "orders"]];
    let told = lines
        .map(|line| hasmore(folder.path(), line).run().expect_error(2, "config_invalid").stderr);
    assert!(told.iter().all(|one| *one == told[0]), "every command tells the same");
    expect![[r#"
        error[config_invalid]: hasmore.yaml has 2 mistakes
          hasmore.yaml:6:7: unknown key `delete_mod`
            |
          6 |       delete_mod: hard
            |       ^^^^^^^^^^ did you mean `delete_mode`?
          hasmore.yaml:7:15: expected one of `fivetran`, `source`
            |
          7 |       naming: sauce
            |               ^^^^^ did you mean `source`?
          hint: correct them; `hasmore config check` looks again without calling anything
    "#]]
    .assert_eq(&told[0]);
}

#[test]
fn without_a_file_the_way_without_one_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = hasmore(folder.path(), &["sync"]).run().expect_error(2, "config_not_found");
    assert!(ended.stderr.contains("--handler"), "{}", ended.stderr);
    write(folder.path(), "hasmore.yaml", "");
    hasmore(folder.path(), &["sync"]).run().expect_error(2, "no_connection");
    hasmore(folder.path(), &["sync", "--config", "."]).run().expect_error(2, "config_unreadable");
}

#[test]
fn a_file_names_connections_and_all_are_synced() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let second = FakeFunction::start([page(r#"[{"id":2}]"#, "{}", false)]);
    let below = folder.path().join("below");
    std::fs::create_dir(&below).expect("a folder");
    write(&below, "token.txt", "t0ken-value\n");
    let text = format!(
        "destination: {{to: warehouse.duckdb}}\nconnections:\n  first:\n    url: {}\n    secrets: {{token: \"file:token.txt\"}}\n    custom_payload: {{pages: 3}}\n  Second One:\n    url: {}\n    destination: {{to: other.duckdb}}\n",
        first.url(),
        second.url()
    );
    write(&below, "hasmore.yaml", &text);
    hasmore(folder.path(), &["--config", "below/hasmore.yaml", "config", "check"])
        .run()
        .expect_code(0);
    hasmore(folder.path(), &["sync", "--config", "below/hasmore.yaml"]).run().expect_code(0);
    assert_eq!(query(&below.join("warehouse.duckdb"), "SELECT id FROM first.t"), [["1"]]);
    assert_eq!(query(&below.join("other.duckdb"), "SELECT id FROM second_one.t"), [["2"]]);
    let request = first.received()[0].json();
    assert_eq!(request["secrets"]["token"], "t0ken-value");
    assert_eq!(request["customPayload"]["pages"], "3");
}

#[test]
fn one_connection_that_fails_does_not_keep_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let bad = FakeFunction::start([]);
    let text = format!(
        "destination: {{to: warehouse.duckdb}}\nconnections:\n  a_unset:\n    url: {0}\n    secrets: {{token: \"${{HASMORE_TEST_UNSET}}\"}}\n  b_bad:\n    url: {0}\n  c_good:\n    url: {1}\n",
        bad.url(),
        good.url()
    );
    write(folder.path(), "hasmore.yaml", &text);
    let ended = hasmore(folder.path(), &["sync", "--json"]).run().expect_error(3, "function_error");
    assert!(ended.stderr.contains("error[missing_secret]"), "{}", ended.stderr);
    let answers = ended.json_lines();
    let outcomes: Vec<_> = answers
        .iter()
        .map(|a| {
            (a["connection"].as_str().expect("a name"), a["outcome"].as_str().expect("an outcome"))
        })
        .collect();
    assert_eq!(outcomes, [("a_unset", "failed"), ("b_bad", "failed"), ("c_good", "complete")]);
    assert_eq!(answers[0]["error"]["code"], "missing_secret");
    assert_eq!(query(&folder.path().join("warehouse.duckdb"), "SELECT id FROM c_good.t"), [["1"]]);
}

#[test]
fn an_unknown_connection_is_told_with_the_nearest_name() {
    let folder = tempfile::tempdir().expect("a folder");
    write(
        folder.path(),
        "hasmore.yaml",
        "destination: {to: a.duckdb}\nconnections: {orders: {url: http://localhost}}\n",
    );
    let ended =
        hasmore(folder.path(), &["sync", "order"]).run().expect_error(2, "unknown_connection");
    assert!(ended.stderr.contains("did you mean orders?"), "{}", ended.stderr);
}

#[test]
fn f_018_an_inline_secret_is_refused_unless_asked_for_and_then_warned_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let text = |allow: bool| {
        format!(
            "destination: {{to: a.duckdb}}\nconnections:\n  orders:\n    url: {}\n    secrets: {{token: hunter2hunter2}}\n    allow_inline_secrets: {allow}\n",
            function.url()
        )
    };
    write(folder.path(), "hasmore.yaml", &text(false));
    let refused = hasmore(folder.path(), &["sync"]).run().expect_error(2, "config_invalid");
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    write(folder.path(), "hasmore.yaml", &text(true));
    let warned = hasmore(folder.path(), &["sync"]).run().expect_code(0);
    assert!(warned.stderr.contains("warning[inline_secret]"), "{}", warned.stderr);
    assert!(!(warned.stderr + &warned.stdout).contains("hunter2"));
    assert_eq!(function.received()[0].json()["secrets"]["token"], "hunter2hunter2");
    let line = ["sync", "--url", "http://localhost", "--to", "a.duckdb", "--secret", "key=hunter2"];
    let refused = hasmore(folder.path(), &line).run().expect_error(2, "inline_secret");
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
}

#[test]
fn the_command_line_is_told_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |line: &[&str], part: &str| {
        let ended = hasmore(folder.path(), line).run().expect_code(2);
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    };
    check(&["snyc"], "similar");
    check(&["sync", "--handlr", "a.b"], "--handler");
    check(&["sync", "--delete-mode", "soft"], "--handler");
    check(&["sync", "orders", "--url", "http://localhost"], "cannot be used with");
    check(&["sync", "--url", "http://localhost", "--batch-age", "soon"], "expected a duration");
    check(
        &["sync", "--url", "http://localhost", "--payload", "x", "--to", "a.duckdb"],
        "NAME=TEXT",
    );
    check(&["sync", "--url", "http://localhost"], "error[no_destination]");
    check(&["sync", "--url", "localhost", "--to", "a.duckdb"], "error[invalid_url]");
    check(
        &["sync", "--url", "http://localhost", "--to", "a.duckdb", "--namespace", "9x"],
        "a namespace holds",
    );
    check(&["state", "show", "--to", "nowhere.duckdb"], "error[no_destination_file]");
}
