//! Functions on AWS Lambda, called through the Invoke API: signatures recomputed by AWS's own signer, its
//! errors as it words them, and a handler run by its own runtime client behind an endpoint of ours.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{
    Answer, Ended, FakeFunction, Hasmore, Received, function_error, invoke, python, query, write,
};

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "session-token-of-the-test==";
const PAGE: &str = r#"{"state":{"n":1},"insert":{"t":[{"a":1}]},"hasMore":false}"#;

/// With credentials in the environment, and none anywhere else.
fn hasmore(folder: &Path, lambda: &FakeFunction) -> Hasmore {
    without_credentials(folder, lambda)
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_SESSION_TOKEN", TOKEN)
}

fn without_credentials(folder: &Path, lambda: &FakeFunction) -> Hasmore {
    Hasmore::new(folder)
        .env("HOME", folder.to_str().expect("UTF-8"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL_LAMBDA", &lambda.url())
}

const SYNC: [&str; 9] = [
    "sync",
    "--lambda",
    "orders",
    "--region",
    "eu-west-1",
    "--to",
    "a.duckdb",
    "--secret",
    "apiKey",
];

fn sync(folder: &Path, lambda: &FakeFunction) -> Ended {
    hasmore(folder, lambda).args(SYNC).env("apiKey", "secret-of-the-test").run()
}

/// Fails unless botocore's `SigV4Auth` makes the same signature of the request, headers and body.
#[track_caller]
pub(crate) fn check_signature(
    received: &Received,
    (key, secret, token): (&str, &str, &str),
    service: &str,
) {
    const SCRIPT: &str = r#"
import hashlib, json, sys
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
asked = json.load(sys.stdin)
headers = asked["headers"]
fields = dict(part.strip().split("=", 1) for part in headers["authorization"].split(" ", 1)[1].split(","))
names = fields["SignedHeaders"].split(";")
for name in ("host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"):
    assert name in names, name + " is not signed"
assert headers["x-amz-content-sha256"] == hashlib.sha256(asked["body"].encode()).hexdigest(), "digest"
key, day, region, service, end = fields["Credential"].split("/")
assert (key, region, service, end) == (asked["key"], "eu-west-1", asked["service"], "aws4_request"), fields
url = "https://" + headers["host"] + asked["path"]
request = AWSRequest(asked["method"], url, {name: headers[name] for name in names if name != "host"}, asked["body"].encode())
request.context["timestamp"] = headers["x-amz-date"]
auth = SigV4Auth(Credentials(asked["key"], asked["secret"]), service, region)
text = auth.string_to_sign(request, auth.canonical_request(request))
assert headers["x-amz-security-token"] == asked["token"], "token"
expected = auth.signature(text, request)
assert fields["Signature"] == expected, fields["Signature"] + " is not " + expected
"#;
    let mut line = received.line.split(' ');
    let (method, path) = (line.next().expect("a method"), line.next().expect("a path"));
    let headers: serde_json::Map<_, _> =
        received.headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let asked = serde_json::json!({
        "method": method, "path": path, "headers": headers, "body": received.body,
        "key": key, "secret": secret, "token": token, "service": service,
    });
    let mut python = Command::new(python())
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let stdin = python.stdin.take().expect("a pipe");
    { stdin }.write_all(asked.to_string().as_bytes()).expect("Python reads");
    let ended = python.wait_with_output().expect("Python ends");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn f_012_an_invoke_is_signed_as_aws_signs_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders:live";
    for function in ["orders", "orders:live", "orders:$LATEST", arn] {
        let lambda = FakeFunction::start([Answer::json(PAGE)]);
        let line = ["sync", "--lambda", function, "--name", "a", "--to", "a.duckdb"];
        let ended = hasmore(folder.path(), &lambda)
            .args(line)
            .args(["--secret", "apiKey"])
            .env("apiKey", "secret-of-the-test")
            .env("AWS_REGION", "eu-west-1")
            .run()
            .expect_code(0);
        let received = &lambda.received()[0];
        let path = format!("POST /2015-03-31/functions/{function}/invocations HTTP/1.1");
        assert_eq!(received.line, path);
        assert_eq!(received.header("x-amz-invocation-type"), Some("RequestResponse"));
        assert_eq!(received.header("x-amz-log-type"), Some("Tail"));
        assert_eq!(received.json()["secrets"]["apiKey"], "secret-of-the-test");
        check_signature(received, (KEY, SECRET, TOKEN), "lambda");
        for secret in [SECRET, TOKEN, "secret-of-the-test"] {
            assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "F-018");
        }
    }
}

const CONFIG: &str = "connections:
  orders:
    lambda: orders
    aws:
      region: eu-west-1
      role_arn: arn:aws:iam::123456789012:role/caller
      external_id: ${EXTERNAL_ID}
    destination: {to: a.duckdb}
";

#[test]
fn f_012_a_role_is_taken_on_with_its_external_id() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "hasmore.yaml", CONFIG);
    let lambda = FakeFunction::start([Answer::json(PAGE)]);
    let role = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
        <AccessKeyId>ASIAROLEOFTHETEST01</AccessKeyId><SecretAccessKey>secret-of-the-role</SecretAccessKey>\
        <SessionToken>token-of-the-role</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
        </Credentials></AssumeRoleResult></AssumeRoleResponse>";
    let sts = FakeFunction::start([Answer::status(200, role)]);
    let ended = hasmore(folder.path(), &lambda)
        .args(["sync", "orders"])
        .env("AWS_ENDPOINT_URL_STS", &sts.url())
        .env("EXTERNAL_ID", "id/of:the-owner")
        .run()
        .expect_code(0);
    let asked = &sts.received()[0];
    assert_eq!(asked.header("host"), Some("sts.eu-west-1.amazonaws.com"));
    let parameters = format!("{} {}", asked.line, asked.body);
    assert!(parameters.contains("Action=AssumeRole"), "{parameters}");
    assert!(parameters.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fcaller"));
    assert!(parameters.contains("ExternalId=id%2Fof%3Athe-owner"), "{parameters}");
    let role = ("ASIAROLEOFTHETEST01", "secret-of-the-role", "token-of-the-role");
    check_signature(&lambda.received()[0], role, "lambda");
    for secret in [SECRET, TOKEN, role.1, role.2] {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "F-018");
    }
}

