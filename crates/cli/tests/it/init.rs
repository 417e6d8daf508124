//! A manifest drafted from one answer reads the whole API, through the binary.

use std::path::Path;

use crate::support::{Answer, FakeFunction, Hasmore, Playground, query};

fn hasmore(folder: &Path, line: &[&str]) -> Hasmore {
    Hasmore::new(folder).args(line)
}

#[test]
fn a_draft_of_every_pagination_reads_every_user() {
    let folder = tempfile::tempdir().expect("a folder");
    let playground = Playground::start(&[]);
    for (table, sample) in [
        ("next_page_url", "next_page_url?per_page=40"),
        ("page_number", "page_number?per_page=40&page=1"),
        ("offset", "offset?limit=40"),
        ("keyset", "keyset"),
    ] {
        let url = format!("{}/pagination/{sample}", playground.url);
        let file = format!("{table}.yaml");
        hasmore(folder.path(), &["init", &url, "--output", &file]).run().expect_code(0);
        let line = ["sync", "--json", "--manifest", &file, "--to", "warehouse.duckdb"];
        let summary = hasmore(folder.path(), &line).run().expect_code(0).json_lines().remove(0);
        assert!(summary["readings"][table]["pages"].as_u64() >= Some(4), "{summary}");
        let count = format!("SELECT count(*), count(DISTINCT id) FROM \"{table}\".\"{table}\"");
        let count = query(&folder.path().join("warehouse.duckdb"), &count);
        assert_eq!(count, [["200", "200"]], "{table}");
    }
}

#[test]
fn f_018_a_key_is_in_no_draft() {
    let folder = tempfile::tempdir().expect("a folder");
    let playground = Playground::start(&[]);
    let token = playground.key("HTTP_BEARER_TOKEN");
    let url = format!("{}/auth/http_bearer", playground.url);
    let curl = format!("curl '{url}' -H 'Authorization: Bearer {token}' --compressed");
    let header = "Authorization: Bearer ${TOKEN}";
    for line in [&["init", &url, "--header", header][..], &["init", "--force", "--curl", &curl]] {
        let ended = hasmore(folder.path(), line).env("TOKEN", token).run().expect_code(0);
        let draft = std::fs::read_to_string(folder.path().join("api.yaml")).expect("a draft");
        for text in [&draft, &ended.stdout, &ended.stderr] {
            assert!(!text.contains(token), "{text}");
        }
        assert!(ended.stdout.contains("--secret 'token=${TOKEN}'"), "{}", ended.stdout);
    }
    let wrong = "Authorization: Bearer hunter2hunter2";
    let ended = hasmore(folder.path(), &["init", &url, "--force", "--header", wrong]).run();
    assert!(!ended.expect_error(3, "source_refused").stderr.contains("hunter2"));
    let line = ["sync", "--manifest", "api.yaml", "--secret", "token=${TOKEN}", "--to", "w.duckdb"];
    hasmore(folder.path(), &line).env("TOKEN", token).run().expect_code(0);
    let count = query(&folder.path().join("w.duckdb"), "SELECT count(*) FROM api.http_bearer");
    assert_eq!(count, [["20"]]);
}

#[test]
fn what_is_no_list_of_rows_is_told_and_nothing_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let playground = Playground::start(&[]);
    let url = format!("{}/pagination/offset", playground.url);
    hasmore(folder.path(), &["init", &url]).run().expect_code(0);
    hasmore(folder.path(), &["init", &url]).run().expect_error(2, "file_exists");
    hasmore(folder.path(), &["init", &format!("{url}s")]).run().expect_error(3, "source_refused");
    hasmore(folder.path(), &["init", "ftp://x.y"]).run().expect_error(3, "source_refused");
    hasmore(folder.path(), &["init", "nothing"]).run().expect_error(2, "document_unreadable");
    std::fs::write(folder.path().join("empty.yaml"), "openapi: 3.1.0").expect("a file");
    hasmore(folder.path(), &["init", "empty.yaml"]).run().expect_error(2, "invalid_document");
    let ended = hasmore(folder.path(), &["init", "--curl", "curl --form a=b x"]).run();
    assert!(ended.expect_error(2, "usage").stderr.contains("--form"));
}

