//! `hasmore tables`: what has landed, and why each type.

use crate::support::{Answer, FakeFunction, Hasmore, page};

#[test]
fn every_type_has_its_reason_and_its_place_but_no_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        page(r#"[{"id":1,"n":1},{"id":2,"n":2}]"#, r#"{"p":1}"#, true),
        page(r#"[{"id":3,"n":3},{"id":4,"n":"h1dden"}]"#, r#"{"p":2}"#, false),
        Answer::json(r#"{"state":{},"insert":{"Log Lines":[{"Line No":1}]}}"#),
    ]);
    for _ in 0..2 {
        Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    }
    let tables = || Hasmore::new(folder.path()).args(["tables", "--to", "warehouse.duckdb"]);
    let ended = tables().run().expect_code(0);
    assert!(ended.stdout.contains("orders in warehouse.duckdb, schema orders, 2 commits"));
    assert!(ended.stdout.contains("t (4 rows, key id)"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("log_lines (1 row, no key: every row is new)"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("line_no ← Line No"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("h1dden"));
    let first = function.received()[0].json()["sync_id"].as_str().expect("an id")[..8].to_owned();
    let reason = format!(
        "an integer (sync {first}, page 1, row 1); then a text (sync {first}, page 2, row 2)"
    );
    assert!(ended.stdout.contains(&reason), "{reason} in {}", ended.stdout);

    let answer = &tables().args(["--json"]).run().expect_code(0).json_lines()[0];
    let table = &answer["tables"][1];
    assert_eq!((&table["name"], &table["rows"]), (&"t".into(), &4.into()));
    assert_eq!(table["columns"][1]["type"], "string");
    let evidence = &table["columns"][1]["evidence"][1];
    assert_eq!(evidence["seen"], serde_json::json!(["a text"]));
    assert_eq!((&evidence["page"], &evidence["row"]), (&2.into(), &2.into()));
}

#[test]
fn every_connection_of_a_file_is_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["b", "a"] {
        let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
        Hasmore::new(folder.path())
            .args(["sync", "--url", &function.url(), "--to", "warehouse.duckdb", "--name", name])
            .run()
            .expect_code(0);
    }
    let ended = Hasmore::new(folder.path())
        .args(["tables", "--to", "warehouse.duckdb", "--json"])
        .run()
        .expect_code(0);
    let names: Vec<_> = ended.json_lines().iter().map(|a| a["connection"].clone()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn a_file_in_which_nothing_has_landed_is_told_with_a_hint() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([Answer::json("[]")]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(3);
    for line in [&["tables"][..], &["state", "show"], &["state", "show", "orders"]] {
        let hasmore = Hasmore::new(folder.path()).args(line).args(["--to", "warehouse.duckdb"]);
        let ended = hasmore.run().expect_error(2, "no_connection");
        assert!(ended.stderr.contains("sync into it first"), "{}", ended.stderr);
    }
}

#[test]
fn a_connection_that_has_not_landed_is_listed_with_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let text = format!(
        "connections:\n  first: {{url: \"{0}\", destination: {{to: a.duckdb}}}}\n  second: {{url: \"{0}\", destination: {{to: b.duckdb}}}}\n",
        function.url()
    );
    crate::support::write(folder.path(), "hasmore.yaml", &text);
    let hasmore = |line: &[&str]| Hasmore::new(folder.path()).args(line).run();
    hasmore(&["sync", "second"]).expect_code(0);
    let ended = hasmore(&["tables"]).expect_code(0);
    assert!(ended.stdout.contains("first: nothing has landed yet"), "{}", ended.stdout);
    assert!(ended.stdout.contains("t (1 row, key id)"), "{}", ended.stdout);
    assert_eq!(hasmore(&["tables", "--json"]).expect_code(0).json_lines()[0]["commits"], 0);
    hasmore(&["tables", "first"]).expect_error(2, "no_destination_file");
}
