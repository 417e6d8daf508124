//! F-070: the seed's conversation through every way to deploy a manifest: `hasmore package`, what it wrote run as
//! its cloud runs it, `hasmore sync` in front of it, DuckDB.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use moto::Moto;
use serde_json::Value;

use crate::support::{
    Answer, FakeFunction, Hasmore, Process, Received, invoke, python, query, write,
};

const MANIFEST: &str = "
name: seed
base_url: '{url}'
pagination: {page: {to: query.page}, has_more: body.more}
call: {pages: 1}
state: {cursor: lastUpdate, page: paginationCounter}
tables:
  apiJsonResponseTable:
    records: rows
    primary_key: id
    cursor: {field: lastUpdate, to: query.since, kind: date, order: ascending}
";

/// The API of the story: five rows on three pages, and a row more for each sync after the first.
fn api() -> FakeFunction {
    FakeFunction::answering(|received| {
        let target = received.line.split(' ').nth(1).expect("a target");
        let query = target.split_once('?').expect("a query").1;
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
        };
        let (day, ids, more): (u32, &[u32], bool) = match (value("since"), value("page")) {
            (None, Some("1")) => (1, &[1, 2], true),
            (None, Some("2")) => (1, &[3, 4], true),
            (None, Some("3")) => (1, &[5], false),
            (Some("2020-01-01"), Some("1")) => (2, &[6], false),
            (Some("2020-01-02"), Some("1")) => (3, &[7], false),
            other => panic!("not in the story: {other:?}"),
        };
        let row = |id: &u32| format!(r#"{{"id":{id},"lastUpdate":"2020-01-0{day}"}}"#);
        let rows = ids.iter().map(row).collect::<Vec<_>>().join(",");
        Answer::json(format!(r#"{{"rows":[{rows}],"more":{more}}}"#))
    })
}

/// The states of the five calls, and where the last of them leads.
const STATES: [&str; 6] = [
    "{}",
    r#"{"lastUpdate":"","paginationCounter":1}"#,
    r#"{"lastUpdate":"","paginationCounter":2}"#,
    r#"{"lastUpdate":"2020-01-01","paginationCounter":0}"#,
    r#"{"lastUpdate":"2020-01-02","paginationCounter":0}"#,
    r#"{"lastUpdate":"2020-01-03","paginationCounter":0}"#,
];

/// The program that is deployed; a build of the whole workspace puts it beside `hasmore`.
fn program() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_hasmore")).with_file_name("hasmore-function");
    assert!(program.exists(), "build {} first: cargo build -p function", program.display());
    program
}

/// Writes a package of the manifest, and unpacks what the cloud unpacks.
fn package(folder: &Path, api: &FakeFunction, target: &str) -> PathBuf {
    write(folder, "seed.yaml", &MANIFEST.replace("{url}", api.url().trim_end_matches('/')));
    Hasmore::new(folder)
        .args(["package", "seed.yaml", "--target", target, "--output", "package", "--binary"])
        .args([program()])
        .run()
        .expect_code(0);
    let package = folder.join("package");
    if let Ok(archive) = std::fs::File::open(package.join("function.zip")) {
        let unpacked = folder.join("unpacked");
        let mut archive = zip::ZipArchive::new(archive).expect("an archive");
        archive.extract(&unpacked).expect("files, and who may run them");
        return unpacked;
    }
    package
}

/// The program of a package while it serves.
struct Served {
    _process: Process,
    url: String,
}

impl Served {
    fn start(folder: &Path, program: &str, environment: &[(&str, &str)]) -> Served {
        let mode = std::fs::metadata(folder.join(program)).expect("a program").permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "everybody may run {program}");
        let mut command = Command::new(folder.join(program));
        command.current_dir(folder).envs(environment.iter().copied()).stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let mut lines = BufReader::new(process.child().stderr.take().expect("a pipe"));
        let mut first = String::new();
        lines.read_line(&mut first).expect("a line");
        let url = first.trim_end().strip_prefix("serving at ").expect("an address");
        let url = url.replace("0.0.0.0", "127.0.0.1");
        // What it tells later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Served { _process: process, url }
    }
}

