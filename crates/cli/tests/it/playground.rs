//! The manifests of examples/playground at work: every endpoint of an API that nobody here wrote, synced
//! twice, and then compared value by value with what plain HTTP calls answer.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::support::{Hasmore, Playground, query};

/// Rows by key, each as its columns and texts.
type Rows = BTreeMap<String, BTreeMap<String, String>>;

const USER: [&str; 8] =
    ["id", "name", "email", "address", "company", "job", "createdAt", "updatedAt"];
const USERS: usize = 200;

/// Syncs a manifest of the example with these secrets and settings; its tables are in the schema of its name.
fn sync(
    folder: &Path,
    playground: &Playground,
    manifest: &str,
    secrets: &[(&str, &str)],
    settings: &[&str],
) -> Value {
    let example = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/playground/manifests")
        .join(format!("{manifest}.yaml"));
    let base_url = format!("base_url={}", playground.url);
    let mut hasmore = Hasmore::new(folder)
        .args(["sync", "--json", "--to", "warehouse.duckdb", "--payload", &base_url])
        .args(["--manifest", example.to_str().expect("UTF-8")]);
    for setting in settings {
        hasmore = hasmore.args(["--payload", setting]);
    }
    for (name, value) in secrets {
        hasmore = hasmore.args(["--secret", name]).env(name, value);
    }
    let summary = hasmore.run().expect_code(0).json_lines().remove(0);
    assert_eq!(summary["outcome"], "complete", "{summary}");
    let readings = summary["readings"].as_object().expect("the verdicts");
    assert!(readings.values().all(|reading| reading["whole"] == true), "{summary}");
    summary
}

/// Every row of a table; times as the API writes them.
fn landed(folder: &Path, table: &str, key: &[&str], columns: &[&str]) -> Rows {
    let of = |name: &str| {
        let mut column = String::new();
        for character in name.chars() {
            if character.is_uppercase() {
                column.push('_');
            }
            column.extend(character.to_lowercase());
        }
        match name {
            "createdAt" | "updatedAt" => {
                format!("strftime(make_timestamp(epoch_us({column})), '%Y-%m-%dT%H:%M:%SZ')")
            }
            _ => column,
        }
    };
    let list = columns.iter().map(|name| of(name)).collect::<Vec<_>>().join(", ");
    let found = query(&folder.join("warehouse.duckdb"), &format!("SELECT {list} FROM {table}"));
    let count = found.len();
    let row = |cells: Vec<String>| {
        let row = columns.iter().map(|name| (*name).to_owned()).zip(cells).collect();
        (key_of(&row, key), row)
    };
    let rows: Rows = found.into_iter().map(row).collect();
    assert_eq!(rows.len(), count, "{table}: no row is there twice");
    rows
}

/// The rows of an answer, in the same form.
fn answered(answer: &Value, key: &[&str]) -> Rows {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows = answer["data"].as_array().expect("a list").iter();
    let rows = rows.map(|row| {
        let members = row.as_object().expect("a row").iter();
        let row = members.map(|(name, value)| (name.clone(), text(value))).collect();
        (key_of(&row, key), row)
    });
    rows.collect()
}

fn key_of(row: &BTreeMap<String, String>, key: &[&str]) -> String {
    key.iter().map(|name| row[*name].as_str()).collect::<Vec<_>>().join("/")
}

/// All users, page by page, by the numbers of pages.
fn users(playground: &Playground) -> Rows {
    let page = |number| {
        playground.get(&format!("/pagination/page_number?per_page=50&page={number}"), "Accept: */*")
    };
    let rows: Rows = (1..=4).flat_map(|number| answered(&page(number), &["id"])).collect();
    assert_eq!(rows.len(), USERS);
    rows
}

/// How many users share the newest change: those are read again.
fn newest(users: &Rows) -> usize {
    let newest = users.values().map(|user| &user["updatedAt"]).max().expect("a user");
    users.values().filter(|user| user["updatedAt"] == *newest).count()
}

#[test]
fn every_pagination_brings_every_user_and_a_second_sync_only_what_is_new() {
    let folder = tempfile::tempdir().expect("a folder");
    let playground = Playground::start(&[]);
    let expected = users(&playground);
    let newest = newest(&expected);
    for (count, inserted, read) in [("first", USERS, USERS), ("second", 0, newest)] {
        let summary = sync(folder.path(), &playground, "pagination", &[], &[]);
        for table in ["next_page_url", "page_number", "offset", "keyset"] {
            assert_eq!(summary["tables"][table]["inserted"], inserted, "{count}: {summary}");
            let read = if table == "keyset" { USERS } else { read };
            assert_eq!(summary["readings"][table]["rows"], read, "{count}: {summary}");
            let found = landed(folder.path(), &format!("pagination.{table}"), &["id"], &USER);
            assert_eq!(found, expected, "{count}: {table}");
        }
    }
}

