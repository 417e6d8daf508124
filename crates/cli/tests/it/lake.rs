//! Every command that reads or writes a destination, with a lake: in a folder, and in a bucket of moto's
//! S3. delta-rs reads the tables back.

use std::path::Path;
use std::process::Command;

use moto::Moto;
use serde_json::{Value, json};

use crate::support::{Answer, FakeFunction, Hasmore, page, python, write};

const READ: &str = r#"
import json, os, sys
from deltalake import DeltaTable
table = DeltaTable(sys.argv[1], storage_options=json.loads(sys.argv[2])).to_pyarrow_table()
rows = [{name: str(value) for name, value in row.items() if not name.startswith("_")} for row in table.to_pylist()]
print(json.dumps(sorted(rows, key=lambda row: row["id"])), flush=True)
# The threads of pyarrow and delta-rs sometimes abort a process that ends in the usual way.
os._exit(0)
"#;

fn read(table: &str, options: &Value) -> Value {
    let ended = Command::new(python()).args(["-c", READ, table, &options.to_string()]).output();
    let ended = ended.expect("Python runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).expect("JSON")
}

/// Two syncs of three pages, and what is told of them.
fn check(folder: &Path, to: &str, environment: &[(&'static str, String)]) {
    let answers = || -> [Answer; 3] {
        [
            page(
                r#"[{"id":1,"at":"2024-01-01T00:00:00Z","n":1},{"id":2,"n":2}]"#,
                r#"{"p":1}"#,
                true,
            ),
            page(r#"[{"id":2,"n":12345678901234567890.12}]"#, r#"{"p":2}"#, false),
            page(r#"[{"id":3,"n":"three"}]"#, r#"{"p":3}"#, false),
        ]
    };
    let function = FakeFunction::start(answers());
    let hasmore = |words: &[&str]| {
        let command = Hasmore::new(folder).args(words.iter().copied()).args(["--to", to]);
        environment.iter().fold(command, |command, (name, value)| command.env(name, value)).run()
    };
    let sync = ["sync", "--url", &function.url(), "--name", "orders"];
    let synced = hasmore(&sync).expect_code(0);
    let line = synced.stdout.lines().last().expect("a line to paste").trim().to_owned();
    let place = to.trim_start_matches("delta:");
    assert_eq!(line, format!("duckdb -c \"FROM delta_scan('{place}/orders/t') LIMIT 10\""));
    hasmore(&sync).expect_code(0);
    assert_eq!(hasmore(&["state", "show", "orders"]).expect_code(0).stdout.trim(), r#"{"p":3}"#);
    let tables = hasmore(&["tables", "orders", "--json"]).expect_code(0);
    let tables = &tables.json_lines()[0];
    assert_eq!((&tables["namespace"], &tables["tables"][0]["rows"]), (&"orders".into(), &3.into()));
    hasmore(&["state", "rollback", "orders", "--commit", "1"]).expect_code(0);
    let history = hasmore(&["state", "history", "orders", "--json"]).expect_code(0);
    let states: Vec<_> =
        history.json_lines().iter().map(|past| past["state"].to_string()).collect();
    assert_eq!(states, [r#"{"p":2}"#, r#"{"p":3}"#, r#"{"p":2}"#]);
    hasmore(&["tables", "nobody"]).expect_error(2, "unknown_connection");
}

fn rows() -> Value {
    json!([
        { "id": "1", "at": "2024-01-01 00:00:00+00:00", "n": "1" },
        { "id": "2", "at": "None", "n": "12345678901234567890.12" },
        { "id": "3", "at": "None", "n": "three" },
    ])
}

#[test]
fn a_connection_lives_in_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    Hasmore::new(folder.path())
        .args(["tables", "--to", "delta:lake"])
        .run()
        .expect_error(2, "no_destination_file");
    assert!(!folder.path().join("lake").exists(), "looking makes nothing");
    check(folder.path(), "delta:lake", &[]);
    let table = folder.path().join("lake/orders/t").display().to_string();
    assert_eq!(read(&table, &json!({})), rows());
}

#[test]
fn a_connection_lives_in_a_bucket() {
    let aws = Moto::start_checked();
    aws.make_bucket("shop");
    let folder = tempfile::tempdir().expect("a folder");
    check(folder.path(), "delta:s3://shop/raw/lake", &aws.environment());
    let mut options = json!({ "AWS_ALLOW_HTTP": "true" });
    for (name, value) in aws.environment() {
        options[name] = value.into();
    }
    assert_eq!(read("s3://shop/raw/lake/orders/t", &options), rows());
    let stranger = aws.environment().into_iter().map(|(name, value)| match name {
        "AWS_SECRET_ACCESS_KEY" => (name, "another".to_owned()),
        _ => (name, value),
    });
    let command = Hasmore::new(folder.path()).args(["tables", "--to", "delta:s3://shop/raw/lake"]);
    let refused = stranger.fold(command, |command, (name, value)| command.env(name, &value)).run();
    refused.expect_error(4, "destination_permission");
    let command = Hasmore::new(folder.path()).args(["tables", "--to", "delta:s3://nowhere/lake"]);
    let command = aws.environment().iter().fold(command, |it, (name, value)| it.env(name, value));
    command.run().expect_error(4, "destination_not_found");
}

/// Twelve commits, of which the first ten are known by their checkpoint alone.
#[test]
fn a_log_in_a_bucket_goes_on_from_its_checkpoint() {
    let aws = Moto::start_checked();
    aws.make_bucket("shop");
    let folder = tempfile::tempdir().expect("a folder");
    let mut pages: Vec<Answer> = Vec::new();
    for number in 0..12 {
        let rows = format!(r#"[{{"id":{number},"n":1}}]"#);
        pages.push(page(&rows, &format!(r#"{{"p":{number}}}"#), number < 11));
    }
    pages.push(page(r#"[{"id":0,"n":2}]"#, r#"{"p":12}"#, false));
    let function = FakeFunction::start(pages);
    let config = format!(
        "connections:\n  orders:\n    url: {}\n    limits: {{batch_rows: 1}}\n    destination: {{to: 'delta:s3://shop/lake'}}\n",
        function.url()
    );
    write(folder.path(), "hasmore.yaml", &config);
    let sync = || {
        let sync = Hasmore::new(folder.path()).args(["sync"]);
        let sync = aws.environment().iter().fold(sync, |it, (name, value)| it.env(name, value));
        sync.run().expect_code(0)
    };
    sync();
    let log = "lake/orders/t/_delta_log";
    let objects = aws.objects("shop");
    assert!(objects.contains(&format!("{log}/00000000000000000010.checkpoint.parquet")));
    for version in 0..10 {
        let object = json!({ "Bucket": "shop", "Key": format!("{log}/{version:020}.json") });
        aws.call("s3", "delete_object", &object);
    }
    sync();
    let mut options = json!({ "AWS_ALLOW_HTTP": "true" });
    for (name, value) in aws.environment() {
        options[name] = value.into();
    }
    let read = read("s3://shop/lake/orders/t", &options);
    let rows = read.as_array().expect("rows");
    let numbers: Vec<_> = rows.iter().map(|row| (row["id"].clone(), row["n"].clone())).collect();
    assert_eq!(numbers.len(), 12);
    assert!(numbers.iter().all(|(id, n)| (*id == "0") == (*n == "2")), "{numbers:?}");
}

/// What Fivetran makes is elsewhere.
#[test]
fn tables_of_a_lake_are_not_adopted() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = "destination: {to: 'delta:lake'}\nconnections:\n  orders: {url: 'http://127.0.0.1:1'}\n  sales: {url: 'http://127.0.0.1:1'}\n";
    write(folder.path(), "hasmore.yaml", config);
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    let hasmore = |words: &[&str]| Hasmore::new(folder.path()).args(words.iter().copied()).run();
    let sync = ["sync", "--url", &function.url(), "--to", "delta:lake", "--name", "orders"];
    hasmore(&sync).expect_code(0);
    hasmore(&["adopt", "sales", "--state", "{}"]).expect_error(4, "adopt_unsupported");
}
