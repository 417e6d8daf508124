//! `hasmore record`, `replay` and `diff`.

use std::path::Path;

use serde_json::Value;

use crate::migrate::Namespace;
use crate::support::{Answer, FakeFunction, Hasmore, page, python, query, write};

const KEY: &str = "key of/the shop";

/// An API of three pages behind a key. One that echoes it shows the key in its rows and gives out a token on
/// the way; a manifest's state has a digest of each page, which then is another.
fn shop(echoes: bool) -> FakeFunction {
    FakeFunction::answering(move |received| {
        let path = received.line.split(' ').nth(1).expect("a path");
        let key_is_known =
            path.contains("key=key%20of%2Fthe%20shop") || path.contains("key=key+of%2Fthe+shop");
        assert!(key_is_known, "{path}");
        let number: u64 =
            path.split("page=").nth(1).and_then(|it| it[..1].parse().ok()).expect("a page");
        let more = number < 3;
        let more = format!("\"more\":{more}");
        Answer::json(if echoes {
            format!(
                r#"{{"rows":[{{"id":{number},"note":"for {KEY}"}}],{more},"access_token":"token-given-on-the-way"}}"#
            )
        } else {
            format!(r#"{{"rows":[{{"id":{number},"note":"for you"}}],{more}}}"#)
        })
    })
}

const MANIFEST: &str = "name: shop
base_url: 'URL'
secrets: [api_key]
auth: {api_key: {to: query.key, value: '{{ secrets.api_key }}'}}
pagination: {page: {to: query.page}, has_more: body.more}
call: {pages: 1}
tables:
  items: {path: /items, records: rows, primary_key: id}
";

const HANDLER: &str = r#"
import json, os, urllib.parse, urllib.request

def handler(event, context):
    page = event["state"].get("page", 1)
    query = urllib.parse.urlencode({"key": event["secrets"]["api_key"], "page": page})
    with urllib.request.urlopen(os.environ["BASE_URL"] + "items?" + query) as answer:
        found = json.load(answer)
    print("asked with", event["secrets"]["api_key"])
    return {"state": {"page": page + 1}, "insert": {"items": found["rows"]}, "schema": {"items": {"primary_key": ["id"]}}, "hasMore": found["more"]}
"#;

/// `url` stands as a name: the proxy sees it, and loopback addresses are not left out.
fn configure(folder: &Path, url: &str, manifest: &str, handler: &str) {
    write(folder, "shop.yaml", &manifest.replace("URL", url));
    write(folder, "shop.py", handler);
    let config = format!(
        "destination: {{to: a.duckdb}}\nconnections:\n  manifest:\n    manifest: shop.yaml\n    secrets: {{api_key: '${{API_KEY}}'}}\n  handler:\n    handler: shop.handler\n    python: {}\n    environment: {{BASE_URL: '{url}'}}\n    secrets: {{api_key: '${{API_KEY}}'}}\n",
        python().display()
    );
    write(folder, "hasmore.yaml", &config);
}

fn hasmore(folder: &Path, line: &[&str]) -> Hasmore {
    Hasmore::new(folder).args(line).env("API_KEY", KEY).env("PYTHONDONTWRITEBYTECODE", "1")
}

fn all_files(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        files.push((name, std::fs::read_to_string(&path).expect("text")));
    }
    files.sort();
    files
}

