//! Files of OpenSSH's server, read by SFTP.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use openssh::{PASSPHRASE, PASSWORD, Server, USER};
use protocol::Function;

use crate::api::{Answered, Api};
use crate::files::{csv, lines};
use crate::formats::gzip;
use crate::run::{Platform, told};

/// Logs in with the key, and knows the server's.
fn trusted(server: &Server) -> String {
    let key = server.key().replace('\n', "\\n");
    format!("user: {USER}, private_key: \"{key}\", host_key: '{}'", server.fingerprint())
}

async fn platform(server: &Server, path: &str, sftp: &str) -> Platform {
    let api = Api::serve(|_| Answered::status(500)).await;
    let text = format!(
        "name: x\nsecrets: [token]\ncall: {{bytes: 300}}\nstorage: {{sftp: {{{sftp}}}}}\ntables:\n  items: {{files: '{}{path}', format: csv}}\n",
        server.url()
    );
    Platform::new(&text, &api)
}

/// Writes a file that was changed so many seconds after some day.
fn write(server: &Server, name: &str, body: impl AsRef<[u8]>, changed: u64) {
    let path = server.folder().join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(&path, body).expect("a file");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + changed);
    fs::File::options()
        .append(true)
        .open(path)
        .expect("a file")
        .set_modified(time)
        .expect("a time");
}

async fn sync(platform: &mut Platform) {
    platform.sync().await.unwrap_or_else(|error| panic!("{}", told(&error)));
}

#[tokio::test]
async fn files_of_a_server_are_read_once_and_again_when_they_change() {
    let server = Server::start();
    let settings = trusted(&server);
    let new = async || platform(&server, "/~/in/**/*.csv*", &settings).await;
    let mut platform = new().await;
    sync(&mut platform).await;
    assert_eq!(platform.warnings, ["no_files"], "there is no such folder yet");
    write(&server, "in/a/1.csv", csv(1..41), 10);
    write(&server, "in/a/b/2 ä#%20.csv", csv(100..102), 20);
    write(&server, "other/3.csv", csv(200..202), 20);
    write(&server, "in/4.csv.gz", gzip(csv(300..340).as_bytes()), 30);
    symlink(server.folder().join("other/3.csv"), server.folder().join("in/5.csv")).expect("a link");
    symlink(server.folder(), server.folder().join("in/round")).expect("a link");
    // Every call may run in a new process.
    platform.new_sync();
    while platform.call().await.unwrap_or_else(|error| panic!("{}", told(&error))) {
        platform.connector = new().await.connector;
    }
    assert_eq!(platform.received, 84, "no row twice");
    let found = lines(&platform);
    for line in ["2 ä#%20.csv:2 101", "4.csv.gz:40 339", "5.csv:1 200"] {
        let quoted: Vec<String> = found.iter().map(|line| line.replace('"', "")).collect();
        assert!(quoted.contains(&line.to_owned()), "{line}: {quoted:?}");
    }
    let first = platform.tables["items"].values().next().expect("a row");
    let file = format!("{}/~/in/4.csv.gz", server.url());
    assert_eq!(
        (first["_file"].as_str(), first["_modified"].as_str()),
        (Some(file.as_str()), Some("2023-11-14T22:13:50.000Z"))
    );
    sync(&mut platform).await;
    assert_eq!(platform.received, 84, "nothing is new");
    // Another time; and the same time, but longer.
    write(&server, "in/a/1.csv", csv(401..441), 40);
    write(&server, "in/4.csv.gz", gzip(csv(300..345).as_bytes()), 30);
    sync(&mut platform).await;
    assert_eq!(platform.received, 84 + 40 + 45, "both are read again");
    // It changes while it is read.
    write(&server, "in/a/1.csv", csv(501..541), 50);
    platform.begin_sync(1).await;
    write(&server, "in/a/1.csv", csv(601..641), 60);
    platform.connector = new().await.connector;
    while platform.call().await.expect("a call") {}
    assert!(lines(&platform).contains(&"1.csv:40 640".to_owned()), "{:?}", lines(&platform));
    assert_eq!(platform.warnings, ["no_files", "file_changed"]);
}

#[tokio::test]
async fn f_091_a_lost_connection_is_made_again_and_no_row_is_there_twice() {
    let server = Server::start();
    write(&server, "1.csv", csv(1..41), 10);
    write(&server, "2.csv", csv(1..41), 10);
    let folder = server.folder();
    let path = format!("{}/*.csv", folder.display());
    let mut platform = platform(&server, &path, &trusted(&server)).await;
    platform.new_sync();
    // It is lost before every call.
    while platform.call().await.unwrap_or_else(|error| panic!("{}", told(&error))) {
        server.cut();
    }
    assert!(platform.calls > 4, "{}", platform.calls);
    assert_eq!((platform.received, lines(&platform).len()), (80, 80));
}

/// A login that is let in, or the code by which it is not; and what is said then.
async fn check(server: &Server, sftp: &str, expected: Result<(), &str>) -> String {
    write(server, "1.csv", csv(1..3), 10);
    let mut platform = platform(server, "/~/*.csv", sftp).await;
    platform.new_sync();
    let found = platform.call().await.map(|_| ()).map_err(|error| match error {
        protocol::FunctionError::Refused { code, message, hint } => {
            (code, format!("{message}; {hint}"))
        }
        other => panic!("{sftp}: {}", told(&other)),
    });
    let (code, said) = match found {
        Ok(()) => (Ok(()), String::new()),
        Err((code, said)) => (Err(code), said),
    };
    assert_eq!(code, expected, "{sftp}: {said}");
    for secret in [PASSWORD, "another word", "PRIVATE KEY", PASSPHRASE] {
        assert!(!said.contains(secret), "{said}");
    }
    said
}

