//! Files in Azure Blob Storage, served by Azurite.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::{ClientOptions, ObjectStoreExt};
use sha2::Sha256;

use crate::api::{Answered, Api};
use crate::files::{csv, lines};
use crate::formats::gzip;
use crate::run::{Platform, told};

/// The account that everybody knows.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

struct Azurite {
    process: Child,
    endpoint: String,
    /// Its log, which it must be able to write.
    _log: BufReader<ChildStdout>,
}

impl Azurite {
    /// A server with a port of its own; it ends with the value. `None` where it is not installed.
    fn start() -> Option<Azurite> {
        let folder = std::env::var_os("HASMORE_TEST_AZURITE")?;
        let script =
            std::path::Path::new(&folder).join("node_modules/azurite/dist/src/blob/main.js");
        let mut process = Command::new("node")
            .arg(script)
            .args(["--inMemoryPersistence", "--blobPort", "0"])
            .args(["--skipApiVersionCheck", "--disableTelemetry"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let mut log = BufReader::new(process.stdout.take().expect("a pipe"));
        let url =
            log.by_ref().lines().map_while(Result::ok).find_map(|line| {
                line.split_once("listens on ").map(|(_, url)| url.trim().to_owned())
            });
        let endpoint = format!("{}/{ACCOUNT}", url.expect("Azurite listens"));
        Some(Azurite { process, endpoint, _log: log })
    }

    async fn make_container(&self, name: &str) {
        let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let signed = format!(
            "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:2021-08-06\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        );
        let key = STANDARD.decode(KEY).expect("Base64");
        let mut signature = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
        signature.update(signed.as_bytes());
        let signature = STANDARD.encode(signature.finalize().into_bytes());
        let answer = reqwest::Client::new()
            .put(format!("{}/{name}?restype=container", self.endpoint))
            .header("x-ms-date", date)
            .header("x-ms-version", "2021-08-06")
            .header("content-length", "0")
            .header("authorization", format!("SharedKey {ACCOUNT}:{signature}"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 201, "{:?}", answer.text().await);
    }

    async fn put(&self, container: &str, path: &str, body: Vec<u8>) {
        let store = MicrosoftAzureBuilder::new()
            .with_account(ACCOUNT)
            .with_access_key(KEY)
            .with_endpoint(self.endpoint.clone())
            .with_container_name(container)
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .build()
            .expect("a store");
        store.put(&path.into(), body.into()).await.expect("a blob");
    }

    async fn platform(&self, key: &str) -> Platform {
        let api = Api::serve(|_| Answered::status(500)).await;
        let text = format!(
            "name: x\ncall: {{bytes: 300}}\nstorage: {{az: {{account: {ACCOUNT}, endpoint: '{}', access_key: '{key}'}}}}\ntables:\n  items: {{files: 'az://lake/in/**', format: csv}}\n",
            self.endpoint
        );
        Platform::new(&text, &api)
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn blobs_are_read_once_and_again_when_they_change() {
    let Some(azurite) = Azurite::start() else {
        println!("skipped: Azurite is not installed (`cargo xtask test` installs it)");
        return;
    };
    azurite.make_container("lake").await;
    azurite.put("lake", "in/a/1.csv", csv(1..41).into()).await;
    azurite.put("lake", "in/2.csv.gz", gzip(csv(100..140).as_bytes())).await;
    azurite.put("lake", "out/3.csv", csv(200..202).into()).await;
    let mut platform = azurite.platform(KEY).await;
    platform.new_sync();
    while platform.call().await.unwrap_or_else(|error| panic!("{}", told(&error))) {
        platform.connector = azurite.platform(KEY).await.connector;
    }
    assert_eq!(platform.received, 80, "no row twice");
    platform.sync().await.expect("a sync");
    assert_eq!(platform.received, 80, "nothing is new");
    azurite.put("lake", "in/a/1.csv", csv(301..341).into()).await;
    platform.begin_sync(1).await;
    // It changes once more while it is read.
    azurite.put("lake", "in/a/1.csv", csv(401..441).into()).await;
    platform.connector = azurite.platform(KEY).await.connector;
    while platform.call().await.expect("a call") {}
    assert!(lines(&platform).contains(&"1.csv:40 440".to_owned()), "{:?}", lines(&platform));
    assert_eq!(platform.warnings, ["file_changed"]);
    let wrong = STANDARD.encode("another key");
    let error = azurite.platform(&wrong).await.call().await.expect_err("a wrong key");
    assert!(told(&error).starts_with("files_refused: table items: "), "{}", told(&error));
}
