//! The three ways to name a function, through the binary.

use std::path::Path;

use crate::support::{Hasmore, query, write};

/// Answers by the state's length, says something on standard error, and shows its environment.
const PROGRAM: &str = r#"#!/bin/sh
request=$(cat)
echo "asked with the word of $GREETING" >&2
case "$request" in
  *'"state":{},'*) echo '{"state":{"p":1},"insert":{"t":[{"id":1,"greeting":"'"$GREETING"'"}]},"schema":{"t":{"primary_key":["id"]}},"hasMore":true}' ;;
  *) echo '{"state":{"p":2},"insert":{"t":[{"id":2}]},"hasMore":false}' ;;
esac
"#;

fn program(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = write(folder, name, text);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a program");
}

#[test]
fn a_command_is_a_function() {
    let folder = tempfile::tempdir().expect("a folder");
    program(folder.path(), "orders.sh", PROGRAM);
    let ended = Hasmore::new(folder.path())
        .args(["sync", "--command", "./orders.sh", "--to", "warehouse.duckdb"])
        .args(["--environment", "GREETING=${WORD}"])
        .env("WORD", "hello-w0rld")
        .run()
        .expect_code(0);
    assert!(ended.stderr.contains("orders: │ asked with the word of "), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hello-w0rld"), "F-018: {}", ended.stderr);
    let rows = query(
        &folder.path().join("warehouse.duckdb"),
        "SELECT id, greeting FROM orders.t ORDER BY id",
    );
    assert_eq!(rows, [["1", "hello-w0rld"], ["2", "NULL"]]);
}

#[test]
fn a_command_that_fails_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    program(
        folder.path(),
        "bad.sh",
        "#!/bin/sh\ncat > /dev/null\necho 'it is broken' >&2\nexit 7\n",
    );
    write(folder.path(), "plain.txt", "no program");
    let sync = |line: &str| {
        Hasmore::new(folder.path()).args(["sync", "--command", line, "--to", "a.duckdb"]).run()
    };
    let ended = sync("./bad.sh").expect_error(3, "function_error");
    assert!(ended.stderr.contains("it is broken"), "{}", ended.stderr);
    sync("./nowhere.sh").expect_error(2, "command_not_found");
    sync("./plain.txt").expect_error(2, "command_not_executable");
}

#[test]
fn a_handler_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    Hasmore::new(folder.path())
        .args(["sync", "--handler", "orders/lambda_function.lambda_handler", "--to", "a.duckdb"])
        .run()
        .expect_error(2, "handler_not_found");
    let left = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, 0, "nothing is made for a function that is not there");
}
