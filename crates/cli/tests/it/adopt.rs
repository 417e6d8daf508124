//! `hasmore adopt`: tables that Fivetran made, and the state of its function (Dec-59).

use std::path::Path;

use ::postgres::{Client, NoTls};

use crate::support::{Answer, Ended, FakeFunction, Hasmore, query, write};

/// What a sync of Fivetran's left: 32-bit integers, texts of a length, a key, rows that are marked.
fn made_by_fivetran(namespace: &str, instant: &str, json: &str) -> String {
    format!(
        "CREATE SCHEMA {namespace};
         CREATE TABLE {namespace}.orders (id INTEGER NOT NULL PRIMARY KEY, user_data VARCHAR(256),
             total NUMERIC(10,2) NOT NULL, ratio REAL, extra {json}, placed_at {instant},
             _fivetran_deleted BOOLEAN, _fivetran_synced {instant} NOT NULL);
         INSERT INTO {namespace}.orders VALUES
             (1, 'a', 10.50, 0.1, '{{\"k\": 1}}', '2024-01-01 00:00:00+00', FALSE, '2024-01-02 00:00:00+00'),
             (2, 'b', 1.00, 2, NULL, NULL, TRUE, '2024-01-02 00:00:00+00');
         CREATE TABLE {namespace}.clicks (name TEXT, _fivetran_batch {instant}, _fivetran_index INTEGER,
             _fivetran_synced {instant});
         INSERT INTO {namespace}.clicks VALUES
             ('x', '2024-01-02 00:00:00+00', 0, '2024-01-02 00:00:00+00');
         CREATE TABLE {namespace}.audit (id INTEGER, note TEXT);"
    )
}

const NEXT: &str = r#"{"state":{"p":8},"insert":{
    "Orders":[{"id":1,"userData":"A","total":10.501,"ratio":0.1,"extra":{"k":1},"placed_at":"2024-01-01T00:00:00Z"},
              {"id":2,"userData":"b","total":1},{"id":5000000000,"note":"new"}],
    "clicks":[{"name":"y"}]},
    "schema":{"Orders":{"primary_key":["id"]}},"hasMore":false}"#;

fn run(folder: &Path, words: &[&str]) -> Ended {
    Hasmore::new(folder).args(words.iter().copied()).run()
}

/// Adopts and syncs, and tells what the function was sent.
fn goes_on(folder: &Path, name: &str, to: &str) {
    let function = FakeFunction::start([Answer::json(NEXT.to_owned())]);
    let config = format!(
        "destination: {{to: \"{to}\"}}\nconnections:\n  {name}:\n    url: {}\n    schema_changes: allow_columns\n",
        function.url()
    );
    write(folder, "hasmore.yaml", &config);
    let state = r#"{"p":7}"#;
    let dry = run(folder, &["adopt", name, "--state", state, "--dry-run"]).expect_code(0);
    assert!(dry.stdout.contains("orders: 6 columns, key (id), upsert"), "{}", dry.stdout);
    assert!(dry.stdout.contains("clicks: 1 column, key (none: batch index)"), "{}", dry.stdout);
    assert!(!dry.stdout.contains("audit"), "{}", dry.stdout);
    run(folder, &["state", "show", name]).expect_error(2, "no_state");
    let adopted = run(folder, &["adopt", name, "--state", state]).expect_code(0);
    assert!(adopted.stdout.contains("2 tables taken over"), "{}", adopted.stdout);
    run(folder, &["adopt", name, "--state", state]).expect_error(4, "connection_exists");
    let shown = run(folder, &["state", "show", name]).expect_code(0);
    assert_eq!(shown.stdout.trim(), state);

    let synced = run(folder, &["sync", "--json"]).expect_code(0).json_lines().remove(0);
    assert_eq!(function.received()[0].state(), state);
    assert_eq!(synced["tables"]["orders"]["updated"], 2, "{synced}");
    assert_eq!(synced["tables"]["orders"]["inserted"], 1, "{synced}");
    assert_eq!(synced["tables"]["clicks"]["inserted"], 1, "{synced}");
    assert_eq!(synced["held_back"], serde_json::json!({}), "{synced}");
    assert_eq!(synced["warnings"], serde_json::json!([]), "{synced}");
}

