//! `hasmore schema`: F-190 to F-198, through the binary.

use std::path::Path;

use crate::support::{Answer, Ended, FakeFunction, Hasmore, page, query, write};

fn schema(folder: &Path, line: &[&str]) -> Ended {
    Hasmore::new(folder).args(["schema"]).args(line).run()
}

fn configure(folder: &Path, url: &str, decided: &str) {
    let text = format!(
        "destination: {{to: warehouse.duckdb}}\nconnections:\n  orders:\n    url: {url}\n{decided}"
    );
    write(folder, "hasmore.yaml", &text);
}

fn sync(folder: &Path) -> Ended {
    Hasmore::new(folder).args(["sync"]).run().expect_code(0)
}

#[test]
fn f_191_f_192_what_is_held_back_is_counted_listed_and_approved() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = r#"{"state":{"p":2},"insert":{"t":[{"id":2,"v":"hunter2"}],"u":[{"a":1}]},"schema":{"t":{"primary_key":["id"]}},"hasMore":false}"#;
    let function = FakeFunction::start([
        page(r#"[{"id":1}]"#, r#"{"p":1}"#, false),
        Answer::json(other.to_owned()),
        page(r#"[{"id":3,"v":"x"}]"#, r#"{"p":3}"#, false),
        page(r#"[{"id":2,"v":"hunter2"}]"#, r#"{"p":4}"#, false),
    ]);
    configure(
        folder.path(),
        &function.url(),
        "    schema_changes: block_all\n    tables: {t: {}, w: {block: true}}\n",
    );
    sync(folder.path());
    assert!(
        schema(folder.path(), &["diff"]).expect_code(0).stdout.contains("nothing is held back")
    );
    let second = Hasmore::new(folder.path()).args(["sync", "--json"]).run().expect_code(0);
    let held = &second.json_lines()[0]["held_back"];
    assert_eq!(held["t"]["values"], 1);
    assert_eq!(held["u"]["rows"], 1);
    let diff = schema(folder.path(), &["diff"]).expect_code(0).stdout;
    assert!(diff.contains("1 value went by, the first a text"), "{diff}");
    assert!(!diff.contains("hunter2"), "no value is shown: {diff}");
    let json = schema(folder.path(), &["diff", "--json"]).expect_code(0);
    assert_eq!(json.json_lines()[0]["schema"][0]["first"]["seen"][0], "a text");
    let show = schema(folder.path(), &["show"]).expect_code(0).stdout;
    assert!(show.contains("there") && show.contains("held back"), "{show}");

    schema(folder.path(), &["approve", "--table", "nope"]).expect_error(2, "not_held_back");
    let approved = schema(folder.path(), &["approve", "--table", "t", "--column", "v"]);
    let approved = approved.expect_code(0).stdout;
    assert!(approved.contains("column v of table t is let in"), "{approved}");
    assert!(approved.contains("what went by is not there"), "{approved}");
    sync(folder.path());
    let database = folder.path().join("warehouse.duckdb");
    let rows = || query(&database, "SELECT id, v FROM orders.t ORDER BY id");
    assert_eq!(rows(), [["1", "NULL"], ["2", "NULL"], ["3", "x"]]);
    let all = schema(folder.path(), &["approve", "--all", "--resync"]).expect_code(0).stdout;
    assert!(all.contains("table u is let in"), "{all}");
    sync(folder.path());
    assert_eq!(function.received()[3].state(), "{}", "the resync was offered, and taken");
    assert_eq!(rows()[1], ["2", "hunter2"]);
}

#[test]
fn f_193_f_194_what_the_file_blocks_is_let_in_by_the_file_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        page(r#"[{"id":1}]"#, r#"{"p":1}"#, false),
        page(r#"[{"id":2}]"#, r#"{"p":2}"#, false),
        page(r#"[{"id":3}]"#, r#"{"p":3}"#, false),
    ]);
    configure(folder.path(), &function.url(), "    tables: {t: {block: true}}\n");
    let told = sync(folder.path()).stdout;
    assert!(told.contains("t: 1 row held back"), "{told}");
    schema(folder.path(), &["approve", "--all"]).expect_error(2, "blocked_by_configuration");
    let key = "    tables: {t: {columns: {id: {block: true}}}}\n";
    configure(folder.path(), &function.url(), key);
    let ended = Hasmore::new(folder.path()).args(["sync"]).run();
    ended.expect_error(2, "key_column_blocked");
    configure(folder.path(), &function.url(), "");
    let told = sync(folder.path()).stderr;
    assert!(told.contains("warning[held_back_until_now]"), "{told}");
}

#[test]
fn f_197_one_salt_in_all_of_a_destination() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = r#"[{"id":1,"v":"ada"},{"id":2,"v":null}]"#;
    let function =
        FakeFunction::start([page(rows, r#"{"p":1}"#, false), page(rows, r#"{"p":1}"#, false)]);
    let url = function.url();
    let one = |name: &str| {
        format!(
            "  {name}:\n    url: {url}\n    tables: {{t: {{columns: {{v: {{hash: true}}}}}}}}\n"
        )
    };
    let text = format!(
        "destination: {{to: warehouse.duckdb}}\nconnections:\n{}{}",
        one("orders"),
        one("shop")
    );
    write(folder.path(), "hasmore.yaml", &text);
    sync(folder.path());
    let equal =
        "SELECT count(DISTINCT v), max(length(v)) FROM (FROM orders.t UNION ALL FROM shop.t)";
    assert_eq!(query(&folder.path().join("warehouse.duckdb"), equal), [["1", "44"]]);
}

#[test]
fn decisions_that_exclude_one_another_are_mistakes() {
    let folder = tempfile::tempdir().expect("a folder");
    let decided =
        "    tables: {t: {name: u, columns: {v: {hash: true, type: long}}}, w: {name: U}}\n";
    configure(folder.path(), "http://localhost", decided);
    let check = Hasmore::new(folder.path()).args(["config", "check"]).run();
    let told = check.expect_error(2, "config_invalid").stderr;
    assert!(told.contains("keep one of `block`, `hash` and `type`"), "{told}");
    assert!(told.contains("tables t and w would both be called U"), "{told}");
}

#[test]
fn f_214_modes_are_switched_and_too_many_deletes_are_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = |rows: &str| {
        Answer::json(format!(
            r#"{{"state":{{}},"insert":{{"t":{rows}}},"softDelete":["t"],"schema":{{"t":{{"primary_key":["id"]}}}},"hasMore":false}}"#
        ))
    };
    let function = FakeFunction::start([
        whole(r#"[{"id":1,"v":1},{"id":2,"v":2}]"#),
        whole(r#"[{"id":1,"v":3}]"#),
        whole(r#"[{"id":1,"v":3}]"#),
        whole(r#"[{"id":1,"v":4}]"#),
    ]);
    configure(folder.path(), &function.url(), "    mode: history\n    max_deletes: 20 %\n");
    sync(folder.path());
    let ended = Hasmore::new(folder.path()).args(["sync"]).run();
    let told = ended.expect_error(4, "too_many_deletes").stderr;
    assert!(
        told.contains("1 of 2 live rows were not sent again, and max_deletes is 20 %"),
        "{told}"
    );
    let database = folder.path().join("warehouse.duckdb");
    let versions = "SELECT id, v, _fivetran_active FROM orders.t ORDER BY id, _fivetran_start";
    assert_eq!(query(&database, versions), [["1", "1", "true"], ["2", "2", "true"]]);
    Hasmore::new(folder.path()).args(["sync", "--allow-deletes"]).run().expect_code(0);
    let now = [["1", "1", "false"], ["1", "3", "true"], ["2", "2", "false"]];
    assert_eq!(query(&database, versions), now);
    configure(folder.path(), &function.url(), "    tables: {t: {mode: live}}\n");
    let told = sync(folder.path()).stdout;
    assert!(told.contains("older ones are in t__history_3, which is yours"), "{told}");
    assert_eq!(query(&database, "SELECT id, v FROM orders.t"), [["1", "4"]]);
    assert_eq!(query(&database, "SELECT id, v FROM orders.t__history_3"), [["1", "1"]]);
    configure(folder.path(), &function.url(), "    max_deletes: 120 %\n");
    let check = Hasmore::new(folder.path()).args(["config", "check"]).run();
    let told = check.expect_error(2, "config_invalid").stderr;
    assert!(told.contains("a share of 0 % to 100 %"), "{told}");
}

#[test]
fn dec_47_a_rebuild_takes_another_key_and_serves_old_rows_meanwhile() {
    let folder = tempfile::tempdir().expect("a folder");
    let keyed = |rows: &str, key: &str, more: bool| {
        Answer::json(format!(
            r#"{{"state":{{"p":1}},"insert":{{"t":{rows}}},"schema":{{"t":{{"primary_key":{key}}}}},"hasMore":{more}}}"#
        ))
    };
    let both = r#"["id","day"]"#;
    let function = FakeFunction::start([
        keyed(r#"[{"id":1,"v":"x"}]"#, r#"["id"]"#, false),
        keyed(r#"[{"id":1,"day":1}]"#, both, false),
        keyed(r#"[{"id":1,"day":1,"v":1}]"#, both, true),
        Answer::json(r#"{"errorMessage":"closed"}"#.to_owned()),
        keyed(r#"[{"id":1,"day":2,"v":2}]"#, both, false),
    ]);
    configure(folder.path(), &function.url(), "");
    sync(folder.path());
    let run = |line: &[&str]| Hasmore::new(folder.path()).args(line).run();
    run(&["sync"]).expect_error(3, "primary_key_changed");
    run(&["resync", "--table", "nope"]).expect_error(2, "unknown_table");
    let told = run(&["resync", "orders", "--allow-key-change"]).expect_code(0).stdout;
    assert!(told.contains("in their place at its end"), "{told}");
    run(&["sync"]).expect_error(3, "function_error");
    let database = folder.path().join("warehouse.duckdb");
    assert_eq!(query(&database, "SELECT id, v FROM orders.t"), [["1", "x"]]);
    sync(folder.path());
    let rows = query(&database, "SELECT id, day, v FROM orders.t ORDER BY day");
    assert_eq!(rows, [["1", "1", "1"], ["1", "2", "2"]]);
    assert_eq!(crate::support::table_names(&database, "orders"), ["t"]);
}

#[test]
fn contract_what_breaks_it_is_quarantined_and_counted_and_no_value_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        page(r#"[{"id":1,"v":"hunter2"},{"id":2,"v":7},{"id":3}]"#, r#"{"p":1}"#, false),
        page(r#"[{"id":4,"v":7}]"#, r#"{"p":2}"#, false),
        page(r#"[{"id":5,"v":"hunter2"}]"#, r#"{"p":3}"#, false),
    ]);
    let decided = |on_breach: &str| {
        format!(
            "    tables:\n      t:\n        columns:\n          v: {{contract: {{type: long, max: 10, unique: true, not_null: true, on_breach: {on_breach}}}}}\n"
        )
    };
    configure(folder.path(), &function.url(), &decided("quarantine"));
    let first = Hasmore::new(folder.path()).args(["sync", "--json"]).run().expect_code(0);
    assert_eq!(first.json_lines()[0]["held_back"]["t"]["quarantined"], 2);
    let second = Hasmore::new(folder.path()).args(["sync"]).run().expect_code(0);
    assert!(
        second.stdout.contains("t: 1 row quarantined: a contract is broken"),
        "{}",
        second.stdout
    );
    configure(folder.path(), &function.url(), &decided("fail"));
    let third = Hasmore::new(folder.path()).args(["sync"]).run();
    let third = third.expect_error(3, "contract_broken");
    for ended in [&first, &second, &third] {
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!told.contains("hunter2"), "no value is told: {told}");
    }
    let database = folder.path().join("warehouse.duckdb");
    let text = |row: &[&str]| row.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        query(&database, "SELECT id::VARCHAR, v::VARCHAR FROM orders.t"),
        [text(&["2", "7"])]
    );
    let kept = "SELECT reason, page::VARCHAR, row_number::VARCHAR, raw_row->>'id' \
         FROM orders.t__quarantine ORDER BY ALL";
    assert_eq!(
        query(&database, kept),
        [
            text(&["v: not_null", "1", "3", "3"]),
            text(&["v: type", "1", "1", "1"]),
            text(&["v: unique", "1", "1", "4"]),
        ]
    );
}
