//! Functions on AWS Lambda that write their rows to S3: moto stands in for the bucket, a script or AWS's own
//! runtime client for the function.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use moto::Moto;
use serde_json::{Value, json};

use crate::support::{Answer, FakeFunction, Hasmore, Received, invoke, python, query, write};

const BUCKET: &str = "rows-in-transit";
const SECRET: &str = "secret-of-the-test";

/// A bucket, and a folder to work in.
struct Aws {
    moto: Arc<Moto>,
    folder: tempfile::TempDir,
}

impl Aws {
    fn start() -> Aws {
        Aws::with(Moto::start())
    }

    fn with(moto: Moto) -> Aws {
        moto.make_bucket(BUCKET);
        Aws { moto: Arc::new(moto), folder: tempfile::tempdir().expect("a folder") }
    }

    /// A Lambda function: `answer` is told where to put the rows, and says what is returned.
    fn lambda(
        &self,
        answer: impl Fn(&Moto, &Received, &str) -> Answer + Send + Sync + 'static,
    ) -> FakeFunction {
        let moto = Arc::clone(&self.moto);
        FakeFunction::answering(move |received| {
            let request = received.json();
            assert_eq!(request["bucket"], BUCKET);
            let file = request["file"].as_str().expect("a name").to_owned();
            answer(&moto, received, &file)
        })
    }

    /// With `more` in the connection.
    fn hasmore(&self, lambda: &FakeFunction, s3: &str, more: &str) -> Hasmore {
        let config = format!(
            "connections:\n  orders:\n    lambda: orders\n    s3: {{bucket: {BUCKET}{s3}}}\n    secrets: {{apiKey: '${{apiKey}}'}}\n    destination: {{to: a.duckdb}}\n{more}"
        );
        write(self.folder.path(), "hasmore.yaml", &config);
        let environment = self.moto.environment();
        let hasmore = Hasmore::new(self.folder.path())
            .env("HOME", self.folder.path().to_str().expect("UTF-8"))
            .env("apiKey", SECRET);
        let hasmore = environment.iter().fold(hasmore, |it, (name, value)| it.env(name, value));
        hasmore.env("AWS_ENDPOINT_URL_LAMBDA", &lambda.url())
    }

    fn sync(&self, lambda: &FakeFunction) -> Hasmore {
        self.hasmore(lambda, "", "").args(["sync"])
    }

    fn objects(&self) -> Vec<String> {
        self.moto.objects(BUCKET)
    }

    fn rows(&self) -> Vec<Vec<String>> {
        query(&self.folder.path().join("a.duckdb"), "SELECT a FROM orders.t ORDER BY 1")
    }
}

fn page_of(received: &Received) -> u64 {
    received.json()["state"]["n"].as_u64().unwrap_or(0)
}

