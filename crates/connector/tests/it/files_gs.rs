//! Files in Google Cloud Storage. Its XML interface answers as S3 does, and moto stands in for it.

use moto::Moto;
use serde_json::json;

use crate::api::{Answered, Api};
use crate::files::{csv, lines};
use crate::run::{Platform, told};

async fn platform(google: &Moto, bucket: &str) -> Platform {
    let api = Api::serve(|_| Answered::status(500)).await;
    let url = google.url();
    let text = format!(
        "name: x\ncall: {{bytes: 300}}\nstorage: {{gs: {{endpoint: '{url}/', anonymous: true}}}}\ntables:\n  items: {{files: 'gs://{bucket}/in/**/*.csv', format: csv}}\n"
    );
    Platform::new(&text, &api)
}

/// For anybody to read, since nothing is signed.
fn put(google: &Moto, key: &str, body: &str) {
    let object = json!({"Bucket": "lake", "Key": key, "Body": body, "ACL": "public-read"});
    google.call("s3", "put_object", &object);
}

#[tokio::test]
async fn files_of_a_bucket_are_read_once_and_again_when_they_change() {
    let google = Moto::start();
    google.make_bucket("lake");
    put(&google, "in/a/1.csv", &csv(1..41));
    put(&google, "in/a/b/2 ä.csv", &csv(100..102));
    put(&google, "other/3.csv", &csv(200..202));
    let mut platform = platform(&google, "lake").await;
    // Every call may run in a new process.
    platform.new_sync();
    while platform.call().await.unwrap_or_else(|error| panic!("{}", told(&error))) {
        platform.connector = self::platform(&google, "lake").await.connector;
    }
    assert_eq!(platform.received, 42, "no row twice");
    assert!(lines(&platform).contains(&"2 ä.csv:2 101".to_owned()), "{:?}", lines(&platform));
    platform.sync().await.expect("a sync");
    assert_eq!(platform.received, 42, "nothing is new");
    put(&google, "in/a/1.csv", &csv(401..441));
    platform.begin_sync(1).await;
    // It changes once more while it is read.
    put(&google, "in/a/1.csv", &csv(501..541));
    platform.connector = self::platform(&google, "lake").await.connector;
    while platform.call().await.expect("a call") {}
    assert!(lines(&platform).contains(&"1.csv:40 540".to_owned()), "{:?}", lines(&platform));
    assert_eq!(platform.warnings, ["file_changed"]);
}

#[tokio::test]
async fn what_google_refuses_is_told() {
    let google = Moto::start();
    let error = platform(&google, "none").await.sync().await.expect_err("no such bucket");
    let told = told(&error);
    assert!(told.starts_with("files_refused: table items: "), "{told}");
    assert!(told.contains("NoSuchBucket"), "{told}");
}
