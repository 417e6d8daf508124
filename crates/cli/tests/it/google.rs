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
    let ended = sync(folder.path(), &function, "{}").expect_error(2, "function_access_denied");
    assert!(ended.stderr.contains("the token <secret ID token> is for another audience"));
    assert!(!ended.stderr.contains(&token) && !ended.stdout.contains(&token));
    assert_eq!(function.received().len(), 1, "F-053: it is not tried again");
}

/// Google's own library reads what the caller bears: its signature, its issuer and whom it is for.
#[test]
fn f_011_the_token_lets_in_where_googles_own_library_checks_it() {
    const MINT: &str = r#"
import json, sys, time, jwt
asked = json.loads(sys.argv[1])
wanted = jwt.decode(asked["assertion"], asked["public"], algorithms=["RS256"], audience=asked["audience"])
claims = {"iss": "https://accounts.google.com", "aud": wanted["target_audience"], "iat": int(time.time()), "exp": int(time.time()) + 3600, "sub": "1"}
print(json.dumps(jwt.encode(claims, asked["private"], "RS256", headers={"kid": "google-1"})))
"#;
    const VERIFY: &str = r#"
import json, sys
from google.auth import jwt
asked = json.loads(sys.argv[1])
try:
    claims = jwt.decode(asked["token"], certs={"google-1": asked["public"]}, audience=asked["audience"])
    print(json.dumps(claims["iss"]))
except Exception as error:
    print(json.dumps({"refused": str(error)}))
"#;
    let folder = tempfile::tempdir().expect("a folder");
    let (signer, signers_public) = new_account("unused");
    let keys = std::sync::Arc::new(std::sync::Mutex::new(Value::Null));
    let known = std::sync::Arc::clone(&keys);
    let google = FakeFunction::answering(move |received| {
        let (_, assertion) = received.body.split_once("&assertion=").expect("an assertion");
        let mut asked = known.lock().expect("keys").clone();
        asked["assertion"] = assertion.into();
        Answer::json(json!({ "id_token": script(MINT, &asked) }).to_string())
    });
    let token_uri = format!("{}token", google.url());
    let (account, public) = new_account(&token_uri);
    *keys.lock().expect("keys") =
        json!({ "public": public, "audience": token_uri, "private": signer["private_key"] });
    write(folder.path(), "key.json", &account.to_string());
    let function = FakeFunction::answering(move |received| {
        let url = format!("http://{}/run", received.header("host").expect("a host"));
        let bearer = received.header("authorization").expect("a token");
        let token = bearer.trim_start_matches("Bearer ");
        let asked = json!({ "token": token, "public": signers_public, "audience": url });
        match script(VERIFY, &asked)["refused"].as_str() {
            None => Answer::json(PAGE),
            Some(why) => Answer::status(401, why.to_owned()),
        }
    });
    sync(folder.path(), &function, "{}").expect_code(0);
    let ended = sync(folder.path(), &function, "{audience: 'https://other.example.com'}");
    let ended = ended.expect_error(2, "function_access_denied");
    assert!(ended.stderr.contains("Token has wrong audience"), "{}", ended.stderr);
}

/// Workload identity: the token of another cloud becomes one of Google's, and that one of the function.
#[test]
fn f_011_an_identity_of_another_cloud_gives_a_token_for_the_function() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = id_token(3600);
    let given = token.clone();
    let google = FakeFunction::answering(move |received| {
        match received.line.split(' ').nth(1).expect("a path") {
            "/subject" => {
                assert_eq!(received.header("x-cluster"), Some("yes"));
                Answer::json(r#"{"value":"token-of-the-cluster"}"#)
            }
            "/v1/token" => {
                let expected = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=%2F%2Fiam.googleapis.com%2Fpool&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&subject_token=token-of-the-cluster";
                assert_eq!(received.body, expected);
                Answer::json(r#"{"access_token":"federated-token"}"#)
            }
            "/caller:generateIdToken" => {
                assert_eq!(received.header("authorization"), Some("Bearer federated-token"));
                assert!(received.json()["audience"].as_str().expect("one").ends_with("/run"));
                Answer::json(json!({ "token": given }).to_string())
            }
            path => panic!("{path}"),
        }
    });
    let url = google.url();
    let account = |source: Value| {
        json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/pool",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{url}v1/token"),
            "service_account_impersonation_url": format!("{url}caller:generateAccessToken"),
            "credential_source": source,
        })
    };
    let subject = folder.path().join("subject");
    std::fs::write(&subject, "token-of-the-cluster\n").expect("a file");
    let by_url = json!({
        "url": format!("{url}subject"), "headers": { "X-Cluster": "yes" },
        "format": { "type": "json", "subject_token_field_name": "value" },
    });
    for source in [json!({ "file": subject }), by_url] {
        write(folder.path(), "key.json", &account(source).to_string());
        let function = FakeFunction::start([Answer::json(PAGE)]);
        let ended = sync(folder.path(), &function, "{}").expect_code(0);
        let bearer = format!("Bearer {token}");
        assert_eq!(function.received()[0].header("authorization"), Some(bearer.as_str()));
        for secret in [token.as_str(), "token-of-the-cluster", "federated-token"] {
            assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "F-018");
        }
    }
    let function = FakeFunction::start([]);
    write(folder.path(), "key.json", &account(json!({ "environment_id": "aws1" })).to_string());
    let ended = sync(folder.path(), &function, "{}").expect_error(2, "google_no_token");
    assert!(ended.stderr.contains("neither a `file` nor a `url`"), "{}", ended.stderr);
}
