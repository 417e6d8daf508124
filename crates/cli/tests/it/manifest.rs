//! Manifests, through the binary.

use expect_test::{expect, expect_file};

use crate::support::{Answer, FakeFunction, Hasmore, query, write};

const SHOP: &str = r#"name: shop
base_url: https://api.example.com/v1
secrets: [api_key]
auth: {bearer: "{{ secrets.api_key }}"}
pagination: {cursor: {from: body.next_cursor, to: query.cursor}, size: {to: query.limit, value: 100}}
tables:
  customers:
    records: data
    primary_key: id
    cursor: {field: updated_at, to: query.updated_since, start: 2024-01-01, lookback: 1h}
  orders:
    for_each: customers
    path: /customers/{{ parent.id }}/orders
    pagination: {page: {to: query.page}, total: body.meta.total}
    primary_key: id
    deletes: sweep
"#;

#[test]
fn the_json_schema_is_current() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = Hasmore::new(folder.path()).args(["manifest", "schema"]).run().expect_code(0);
    expect_file!["../../../../docs/reference/manifest.schema.json"].assert_eq(&ended.stdout);
    let schema: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn a_manifest_is_read_aloud() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "shop.yaml", SHOP);
    let ended = Hasmore::new(folder.path()).args(["manifest", "check", "shop.yaml"]).run();
    expect![[r#"
        shop.yaml is right
          customers: GET https://api.example.com/v1/customers
            pages: each has a token for the next in body.next_cursor, sent as query.cursor, until it has none; 100 rows each
            cursor: rows since the newest `updated_at`, sent as query.updated_since; the first sync begins at 2024-01-01; 1h are read again
          orders: GET https://api.example.com/v1/customers/{{ parent.id }}/orders, for each row of customers
            pages: numbered from 1 as query.page, until body.meta.total is reached; fewer rows than body.meta.total says are an error
            cursor: none: every sync reads the whole table, and rows that are gone are marked as deleted
    "#]].assert_eq(&ended.expect_code(0).stdout);
}

#[test]
fn a_mistake_is_shown_with_line_column_and_the_nearest_word() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "shop.yaml", &SHOP.replace("records:", "recods:"));
    for line in [
        &["manifest", "check", "shop.yaml"][..],
        &["sync", "--manifest", "shop.yaml", "--to", "warehouse.duckdb"],
    ] {
        let ended = Hasmore::new(folder.path()).args(line).run();
        let told = ended.expect_error(2, "invalid_manifest").stderr;
        assert!(told.contains("shop.yaml:8:5: unknown key `recods`"), "{told}");
        assert!(told.contains("did you mean `records`?"), "{told}");
        assert!(told.contains("hasmore manifest check"), "{told}");
    }
    let line = ["manifest", "check", "shp.yaml"];
    Hasmore::new(folder.path()).args(line).run().expect_error(2, "manifest_not_found");
}

/// Rows of a range land, and the next sync goes on where the last one ended.
#[test]
fn a_range_of_the_past_is_read_beside_what_syncs_have_reached() {
    let folder = tempfile::tempdir().expect("a folder");
    let day = |day: u32| format!(r#"{{"id":{day},"at":"2024-01-0{day}"}}"#);
    let page = |days: &[u32]| {
        Answer::json(format!("[{}]", days.iter().map(|at| day(*at)).collect::<Vec<_>>().join(",")))
    };
    let api = FakeFunction::start([page(&[3, 4]), page(&[1, 2, 3, 4]), page(&[4, 5])]);
    let text = format!(
        "name: shop\nbase_url: '{}'\ntables:\n  items: {{primary_key: id, cursor: {{field: at, to: query.since}}}}\n",
        api.url()
    );
    write(folder.path(), "shop.yaml", &text);
    let sync = |more: &[&str]| {
        let line = ["sync", "--manifest", "shop.yaml", "--to", "w.duckdb"];
        Hasmore::new(folder.path()).args(line).args(more).run()
    };
    let state = || {
        let line = ["state", "show", "shop", "--to", "w.duckdb"];
        Hasmore::new(folder.path()).args(line).run().expect_code(0).stdout
    };
    sync(&["--from", "2024-01-01"]).expect_error(2, "nothing_synced");
    assert!(api.received().is_empty(), "nothing is asked for");
    sync(&[]).expect_code(0);
    let reached = state();
    sync(&["--from", "2024-01-01", "--until", "2024-01-02"]).expect_code(0);
    assert_eq!(state(), reached);
    sync(&[]).expect_code(0);
    let asked: Vec<String> = api.received().into_iter().map(|asked| asked.line).collect();
    assert!(asked[1].contains("since=2024-01-01"), "{asked:?}");
    assert!(asked[2].contains("since=2024-01-04"), "{asked:?}");
    let ids = query(&folder.path().join("w.duckdb"), "SELECT id FROM shop.items ORDER BY id");
    assert_eq!(ids.concat(), ["1", "2", "3", "4", "5"]);
    sync(&["--from", "soon"]).expect_error(2, "usage");
}

/// What a sync or a resync that stopped half-way has not seen is not for a range to conclude.
#[test]
fn a_range_does_not_end_what_has_not_reached_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = || Answer::json(r#"{"data":[{"id":1,"at":"2024-01-01"}],"more":true}"#);
    let last = || Answer::json(r#"{"data":[{"id":2,"at":"2024-01-02"}],"more":false}"#);
    let gone = || Answer::status(404, "");
    let api = FakeFunction::start([page(), last(), page(), gone()]);
    let text = format!(
        "name: shop\nbase_url: '{}'\ncall: {{pages: 1}}\npagination: {{page: {{to: query.page}}, has_more: body.more}}\ntables:\n  items: {{records: data, primary_key: id, cursor: {{field: at, to: query.since}}}}\n",
        api.url()
    );
    write(folder.path(), "shop.yaml", &text);
    write(
        folder.path(),
        "hasmore.yaml",
        "destination: {to: w.duckdb}\nconnections: {shop: {manifest: shop.yaml, limits: {batch_rows: 1}}}\n",
    );
    let hasmore = |line: &[&str]| Hasmore::new(folder.path()).args(line).run();
    hasmore(&["sync"]).expect_code(0);
    hasmore(&["resync", "shop", "--table", "items"]).expect_code(0);
    hasmore(&["sync"]).expect_error(3, "source_refused");
    let asked = api.received().len();
    let range = ["sync", "--from", "2024-01-02"];
    hasmore(&range).expect_error(2, "sync_under_way");
    assert_eq!(api.received().len(), asked, "nothing is asked for");
    api.then([last(), last()]);
    hasmore(&["sync"]).expect_code(0);
    hasmore(&range).expect_code(0);
    let live = "SELECT id FROM shop.items WHERE _fivetran_deleted IS NOT TRUE ORDER BY id";
    assert_eq!(query(&folder.path().join("w.duckdb"), live).concat(), ["1", "2"]);
}