/// Three syncs, each a process of its own, and what they must leave behind.
fn three_syncs(folder: &Path, hasmore: impl Fn() -> Hasmore, connection: &str) {
    let config = format!(
        "connections:\n  seed:\n    {connection}\n    destination: {{to: warehouse.duckdb}}\n"
    );
    write(folder, "hasmore.yaml", &config);
    for last in &STATES[3..] {
        hasmore().args(["sync"]).run().expect_code(0);
        let shown = hasmore().args(["state", "show", "seed"]).run().expect_code(0);
        assert_eq!(shown.stdout.trim(), *last);
    }
    let sql = "SELECT id, last_update FROM seed.api_json_response_table ORDER BY id";
    let rows = query(&folder.join("warehouse.duckdb"), sql);
    let days = [1, 1, 1, 1, 1, 2, 3].into_iter().zip(1..);
    let expected: Vec<_> =
        days.map(|(day, id)| vec![format!("{id}"), format!("2020-01-0{day}")]).collect();
    assert_eq!(rows, expected);
}

fn assert_story(called: &[Received]) {
    assert_eq!(called.iter().map(Received::state).collect::<Vec<_>>(), &STATES[..5]);
}

#[test]
fn f_070_the_seeds_conversation_with_a_manifest_in_the_engine() {
    let (folder, api) = (tempfile::tempdir().expect("a folder"), api());
    package(folder.path(), &api, "lambda");
    three_syncs(folder.path(), || Hasmore::new(folder.path()), "manifest: seed.yaml");
    assert_eq!(api.received().len(), 5);
}

#[test]
fn f_070_the_seeds_conversation_with_a_bootstrap_run_by_the_engine() {
    let (folder, api) = (tempfile::tempdir().expect("a folder"), api());
    package(folder.path(), &api, "lambda");
    three_syncs(folder.path(), || Hasmore::new(folder.path()), "handler: unpacked/bootstrap");
    assert_eq!(api.received().len(), 5);
}

/// Invoke in front of the package, rows returned and rows by way of S3.
#[test]
fn f_070_f_013_f_055_the_seeds_conversation_with_a_lambda() {
    for s3 in ["", "\n    s3: {bucket: rows-in-transit}"] {
        let moto = Moto::start_checked();
        moto.make_bucket("rows-in-transit");
        let (folder, api) = (tempfile::tempdir().expect("a folder"), api());
        let unpacked = package(folder.path(), &api, "lambda");
        let lambda = invoke(&unpacked, "bootstrap", moto.environment());
        let hasmore = || {
            let hasmore = Hasmore::new(folder.path());
            let environment = moto.environment();
            let hasmore = environment.iter().fold(hasmore, |it, (name, value)| it.env(name, value));
            hasmore.env("AWS_ENDPOINT_URL_LAMBDA", &lambda.url())
        };
        three_syncs(folder.path(), hasmore, &format!("lambda: seed{s3}"));
        assert_story(&lambda.received());
        let by_s3 = |called: &Received| called.json()["bucket"] == "rows-in-transit";
        assert!(lambda.received().iter().all(|called| by_s3(called) != s3.is_empty()));
        assert_eq!(moto.objects("rows-in-transit"), Vec::<String>::new());
    }
}

