//! A disk that is full, memory that does not do: nothing is written, and the next commit goes on.

use std::os::unix::process::CommandExt;
use std::process::Command;

use destination_duckdb::{DuckDb, DuckDbOptions};
use expect_test::expect;

use crate::opening::in_another_process;
use crate::support::{World, commit, open, position, rows, told};

/// More than a megabyte of rows that do not compress well.
fn many_rows() -> String {
    let noise = |seed: u64| {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            format!("{:016x}", state ^ (state >> 29))
        };
        (0..20).map(|_| next()).collect::<String>()
    };
    let objects = (0..20_000).map(|id| format!(r#"{{"id":{id},"v":"{}"}}"#, noise(id)));
    rows(&format!("[{}]", objects.collect::<Vec<_>>().join(",")), "id")
}

/// Not a test of its own: lands a page under a limit on the size of files.
#[test]
fn lands_under_a_limit() {
    let Ok(path) = std::env::var("HASMORE_TEST_PATH") else { return };
    let world = World::new();
    let mut destination = open(path.as_ref()).expect("a small file");
    let before = position(&mut destination);
    for _ in 0..2 {
        let batch = world.plan(1, &many_rows(), &before);
        let told = told(&commit(&mut destination, &batch));
        assert_eq!(
            told.split(" (").next(),
            Some("disk_full: destination refused: the disk is full")
        );
        assert_eq!(position(&mut destination), before);
    }
    let small = world.plan(1, &rows(r#"[{"id":7}]"#, "id"), &before);
    commit(&mut destination, &small).expect("a small batch still fits");
}

#[test]
fn a_full_disk_changes_nothing_and_the_next_sync_goes_on() {
    let world = World::new();
    world.land(0, &rows(r#"[{"id":1,"v":"x"}]"#, "id")).expect("a first page");
    let test = in_another_process("limits::lands_under_a_limit", &world.path());
    let mut limited = Command::new("sh");
    // Files of at most two megabytes; a write beyond fails as on a full disk.
    limited.args(["-c", r#"trap "" XFSZ; ulimit -f 4096; exec "$0" "$@""#]);
    limited.arg(test.get_program()).args(test.get_args());
    limited.env("HASMORE_TEST_PATH", world.path()).process_group(0);
    let output = limited.output().expect("a shell runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
    let mut out = told(&world.land(2, &many_rows())) + "\n";
    out.push_str(&world.query("SELECT count(*), count(v) FROM shop.t"));
    expect![[r#"
        t: 19998 inserted, 2 updated
        20000 | 20000
    "#]]
    .assert_eq(&out);
}

#[test]
fn memory_that_does_not_do_is_said_and_more_of_it_is_taken_when_allowed() {
    let world = World::new();
    let columns: Vec<String> =
        (0..200).map(|column| format!(r#""c{column}":"x{column}""#)).collect();
    let objects = (0..3000).map(|id| format!(r#"{{"id":{id},{}}}"#, columns.join(",")));
    let page = rows(&format!("[{}]", objects.collect::<Vec<_>>().join(",")), "id");
    let mut out = String::new();
    for memory_max_bytes in [16 << 20, 1 << 30] {
        let options = DuckDbOptions { memory_max_bytes, ..DuckDbOptions::default() };
        let mut destination =
            DuckDb::open(&world.path(), "shop", "shop", &options).expect("a database");
        let batch = world.plan(0, &page, &position(&mut destination));
        let told = told(&commit(&mut destination, &batch));
        out.push_str(told.split(" Error: ").next().unwrap_or_default());
        out.push('\n');
    }
    expect![[r#"
        destination_out_of_memory: destination refused: writing table t: Out of Memory
        t: 3000 inserted
    "#]]
    .assert_eq(&out);
}