#[tokio::test]
async fn who_is_let_in() {
    let server = Server::start();
    let print = server.fingerprint();
    let quoted = |key: String| key.replace('\n', "\\n");
    let (key, locked) = (quoted(server.key()), quoted(server.locked_key()));
    let own = |login: &str| format!("user: {USER}, host_key: '{print}', {login}");
    check(&server, &own(&format!("password: {PASSWORD}")), Ok(())).await;
    check(&server, &own(&format!("private_key: \"{key}\"")), Ok(())).await;
    let unlocked = format!("private_key: \"{locked}\", passphrase: {PASSPHRASE}");
    check(&server, &own(&unlocked), Ok(())).await;
    let said = check(&server, &own("password: another word"), Err("files_refused")).await;
    assert!(said.contains("does not let us in with this password"), "{said}");
    let other = Server::start();
    let strange = format!("private_key: \"{}\"", quoted(other.key()));
    let said = check(&server, &own(&strange), Err("files_refused")).await;
    assert!(said.contains("does not let us in with this private key"), "{said}");
    // The password is tried after a key that is not known.
    check(&server, &own(&format!("{strange}, password: {PASSWORD}")), Ok(())).await;
    for login in
        [format!("private_key: \"{locked}\", passphrase: another"), "private_key: none".into()]
    {
        let said = check(&server, &own(&login), Err("files_refused")).await;
        assert!(said.contains("is none that can be read"), "{said}");
    }
    let said = check(&server, &own(""), Err("files_refused")).await;
    assert!(said.contains("nothing is given to log in"), "{said}");
    let said = check(&server, &format!("host_key: '{print}'"), Err("files_refused")).await;
    assert!(said.contains("nothing says who logs in"), "{said}");
}

#[tokio::test]
async fn a_server_that_is_not_known_is_told_nothing() {
    let server = Server::start();
    let print = server.fingerprint();
    let folder = tempfile::tempdir().expect("a folder");
    let known = folder.path().join("known");
    let file = |text: &str| fs::write(&known, text).expect("a file");
    let login = format!("user: {USER}, password: {PASSWORD}");
    let by_file = format!("{login}, known_hosts: {}", known.display());

    file("");
    let said = check(&server, &by_file, Err("host_key_unknown")).await;
    assert_eq!(said.matches(&print).count(), 3, "in message and hint: {said}");
    file(&Server::start().known_host("ed25519"));
    check(&server, &by_file, Err("host_key_unknown")).await;
    file(&format!("# ours\n{}", server.known_host("ed25519")));
    check(&server, &by_file, Ok(())).await;
    // The server has a newer kind of key, too.
    file(&server.known_host("rsa"));
    check(&server, &by_file, Ok(())).await;
    // Another key stands there.
    let other = Server::start().known_host("ed25519");
    let stranger = other.split_whitespace().nth(2).expect("a key");
    file(&format!("[127.0.0.1]:{} ssh-ed25519 {stranger}\n", server.port()));
    let said = check(&server, &by_file, Err("host_key_changed")).await;
    assert!(said.contains(&print), "{said}");
    file(&format!("@revoked {}", server.known_host("ed25519")));
    check(&server, &by_file, Err("host_key_changed")).await;

    let pinned = |key: &str| format!("{login}, host_key: '{key}'");
    check(&server, &pinned(&format!("ssh-ed25519 {stranger}")), Err("host_key_changed")).await;
    let said = check(&server, &pinned("no key"), Err("files_refused")).await;
    assert!(said.contains("neither a fingerprint nor a public key"), "{said}");
    let nowhere = format!("{login}, known_hosts: {}/none", folder.path().display());
    check(&server, &nowhere, Err("files_refused")).await;
    assert!(!server.log().contains("Failed password"), "{}", server.log());
    let accepted = server.log().matches("Accepted password").count();
    assert_eq!(accepted, 2, "the password was sent to nobody else: {}", server.log());
}

#[tokio::test]
async fn what_cannot_be_reached_or_read_is_told() {
    let server = Server::start();
    write(&server, "shut/1.csv", csv(1..3), 10);
    let shut = server.folder().join("shut");
    let allow = |mode| fs::set_permissions(&shut, fs::Permissions::from_mode(mode));
    allow(0o000).expect("rights");
    let settings = trusted(&server);
    let mut refused = platform(&server, "/~/shut/*.csv", &settings).await;
    let error = refused.call().await.expect_err("a folder of somebody else");
    assert!(
        told(&error).starts_with("files_refused: table items: the server does not let it"),
        "{}",
        told(&error)
    );
    let mut folder = platform(&server, "/~/shut", &settings).await;
    let error = folder.call().await.expect_err("a folder");
    assert!(told(&error).contains("is a folder; say `shut/`"), "{}", told(&error));
    allow(0o755).expect("rights");
    drop(server);
    let error = refused.connector.call(&refused.request()).await.expect_err("nobody");
    assert!(told(&error).starts_with("source_unavailable: "), "{}", told(&error));
}