#[test]
fn f_012_a_role_that_is_refused_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "hasmore.yaml", CONFIG);
    let lambda = FakeFunction::start([]);
    let refusal = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
    let sts = FakeFunction::start([Answer::status(403, refusal)]);
    let ended = hasmore(folder.path(), &lambda)
        .args(["sync", "orders"])
        .env("AWS_ENDPOINT_URL_STS", &sts.url())
        .env("EXTERNAL_ID", "id-of-the-owner")
        .run()
        .expect_error(2, "aws_access_denied");
    assert!(!ended.stderr.contains(SECRET) && !ended.stderr.contains(TOKEN), "F-018");
    assert_eq!(lambda.received().len(), 0);
}

/// A Lambda function's URL that lets in by IAM: the answer has the status and no envelope.
#[test]
fn f_012_a_function_url_is_signed_where_the_connection_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let lambda = FakeFunction::start([Answer::json(PAGE)]);
    let config = format!(
        "connections:\n  orders:\n    url: {}\n    aws: {{region: eu-west-1}}\n    destination: {{to: a.duckdb}}\n",
        lambda.url()
    );
    write(folder.path(), "hasmore.yaml", &config);
    hasmore(folder.path(), &lambda).args(["sync"]).run().expect_code(0);
    check_signature(&lambda.received()[0], (KEY, SECRET, TOKEN), "lambda");
}

fn refusal(status: u16, kind: &str, message: &str) -> Answer {
    let headers = vec![("x-amzn-ErrorType".to_owned(), format!("{kind}:http://internal/"))];
    let body = serde_json::json!({ "Type": "User", "message": message }).to_string().into_bytes();
    Answer::Body { status, headers, body }
}

