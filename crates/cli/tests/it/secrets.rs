//! Secrets from every place that they may be kept in: moto stands in for AWS, scripts written from the
//! published interfaces for Google, Azure and Vault. None is ever printed.

use std::path::Path;
use std::sync::Arc;

use moto::Moto;
use serde_json::json;

use crate::support::{Answer, FakeFunction, Hasmore, Received, python, write};

/// Each a different one, so that a leak says where it comes from.
const PLACES: [(&str, &str); 9] = [
    ("environment", "secret-of-the-environment"),
    ("file", "secret-of-the-file"),
    ("secretsFile", "secret-of-the-secrets-file"),
    ("awsSecret", "secret-of-secrets-manager"),
    ("awsParameter", "secret-of-a-parameter"),
    ("google", "secret-of-google"),
    ("azure", "secret-of-azure"),
    ("vault", "secret-of-vault-2"),
    ("oldVault", "secret-of-vault-1"),
];
/// What opens the stores.
const TOKENS: [&str; 3] = ["token-of-google-metadata", "token-of-azure-identity", "token-of-vault"];

fn encoded(text: &str) -> String {
    use std::process::Command;
    let script = "import base64, sys; print(base64.b64encode(sys.argv[1].encode()).decode())";
    let ended = Command::new(python()).args(["-c", script, text]).output().expect("Python runs");
    String::from_utf8(ended.stdout).expect("text").trim().to_owned()
}