fn returned(page: u64, pages: u64) -> Answer {
    let more = page + 1 < pages;
    Answer::json(format!(r#"{{"state":{{"n":{}}},"hasMore":{more}}}"#, page + 1))
}

fn rows(page: u64) -> String {
    format!(r#"{{"insert":{{"t":[{{"a":{page}}}]}},"delete":{{}}}}"#)
}

/// What Python makes of a text, as an object's body.
fn packed(script: &str) -> Value {
    let script = format!("import base64, gzip; print(base64.b64encode({script}).decode())");
    let ended = Command::new(python()).args(["-c", &script]).output().expect("Python runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    json!({ "base64": String::from_utf8(ended.stdout).expect("text").trim() })
}

#[test]
fn f_013_f_055_f_058_rows_are_read_from_an_object_of_each_call_and_it_is_deleted() {
    let aws = Aws::start();
    let lambda = aws.lambda(|moto, received, file| {
        let page = page_of(received);
        if page == 1 {
            // Plain or gzip, told by its first bytes.
            let body = packed(&format!("gzip.compress(b'{}')", rows(page)));
            let object = json!({ "Bucket": BUCKET, "Key": file, "Body": body });
            moto.call("s3", "put_object", &object);
        } else {
            moto.put_object(BUCKET, file, rows(page).as_bytes());
        }
        returned(page, 3)
    });
    let ended = aws.sync(&lambda).run().expect_code(0);
    assert_eq!(aws.rows(), [["0"], ["1"], ["2"]]);
    assert_eq!(aws.objects(), Vec::<String>::new());
    let requests = lambda.received();
    let sync = requests[0].json()["sync_id"].as_str().expect("an id").to_owned();
    for (call, request) in requests.iter().enumerate() {
        assert_eq!(request.json()["file"], format!("hasmore/orders/{sync}/{}.json", call + 1));
    }
    let (_, secret) = aws.moto.keys();
    for secret in [secret, SECRET] {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "F-018");
    }
}

#[test]
fn f_058_objects_stay_where_they_are_to_be_kept() {
    let aws = Aws::start();
    let lambda = aws.lambda(|moto, received, file| {
        moto.put_object(BUCKET, file, rows(page_of(received)).as_bytes());
        returned(page_of(received), 2)
    });
    aws.hasmore(&lambda, ", keep: true, prefix: a/b", "").args(["sync"]).run().expect_code(0);
    let objects = aws.objects();
    assert_eq!(objects.len(), 2);
    assert!(objects.iter().all(|name| name.starts_with("a/b/orders/")), "{objects:?}");
}

/// What only looks at pages leaves nothing behind.
#[test]
fn f_019_f_058_a_test_and_a_preview_delete_what_they_read() {
    let aws = Aws::start();
    let lambda = aws.lambda(|moto, received, file| {
        moto.put_object(BUCKET, file, rows(page_of(received)).as_bytes());
        returned(page_of(received), 1)
    });
    for words in [["test", "orders"], ["preview", "orders"]] {
        aws.hasmore(&lambda, "", "").args(words).run().expect_code(0);
        assert_eq!(aws.objects(), Vec::<String>::new(), "{words:?}");
    }
    assert_eq!(lambda.received()[0].json()["setup_test"], true);
    // One that brings no object to a test passes it, too.
    let lambda = aws.lambda(|_, received, _| returned(page_of(received), 1));
    aws.hasmore(&lambda, "", "").args(["test", "orders"]).run().expect_code(0);
}

#[test]
fn f_056_f_057_a_missing_object_is_told_unless_the_function_says_why() {
    let aws = Aws::start();
    let lambda = aws.lambda(|_, received, _| returned(page_of(received), 1));
    let ended = aws.sync(&lambda).run().expect_error(3, "s3_object_missing");
    assert!(ended.stderr.contains("s3://rows-in-transit/hasmore/orders/"), "{}", ended.stderr);
    let reports = r#"{"errorMessage":"the API is closed","errorType":"Closed"}"#;
    let lambda = aws.lambda(move |_, _, _| Answer::json(reports));
    let ended = aws.sync(&lambda).run().expect_error(3, "function_error");
    assert!(ended.stderr.contains("Closed: the API is closed"), "{}", ended.stderr);
}

#[test]
fn q_09_an_object_that_comes_after_the_answer_is_waited_for() {
    let aws = Aws::start();
    let moto = Arc::clone(&aws.moto);
    let lambda = aws.lambda(move |_, received, file| {
        let (moto, file, page) = (Arc::clone(&moto), file.to_owned(), page_of(received));
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(900));
            moto.put_object(BUCKET, &file, rows(page).as_bytes());
        });
        returned(page, 2)
    });
    aws.sync(&lambda).run().expect_code(0);
    assert_eq!(aws.rows(), [["0"], ["1"]]);
}

#[test]
fn dec_06_rows_that_are_returned_count_unless_there_is_an_object_too() {
    let aws = Aws::start();
    let inline = r#"{"state":{"n":1},"insert":{"t":[{"a":7}]},"hasMore":false}"#;
    let lambda = aws.lambda(move |_, _, _| Answer::json(inline));
    aws.sync(&lambda).run().expect_code(0);
    assert_eq!(aws.rows(), [["7"]]);
    let lambda = aws.lambda(move |moto, _, file| {
        moto.put_object(BUCKET, file, rows(8).as_bytes());
        Answer::json(inline)
    });
    aws.sync(&lambda).run().expect_error(3, "ambiguous_s3_response");
    assert_eq!(aws.rows(), [["7"]], "nothing was applied");
}