/// Each is told with a code of its own, after one request, and nothing is applied.
#[test]
fn what_aws_refuses_is_told_with_cause_and_cure() {
    let token = "The security token included in the request is";
    let cases = [
        (403, "UnrecognizedClientException", format!("{token} invalid."), "aws_wrong_credentials"),
        (403, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided.".into(), "aws_wrong_credentials"),
        (403, "ExpiredTokenException", format!("{token} expired"), "aws_credentials_expired"),
        (403, "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)".into(), "aws_clock_skew"),
        (403, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/x is not authorized to perform: lambda:InvokeFunction".into(), "aws_access_denied"),
        (404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:orders".into(), "lambda_not_found"),
    ];
    for (status, kind, message, code) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let lambda = FakeFunction::start([refusal(status, kind, &message)]);
        let ended = sync(folder.path(), &lambda).expect_error(2, code);
        assert!(ended.stderr.contains(&message), "{}", ended.stderr);
        assert_eq!(lambda.received().len(), 1, "{code}: it is not tried again");
        for secret in [SECRET, TOKEN, "secret-of-the-test"] {
            assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "F-018");
        }
        assert!(nothing_has_landed(folder.path()));
    }
}

#[test]
fn a_function_that_cannot_be_named_or_signed_for_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let lambda = FakeFunction::start([]);
    let line = ["sync", "--to", "a.duckdb", "--lambda"];
    let refused = |hasmore: Hasmore, function: &[&str], code: &str| {
        hasmore.args(line).args(function).run().expect_error(2, code);
    };
    let region = "--region";
    refused(hasmore(folder.path(), &lambda), &["orders"], "missing_region");
    refused(hasmore(folder.path(), &lambda), &["orders", region, "x y"], "invalid_region");
    let named = ["https://x.on.aws/", region, "eu-west-1", "--name", "orders"];
    refused(hasmore(folder.path(), &lambda), &named, "invalid_lambda");
    let named = ["orders", region, "eu-west-1"];
    refused(without_credentials(folder.path(), &lambda), &named, "aws_no_credentials");
    assert_eq!(lambda.received().len(), 0);
}

#[test]
fn dec_31_throttling_is_waited_out_with_the_same_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let throttled = refusal(429, "TooManyRequestsException", "Rate Exceeded.");
    let broken = refusal(500, "ServiceException", "Service failure");
    let lambda = FakeFunction::start([throttled, broken, Answer::json(PAGE)]);
    sync(folder.path(), &lambda).expect_code(0);
    let received = lambda.received();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|request| request.body == received[0].body));
}

#[test]
fn f_048_f_049_what_a_function_throws_is_told_with_the_end_of_its_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = r#"{"errorType":"TypeError","errorMessage":"x is not a function","trace":["TypeError: x is not a function","    at handler (/var/task/index.js:3:9)"]}"#;
    let log = "START RequestId: 1\nusing secret-of-the-test\nEND RequestId: 1\n";
    let lambda = FakeFunction::start([function_error(node, log)]);
    let ended = sync(folder.path(), &lambda).expect_error(3, "function_error");
    for part in [
        "TypeError: x is not a function",
        "at handler (/var/task/index.js:3:9)",
        "log: using <secret apiKey>",
        "log: END RequestId: 1",
    ] {
        assert!(ended.stderr.contains(part), "no {part} in {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("secret-of-the-test"), "F-018");
    assert_eq!(lambda.received().len(), 1, "Dec-31: it is not tried again");
    let late = r#"{"errorMessage":"2026-01-01T00:00:00Z 1 Task timed out after 3.00 seconds"}"#;
    let lambda = FakeFunction::start([function_error(late, "")]);
    let ended = sync(folder.path(), &lambda).expect_error(3, "function_error");
    assert!(ended.stderr.contains("Task timed out after 3.00 seconds"), "{}", ended.stderr);
}

/// As it is when the account has no capacity left: four tries, and a code of its own.
#[test]
fn dec_31_throttling_without_end_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let throttled = || {
        let message = "Rate Exceeded.";
        let Answer::Body { status, mut headers, body } =
            refusal(429, "TooManyRequestsException", message)
        else {
            unreachable!("a refusal has a body")
        };
        headers.push(("Retry-After".into(), "0".into()));
        Answer::Body { status, headers, body }
    };
    let lambda = FakeFunction::answering(move |_| throttled());
    let ended = sync(folder.path(), &lambda).expect_error(3, "function_throttled");
    assert!(ended.stderr.contains("Rate Exceeded."), "{}", ended.stderr);
    assert_eq!(lambda.received().len(), 4);
    assert!(nothing_has_landed(folder.path()));
}

fn nothing_has_landed(folder: &Path) -> bool {
    Hasmore::new(folder).args(["state", "show", "--to", "a.duckdb"]).run().code != Some(0)
}

