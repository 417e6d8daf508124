//! Files in S3, served by moto.

use moto::Moto;
use serde_json::json;

use crate::api::{Answered, Api};
use crate::files::{NAMES, csv, lines};
use crate::formats::gzip;
use crate::run::{Platform, told};

async fn platform(aws: &Moto, bucket: &str, secret: &str) -> Platform {
    let api = Api::serve(|_| Answered::status(500)).await;
    let (key, _) = aws.keys();
    let (url, region) = (aws.url(), moto::REGION);
    let text = format!(
        "name: x\ncall: {{bytes: 300}}\nstorage: {{s3: {{endpoint: '{url}', region: {region}, access_key_id: {key}, secret_access_key: '{secret}'}}}}\ntables:\n  items: {{files: 's3://{bucket}/in/**/*.csv*', format: csv}}\n"
    );
    Platform::new(&text, &api)
}

#[tokio::test]
async fn files_of_a_bucket_are_read_once_and_again_when_they_change() {
    let aws = Moto::start_checked();
    aws.make_bucket("lake");
    let secret = aws.keys().1.to_owned();
    let new = async || platform(&aws, "lake", &secret).await;
    let mut platform = new().await;
    platform.sync().await.expect("a sync");
    assert_eq!(platform.warnings, ["no_files"]);
    aws.put_object("lake", "in/a/1.csv", csv(1..41).as_bytes());
    aws.put_object("lake", "in/a/b/2 ä.csv", csv(100..102).as_bytes());
    aws.put_object("lake", "other/3.csv", csv(200..202).as_bytes());
    let packed = base64(&gzip(csv(300..340).as_bytes()));
    let object = json!({"Bucket": "lake", "Key": "in/4.csv.gz", "Body": {"base64": packed}});
    aws.call("s3", "put_object", &object);
    // Every call may run in a new process.
    platform.new_sync();
    while platform.call().await.unwrap_or_else(|error| panic!("{}", told(&error))) {
        platform.connector = new().await.connector;
    }
    assert_eq!(platform.received, 82, "no row twice");
    let found = lines(&platform);
    assert!(found.contains(&"2 ä.csv:2 101".to_owned()), "{found:?}");
    assert!(found.contains(&"4.csv.gz:40 339".to_owned()), "{found:?}");
    platform.sync().await.expect("a sync");
    assert_eq!(platform.received, 82, "nothing is new");
    aws.put_object("lake", "in/a/1.csv", csv(401..441).as_bytes());
    platform.begin_sync(1).await;
    // It changes once more while it is read.
    aws.put_object("lake", "in/a/1.csv", csv(501..541).as_bytes());
    platform.connector = new().await.connector;
    while platform.call().await.expect("a call") {}
    assert!(lines(&platform).contains(&"1.csv:40 540".to_owned()), "{:?}", lines(&platform));
    assert_eq!(platform.warnings, ["no_files", "file_changed"]);
}

#[tokio::test]
async fn keys_may_have_any_characters() {
    let aws = Moto::start_checked();
    aws.make_bucket("lake");
    let mut platform = platform(&aws, "lake", aws.keys().1).await;
    for (id, name) in (1..).zip(NAMES) {
        aws.put_object("lake", &format!("in/ü %2F#/{name}"), csv(id..id + 1).as_bytes());
    }
    platform.sync().await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(platform.ids("items"), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_bucket_that_may_not_be_read_is_told() {
    let aws = Moto::start_checked();
    aws.make_bucket("lake");
    let mut wrong_key = platform(&aws, "lake", "another-secret").await;
    let error = wrong_key.call().await.expect_err("a wrong key");
    assert!(told(&error).starts_with("files_refused: table items: "), "{}", told(&error));
    assert!(!told(&error).contains("another-secret"), "{}", told(&error));
    let mut nowhere = platform(&aws, "missing", aws.keys().1).await;
    let error = nowhere.call().await.expect_err("no bucket");
    assert!(told(&error).starts_with("files_refused: table items: "), "{}", told(&error));
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
