//! `hasmore check`: each way to lose rows is found on a handler written to lose them, and not on one that
//! does the same rightly.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{
    Answer, Ended, FakeFunction, Hasmore, Playground, Process, Shop, python, write,
};

fn handlers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/handlers")
}

/// `hasmore check` of one of the handlers.
fn check(shop: &Shop, handler: &str, more: &[&str]) -> Ended {
    Hasmore::new(&handlers())
        .args(["check", "--handler", &format!("{handler}.handler"), "--name", "orders"])
        .args(["--secret", "api_key=${THE_KEY}", "--payload"])
        .args([format!("base_url={}", shop.url)])
        .arg_python()
        .args(more)
        .env("THE_KEY", "key-of-the-shop-0815")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .run()
}

trait WithPython {
    fn arg_python(self) -> Self;
}

impl WithPython for Hasmore {
    fn arg_python(self) -> Hasmore {
        self.args([Path::new("--python"), &python()])
    }
}

fn ids(verdict: &Value, weight: &str) -> Vec<String> {
    let findings = verdict["findings"].as_array().expect("findings");
    let of_weight = findings.iter().filter(|finding| finding["weight"] == weight);
    of_weight.map(|finding| finding["id"].as_str().expect("an id").to_owned()).collect()
}

/// The wrong handler has this finding and its exit code is 3; the right one has none at all.
#[track_caller]
fn both(id: &str, more: &[&str]) -> Value {
    let shop = Shop::open();
    let name = id.to_lowercase().replace('-', "");
    let with_json = [more, &["--json"]].concat();
    let right = check(&shop, &format!("{name}_right"), &with_json);
    let verdict = &right.json_lines()[0];
    assert_eq!(verdict["findings"], serde_json::json!([]), "{id}, the right one: {verdict:#}");
    assert_eq!(right.code, Some(0), "{}", right.stderr);
    let wrong = check(&shop, &format!("{name}_wrong"), &with_json).expect_code(3);
    let verdict = wrong.json_lines().remove(0);
    assert!(ids(&verdict, "wrong").contains(&id.to_owned()), "{id}, the wrong one: {verdict:#}");
    assert!(!wrong.stdout.contains("key-of-the-shop-0815"), "F-018");
    verdict
}

macro_rules! found_and_not_found {
    ($($name:ident: $id:literal $more:expr,)*) => {
        $(#[test]
        fn $name() {
            both($id, &$more);
        })*
    };
}

const CALM: &str = "--no-faults";

found_and_not_found! {
    l_01_overlapping_pages: "L-01" [CALM],
    l_02_pages_that_were_never_read: "L-02" [CALM],
    l_04_a_cursor_that_moves_between_pages: "L-04" [CALM],
    l_05_a_cursor_that_is_the_clock: "L-05" [CALM],
    l_06_everything_for_each_page: "L-06" [CALM],
    l_07_the_last_page_twice: "L-07" [CALM],
    l_08_a_cursor_that_stays_empty: "L-08" [CALM],
    l_09_a_state_that_is_not_looked_at: "L-09" [CALM],
    l_10_a_window_that_ends_now: "L-10" [CALM],
    l_11_a_key_by_chance: "L-11" [CALM],
    l_12_an_api_that_holds_nothing: "L-12" [],
    l_13_a_secret_in_state_and_print: "L-13" [CALM],
    l_14_no_key_and_rows_again: "L-14" [CALM],
    l_15_near_the_limit: "L-15" [CALM],
}

#[test]
fn l_03_a_fault_of_the_api_names_the_rows_that_are_lost() {
    let verdict = both("L-03", &[]);
    let findings = verdict["findings"].as_array().expect("findings");
    let messages: Vec<&str> = findings
        .iter()
        .filter(|finding| finding["id"] == "L-03" && finding["weight"] == "wrong")
        .map(|finding| finding["message"].as_str().expect("a message"))
        .collect();
    for fault in [
        "when the API answers 429",
        "when the API answers 500",
        "when the API gives no answer",
        "when an answer of the API breaks off",
    ] {
        let expected =
            format!("{fault}: the call succeeds, the state moves on, and 5 rows never come");
        assert!(messages.contains(&&*expected), "{expected}: {messages:#?}");
    }
}

/// A fault that one handler takes for the end, and the other does not; all else is right in both.
#[track_caller]
fn fault(name: &str, expected: &str) {
    let shop = Shop::open();
    let right = check(&shop, &format!("{name}_right"), &["--json"]);
    let verdict = &right.json_lines()[0];
    assert_eq!(verdict["findings"], serde_json::json!([]), "{name}, the right one: {verdict:#}");
    let wrong = check(&shop, &format!("{name}_wrong"), &["--json"]).expect_code(3);
    let verdict = &wrong.json_lines()[0];
    assert_eq!(ids(verdict, "wrong"), ["L-03"], "{name}, the wrong one: {verdict:#}");
    assert_eq!(verdict["findings"][0]["message"], expected, "{name}");
}

