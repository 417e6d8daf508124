//! Functions of Google's that let in only who bears an ID token: from a service account's key, or from the
//! machine's metadata server. What we sign is checked by PyJWT.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Answer, Ended, FakeFunction, Hasmore, python, write};

const PAGE: &str = r#"{"state":{"n":1},"insert":{"t":[{"a":1}]},"hasMore":false}"#;

fn script(text: &str, argument: &Value) -> Value {
    let line = [text.to_owned(), argument.to_string()];
    let ended = Command::new(python()).arg("-c").args(line).output().expect("Python runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).expect("JSON")
}

/// A service account's key file, and the public half of the key.
fn new_account(token_uri: &str) -> (Value, Value) {
    const SCRIPT: &str = r#"
import json, sys
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import rsa
key = rsa.generate_private_key(65537, 2048)
private = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()).decode()
public = key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo).decode()
print(json.dumps({"private": private, "public": public}))
"#;
    let pair = script(SCRIPT, &Value::Null);
    let account = json!({
        "type": "service_account",
        "private_key": pair["private"],
        "private_key_id": "key-1",
        "client_email": "caller@project.iam.gserviceaccount.com",
        "token_uri": token_uri,
    });
    (account, pair["public"].clone())
}

/// What Google does with an assertion.
const CHECK_ASSERTION: &str = r#"
import json, sys, jwt
asked = json.loads(sys.argv[1])
claims = jwt.decode(asked["assertion"], asked["public"], algorithms=["RS256"], audience=asked["audience"], issuer="caller@project.iam.gserviceaccount.com", options={"require": ["exp", "iat", "aud", "iss"]})
assert claims["exp"] - claims["iat"] == 3600
print(json.dumps([jwt.get_unverified_header(asked["assertion"])["kid"], claims["target_audience"]]))
"#;

fn id_token(seconds: i64) -> String {
    const SCRIPT: &str = r#"
import json, sys, time, jwt
seconds = json.loads(sys.argv[1])
print(json.dumps(jwt.encode({"exp": int(time.time()) + seconds}, "x" * 32, "HS256")))
"#;
    script(SCRIPT, &json!(seconds)).as_str().expect("a token").to_owned()
}

fn sync(folder: &Path, function: &FakeFunction, google: &str) -> Ended {
    let config = format!(
        "connections:\n  orders:\n    url: {}run?key=of-the-query\n    google: {google}\n    destination: {{to: a.duckdb}}\n",
        function.url()
    );
    write(folder, "hasmore.yaml", &config);
    Hasmore::new(folder).args(["sync"]).env("GOOGLE_APPLICATION_CREDENTIALS", "key.json").run()
}

#[test]
fn f_011_a_service_accounts_key_gives_a_token_for_the_function() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = id_token(3600);
    let google = FakeFunction::start([Answer::json(json!({ "id_token": token }).to_string())]);
    let token_uri = format!("{}token", google.url());
    let (account, public) = new_account(&token_uri);
    write(folder.path(), "key.json", &account.to_string());
    let more = PAGE.replace("false", "true");
    let function = FakeFunction::start([Answer::json(more), Answer::json(PAGE)]);
    let ended = sync(folder.path(), &function, "{}").expect_code(0);
    let received = function.received();
    assert_eq!(received.len(), 2);
    for request in &received {
        let bearer = format!("Bearer {token}");
        assert_eq!(request.header("authorization"), Some(bearer.as_str()));
    }
    // One token for both calls.
    let asked = google.received();
    assert_eq!(asked.len(), 1);
    let (grant, assertion) = asked[0].body.split_once("&assertion=").expect("an assertion");
    assert_eq!(grant, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer");
    let checked = script(
        CHECK_ASSERTION,
        &json!({ "assertion": assertion, "public": public, "audience": token_uri }),
    );
    assert_eq!(checked, json!(["key-1", format!("{}run", function.url())]));
    for secret in [token.as_str(), assertion, "of-the-query", "PRIVATE KEY"] {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "F-018");
    }
}