#[test]
fn f_018_a_recording_has_every_call_and_no_secret_and_is_answered_again_byte_for_byte() {
    for connection in ["manifest", "handler"] {
        let (api, note) = match connection {
            "handler" => (shop(true), "for secret_api_key"),
            _ => (shop(false), "for you"),
        };
        let folder = tempfile::tempdir().expect("a folder");
        configure(folder.path(), &api.url(), MANIFEST, HANDLER);
        hasmore(folder.path(), &["record", "kept", connection]).run().expect_code(0);
        assert_eq!(api.take_received().len(), 3, "{connection}");
        let files = all_files(&folder.path().join("kept"));
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "0001-request.json",
                "0001-response.json",
                "0001-upstream.json",
                "0002-request.json",
                "0002-response.json",
                "0002-upstream.json",
                "0003-request.json",
                "0003-response.json",
                "0003-upstream.json",
                "recording.json",
            ],
            "{connection}"
        );
        for (name, text) in &files {
            for secret in
                [KEY, "key%20of%2Fthe%20shop", "key+of%2Fthe+shop", "token-given-on-the-way"]
            {
                assert!(!text.contains(secret), "F-018: {connection} {name}: {text}");
            }
        }
        assert!(files[1].1.contains(note), "{}", files[1].1);
        assert!(files[2].1.contains("key=secret_api_key"), "{}", files[2].1);
        // Neither the key nor the API is there any more.
        drop(api);
        let replayed = || {
            Hasmore::new(folder.path())
                .env("API_KEY", "another key")
                .env("PYTHONDONTWRITEBYTECODE", "1")
        };
        let same = replayed().args(["replay", "kept", connection]).run().expect_code(0);
        assert!(
            same.stdout.contains("3 calls, each answered as then, byte for byte"),
            "{}",
            same.stdout
        );
        // The recording alone lands the same rows.
        replayed().args(["replay", "kept", "--into", "b.duckdb"]).run().expect_code(0);
        let rows = query(
            &folder.path().join("b.duckdb"),
            &format!("SELECT id, note FROM {connection}.items ORDER BY 1"),
        );
        assert_eq!(rows, [["1", note], ["2", note], ["3", note]], "{connection}");
    }
}

