//! `hasmore serve`: a manifest for others to call, and for hasmore itself.

use crate::support::{Answer, FakeFunction, Hasmore, query, write};

const SEED: &str = "name: seed
base_url: URL
pagination: {page: {to: query.page}, has_more: body.more}
call: {pages: 1}
tables:
  items: {records: rows, primary_key: id}
";

#[test]
fn f_070_a_served_manifest_is_synced_into_duckdb() {
    let folder = tempfile::tempdir().expect("a folder");
    let pages = [r#"[{"id":1},{"id":2}],"more":true"#, r#"[{"id":3}],"more":false"#];
    let api = FakeFunction::start(pages.map(|page| Answer::json(format!("{{\"rows\":{page}}}"))));
    write(folder.path(), "seed.yaml", &SEED.replace("URL", &api.url()));
    let mut served = Hasmore::new(folder.path())
        .args(["serve", "seed.yaml", "--address", "127.0.0.1:0"])
        .env("HASMORE_KEY", "key-of-the-test")
        .start();
    let line = served.next_error_line();
    let url = line.strip_prefix("serving at ").expect("an address");
    let refused = Hasmore::sync(folder.path(), url).run().expect_error(3, "function_error");
    assert!(refused.stderr.contains("the request lacks the key"), "{}", refused.stderr);
    let synced = Hasmore::sync(folder.path(), url)
        .args(["--header", "Authorization: Bearer ${KEY}"])
        .env("KEY", "key-of-the-test")
        .run()
        .expect_code(0);
    assert!(!format!("{}{}", synced.stdout, synced.stderr).contains("key-of-the-test"));
    let rows =
        query(&folder.path().join("warehouse.duckdb"), "SELECT id FROM orders.items ORDER BY 1");
    assert_eq!(rows, [["1"], ["2"], ["3"]]);
    served.signal("TERM");
    let ended = served.end().expect_code(0);
    assert!(ended.stderr.contains("answered 2 rows"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("key-of-the-test"));
}

#[test]
fn an_address_that_is_taken_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "seed.yaml", &SEED.replace("URL", "http://127.0.0.1:1/"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let line = ["serve", "seed.yaml", "--address", &address];
    Hasmore::new(folder.path()).args(line).run().expect_error(2, "cannot_serve");
    let line = ["serve", "none.yaml"];
    Hasmore::new(folder.path()).args(line).run().expect_error(2, "manifest_not_found");
}
