//! Functions in Node.js, run as their clouds run them by programs that are not ours: Lambda by
//! serverless-offline, Google's functions by its own framework. A tier of its own, which npm installs.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Hasmore, Process, query, write};

/// The folder with `node_modules`; without it, says so and gives nothing.
fn installed() -> Option<PathBuf> {
    let folder = std::env::var_os("HASMORE_TEST_SERVERLESS").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: serverless is not installed (`cargo xtask test` installs it)");
    }
    folder.map(|folder| folder.join("node_modules"))
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// Starts a program, and waits until it listens.
fn playing(command: &mut Command, at: SocketAddr) -> Process {
    let playing = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let end = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(at).is_err() {
        assert!(Instant::now() < end, "it listens");
        std::thread::sleep(Duration::from_millis(50));
    }
    playing
}

fn rows(folder: &Path) -> Vec<String> {
    query(&folder.join("a.duckdb"), "SELECT id FROM orders.t ORDER BY 1").concat()
}

#[test]
fn f_012_f_048_a_lambda_in_serverless_offline_is_invoked() {
    let Some(modules) = installed() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (lambda, http) = (free(), free());
    write(
        folder.path(),
        "serverless.yml",
        "service: shop\nframeworkVersion: '3'\nprovider: {name: aws, runtime: nodejs20.x, region: eu-west-1}\nplugins: [serverless-offline]\nfunctions:\n  orders: {handler: handler.orders}\n",
    );
    write(
        folder.path(),
        "handler.js",
        "exports.orders = async (event) => {\n  const n = event.state.n ?? 0;\n  if (n === 2) throw new TypeError('enough');\n  return { state: { n: n + 1 }, insert: { t: [{ id: n }] }, schema: { t: { primary_key: ['id'] } }, hasMore: n < 1 };\n};\n",
    );
    std::os::unix::fs::symlink(&modules, folder.path().join("node_modules")).expect("a link");
    let mut serverless = Command::new("node");
    serverless
        .arg(modules.join("serverless/bin/serverless.js"))
        .args(["offline", "--noTimeout", "--host", "127.0.0.1"])
        .args(["--lambdaPort", &lambda.port().to_string()])
        .args(["--httpPort", &http.port().to_string()])
        .current_dir(folder.path())
        // Nothing is told to anybody.
        .envs([("SLS_TELEMETRY_DISABLED", "1"), ("SLS_NOTIFICATIONS_MODE", "off"), ("CI", "1")]);
    let _playing = playing(&mut serverless, lambda);
    let sync = || {
        Hasmore::new(folder.path())
            .args(["sync", "--lambda", "shop-dev-orders", "--region", "eu-west-1"])
            .args(["--name", "orders", "--to", "a.duckdb"])
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
            .env("AWS_ENDPOINT_URL_LAMBDA", &format!("http://{lambda}"))
            .run()
    };
    sync().expect_code(0);
    assert_eq!(rows(folder.path()), ["0", "1"]);
    let failed = sync().expect_error(3, "function_error");
    assert!(failed.stderr.contains("enough"), "{}", failed.stderr);
    assert!(failed.stderr.contains("handler.js:3"), "{}", failed.stderr);
}

#[test]
fn f_011_f_048_a_function_in_googles_framework_for_node_is_called() {
    let Some(modules) = installed() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let at = free();
    write(folder.path(), "package.json", r#"{"name": "shop", "main": "index.js"}"#);
    write(
        folder.path(),
        "index.js",
        "exports.orders = (req, res) => {\n  const n = req.body.state.n ?? 0;\n  if (n === 2) return res.status(500).json({ errorMessage: 'enough', errorType: 'TypeError', stackTrace: [] });\n  res.json({ state: { n: n + 1 }, insert: { t: [{ id: n }] }, schema: { t: { primary_key: ['id'] } }, hasMore: n < 1 });\n};\n",
    );
    let mut framework = Command::new("node");
    framework
        .arg(modules.join("@google-cloud/functions-framework/build/src/main.js"))
        .args(["--target=orders", &format!("--port={}", at.port())])
        .current_dir(folder.path());
    let _playing = playing(&mut framework, at);
    let sync = || {
        Hasmore::new(folder.path())
            .args(["sync", "--url", &format!("http://{at}/"), "--name", "orders"])
            .args(["--to", "a.duckdb"])
            .run()
    };
    sync().expect_code(0);
    assert_eq!(rows(folder.path()), ["0", "1"]);
    let failed = sync().expect_error(3, "function_error");
    assert!(failed.stderr.contains("TypeError: enough"), "{}", failed.stderr);
}