/// An OpenAPI document of companies and their departments at the playground.
const COMPANIES: &str = r##"
openapi: 3.0.3
info: {title: Companies}
servers: [{url: "PLAYGROUND/cursors"}]
paths:
  /companies:
    get: {responses: {200: {$ref: "#/components/responses/Company"}}}
  /{company_id}/departments:
    get: {responses: {200: {$ref: "#/components/responses/Company"}}}
  /companies/{company_id}:
    get: {responses: {200: {$ref: "#/components/responses/Company"}}}
components:
  responses:
    Company:
      content:
        application/json:
          schema:
            properties:
              data: {type: array, items: {properties: {company_id: {type: string}, updatedAt: {type: string, format: date-time}}}}
              total_items: {type: integer}
"##;

#[test]
fn a_draft_of_an_openapi_document_reads_what_it_describes() {
    let folder = tempfile::tempdir().expect("a folder");
    let playground = Playground::start(&[]);
    let document = COMPANIES.replace("PLAYGROUND", &playground.url);
    std::fs::write(folder.path().join("openapi.yaml"), document).expect("a file");
    let line = ["init", "openapi.yaml", "--only", "/companies", "--output", "companies.yaml"];
    let ended = hasmore(folder.path(), &line).run().expect_code(0);
    assert!(ended.stdout.contains("a manifest with the table companies"), "{}", ended.stdout);
    let line = ["sync", "--manifest", "companies.yaml", "--to", "w.duckdb"];
    hasmore(folder.path(), &line).run().expect_code(0);
    let landed = query(&folder.path().join("w.duckdb"), "SELECT count(*) FROM companies.companies");
    let all = playground.get("/cursors/companies", "")["total_items"].to_string();
    assert_eq!(landed, [[all]]);
}

#[test]
fn a_draft_of_a_recording_reads_parents_and_children() {
    let folder = tempfile::tempdir().expect("a folder");
    let api = FakeFunction::answering(|received| {
        let path = received.line.split(' ').nth(1).unwrap_or_default();
        Answer::json(match path {
            "/v1/shops" => r#"[{"id": 1}, {"id": 2}]"#,
            "/v1/shops/1/orders" => r#"[{"number": 1}, {"number": 2}]"#,
            "/v1/shops/2/orders" => r#"[{"number": 1}]"#,
            _ => return Answer::status(404, "{}"),
        })
    });
    let entry = |path: &str, body: &str| {
        serde_json::json!({
            "request": {"method": "GET", "url": format!("{}{path}", api.url()), "headers": []},
            "response": {"status": 200, "headers": [], "content": {"mimeType": "application/json", "text": body}},
        })
    };
    let har = serde_json::json!({"log": {"entries": [
        entry("/v1/shops", r#"[{"id": 1}, {"id": 2}]"#),
        entry("/v1/shops/1/orders", r#"[{"number": 1}]"#),
    ]}});
    std::fs::write(folder.path().join("shop.har"), har.to_string()).expect("a file");
    let line = ["init", "shop.har", "--output", "shops.yaml"];
    hasmore(folder.path(), &line).run().expect_code(0);
    let line = ["sync", "--manifest", "shops.yaml", "--to", "w.duckdb"];
    hasmore(folder.path(), &line).run().expect_code(0);
    let orders = "SELECT shops_id, number FROM shops.orders ORDER BY ALL";
    let orders = query(&folder.path().join("w.duckdb"), orders);
    assert_eq!(orders, [["1", "1"], ["1", "2"], ["2", "1"]]);
}

#[test]
fn rows_are_read_without_a_destination() {
    let folder = tempfile::tempdir().expect("a folder");
    let playground = Playground::start(&[]);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/playground/manifests");
    let base_url = format!("base_url={}", playground.url);
    let read = |table: &str, manifest: &str, pages: &str| {
        let manifest = example.join(manifest);
        let manifest = manifest.to_str().expect("UTF-8");
        hasmore(folder.path(), &["read", table, "--manifest", manifest, "--pages", pages])
            .args(["--payload", &base_url, "--payload", "page_size=15"])
            .run()
    };
    let rows = read("offset", "pagination.yaml", "2").expect_code(0).json_lines();
    assert_eq!(rows.len(), 30);
    assert!(rows[29]["email"].is_string());
    let rows = read("departments", "cursors.yaml", "2").expect_code(0).json_lines();
    assert_eq!(rows.len(), 8, "two pages of the child, not of its parent");
    let ended = read("ofset", "pagination.yaml", "1").expect_error(2, "usage");
    assert!(ended.stderr.contains("did you mean offset?"), "{}", ended.stderr);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}
