//! A request that names `bucket` and `file`: the rows go to S3, the rest is returned.

use moto::Moto;
use protocol::{Function, ObjectPlace, Request, State};
use serde_json::{Value, json};
use transport::{HandlerFunction, HandlerOptions};

use crate::deployed::{BINARY, Deployed, Way};
use crate::upstream::Upstream;

const BUCKET: &str = "rows-in-transit";

const MANIFEST: &str = "name: x\nbase_url: '{url}'\npagination: {page: {to: query.page}}\ncall: {pages: 2}\ntables:\n  items: {primary_key: id}\n";

/// Three pages of rows of 3.7 MB each: two of them are more than Lambda returns.
fn upstream() -> Upstream {
    Upstream::serve(move |query| {
        let page: u64 = query["page"].parse().expect("a page");
        let row = |id: u64| format!(r#"{{"id":{id},"text":"{}"}}"#, "x".repeat(37_000));
        let ids = (page - 1) * 100..page.min(3) * 100;
        format!("[{}]", ids.map(row).collect::<Vec<_>>().join(","))
    })
}

/// The binary as a Lambda, beside a bucket that lets in only who signs.
fn lambda(folder: &std::path::Path, manifest: &str, moto: &Moto) -> HandlerFunction {
    std::fs::write(folder.join("manifest.yaml"), manifest).expect("a manifest");
    std::os::unix::fs::symlink(BINARY, folder.join("bootstrap")).expect("a link");
    let environment = moto.environment().into_iter();
    let options = HandlerOptions {
        folder: folder.to_owned(),
        environment: environment.map(|(name, value)| (name.to_owned(), value)).collect(),
        ..HandlerOptions::default()
    };
    HandlerFunction::new("bootstrap", options).expect("a program")
}

fn request(state: State, file: &str) -> Request {
    let object = ObjectPlace { bucket: BUCKET.into(), file: file.into() };
    Request { state, object: Some(object), ..Request::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn f_013_f_055_rows_are_written_to_the_object_that_the_request_names() {
    let (moto, upstream) = (Moto::start_checked(), upstream());
    moto.make_bucket(BUCKET);
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = MANIFEST.replace("{url}", &upstream.url);
    let lambda = lambda(folder.path(), &manifest, &moto);
    let (mut state, mut ids, mut calls, mut largest) = (State::default(), Vec::new(), 0, 0);
    loop {
        calls += 1;
        let file = format!("sync/{calls}.json");
        let answer = lambda.call(&request(state, &file)).await.expect("an answer");
        assert_eq!(answer.rows(), 0);
        assert!(!answer.names_rows());
        let object = moto.call("s3", "get_object", &json!({ "Bucket": BUCKET, "Key": file }));
        assert_eq!(object["ContentType"], "application/json");
        largest = largest.max(object["ContentLength"].as_u64().expect("a length"));
        let text = object["Body"]["base64"].as_str().expect("a body");
        let rows: Value = serde_json::from_slice(&unpacked(text)).expect("JSON");
        let members: Vec<&String> = rows.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["delete", "insert"]);
        let items = rows["insert"]["items"].as_array().cloned().unwrap_or_default();
        ids.extend(items.iter().map(|row| row["id"].as_u64().expect("an id")));
        if !answer.has_more {
            break;
        }
        state = answer.state;
    }
    assert_eq!(ids, (0..300).collect::<Vec<_>>());
    assert!(largest > 6_291_556, "more than Lambda returns: {largest}");
}

fn unpacked(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

/// The function says why; it does not say that rows are where they are not.
#[tokio::test(flavor = "multi_thread")]
async fn f_017_a_bucket_that_cannot_be_written_is_a_failure_of_the_call() {
    let (moto, upstream) = (Moto::start(), upstream());
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = MANIFEST.replace("{url}", &upstream.url);
    let lambda = lambda(folder.path(), &manifest, &moto);
    let error = lambda.call(&request(State::default(), "a.json")).await.expect_err("no bucket");
    let told = error.to_string();
    assert!(
        told.contains("s3_bucket_not_found") && told.contains("s3://rows-in-transit/a.json"),
        "{told}"
    );
    assert!(!told.contains(moto.keys().1), "F-018: {told}");
}

/// A function that is no Lambda returns its rows, wherever a platform would like them.
#[tokio::test(flavor = "multi_thread")]
async fn dec_06_a_function_behind_a_url_returns_its_rows() {
    let upstream =
        Upstream::serve(
            |query| {
                if query["page"] == "1" { r#"[{"id":1}]"#.into() } else { "[]".into() }
            },
        );
    let manifest = MANIFEST.replace("{url}", &upstream.url);
    let deployed = Deployed::start(Way::Container, &manifest);
    let answer = deployed.call(&request(State::default(), "a.json")).await.expect("an answer");
    assert_eq!(answer.rows(), 1);
}