#[test]
fn l_03_an_empty_page_that_names_the_next_is_not_the_end() {
    let lost = "the call succeeds, the state moves on, and 23 rows never come";
    fault("l03empty", &format!("when the API gives an empty page: {lost}"));
}

#[test]
fn l_03_a_page_that_is_named_again_is_not_the_end() {
    let lost = "the call succeeds, the state moves on, and 15 rows never come";
    fault("l03token", &format!("when the API names a page again as the next: {lost}"));
}

#[test]
fn f_018_no_secret_is_shown_with_the_values_either() {
    let shop = Shop::open();
    let folder = tempfile::tempdir().expect("a folder");
    let html = folder.path().join("report.html").display().to_string();
    let line = [CALM, "--show-values", "--html", &html];
    let ended = check(&shop, "f018_wrong", &line).expect_code(3);
    let page = std::fs::read_to_string(html).expect("a report");
    for text in [&ended.stdout, &ended.stderr, &page] {
        assert!(!text.contains("key-of-the-shop-0815"), "{text}");
    }
    assert!(ended.stdout.contains("<secret api_key>"), "{}", ended.stdout);
    assert!(ended.stdout.contains("wrong F-090"), "{}", ended.stdout);
}

/// What is found in a function at a URL that gives this answer to every call.
fn of_answer(body: &str) -> Vec<String> {
    let answers = (0..200).map(|_| Answer::json(body));
    let function = FakeFunction::start(answers);
    let folder = tempfile::tempdir().expect("a folder");
    let ended = Hasmore::new(folder.path())
        .args(["check", "--url", &function.url(), "--name", "orders", "--json"])
        .run();
    let verdict = &ended.json_lines()[0];
    let code = if verdict["right"] == true { 0 } else { 3 };
    assert_eq!(ended.code, Some(code), "{verdict:#}");
    let findings = verdict["findings"].as_array().expect("findings");
    let text = |finding: &Value| {
        format!(
            "{} {} {}",
            finding["weight"].as_str().expect("a weight"),
            finding["id"].as_str().expect("an id"),
            finding["path"].as_str().unwrap_or("-")
        )
    };
    findings.iter().map(text).collect()
}

