//! Every manifest in connectors/ against the pages beside it, synced twice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use connector::manifest::Manifest;
use expect_test::expect_file;
use serde_json::{Value, json};

use crate::api::{Answered, Api, Asked};
use crate::run::Platform;

/// The time of day, where `expect.json` names no other.
const NOW: &str = "2024-06-01T00:00:00Z";

/// A page of the folder `pages`: what it is asked by, and what it answers.
struct Exchange {
    file: String,
    /// Method, path and query.
    request: String,
    /// Headers and body that the request must have.
    with: Value,
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Exchange {
    /// `{origin}` in what is answered is where the API is.
    fn read(file: &Path) -> Exchange {
        let text = std::fs::read_to_string(file).expect("a page");
        let page: Value = serde_json::from_str(&text).expect("JSON");
        let headers = page["headers"].as_object().into_iter().flatten();
        let headers = headers.map(|(name, value)| {
            let known = ["link", "content-type"].into_iter().find(|known| known == name);
            let value = value.as_str().expect("a text").to_owned();
            (known.expect("a header that is known here"), value)
        });
        Exchange {
            file: file.file_name().expect("a name").to_string_lossy().into_owned(),
            request: page["request"].as_str().expect("what asks for the page").to_owned(),
            with: page["with"].clone(),
            status: page["status"].as_u64().map_or(200, |status| status.try_into().expect("one")),
            headers: headers.collect(),
            body: page["body"].as_str().map_or_else(|| page["body"].to_string(), str::to_owned),
        }
    }

    fn answers(&self, asked: &Asked) -> bool {
        let headers = self.with["headers"].as_object().into_iter().flatten();
        let mut headers = headers.map(|(name, value)| (name, value.as_str()));
        self.request == line(asked)
            && headers.all(|(name, value)| asked.headers.get(name).map(String::as_str) == value)
            && (self.with["body"].is_null() || self.with["body"] == asked.body)
    }
}

/// Method, path and query in the order of its names.
fn line(asked: &Asked) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&asked.query);
    let method = if asked.body == "" { "GET" } else { "POST" };
    format!("{method} {}?{}", asked.path, query.finish()).trim_end_matches('?').to_owned()
}

/// The manifest with the loopback address in place of the API's own.
fn at_home(manifest: &str) -> String {
    let base = manifest.split("base_url: ").nth(1).expect("a base_url");
    let base = base.lines().next().expect("a line");
    let end = base.match_indices('/').nth(2).map_or(base.len(), |(at, _)| at);
    manifest.replace(&base[..end], "{url}")
}

async fn check(folder: &Path) {
    let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap_or_default();
    let manifest = read("manifest.yaml");
    let readme = read("README.md");
    assert!(
        readme.contains("no call to the API was made for them"),
        "{name}: where pages are from"
    );
    assert!(readme.contains("(https://"), "{name}: the link to the documentation");
    let expected: Value = serde_json::from_str(&read("expect.json")).unwrap_or_default();
    let now = expected["now"].as_str().unwrap_or(NOW);

    let pages = std::fs::read_dir(folder.join("pages")).expect("pages");
    let mut pages: Vec<PathBuf> = pages.map(|page| page.expect("a page").path()).collect();
    pages.sort();
    let exchanges: Vec<Exchange> = pages.iter().map(|page| Exchange::read(page)).collect();
    let mut unused: BTreeSet<String> =
        exchanges.iter().map(|exchange| exchange.file.clone()).collect();
    let used = Arc::new(Mutex::new(Vec::new()));
    let unknown = Arc::new(Mutex::new(Vec::new()));
    let api = {
        let (used, unknown) = (Arc::clone(&used), Arc::clone(&unknown));
        Api::serve(move |asked| match exchanges.iter().find(|page| page.answers(asked)) {
            Some(page) => {
                used.lock().expect("no panic").push(page.file.clone());
                let origin = format!("http://{}", asked.headers["host"]);
                let place = |text: &str| text.replace("{origin}", &origin);
                let headers = page.headers.iter();
                Answered {
                    status: page.status,
                    headers: headers.map(|(name, value)| (*name, place(value))).collect(),
                    body: place(&page.body).into_bytes(),
                }
            }
            None => {
                unknown.lock().expect("no panic").push(line(asked));
                Answered::status(400)
            }
        })
        .await
    };

    let mut platform = Platform::at(now, &at_home(&manifest), &api);
    let mut syncs = Vec::new();
    for _ in 0..2 {
        let ended = platform.sync().await;
        let unknown = unknown.lock().expect("no panic").clone();
        assert!(ended.is_ok() && unknown.is_empty(), "{name}: {ended:?}, no page for {unknown:#?}");
        let state: Value = serde_json::from_str(platform.state.as_json()).expect("JSON");
        syncs.push(json!({ "tables": platform.tables, "state": state }));
    }
    let found = json!({ "now": now, "warnings": platform.warnings, "syncs": syncs });
    let found = serde_json::to_string_pretty(&found).expect("JSON").replace(&api.url, "{origin}");
    expect_file![folder.join("expect.json")].assert_eq(&(found + "\n"));
    for file in used.lock().expect("no panic").iter() {
        unused.remove(file);
    }
    assert!(unused.is_empty(), "{name}: nothing asks for {unused:?}");
}

#[tokio::test]
async fn every_shipped_manifest_reads_its_pages_and_then_what_is_new() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("connectors")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(folders.len() >= 8, "they are found");
    for folder in folders {
        check(&folder).await;
    }
}

#[test]
fn at_least_three_shipped_manifests_need_no_key() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors");
    let entries = std::fs::read_dir(&folder).expect("connectors");
    let manifests = entries.filter_map(|entry| {
        std::fs::read_to_string(entry.expect("an entry").path().join("manifest.yaml")).ok()
    });
    let manifests = manifests.map(|text| Manifest::parse(&text).expect("a manifest"));
    assert!(manifests.filter(|manifest| manifest.secrets.is_empty()).count() >= 3);
}