/// The machine's account; a token that is about to end is replaced by another.
#[test]
fn f_011_the_metadata_server_gives_a_token_and_another_when_it_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (id_token(60), id_token(3600));
    let metadata =
        FakeFunction::start([Answer::status(200, &*first), Answer::status(200, &*second)]);
    let more = PAGE.replace("false", "true");
    let function =
        FakeFunction::start([Answer::json(&*more), Answer::json(more), Answer::json(PAGE)]);
    let host = metadata.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let google = "{audience: 'https://orders.example.com/a b'}";
    let config_without_key = |google: &str| {
        let config = format!(
            "connections:\n  orders:\n    url: {}\n    google: {google}\n    destination: {{to: a.duckdb}}\n",
            function.url()
        );
        write(folder.path(), "hasmore.yaml", &config);
        Hasmore::new(folder.path()).args(["sync"]).env("GCE_METADATA_HOST", &host).run()
    };
    config_without_key(google).expect_code(0);
    let asked = metadata.received();
    assert_eq!(asked.len(), 2, "the first ends too soon to be used twice");
    assert_eq!(asked[0].header("metadata-flavor"), Some("Google"));
    assert_eq!(
        asked[0].line,
        "GET /computeMetadata/v1/instance/service-accounts/default/identity?audience=https%3A%2F%2Forders.example.com%2Fa%20b&format=full HTTP/1.1"
    );
    let bearers: Vec<String> = function
        .received()
        .iter()
        .map(|request| request.header("authorization").expect("a token").to_owned())
        .collect();
    let [first, second] = [first, second].map(|token| format!("Bearer {token}"));
    assert_eq!(bearers, [first, second.clone(), second]);
}

/// What is wrong is told with its code; nothing is sent to the function.
#[test]
fn f_011_without_a_token_the_function_is_not_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([]);
    let check = |key: &str, part: &str| {
        write(folder.path(), "key.json", key);
        let ended = sync(folder.path(), &function, "{key_file: key.json}");
        let ended = ended.expect_error(2, "google_no_token");
        assert!(ended.stderr.contains(part), "no {part} in {}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2") && !ended.stderr.contains("PRIVATE KEY"));
    };
    check("hunter2", "is no service account's key");
    check(
        r#"{"private_key":"hunter2","client_email":"a","private_key_id":"b","token_uri":"c"}"#,
        "the private key cannot be read",
    );
    let refusal = r#"{"error":"invalid_grant","error_description":"Invalid JWT: Token must be a short-lived token"}"#;
    let google = FakeFunction::start([Answer::status(400, refusal)]);
    let (account, _) = new_account(&google.url());
    check(&account.to_string(), "invalid_grant Invalid JWT");
    let google = FakeFunction::start([Answer::json(r#"{"id_token":"hunter2"}"#)]);
    let (account, _) = new_account(&google.url());
    check(&account.to_string(), "is no ID token");
    assert_eq!(function.received().len(), 0);
}

/// A function that does not take the token, and shows it to everybody: not to our reader.
#[test]
fn f_018_f_025_a_token_that_is_refused_is_not_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = id_token(3600);
    let google = FakeFunction::start([Answer::json(json!({ "id_token": token }).to_string())]);
    let (account, _) = new_account(&google.url());
    write(folder.path(), "key.json", &account.to_string());
    let refusal = format!("the token {token} is for another audience");
    let function = FakeFunction::start([Answer::status(401, refusal)]);
    let ended = sync(folder.path(), &function, "{}").expect_error(3, "function_error");
    assert!(ended.stderr.contains("the token <secret ID token> is for another audience"));
    assert!(!ended.stderr.contains(&token) && !ended.stdout.contains(&token));
    assert_eq!(function.received().len(), 1, "F-053: it is not tried again");
}
