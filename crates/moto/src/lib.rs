//! AWS for tests: moto's server, which stands in for S3, STS, Secrets Manager, SSM and IAM on loopback.
//!
//! For the tests of every crate: start one, make what the test needs with [`Moto::call`] (any operation of
//! boto3), and give a program [`Moto::environment`], so that it finds this server and its keys in AWS's
//! usual variables.
//!
//! ```no_run
//! let aws = moto::Moto::start();
//! aws.make_bucket("lake");
//! aws.put_object("lake", "orders/1.json", b"{}");
//! assert_eq!(aws.objects("lake"), ["orders/1.json"]);
//! ```

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

/// The region of everything that is made here.
pub const REGION: &str = "eu-west-1";

/// A server with a port of its own. It ends with the value, and with the process however that ends.
pub struct Moto {
    url: String,
    keys: (String, String),
    process: Child,
    pipes: Mutex<Pipes>,
}

struct Pipes {
    calls: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Moto {
    /// Lets everybody in, whatever the signature.
    pub fn start() -> Moto {
        Moto::begin("open")
    }

    /// Recomputes the signature of every request with botocore, and refuses what is signed otherwise.
    pub fn start_checked() -> Moto {
        Moto::begin("checked")
    }

    fn begin(mode: &str) -> Moto {
        let mut process = Command::new(python())
            .args(["-c", include_str!("server.py"), mode])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        let calls = process.stdin.take().expect("a pipe");
        let mut answers = BufReader::new(process.stdout.take().expect("a pipe"));
        let ready = read(&mut answers);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Moto {
            url: text(&ready["url"]),
            keys: (text(&ready["keys"][0]), text(&ready["keys"][1])),
            process,
            pipes: Mutex::new(Pipes { calls, answers }),
        }
    }

    /// `http://127.0.0.1:PORT`, the address of every service.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The access key and the secret key that open it.
    pub fn keys(&self) -> (&str, &str) {
        (&self.keys.0, &self.keys.1)
    }

    /// What a program needs in its environment to work with this server in place of AWS.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.url.clone()),
            ("AWS_ACCESS_KEY_ID", self.keys.0.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.keys.1.clone()),
            ("AWS_REGION", REGION.into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ]
    }

    /// An operation of boto3's client for a service, as in `call("s3", "create_bucket", …)`; bytes come
    /// and go as `{"base64": …}`.
    ///
    /// # Panics
    /// When the service refuses it.
    #[track_caller]
    pub fn call(&self, service: &str, operation: &str, arguments: &Value) -> Value {
        let answer = self.ask(service, operation, arguments);
        assert!(answer["refused"].is_null(), "{service} {operation}: {}", answer["refused"]);
        answer["answer"].clone()
    }

    /// The code by which the service refuses an operation.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn refusal(&self, service: &str, operation: &str, arguments: &Value) -> String {
        let answer = self.ask(service, operation, arguments);
        answer["refused"].as_str().expect("a refusal").to_owned()
    }

    fn ask(&self, service: &str, operation: &str, arguments: &Value) -> Value {
        let call = json!({"service": service, "operation": operation, "arguments": arguments});
        let mut pipes = self.pipes.lock().expect("no test has died in a call");
        writeln!(pipes.calls, "{call}").expect("moto listens");
        read(&mut pipes.answers)
    }

    #[track_caller]
    pub fn make_bucket(&self, bucket: &str) {
        let place = json!({ "LocationConstraint": REGION });
        self.call(
            "s3",
            "create_bucket",
            &json!({ "Bucket": bucket, "CreateBucketConfiguration": place }),
        );
    }

    #[track_caller]
    pub fn put_object(&self, bucket: &str, key: &str, text: &[u8]) {
        let text = String::from_utf8(text.to_vec()).expect("UTF-8; other bytes go through call");
        self.call("s3", "put_object", &json!({ "Bucket": bucket, "Key": key, "Body": text }));
    }

    /// The keys of a bucket's objects, in order.
    #[track_caller]
    pub fn objects(&self, bucket: &str) -> Vec<String> {
        let listed = self.call("s3", "list_objects_v2", &json!({ "Bucket": bucket }));
        let objects = listed["Contents"].as_array().cloned().unwrap_or_default();
        let key = |object: &Value| object["Key"].as_str().expect("a key").to_owned();
        objects.iter().map(key).collect()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read(answers: &mut impl BufRead) -> Value {
    let mut line = String::new();
    answers.read_line(&mut line).expect("moto answers");
    serde_json::from_str(&line).expect("moto is at work")
}

/// The Python of the tests' virtual environment, which has moto and boto3.
fn python() -> PathBuf {
    match std::env::var_os("HASMORE_TEST_VENV") {
        Some(folder) => Path::new(&folder).join("bin/python"),
        None => panic!("HASMORE_TEST_VENV names no virtual environment: run `cargo xtask test`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_kept_until_it_is_deleted() {
        let aws = Moto::start();
        aws.make_bucket("lake");
        aws.put_object("lake", "a/1.json", b"{}");
        assert_eq!(aws.objects("lake"), ["a/1.json"]);
        let object = json!({ "Bucket": "lake", "Key": "a/1.json" });
        assert_eq!(aws.call("s3", "get_object", &object)["Body"], json!({ "base64": "e30=" }));
        aws.call("s3", "delete_object", &object);
        assert_eq!(aws.refusal("s3", "get_object", &object), "NoSuchKey");
    }

    #[test]
    fn a_checked_server_lets_in_only_who_signs() {
        let aws = Moto::start_checked();
        aws.make_bucket("lake");
        assert_eq!(aws.objects("lake"), Vec::<String>::new());
        let (key, secret) = aws.keys();
        assert!(key.len() > 10 && secret != "secret-key-of-the-tests");
    }
}
