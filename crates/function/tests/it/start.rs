//! How the binary starts, and how it ends.

use std::process::{Command, Stdio};

use protocol::{Function, FunctionError, Request};

use crate::deployed::{BINARY, Deployed, Way};

#[tokio::test(flavor = "multi_thread")]
async fn q_17_a_manifest_with_mistakes_is_told_to_lambda_with_their_places() {
    let deployed = Deployed::start(Way::Lambda, "name: x\ntabels: {}\n");
    let error = deployed.call(&Request::default()).await.expect_err("it cannot start");
    let FunctionError::Refused { code, message, .. } = error else { panic!("{error:?}") };
    assert_eq!(code, "handler_init_failed");
    assert!(message.contains("manifest.yaml:2:1"), "{message}");
}

#[test]
fn without_a_manifest_it_ends_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = Command::new(BINARY).arg("none.yaml").current_dir(folder.path()).output();
    let ended = ended.expect("it runs");
    assert_eq!(ended.status.code(), Some(2));
    let told = String::from_utf8(ended.stderr).expect("text");
    assert!(told.starts_with("error[manifest_unreadable]: the manifest none.yaml"), "{told}");
}

/// As the first process of a container it would otherwise be deaf to it.
#[test]
fn a_container_ends_when_it_is_told_to() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = "name: x\nbase_url: http://127.0.0.1:1\ntables:\n  items: {primary_key: id}\n";
    std::fs::write(folder.path().join("manifest.yaml"), manifest).expect("a manifest");
    let mut command = Command::new(BINARY);
    command.current_dir(folder.path()).env("PORT", "0").stderr(Stdio::piped());
    let mut process = command.spawn().expect("it starts");
    let mut lines = BufReader::new(process.stderr.take().expect("a pipe")).lines();
    lines.next().expect("it serves").expect("text");
    let told = Command::new("kill").arg(process.id().to_string()).status().expect("kill runs");
    assert!(told.success());
    assert_eq!(process.wait().expect("it ends").code(), Some(0));
}

/// From the start of the process to its first question for work, ten times; the quickest counts, since
/// other programs of this machine only make it slower.
#[test]
fn the_first_poll_comes_within_30_milliseconds() {
    assert_first_poll_within_30_ms(std::path::Path::new(BINARY));
}

/// What is uploaded: small, and for systems as old as Lambda's.
#[test]
fn the_small_binary_is_under_12_megabytes_and_starts_within_30_milliseconds() {
    let Some(program) = std::env::var_os("HASMORE_TEST_SMALL_BINARY") else {
        eprintln!("skipped: the small binary, since HASMORE_TEST_SMALL_BINARY names none");
        return;
    };
    let program = std::path::PathBuf::from(program);
    let bytes = std::fs::metadata(&program).expect("the small binary was built").len();
    println!("{bytes} bytes");
    assert!(bytes < 12_000_000, "{bytes} bytes");
    let binary = std::fs::read(&program).expect("it can be read");
    // The package refuses a program that needs a newer glibc than 2.34.
    function::Target::Lambda.package("x", "", &binary).expect("it runs on Lambda");
    assert_first_poll_within_30_ms(&program);
}

fn assert_first_poll_within_30_ms(program: &std::path::Path) {
    use std::time::{Duration, Instant};
    let folder = tempfile::tempdir().expect("a folder");
    let manifest =
        "name: x\nbase_url: https://api.example.com\ntables:\n  items: {primary_key: id}\n";
    std::fs::write(folder.path().join("manifest.yaml"), manifest).expect("a manifest");
    let polls = (0..10).map(|_| {
        let api = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = api.local_addr().expect("an address").to_string();
        let mut command = Command::new(program);
        command.current_dir(folder.path()).env("AWS_LAMBDA_RUNTIME_API", address);
        let begun = Instant::now();
        let mut process = command.stderr(Stdio::null()).spawn().expect("it starts");
        let (mut connection, _) = api.accept().expect("it asks");
        let mut first = [0; 4];
        std::io::Read::read_exact(&mut connection, &mut first).expect("it asks");
        let took = begun.elapsed();
        process.kill().expect("it is there");
        process.wait().expect("it ends");
        assert_eq!(&first, b"GET ");
        took
    });
    let quickest = polls.min().expect("ten");
    println!("first poll after {quickest:?}");
    assert!(quickest < Duration::from_millis(30), "{quickest:?}");
}