#[test]
fn every_answer_is_held_against_the_protocol() {
    for (body, expected) in [
        (r#"{"state":{"a":1},"insert":{},"hasMore":false}"#, &[][..]),
        (r#"{"state":{},"insert":{"t":[{"id":1}]},"schema":{"t":{"primary_key":["id"]}}}"#, &[]),
        (r#"{"state":{},"hasMore":"false"}"#, &["note Q-01 hasMore"]),
        (r#"{"insert":{}}"#, &["wrong F-033 state"]),
        (r#"{"state":"a"}"#, &["note F-034 state"]),
        (r#"{"state":{},"insert":{"t":{}}}"#, &["wrong F-024 -", "wrong F-038 -"]),
        (r#"{"state":{},"update":{"t":[{"id":1}]}}"#, &["wrong F-040 update"]),
        (r#"{"statusCode":200,"body":"{}"}"#, &["wrong F-024 -", "wrong F-043 -"]),
        (r#"{"errorMessage":"no"}"#, &["wrong F-024 -", "wrong F-045 -"]),
        ("<html>", &["wrong F-024 -", "wrong F-050 -"]),
        (r#"{"state":{},"insert":{},"hasMore":true}"#, &["wrong F-081 state"]),
        (
            r#"{"state":{"version":1},"insert":{"t":[{"id":1},{"a":2}]},"schema":{"t":{"primary_key":["id"]}}}"#,
            &["wrong F-104 insert.t[1].id"],
        ),
        (r#"{"state":{},"delete":{"t":[{"id":1}]}}"#, &["wrong F-115 delete.t"]),
        (
            r#"{"state":{},"insert":{"t":[{"id":1,"n":NaN}]},"schema":{"t":{"primary_key":["id"]}}}"#,
            &["wrong Q-13 insert.t[0].n"],
        ),
        (r#""{\"state\":{}}""#, &["note Q-12 -"]),
        (r#"{"state":{},"more":1}"#, &["note Dec-12 -"]),
    ] {
        assert_eq!(of_answer(body), expected, "{body}");
    }
}

/// The functions that are shown to others are right, and so is the one of the API Playground.
#[test]
fn the_examples_are_right() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let playground = Playground::start(&[]);
    let python = python().display().to_string();
    let base_url = format!("base_url={}", playground.url);
    let google = Google::start(&examples.join("google"), "inventory");
    for (example, line) in [
        ("google", vec!["--url", &google.url, "--secret", "apiToken=${TOKEN}"]),
        ("command", vec!["--command", "./orders.py"]),
        (
            "playground",
            vec![
                "--handler",
                "lambda_function.lambda_handler",
                "--python",
                &python,
                "--payload",
                &base_url,
                "--payload",
                "page_size=40",
            ],
        ),
    ] {
        let ended = Hasmore::new(&examples.join(example))
            .args(["check", "--json"])
            .env("TOKEN", "token-of-the-inventory")
            .args(line)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .run();
        let verdict = &ended.json_lines()[0];
        assert_eq!(verdict["findings"], serde_json::json!([]), "{example}: {verdict:#}");
        assert_eq!(ended.code, Some(0), "{example}");
    }
}

#[test]
fn reports_are_written_and_show_values_only_when_asked() {
    let shop = Shop::open();
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (junit, html) = (file("junit.xml"), file("report.html"));
    let ended =
        check(&shop, "l11_wrong", &[CALM, "--junit", &junit, "--html", &html]).expect_code(3);
    assert!(ended.stdout.contains("orders: not right: 1 finding\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("wrong L-11 sync 1, page 1: insert.orders[0].key\n"));
    assert!(ended.stdout.contains("values are hidden: --show-values shows them"));
    let junit = std::fs::read_to_string(junit).expect("a report");
    assert!(junit.contains(r#"failures="1""#), "{junit}");
    assert!(junit.contains("<failure message=\"table orders: key column key has other values"));
    let page = std::fs::read_to_string(&html).expect("a report");
    assert!(page.contains("not right: 1 finding") && !page.contains("<pre>"), "{page}");
    let ended = check(&shop, "l11_wrong", &[CALM, "--show-values", "--html", &html]).expect_code(3);
    assert!(!ended.stdout.contains("values are hidden"), "{}", ended.stdout);
    assert!(std::fs::read_to_string(html).expect("a report").contains("<pre>"));
    let nowhere = check(&shop, "l11_right", &[CALM, "--html", "/nowhere/report.html"]);
    nowhere.expect_error(2, "file_unwritable");
    check(&shop, "no_such", &[]).expect_error(2, "handler_not_found");
}

/// Google's own framework with a function of a folder; ended with the test.
struct Google {
    process: std::process::Child,
    url: String,
}

impl Google {
    /// The framework's own command cannot tell which port it took, so its application is served.
    fn start(folder: &Path, function: &str) -> Google {
        const START: &str = "\
import sys
from functions_framework import create_app
from werkzeug.serving import make_server
server = make_server('127.0.0.1', 0, create_app(sys.argv[1], 'main.py', 'http'), threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
";
        let mut process = std::process::Command::new(python())
            .args(["-c", START, function])
            .current_dir(folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the framework starts");
        let stdout = process.stdout.take().expect("its output is a pipe");
        let port = BufReader::new(stdout).lines().next().expect("a line").expect("text");
        Google { process, url: format!("http://127.0.0.1:{port}/") }
    }
}

impl Drop for Google {
    fn drop(&mut self) {
        self.process.kill().expect("a child can be killed");
        self.process.wait().expect("a child can be waited for");
    }
}

/// An API that lets in only who shows a certificate: it writes one into the folder, and tells its port.
const CERTIFIED: &str = r#"
import datetime, ssl
from http.server import BaseHTTPRequestHandler, HTTPServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
now = datetime.datetime.now(datetime.timezone.utc)
certificate = (
    x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
    .not_valid_after(now + datetime.timedelta(days=1))
    .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    .sign(key, hashes.SHA256()))
pem = certificate.public_bytes(serialization.Encoding.PEM)
secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
open("certificate.pem", "wb").write(pem)
open("key.pem", "wb").write(secret)

class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "11")
        self.end_headers()
        self.wfile.write(b'[{"id": 1}]')

    def log_message(self, *arguments):
        pass

server = HTTPServer(("127.0.0.1", 0), Api)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("certificate.pem", "key.pem")
context.load_verify_locations("certificate.pem")
context.verify_mode = ssl.CERT_REQUIRED
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// No proxy can show the manifest's certificate, so none stands between, and what is not seen is said.
#[test]
fn a_manifest_with_a_client_certificate_is_checked_without_its_upstream() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_api, port) = Process::serve(folder.path(), CERTIFIED);
    let manifest = format!(
        "name: shop\nbase_url: https://localhost:{port}\nsecrets: [certificate, key]\ntls:\n  certificate: '{{{{ secrets.certificate }}}}'\n  key: '{{{{ secrets.key }}}}'\n  authority: '{{{{ secrets.certificate }}}}'\ntables:\n  items: {{primary_key: id}}\n"
    );
    write(folder.path(), "shop.yaml", &manifest);
    let config = "connections:\n  shop:\n    manifest: shop.yaml\n    secrets: {certificate: 'file:certificate.pem', key: 'file:key.pem'}\n    destination: {to: a.duckdb}\n";
    write(folder.path(), "hasmore.yaml", config);
    let hasmore = |line: &[&str]| Hasmore::new(folder.path()).args(line).run();
    let checked = hasmore(&["check"]).expect_code(0);
    assert!(checked.stdout.contains("shows its API a certificate"), "{}", checked.stdout);
    hasmore(&["record", "kept", "shop"]).expect_code(0);
    hasmore(&["replay", "kept", "shop"]).expect_error(2, "usage");
    hasmore(&["replay", "kept", "--into", "b.duckdb"]).expect_code(0);
}