#[test]
fn dec_59_tables_in_duckdb_are_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("w.duckdb");
    let connection = duckdb::Connection::open(&file).expect("a file");
    connection
        .execute_batch(&made_by_fivetran("shop", "TIMESTAMPTZ", "JSON"))
        .expect("tables of Fivetran's");
    drop(connection);
    goes_on(folder.path(), "shop", "w.duckdb");
    let rows = query(
        &file,
        "SELECT id, user_data, total, ratio, extra, note, _fivetran_deleted FROM shop.orders ORDER BY id",
    );
    assert_eq!(
        rows,
        [
            ["1", "A", "10.501", "0.1", "{\"k\":1}", "NULL", "false"],
            ["2", "b", "1.000", "NULL", "NULL", "NULL", "false"],
            ["5000000000", "NULL", "NULL", "NULL", "NULL", "new", "false"],
        ]
    );
    assert_eq!(query(&file, "SELECT name FROM shop.clicks ORDER BY 1"), [["x"], ["y"]]);
    assert_eq!(query(&file, "SELECT count(*) FROM shop.audit"), [["0"]]);
}

#[test]
fn dec_59_tables_in_postgres_are_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = format!("adopted_{}", uuid::Uuid::new_v4().simple());
    let url = postgres_cluster::url();
    let mut session = Client::connect(&url, NoTls).expect("the server lets us in");
    session
        .batch_execute(&made_by_fivetran(&name, "TIMESTAMPTZ", "JSONB"))
        .expect("tables of Fivetran's");
    goes_on(folder.path(), &name, &url);
    let texts = format!(
        "SELECT concat_ws('|', id, user_data, total, ratio, extra::text, note, _fivetran_deleted) \
         FROM {name}.orders ORDER BY id"
    );
    let rows: Vec<String> =
        session.query(&texts, &[]).expect("rows").iter().map(|row| row.get(0)).collect();
    assert_eq!(rows, ["1|A|10.501|0.1|{\"k\":1}|f", "2|b|1.000|f", "5000000000|new|f"]);
    session.batch_execute(&format!("DROP SCHEMA {name} CASCADE")).expect("the test's own");
}

#[test]
fn dec_59_what_disagrees_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let file = folder.join("w.duckdb");
    let by_hand = |sql: &str| {
        let connection = duckdb::Connection::open(&file).expect("a file");
        connection.execute_batch(sql).expect(sql);
    };
    by_hand(
        "CREATE SCHEMA shop; CREATE TABLE shop.orders (id INTEGER, took INTERVAL, _fivetran_synced TIMESTAMPTZ);
         INSERT INTO shop.orders VALUES (1, NULL, now()), (1, NULL, now());
         CREATE TABLE shop.lines (_fivetran_id VARCHAR, _fivetran_synced TIMESTAMPTZ);",
    );
    let adopt = |words: &[&str]| {
        let line = ["adopt", "shop", "--to", "w.duckdb", "--state", "{}"];
        run(folder, &[&line[..], words].concat())
    };
    let told = adopt(&[]).expect_error(2, "adoption_disagrees").stderr;
    for expected in [
        "table lines: its rows are told apart by _fivetran_id, which only Fivetran can compute",
        "table orders: column took is INTERVAL",
        "table orders: it has no primary key, and none is given; name its key",
    ] {
        assert!(told.contains(expected), "no {expected} in {told}");
    }
    adopt(&["--table", "nope"]).expect_error(2, "unknown_table");
    adopt(&["--key", "orders"]).expect_error(2, "usage");
    by_hand("ALTER TABLE shop.orders DROP COLUMN took");
    let doubled = adopt(&["--table", "orders", "--key", "orders=id"]);
    let doubled = doubled.expect_error(2, "adoption_disagrees");
    assert!(doubled.stderr.contains("1 keys (id) are there twice"), "{}", doubled.stderr);
    run(folder, &["tables", "--to", "w.duckdb"]).expect_error(2, "no_connection");
    by_hand("DELETE FROM shop.orders WHERE rowid = 0");
    adopt(&["--table", "orders", "--key", "orders=id"]).expect_code(0);
    assert_eq!(query(&file, "SELECT id, typeof(id) FROM shop.orders"), [["1", "BIGINT"]]);
}