#[test]
fn both_incrementals_bring_every_user_and_a_second_sync_only_what_is_new() {
    let folder = tempfile::tempdir().expect("a folder");
    let playground = Playground::start(&[]);
    let timestamp = users(&playground);
    let newest = newest(&timestamp);
    let step = playground.get("/incremental/step?start_id=1&end_id=200", "Accept: */*");
    let step = answered(&step, &["id"]);
    for (count, inserted, read) in [("first", USERS, USERS), ("second", 0, newest)] {
        let summary = sync(folder.path(), &playground, "incremental", &[], &[]);
        assert_eq!(summary["readings"]["timestamp"]["rows"], read, "{count}: {summary}");
        for (table, expected) in [("timestamp", &timestamp), ("step", &step)] {
            assert_eq!(summary["tables"][table]["inserted"], inserted, "{count}: {summary}");
            let found = landed(folder.path(), &format!("incremental.{table}"), &["id"], &USER);
            assert_eq!(found, *expected, "{count}: {table}");
        }
    }
}

#[test]
fn every_way_to_log_in_brings_the_same_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let playground = Playground::start(&[]);
    let basic = [
        ("username", playground.key("HTTP_BASIC_USERNAME")),
        ("password", playground.key("HTTP_BASIC_PASSWORD")),
    ];
    let session = [
        ("username", playground.key("SESSION_AUTH_USERNAME")),
        ("password", playground.key("SESSION_AUTH_PASSWORD")),
    ];
    let bearer = [("token", playground.key("HTTP_BEARER_TOKEN"))];
    let api_key = [("api_key", playground.key("API_KEY"))];
    let header = format!("Authorization: apiKey {}", playground.key("API_KEY"));
    let expected = answered(&playground.get("/auth/api_key", &header), &["id"]);
    assert_eq!(expected.len(), 20);
    for (manifest, secrets) in [
        ("http_basic", &basic[..]),
        ("http_bearer", &bearer),
        ("api_key", &api_key),
        ("session_token", &session),
    ] {
        for inserted in [20, 0] {
            let summary = sync(folder.path(), &playground, manifest, secrets, &[]);
            assert_eq!(summary["tables"][manifest]["inserted"], inserted, "{summary}");
            let found = landed(folder.path(), &format!("{manifest}.{manifest}"), &["id"], &USER);
            assert_eq!(found, expected, "{manifest}");
        }
    }
}

/// The API takes commas and line ends out of what it writes as CSV.
#[test]
fn a_csv_export_is_read_value_by_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let playground = Playground::start(&[]);
    let mut expected = users(&playground);
    for text in expected.values_mut().flat_map(BTreeMap::values_mut) {
        text.retain(|character| !matches!(character, '\n' | '\r' | ','));
    }
    for inserted in [USERS, 0] {
        let summary = sync(folder.path(), &playground, "export", &[], &[]);
        assert_eq!(summary["tables"]["csv"]["inserted"], inserted, "{summary}");
        assert_eq!(landed(folder.path(), "export.csv", &["id"], &USER), expected);
    }
}

/// The API gives some rows a new `updatedAt` whenever it is asked, and changes nothing else.
#[test]
fn departments_are_read_for_each_company() {
    let folder = tempfile::tempdir().expect("a folder");
    let playground = Playground::start(&[]);
    let asked = || {
        let companies = playground.get("/cursors/companies", "Accept: */*");
        let companies = answered(&companies, &["company_id"]);
        let mut departments = Rows::new();
        for (id, company) in &companies {
            let path = format!("/cursors/{id}/departments");
            let mut rows =
                answered(&playground.get(&path, "Accept: */*"), &["company_id", "department_id"]);
            for row in rows.values_mut() {
                row.insert("company_name".into(), company["company_name"].clone());
            }
            departments.extend(rows);
        }
        [("companies", companies), ("departments", departments)]
    };
    for _ in 0..2 {
        let before = asked();
        sync(folder.path(), &playground, "cursors", &[], &[]);
        let after = asked();
        for ((table, before), (_, after)) in before.into_iter().zip(after) {
            let (key, columns): (&[&str], &[&str]) = match table {
                "companies" => {
                    (&["company_id"], &["company_id", "company_name", "createdAt", "updatedAt"])
                }
                _ => (
                    &["company_id", "department_id"],
                    &[
                        "company_id",
                        "department_id",
                        "department_name",
                        "company_name",
                        "createdAt",
                        "updatedAt",
                    ],
                ),
            };
            let mut found = landed(folder.path(), &format!("cursors.{table}"), key, columns);
            assert_eq!(found.len(), before.len(), "{table}");
            for (id, row) in &mut found {
                let changed = row.insert("updatedAt".into(), after[id]["updatedAt"].clone());
                let changed = changed.expect("it has one");
                assert!(before[id]["updatedAt"] <= changed, "{table} {id}");
                assert!(changed <= after[id]["updatedAt"], "{table} {id}");
            }
            assert_eq!(found, after, "{table}");
        }
    }
}

#[test]
fn an_api_that_limits_its_rate_is_read_whole() {
    const PLAIN_CALLS: usize = 4;
    let folder = tempfile::tempdir().expect("a folder");
    let playground = Playground::start(&["--rate-limit", "true", "--capacity", "5"]);
    let expected = users(&playground);
    for _ in 0..2 {
        sync(folder.path(), &playground, "pagination", &[], &["page_size=20"]);
        for table in ["next_page_url", "page_number", "offset", "keyset"] {
            let found = landed(folder.path(), &format!("pagination.{table}"), &["id"], &USER);
            assert_eq!(found, expected, "{table}");
        }
    }
    let answered = playground.answered(200);
    assert!(
        answered > 8 * 5 + PLAIN_CALLS,
        "there were more requests than a burst may have: {answered}"
    );
}