/// Lambda as cargo-lambda plays it: neither its Invoke nor its Runtime API is ours.
#[test]
fn f_012_f_070_the_seeds_conversation_with_a_lambda_in_cargo_lambda() {
    let (folder, api) = (tempfile::tempdir().expect("a folder"), api());
    let unpacked = package(folder.path(), &api, "lambda");
    let port = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = port.local_addr().expect("an address");
    drop(port);
    // It looks for the functions of a Cargo project, and needs none of them.
    write(folder.path(), "Cargo.toml", "[package]\nname = \"seed\"\nversion = \"1.0.0\"\n");
    std::fs::create_dir(folder.path().join("src")).expect("a folder");
    write(folder.path(), "src/main.rs", "fn main() {}\n");
    let mut played = Command::new(python().with_file_name("cargo-lambda"));
    played
        .args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1"])
        .args(["--invoke-port", &address.port().to_string()])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _played = Process::start(&mut played);
    let end = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "cargo-lambda listens");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut lambda = Command::new(unpacked.join("bootstrap"));
    lambda
        .current_dir(&unpacked)
        .env("AWS_LAMBDA_RUNTIME_API", format!("{address}/.rt"))
        .env("AWS_LAMBDA_FUNCTION_NAME", "_")
        .stderr(Stdio::null());
    let _lambda = Process::start(&mut lambda);
    let hasmore = || {
        Hasmore::new(folder.path())
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ENDPOINT_URL_LAMBDA", &format!("http://{address}"))
    };
    three_syncs(folder.path(), hasmore, "lambda: _");
    assert_eq!(api.received().len(), 5);
}

#[test]
fn f_070_the_seeds_conversation_with_a_container_on_its_port() {
    let (folder, api) = (tempfile::tempdir().expect("a folder"), api());
    let package = package(folder.path(), &api, "cloud-run");
    let key = ("HASMORE_KEY", "key-of-the-test");
    let served = Served::start(&package, "hasmore-function", &[("PORT", "0"), key]);
    let connection =
        format!("url: {}\n    headers: {{Authorization: 'Bearer ${{HASMORE_KEY}}'}}", served.url);
    let hasmore = || Hasmore::new(folder.path()).env(key.0, key.1);
    three_syncs(folder.path(), hasmore, &connection);
    assert_eq!(api.received().len(), 5);
}

/// The Functions host reads `host.json` for the program and `function.json` for the route, lets in who has the
/// function's key, and forwards the request as it came.
#[test]
fn f_014_f_070_the_seeds_conversation_with_an_azure_function() {
    let (folder, api) = (tempfile::tempdir().expect("a folder"), api());
    let unpacked = package(folder.path(), &api, "azure");
    let json = |name: &str| -> Value {
        let text = std::fs::read_to_string(unpacked.join(name)).expect("a file");
        serde_json::from_str(&text).expect("JSON")
    };
    let handler = &json("host.json")["customHandler"];
    assert_eq!(handler["enableForwardingHttpRequest"], true);
    assert_eq!(json("seed/function.json")["bindings"][0]["authLevel"], "function");
    let program = handler["description"]["defaultExecutablePath"].as_str().expect("a program");
    let served = Served::start(&unpacked, program, &[("FUNCTIONS_CUSTOMHANDLER_PORT", "0")]);
    let worker = served.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let host = FakeFunction::answering(move |received| {
        if received.header("x-functions-key") != Some("key-of-the-function") {
            return Answer::status(401, "");
        }
        forward(&worker, received)
    });
    let connection =
        format!("url: {}api/seed\n    azure: {{key: '${{FUNCTION_KEY}}'}}", host.url());
    let hasmore = || Hasmore::new(folder.path()).env("FUNCTION_KEY", "key-of-the-function");
    three_syncs(folder.path(), hasmore, &connection);
    assert_story(&host.received());
}

/// The same request to the worker, and its answer.
fn forward(worker: &str, received: &Received) -> Answer {
    let mut connection = TcpStream::connect(worker).expect("the worker listens");
    let mut head = format!("{}\r\n", received.line);
    for (name, value) in received.headers.iter().filter(|(name, _)| name != "connection") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    write!(connection, "{head}connection: close\r\n\r\n{}", received.body).expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer::status(status.expect("a status"), body)
}
