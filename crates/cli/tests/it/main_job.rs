//! The main job on software that nobody here wrote: a Lambda handler, run by AWS's own runtime client,
//! pages through an API, and its rows are in DuckDB.

use std::path::Path;

use crate::support::{Hasmore, Playground, python, query, write};

#[test]
fn the_example_handler_brings_every_user_of_the_playground_into_duckdb() {
    let folder = tempfile::tempdir().expect("a folder");
    let playground = Playground::start(&[]);
    let example = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/playground/lambda_function.lambda_handler");
    let example = example.to_str().expect("UTF-8");
    let base_url = format!("base_url={}", playground.url);
    let sync = || {
        Hasmore::new(folder.path())
            .args(["sync", "--json", "--payload", &base_url, "--payload", "page_size=30"])
            .args(["--handler", example, "--to", "warehouse.duckdb", "--python"])
            .args([python()])
            .run()
            .expect_code(0)
            .json_lines()
            .remove(0)
    };
    let first = sync();
    assert_eq!(first["outcome"], "complete");
    assert!(first["pages"].as_u64().expect("a number") >= 7, "200 users, 30 a page: {first}");
    assert_eq!(first["tables"]["users"]["inserted"], 200);
    let database = folder.path().join("warehouse.duckdb");
    let found = query(
        &database,
        "SELECT count(*), count(DISTINCT id), any_value(typeof(updated_at)) FROM playground.users",
    );
    assert_eq!(found, [["200", "200", "TIMESTAMP WITH TIME ZONE"]]);
    let again = sync();
    assert_eq!(again["pages"], 1);
    assert_eq!(again["tables"]["users"]["inserted"], 0, "{again}");
    assert_eq!(query(&database, "SELECT count(*) FROM playground.users"), [["200"]]);
}

#[test]
fn q_16_q_17_a_handler_that_cannot_start_or_dies_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "bad_import.py", "import nothing_like_this\n");
    write(
        folder.path(),
        "dies.py",
        "import os\ndef handle(request, context):\n    print('last words', flush=True)\n    os._exit(9)\n",
    );
    write(
        folder.path(),
        "raises.py",
        "def handle(request, context):\n    raise KeyError(request['secrets']['KEY'])\n",
    );
    let sync = |name: &str| {
        Hasmore::new(folder.path())
            .args(["sync", "--name", name, "--secret", "KEY", "--to", "warehouse.duckdb"])
            .args(["--handler", &format!("{name}.handle"), "--python"])
            .args([python()])
            .env("KEY", "hunter2hunter2")
            .run()
    };
    let ended = sync("bad_import").expect_error(2, "handler_init_failed");
    assert!(ended.stderr.contains("nothing_like_this"), "{}", ended.stderr);
    let ended = sync("dies").expect_code(3);
    assert!(ended.stderr.contains("last words"), "{}", ended.stderr);
    let ended = sync("raises").expect_error(3, "function_error");
    assert!(ended.stderr.contains("KeyError"), "{}", ended.stderr);
    assert!(ended.stderr.contains("the function's own trace"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hunter2"), "F-018: {}", ended.stderr);
}
