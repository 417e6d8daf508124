//! A manifest drafted from one answer reads the whole API, through the binary.

use std::path::Path;

use crate::support::{Hasmore, Playground, query};

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
    hasmore(folder.path(), &["init", "nothing"]).run().expect_error(3, "source_refused");
    let ended = hasmore(folder.path(), &["init", "--curl", "curl --form a=b x"]).run();
    assert!(ended.expect_error(2, "usage").stderr.contains("--form"));
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