#[test]
fn a_function_that_answers_otherwise_is_told_by_call_and_place() {
    let api = shop(true);
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), &api.url(), MANIFEST, HANDLER);
    hasmore(folder.path(), &["record", "kept", "handler"]).run().expect_code(0);
    let changed = HANDLER.replace(r#"found["rows"]}"#, r#"found["rows"] * page}"#);
    configure(folder.path(), &api.url(), MANIFEST, &changed);
    let ended = hasmore(folder.path(), &["replay", "kept", "handler"]).run().expect_code(3);
    assert!(
        ended.stdout.contains("call 2: .insert.items (2 items in place of 1)"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("3 calls, 2 answered otherwise than then"), "{}", ended.stdout);
    let ended =
        hasmore(folder.path(), &["replay", "kept", "handler", "--json"]).run().expect_code(3);
    assert_eq!(ended.json_lines()[0]["calls"][0]["differs"], Value::Null);
    // A request that was not recorded finds no network.
    let asks_more = HANDLER.replace("\"page\": page}", "\"page\": page, \"x\": 1}");
    configure(folder.path(), &api.url(), MANIFEST, &asks_more);
    api.take_received();
    hasmore(folder.path(), &["replay", "kept", "handler"]).run().expect_code(3);
    assert_eq!(api.received().len(), 0);
}

#[test]
fn a_recording_of_a_url_is_of_its_answers_as_they_came() {
    let folder = tempfile::tempdir().expect("a folder");
    let body =
        "{ \"state\" : {\"n\":1.50},\n \"insert\":{\"t\":[ {\"id\":1} ]} , \"hasMore\" : false}";
    let function = FakeFunction::start([Answer::json(body)]);
    let url = function.url();
    let line = ["record", "kept", "--url", &url, "--name", "orders", "--secret", "API_KEY"];
    hasmore(folder.path(), &line).run().expect_code(0);
    let kept = std::fs::read_to_string(folder.path().join("kept/0001-response.json"));
    assert_eq!(kept.expect("a file"), body);
    hasmore(folder.path(), &line).run().expect_error(2, "recording_exists");
    let ended = hasmore(folder.path(), &["replay", "kept"]).run().expect_code(0);
    assert!(ended.stdout.contains("1 row"), "{}", ended.stdout);
    hasmore(folder.path(), &["replay", "none"]).run().expect_error(2, "recording_unreadable");
    let failing = FakeFunction::start([Answer::status(400, format!("no entry with {KEY}"))]);
    let url = failing.url();
    let line = ["record", "failed", "--url", &url, "--name", "orders", "--secret", "API_KEY"];
    hasmore(folder.path(), &line).run().expect_error(3, "function_error");
    let kept =
        std::fs::read_to_string(folder.path().join("failed/0001-error.json")).expect("a file");
    assert!(kept.contains("no entry with") && !kept.contains(KEY), "{kept}");
    hasmore(folder.path(), &["replay", "failed"]).run().expect_error(3, "function_error");
}

fn two_functions(folder: &Path, a: &FakeFunction, b: &FakeFunction) {
    let config = format!(
        "destination: {{to: landed.duckdb}}\nconnections:\n  old: {{url: '{}'}}\n  new: {{url: '{}'}}\n",
        a.url(),
        b.url()
    );
    write(folder, "hasmore.yaml", &config);
}

#[test]
fn a_diff_tells_where_the_tables_of_two_functions_are_not_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = || {
        FakeFunction::start([
            page(
                r#"[{"id":1,"total":10,"at":"2024-01-01"},{"id":2,"total":20,"at":null}]"#,
                r#"{"n":1}"#,
                true,
            ),
            page(r#"[{"id":3,"total":30,"at":null}]"#, r#"{"n":2}"#, false),
        ])
    };
    let new = FakeFunction::start([page(
        r#"[{"id":2,"total":"20","at":null,"more":1},{"id":3,"total":"31","at":null},{"id":4,"total":"4","at":"2024-01-01"}]"#,
        r#"{"other":1}"#,
        false,
    )]);
    let first = old();
    two_functions(folder.path(), &first, &new);
    let ended =
        hasmore(folder.path(), &["diff", "old", "new", "--show-values"]).run().expect_code(3);
    for part in [
        "t: 3 rows in A, 3 in B",
        "total is long in A and string in B",
        "only B has the column more",
        "1 row only in A",
        "1 row only in B",
        "total is another in 1 row",
        "1 only in A",
        "4 only in B",
        "A = old, B = new: 1 table, not the same",
    ] {
        assert!(ended.stdout.contains(part), "no {part} in {}", ended.stdout);
    }
    assert!(!folder.path().join("landed.duckdb").exists(), "nothing has landed");
    // The same rows in other pages are the same tables.
    let again = FakeFunction::start([page(
        r#"[{"id":3,"total":30,"at":null},{"id":2,"total":20,"at":null},{"id":1,"total":10,"at":"2024-01-01"}]"#,
        r#"{"n":9}"#,
        false,
    )]);
    two_functions(folder.path(), &old(), &again);
    let ended = hasmore(folder.path(), &["diff", "old", "new", "--json"]).run().expect_code(0);
    assert_eq!(ended.json_lines()[0]["same"], true);
}

/// The migration: what the old function has landed over time, beside the new one from the beginning.
#[track_caller]
fn check_stored(to: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let hold = |old: &FakeFunction, new: &FakeFunction| {
        two_functions(folder.path(), old, new);
        let config = folder.path().join("hasmore.yaml");
        let text = std::fs::read_to_string(&config).expect("a configuration");
        let elsewhere = text.replace("landed.duckdb", &format!("'{to}'"));
        assert!(to == "landed.duckdb" || elsewhere != text, "{text}");
        std::fs::write(config, elsewhere).expect("a configuration");
    };
    let rows = r#"[{"id":1,"total":10},{"id":2,"total":20}]"#;
    let old = FakeFunction::start([page(rows, r#"{"n":1}"#, false)]);
    let new =
        FakeFunction::start([page(rows, r#"{"n":1}"#, false), page("[]", r#"{"n":1}"#, false)]);
    hold(&old, &new);
    hasmore(folder.path(), &["sync", "old"]).run().expect_code(0);
    let landed = || std::fs::read(folder.path().join("landed.duckdb")).ok();
    let before = landed();
    let line = ["diff", "old", "new", "--stored", "--syncs", "2"];
    let ended = hasmore(folder.path(), &line).run().expect_code(0);
    assert!(ended.stdout.contains("t: the same, 2 rows"), "{}", ended.stdout);
    assert_eq!(old.received().len(), 1);
    assert_eq!(new.received().len(), 2);
    assert!(landed() == before);
    let lost = FakeFunction::start([page(r#"[{"id":1,"total":10}]"#, r#"{"n":1}"#, false)]);
    hold(&old, &lost);
    let ended = hasmore(folder.path(), &["diff", "old", "new", "--stored"]).run().expect_code(3);
    assert!(ended.stdout.contains("1 row only in A"), "{}", ended.stdout);
}

#[test]
fn a_diff_with_what_has_landed_does_not_call_the_old_function() {
    check_stored("landed.duckdb");
    check_stored("landed.sqlite");
    check_stored("delta:landed");
    check_stored(&Namespace::new().url());
}