/// Google's metadata server and Secret Manager.
fn google() -> FakeFunction {
    let data = encoded(PLACES[5].1);
    FakeFunction::answering(move |received| {
        let path = received.line.split(' ').nth(1).expect("a path");
        if path == "/computeMetadata/v1/instance/service-accounts/default/token" {
            assert_eq!(received.header("metadata-flavor"), Some("Google"));
            return Answer::json(
                json!({ "access_token": TOKENS[0], "expires_in": 3599 }).to_string(),
            );
        }
        if received.header("authorization") != Some(&format!("Bearer {}", TOKENS[0])) {
            return Answer::status(401, r#"{"error":{"code":401,"message":"no credentials"}}"#);
        }
        match path {
            "/v1/projects/shop/secrets/key/versions/latest:access" => Answer::json(
                json!({ "name": "…/versions/3", "payload": { "data": data } }).to_string(),
            ),
            _ => Answer::status(404, r#"{"error":{"code":404,"message":"Secret not found"}}"#),
        }
    })
}

/// The managed identity of an instance, and Key Vault.
fn azure() -> FakeFunction {
    FakeFunction::answering(|received| {
        let path = received.line.split(' ').nth(1).expect("a path");
        if path.starts_with("/metadata/identity/oauth2/token?") {
            assert_eq!(received.header("metadata"), Some("true"));
            assert!(path.contains("resource=https%3A%2F%2Fvault.azure.net"), "{path}");
            let answer = json!({ "access_token": TOKENS[1], "expires_in": "86399" });
            return Answer::json(answer.to_string());
        }
        if received.header("authorization") != Some(&format!("Bearer {}", TOKENS[1])) {
            return Answer::status(
                401,
                r#"{"error":{"code":"Unauthorized","message":"no token"}}"#,
            );
        }
        match path {
            "/secrets/key?api-version=7.4" => {
                Answer::json(json!({ "value": PLACES[6].1, "id": "…" }).to_string())
            }
            _ => {
                Answer::status(404, r#"{"error":{"code":"SecretNotFound","message":"not found"}}"#)
            }
        }
    })
}

/// Both versions of the key-value engine.
fn vault() -> FakeFunction {
    FakeFunction::answering(|received| {
        if received.header("x-vault-token") != Some(TOKENS[2]) {
            return Answer::status(403, r#"{"errors":["permission denied"]}"#);
        }
        match received.line.split(' ').nth(1).expect("a path") {
            "/v1/secret/data/shop" => Answer::json(
                json!({ "data": { "data": { "key": PLACES[7].1 }, "metadata": { "version": 2 } } })
                    .to_string(),
            ),
            "/v1/kv/shop" => Answer::json(json!({ "data": { "key": PLACES[8].1 } }).to_string()),
            _ => Answer::status(404, r#"{"errors":[]}"#),
        }
    })
}

/// All the places, at work.
struct Places {
    moto: Arc<Moto>,
    stores: [FakeFunction; 3],
    folder: tempfile::TempDir,
}

impl Places {
    fn start() -> Places {
        let (moto, folder) = (Moto::start_checked(), tempfile::tempdir().expect("a folder"));
        let secret = json!({ "key": PLACES[3].1, "other": 1 }).to_string();
        moto.call(
            "secretsmanager",
            "create_secret",
            &json!({ "Name": "shop/api", "SecretString": secret }),
        );
        let parameter =
            json!({ "Name": "/shop/key", "Value": PLACES[4].1, "Type": "SecureString" });
        moto.call("ssm", "put_parameter", &parameter);
        write(folder.path(), "key.txt", &format!("{}\n", PLACES[1].1));
        write(folder.path(), "secrets.json", &json!({ "secretsFile": PLACES[2].1 }).to_string());
        Places { moto: Arc::new(moto), stores: [google(), azure(), vault()], folder }
    }

    fn hasmore(&self) -> Hasmore {
        let environment = self.moto.environment();
        let hasmore = Hasmore::new(self.folder.path());
        let hasmore = environment.iter().fold(hasmore, |it, (name, value)| it.env(name, value));
        let [google, azure, vault] = self.stores.each_ref().map(FakeFunction::url);
        let host = google.trim_start_matches("http://").trim_end_matches('/');
        hasmore
            .env("ENVIRONMENT_KEY", PLACES[0].1)
            .env("GCE_METADATA_HOST", host)
            .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", &google)
            .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &azure)
            .env("VAULT_ADDR", &vault)
            .env("VAULT_TOKEN", TOKENS[2])
    }

    fn configure(&self, function: &str, secrets: &str) {
        let config = format!(
            "connections:\n  orders:\n    {function}\n    secrets: {secrets}\n    destination: {{to: a.duckdb}}\n"
        );
        write(self.folder.path(), "hasmore.yaml", &config);
    }

    fn all(&self) -> String {
        let azure = self.stores[1].url();
        format!(
            "{{environment: '${{ENVIRONMENT_KEY}}', file: 'file:key.txt', awsSecret: 'aws-secret:shop/api#key', awsParameter: 'aws-parameter:/shop/key', google: 'google-secret:projects/shop/secrets/key', azure: 'azure-secret:{azure}secrets/key', vault: 'vault:secret/data/shop#key', oldVault: 'vault:kv/shop#key'}}\n    secrets_file: secrets.json"
        )
    }
}

/// Says each of its secrets wherever it can: on both outputs, in an error with its trace.
const LOUD: &str = r#"
import json, sys

request = json.load(sys.stdin)
secrets = request["secrets"]
for name, value in secrets.items():
    print(name, "is", value, file=sys.stderr)
    print(json.dumps({"Authorization": "Bearer " + value}), file=sys.stderr)
n = request["state"].get("n", 0)
if n == 2:
    said = " ".join(secrets.values())
    print(json.dumps({"errorMessage": "no entry with " + said, "errorType": "Closed", "stackTrace": [said]}))
    sys.exit()
assert len(secrets) == 9, sorted(secrets)
rows = [{"id": n, "keys": len(secrets)}]
print(json.dumps({"state": {"n": n + 1}, "insert": {"t": rows}, "schema": {"t": {"primary_key": ["id"]}}, "hasMore": n < 1}))
"#;

fn assert_silent(what: &str, text: &[u8]) {
    for secret in PLACES.iter().map(|(_, secret)| *secret).chain(TOKENS) {
        let found = text.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!found, "F-018: {what} tells {secret}:\n{}", String::from_utf8_lossy(text));
    }
}

/// Every file that was made, outputs and exit codes of whole runs.
#[test]
fn f_018_no_secret_of_any_place_is_in_any_output_of_any_run() {
    let places = Places::start();
    write(places.folder.path(), "loud.py", LOUD);
    let python = python();
    places.configure(&format!("command: ['{}', loud.py]", python.display()), &places.all());
    let known = ["key.txt", "secrets.json", "loud.py"];
    let runs: [(&[&str], i32); 12] = [
        (&["test", "orders"], 0),
        (&["preview", "orders"], 0),
        (&["sync", "orders"], 0),
        (&["sync", "orders"], 3),
        (&["sync", "orders", "--json"], 3),
        (&["--log-format", "json", "sync", "orders", "--json"], 3),
        (&["-vv", "sync", "orders"], 3),
        (&["check", "orders", "--junit", "check.xml", "--html", "check.html"], 3),
        (&["check", "orders", "--json"], 3),
        (&["state", "history", "orders"], 0),
        (&["tables", "orders"], 0),
        (&["config", "check"], 0),
    ];
    for (line, code) in runs {
        let ended = places.hasmore().args(line).run();
        assert_eq!(ended.code, Some(code), "{line:?}: {}\n{}", ended.stdout, ended.stderr);
        assert_silent(&format!("stdout of {line:?}"), ended.stdout.as_bytes());
        assert_silent(&format!("stderr of {line:?}"), ended.stderr.as_bytes());
        if line[0] == "sync" && code == 0 {
            assert!(ended.stderr.contains("vault is <secret vault>"), "{}", ended.stderr);
        }
    }
    let files = std::fs::read_dir(places.folder.path()).expect("a folder");
    let mut seen = 0;
    for file in files.map(|file| file.expect("a file").path()).filter(|path| path.is_file()) {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        if !known.contains(&name.as_str()) {
            assert_silent(&name, &std::fs::read(&file).expect("it can be read"));
            seen += 1;
        }
    }
    assert!(seen >= 4, "configuration, database and two reports");
}

/// A function that lets in by one key, which somebody changes meanwhile.
fn guarded(places: &Places, key: &'static str, changes: bool) -> FakeFunction {
    let moto = Arc::clone(&places.moto);
    FakeFunction::answering(move |received: &Received| {
        if received.json()["secrets"]["apiKey"] == key {
            return Answer::json(r#"{"state":{"n":1},"insert":{"t":[{"a":1}]},"hasMore":false}"#);
        }
        if changes {
            let secret = json!({ "SecretId": "shop/api", "SecretString": json!({ "key": key }).to_string() });
            moto.call("secretsmanager", "put_secret_value", &secret);
        }
        let told = received.json()["secrets"]["apiKey"].as_str().expect("a key").to_owned();
        Answer::status(401, format!("{told} does not open this, {key} does"))
    })
}

#[test]
fn f_053_secrets_are_read_again_once_when_a_function_does_not_let_in() {
    let places = Places::start();
    let new = "the-new-key-of-the-shop";
    let function = guarded(&places, new, true);
    places.configure(&format!("url: {}", function.url()), "{apiKey: 'aws-secret:shop/api#key'}");
    let ended = places.hasmore().args(["sync", "orders"]).run().expect_code(0);
    assert_eq!(function.received().len(), 2);
    assert!(ended.stderr.contains("its secrets have changed"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(new) && !ended.stdout.contains(new), "F-018");
    // Refused again with the new one: once is enough.
    let function = guarded(&places, "never-this-key", false);
    places.configure(&format!("url: {}", function.url()), "{apiKey: 'aws-secret:shop/api#key'}");
    let ended = places.hasmore().args(["sync", "orders"]).run().expect_error(3, "function_error");
    assert_eq!(function.received().len(), 1, "the secret is the same, so is the answer");
    assert!(!ended.stderr.contains(new), "F-018: {}", ended.stderr);
}

#[test]
fn a_secret_that_cannot_be_read_is_told_and_nothing_is_called() {
    let places = Places::start();
    let function = FakeFunction::start([]);
    let azure = places.stores[1].url();
    let check = |hasmore: Hasmore, reference: &str, code: &str, part: &str| {
        places
            .configure(&format!("url: {}", function.url()), &format!("{{apiKey: '{reference}'}}"));
        let ended = hasmore.args(["sync", "orders"]).run().expect_error(2, code);
        assert!(ended.stderr.contains(part), "no {part} in {}", ended.stderr);
        assert_silent(reference, ended.stderr.as_bytes());
    };
    let hasmore = || places.hasmore();
    check(hasmore(), "aws-secret:none", "secret_not_found", "ResourceNotFoundException");
    check(hasmore(), "aws-parameter:/none", "secret_not_found", "ParameterNotFound");
    check(hasmore(), "aws-secret:shop/api#none", "secret_not_found", "a member none");
    check(
        hasmore(),
        "google-secret:projects/shop/secrets/none",
        "secret_not_found",
        "Secret not found",
    );
    check(
        hasmore(),
        &format!("azure-secret:{azure}secrets/none"),
        "secret_not_found",
        "SecretNotFound",
    );
    check(hasmore(), "vault:secret/data/none#key", "secret_not_found", "HTTP 404");
    check(hasmore(), "vault:secret/data/shop#none", "secret_not_found", "no member none");
    let denied = "secret_access_denied";
    check(
        hasmore().env("VAULT_TOKEN", "wrong"),
        "vault:secret/data/shop#key",
        denied,
        "permission denied",
    );
    let wrong = hasmore().env("AWS_SECRET_ACCESS_KEY", "wrong-secret");
    check(wrong, "aws-parameter:/shop/key", denied, "aws-parameter:/shop/key");
    let nobody = Hasmore::new(places.folder.path())
        .env("HOME", places.folder.path().to_str().expect("UTF-8"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "eu-west-1");
    check(nobody, "aws-secret:shop/api", "aws_no_credentials", "no credentials for AWS");
    let away = hasmore().env("VAULT_ADDR", "http://127.0.0.1:1");
    check(away, "vault:secret/data/shop#key", "secret_store_unavailable", "127.0.0.1");
    assert_eq!(function.received().len(), 0);
}

#[test]
fn a_reference_with_a_mistake_is_told_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |folder: &Path, reference: &str, part: &str| {
        let config = format!(
            "connections:\n  a:\n    url: http://localhost\n    secrets: {{key: '{reference}'}}\n    destination: {{to: a.duckdb}}\n"
        );
        write(folder, "hasmore.yaml", &config);
        let ended = Hasmore::new(folder).args(["config", "check"]).run();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("hasmore.yaml:4:"), "{}", ended.stderr);
        assert!(ended.stderr.contains(part), "no {part} in {}", ended.stderr);
    };
    check(folder.path(), "google-secret:key", "projects/PROJECT/secrets/NAME");
    check(folder.path(), "vault:secret/data/shop", "secret/data/shop#api_key");
}