/// Nothing is applied, and the object stays to be looked at.
#[test]
fn f_054_objects_that_are_cut_off_or_without_measure_are_told() {
    let aws = Aws::start();
    let bodies = [
        (json!(r#"{"insert":{"t":[{"a":"hunter2"#), "s3_object_broken"),
        (packed(r#"gzip.compress(b'{"insert":{"t":[{"a":1}]}}')[:-9]"#), "s3_object_broken"),
        // 64 MB in 64 KB.
        (packed("gzip.compress(b'0' * (1 << 26))"), "response_too_large"),
        (
            json!(format!(r#"{{"insert":{{"t":[{{"a":"{}"}}]}}}}"#, "x".repeat(1 << 20))),
            "response_too_large",
        ),
    ];
    for (count, (body, code)) in bodies.into_iter().enumerate() {
        let lambda = aws.lambda(move |moto, received, file| {
            let object = json!({ "Bucket": BUCKET, "Key": file, "Body": body });
            moto.call("s3", "put_object", &object);
            returned(page_of(received), 1)
        });
        let limits = "    limits: {response_bytes: 1 MB}\n";
        let hasmore = aws.hasmore(&lambda, "", limits).args(["sync"]);
        let ended = hasmore.run().expect_error(3, code);
        assert!(!ended.stderr.contains("hunter2"), "no value of a row: {}", ended.stderr);
        assert_eq!(aws.objects().len(), count + 1);
        assert_eq!(lambda.received().len(), 1, "it is not tried again");
    }
}

/// Killed between a page's landing and the next, and before its landing: rows are there once, and an object
/// is gone only if its rows have landed.
#[test]
fn f_058_dec_05_no_object_is_deleted_before_its_page_has_landed() {
    for (batches, deleted) in [("", false), ("    limits: {batch_rows: 1}\n", true)] {
        let aws = Aws::start();
        let lambda = aws.lambda(|moto, received, file| {
            let page = page_of(received);
            moto.put_object(BUCKET, file, rows(page).as_bytes());
            if page == 0 { returned(page, 3) } else { returned(page, 3).held() }
        });
        let running = aws.hasmore(&lambda, "", batches).args(["sync"]).start();
        lambda.wait_for(2);
        let first = lambda.received()[0].json()["file"].as_str().expect("a name").to_owned();
        if deleted {
            let end = std::time::Instant::now() + Duration::from_secs(20);
            while aws.objects().contains(&first) {
                assert!(std::time::Instant::now() < end, "{first} has landed");
                std::thread::sleep(Duration::from_millis(20));
            }
        } else {
            std::thread::sleep(Duration::from_millis(500));
            assert!(aws.objects().contains(&first), "{first} has not landed");
        }
        running.signal("KILL");
        running.end();
        lambda.release();
        aws.hasmore(&lambda, "", batches).args(["sync"]).run().expect_code(0);
        assert_eq!(aws.rows(), [["0"], ["1"], ["2"]]);
        assert!(aws.objects().len() <= 2, "only what the killed sync left: {:?}", aws.objects());
    }
}

#[test]
fn what_s3_refuses_is_told_with_cause_and_cure() {
    let aws = Aws::with(Moto::start_checked());
    let write = |moto: &Moto, received: &Received, file: &str| {
        moto.put_object(BUCKET, file, rows(page_of(received)).as_bytes());
        returned(page_of(received), 1)
    };
    // Every signature of ours is recomputed by botocore.
    let lambda = aws.lambda(write);
    aws.sync(&lambda).run().expect_code(0);
    assert_eq!(aws.objects(), Vec::<String>::new());
    let lambda = aws.lambda(write);
    let wrong = aws.sync(&lambda).env("AWS_SECRET_ACCESS_KEY", "wrong-secret-of-the-test").run();
    let wrong = wrong.expect_error(2, "aws_wrong_credentials");
    assert!(!wrong.stderr.contains("wrong-secret-of-the-test"), "F-018");
    let unknown = aws.sync(&lambda).env("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN00000000").run();
    unknown.expect_error(2, "aws_wrong_credentials");
    let elsewhere = FakeFunction::start([Answer::json(r#"{"state":{},"hasMore":false}"#)]);
    let line = ["sync", "--lambda", "orders", "--bucket", "no-such-bucket", "--to", "b.duckdb"];
    let environment = aws.moto.environment();
    let hasmore = Hasmore::new(aws.folder.path());
    let hasmore = environment.iter().fold(hasmore, |it, (name, value)| it.env(name, value));
    hasmore
        .env("AWS_ENDPOINT_URL_LAMBDA", &elsewhere.url())
        .args(line)
        .run()
        .expect_error(2, "s3_bucket_not_found");
}

/// As S3 words it; each with a code of its own, and nothing is applied.
#[test]
fn what_s3_says_is_told_by_its_code() {
    let aws = Aws::start();
    let cases = [
        (403, "AccessDenied", "Access Denied", 2, "s3_access_denied"),
        (
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            2,
            "aws_clock_skew",
        ),
        (400, "ExpiredToken", "The provided token has expired.", 2, "aws_credentials_expired"),
        (400, "InvalidToken", "The provided token is malformed.", 2, "aws_wrong_credentials"),
        (
            400,
            "AuthorizationHeaderMalformed",
            "the region 'eu-west-1' is wrong; expecting 'eu-west-3'",
            2,
            "s3_wrong_region",
        ),
        (404, "NoSuchBucket", "The specified bucket does not exist", 2, "s3_bucket_not_found"),
    ];
    for (status, kind, message, exit_code, code) in cases {
        let error = format!("<Error><Code>{kind}</Code><Message>{message}</Message></Error>");
        let s3 = FakeFunction::answering(move |_| Answer::status(status, error.clone()));
        let lambda = aws.lambda(|_, received, _| returned(page_of(received), 1));
        let ended = aws.sync(&lambda).env("AWS_ENDPOINT_URL_S3", &s3.url()).run();
        let ended = ended.expect_error(exit_code, code);
        assert!(ended.stderr.contains(message), "{}", ended.stderr);
        // Whoever may not list a bucket is refused what is not there yet (Q-09).
        let is_one = s3.received().len() == 1;
        assert_eq!(is_one, kind != "AccessDenied", "{code}: it is not tried again");
        let shown = aws.hasmore(&lambda, "", "").args(["state", "show"]).run();
        assert_ne!(shown.code, Some(0), "nothing has landed: {}", shown.stdout);
    }
}

/// A busy S3 is asked again, and told if it stays so.
#[test]
fn an_s3_that_is_busy_for_a_while_is_waited_for() {
    let aws = Aws::start();
    let slow =
        "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    let busy = || Answer::status(503, slow);
    let s3 = FakeFunction::start([busy(), Answer::json(rows(0)), Answer::status(204, "")]);
    let lambda = aws.lambda(|_, received, _| returned(page_of(received), 1));
    aws.sync(&lambda).env("AWS_ENDPOINT_URL_S3", &s3.url()).run().expect_code(0);
    assert_eq!(aws.rows(), [["0"]]);
    let s3 = FakeFunction::answering(move |_| Answer::status(503, slow));
    let lambda = aws.lambda(|_, received, _| returned(page_of(received), 1));
    let ended = aws.sync(&lambda).env("AWS_ENDPOINT_URL_S3", &s3.url()).run();
    let ended = ended.expect_error(3, "transport");
    assert!(ended.stderr.contains("Please reduce your request rate."), "{}", ended.stderr);
    assert_eq!(aws.rows(), [["0"]], "nothing was applied");
}

/// A handler with boto3 on AWS's own runtime client, behind Invoke.
#[test]
fn f_013_f_055_a_handler_with_boto3_writes_what_is_read() {
    let aws = Aws::with(Moto::start_checked());
    let source = r#"
import boto3, json

def handler(event, context):
    n = event["state"].get("n", 0)
    rows = {"insert": {"t": [{"a": n, "secret": len(event["secrets"]["apiKey"])}]}, "delete": {}}
    boto3.client("s3").put_object(Bucket=event["bucket"], Key=event["file"], Body=json.dumps(rows))
    return {"state": {"n": n + 1}, "schema": {"t": {"primary_key": ["a"]}}, "hasMore": n < 2}
"#;
    write(aws.folder.path(), "orders.py", source);
    let region = ("AWS_DEFAULT_REGION", moto::REGION.to_owned());
    let environment = aws.moto.environment().into_iter().chain([region]);
    let lambda = invoke(aws.folder.path(), "orders.handler", environment);
    aws.sync(&lambda).run().expect_code(0);
    assert_eq!(aws.rows(), [["0"], ["1"], ["2"]]);
    assert_eq!(aws.objects(), Vec::<String>::new());
}

#[test]
fn s3_is_checked_before_anything_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |text: &str, part: &str| {
        let config = format!("connections:\n  a:\n    {text}\n    destination: {{to: a.duckdb}}\n");
        write(folder.path(), "hasmore.yaml", &config);
        let ended = Hasmore::new(Path::new(folder.path())).args(["config", "check"]).run();
        assert_eq!(ended.code, Some(2), "{text}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "no {part} in {}", ended.stderr);
    };
    check("url: http://localhost\n    s3: {bucket: abc}", "`s3` is for a `lambda`");
    check("lambda: a\n    s3: {bucket: A_b}", "a bucket's name has 3 to 63");
    check("lambda: a\n    s3: {bucket: abc, prefix: /a}", "a `prefix` is made of letters");
    check("lambda: a\n    s3: {prefix: a}", "bucket");
}