/// One of our own functions says when it is worth coming back.
#[test]
fn dec_31_a_connector_on_lambda_that_is_away_is_asked_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let away = r#"{"errorMessage":"the API is busy","errorType":"hasmore.Unavailable","stackTrace":[],"retryAfterSeconds":1}"#;
    let lambda = FakeFunction::start([function_error(away, ""), Answer::json(PAGE)]);
    sync(folder.path(), &lambda).expect_code(0);
    assert_eq!(lambda.received().len(), 2);
}

#[test]
fn dec_35_dec_36_f_054_answers_without_end_or_measure_are_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let large =
        format!(r#"{{"state":{{}},"insert":{{"t":[{{"x":"{}"}}]}}}}"#, "x".repeat(6_291_556));
    let lambda = FakeFunction::start([Answer::json(large)]);
    sync(folder.path(), &lambda).expect_error(3, "response_too_large");
    let lambda = FakeFunction::start([Answer::Endless]);
    sync(folder.path(), &lambda).expect_error(3, "response_too_large");
    let late = || Answer::json(PAGE).after(Duration::from_secs(5));
    let lambda = FakeFunction::start([late(), late(), late()]);
    let ended = hasmore(folder.path(), &lambda)
        .args(SYNC)
        .args(["--call-timeout", "1s"])
        .env("apiKey", "secret-of-the-test")
        .run();
    ended.expect_error(3, "function_timeout");
    assert_eq!(lambda.received().len(), 2, "Dec-31: once more");
    // 64 MB of zeros in 64 KB.
    let bomb = Command::new(python())
        .args(["-c", "import gzip, sys; sys.stdout.buffer.write(gzip.compress(b'0' * (1 << 26)))"])
        .output()
        .expect("Python runs")
        .stdout;
    let headers = vec![("Content-Encoding".to_owned(), "gzip".to_owned())];
    let lambda = FakeFunction::start([Answer::Body { status: 200, headers, body: bomb }]);
    sync(folder.path(), &lambda).expect_error(3, "response_too_large");
}

#[test]
fn an_answer_that_is_shorter_than_it_said_is_asked_for_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let lambda = FakeFunction::start([Answer::Truncated(PAGE.into()), Answer::json(PAGE)]);
    sync(folder.path(), &lambda).expect_code(0);
    assert_eq!(lambda.received().len(), 2);
    assert_eq!(query(&folder.path().join("a.duckdb"), "SELECT a FROM orders.t"), [["1"]]);
    // Always, it is told in the end.
    let folder = tempfile::tempdir().expect("a folder");
    let lambda = FakeFunction::answering(|_| Answer::Truncated(PAGE.into()));
    let ended = sync(folder.path(), &lambda).expect_error(3, "transport");
    assert!(ended.stderr.contains("the answer of Lambda broke off"), "{}", ended.stderr);
    assert_eq!(lambda.received().len(), 4);
    assert!(nothing_has_landed(folder.path()));
}

/// What comes after the length that was said is not the answer's; what is cut off by it is no JSON.
#[test]
fn an_answer_that_is_longer_than_it_said_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let lambda = FakeFunction::answering(|_| Answer::Overlong(PAGE.into()));
    sync(folder.path(), &lambda).expect_error(3, "unable_to_parse_json");
    assert_eq!(lambda.received().len(), 1);
    assert!(nothing_has_landed(folder.path()));
}

/// Invoke in front of AWS's own runtime client: each request is called on the handler, and its answer or
/// its error goes back as Lambda sends it.
#[test]
fn f_012_f_046_a_handler_behind_invoke_runs_by_awss_own_client() {
    let folder = tempfile::tempdir().expect("a folder");
    write(
        folder.path(),
        "orders.py",
        "def handler(event, context):\n    n = event['state'].get('n', 0)\n    if n == 2:\n        raise ValueError('enough')\n    return {'state': {'n': n + 1}, 'insert': {'t': [{'a': n}]}, 'hasMore': n < 1}\n",
    );
    let lambda = invoke(folder.path(), "orders.handler", []);
    sync(folder.path(), &lambda).expect_code(0);
    for received in lambda.received() {
        check_signature(&received, (KEY, SECRET, TOKEN), "lambda");
    }
    let rows = query(&folder.path().join("a.duckdb"), "SELECT a FROM orders.t ORDER BY 1");
    assert_eq!(rows, [["0"], ["1"]]);
    let ended = sync(folder.path(), &lambda).expect_error(3, "function_error");
    assert!(ended.stderr.contains("ValueError: enough"), "{}", ended.stderr);
}
