//! Files that cannot be used: each is told apart, and left as it is.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use destination_duckdb::{DuckDb, DuckDbOptions};
use duckdb::Connection;
use engine::DestinationError;
use expect_test::{Expect, expect};

use crate::support::{World, commit, open, position, rows, told};

fn describe(folder: &Path, error: Option<DestinationError>) -> String {
    match error {
        Some(DestinationError::Refused { code, message, hint }) => {
            let folder = fs::canonicalize(folder).expect("the folder is there");
            let message = message.replace(&*folder.to_string_lossy(), "…");
            format!("{code}: {message}\n  {hint}\n")
        }
        other => format!("{other:?}\n"),
    }
}

/// Opens a file with these bytes, for writing and for reading, and looks whether it changed.
fn check(bytes: Option<&[u8]>, expected: Expect) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("warehouse.duckdb");
    if let Some(bytes) = bytes {
        fs::write(&path, bytes).expect("the file can be written");
    }
    let options = DuckDbOptions::default();
    let writing = open(&path).err();
    if bytes.is_none() {
        fs::remove_file(&path).expect("a file that was not there is created");
    }
    let reading = DuckDb::open_read_only(&path, "shop", "shop", &options).err();
    let mut out = describe(folder.path(), writing);
    out.push_str(&format!("to read: {}", describe(folder.path(), reading)));
    expected.assert_eq(&out);
    assert_eq!(fs::read(&path).ok().as_deref(), bytes, "the file is as it was");
    let left = fs::read_dir(folder.path()).expect("the folder is there").count();
    assert_eq!(left, usize::from(bytes.is_some()), "nothing was put beside the file");
}

/// A small database, as it is on disk.
fn database() -> Vec<u8> {
    let world = World::new();
    world.land(0, &rows(r#"[{"id":1}]"#, "id")).expect("a page that fits");
    fs::read(world.path()).expect("the file is there")
}

#[test]
fn a_file_that_is_not_there_is_created_only_to_write() {
    check(
        None,
        expect![[r#"
        None
        to read: destination_not_found: …/warehouse.duckdb cannot be opened: there is no such file or folder
          check the path, and create the folder first
    "#]],
    );
}

#[test]
fn a_file_of_another_kind() {
    check(
        Some(b"hello"),
        expect![[r#"
        destination_not_duckdb: …/warehouse.duckdb is not a DuckDB database
          name another file: this one was left as it is
        to read: destination_not_duckdb: …/warehouse.duckdb is not a DuckDB database
          name another file: this one was left as it is
    "#]],
    );
    check(
        Some("x".repeat(20_000).as_bytes()),
        expect![[r#"
        destination_not_duckdb: …/warehouse.duckdb is not a DuckDB database
          name another file: this one was left as it is
        to read: destination_not_duckdb: …/warehouse.duckdb is not a DuckDB database
          name another file: this one was left as it is
    "#]],
    );
    check(
        Some(b""),
        expect![[r#"
        destination_not_duckdb: …/warehouse.duckdb is not a DuckDB database
          name another file: this one was left as it is
        to read: destination_not_duckdb: …/warehouse.duckdb is not a DuckDB database
          name another file: this one was left as it is
    "#]],
    );
    let mut sqlite = b"SQLite format 3\0".to_vec();
    sqlite.resize(8192, 0);
    check(
        Some(&sqlite),
        expect![[r#"
        destination_not_duckdb: …/warehouse.duckdb is not a DuckDB database
          name another file: this one was left as it is
        to read: destination_not_duckdb: …/warehouse.duckdb is not a DuckDB database
          name another file: this one was left as it is
    "#]],
    );
}

#[test]
fn a_file_that_is_cut_or_damaged() {
    let mut bytes = database();
    check(
        Some(&bytes[..5000]),
        expect![[r#"
        destination_damaged: opening …/warehouse.duckdb: IO Error: Could not read enough bytes from file "…/warehouse.duckdb": attempted to read 3192 bytes from location 5000
          restore the file from a backup, or sync into a new one
        to read: destination_damaged: opening …/warehouse.duckdb: IO Error: Could not read enough bytes from file "…/warehouse.duckdb": attempted to read 3192 bytes from location 5000
          restore the file from a backup, or sync into a new one
    "#]],
    );
    bytes[4096 + 20] ^= 1;
    check(
        Some(&bytes),
        expect![[r#"
        destination_damaged: opening …/warehouse.duckdb: IO Error: Corrupt database file: computed checksum 16384984446356909102 does not match stored checksum 18412911224336903214 in block at location 4096
          restore the file from a backup, or sync into a new one
        to read: destination_damaged: opening …/warehouse.duckdb: IO Error: Corrupt database file: computed checksum 16384984446356909102 does not match stored checksum 18412911224336903214 in block at location 4096
          restore the file from a backup, or sync into a new one
    "#]],
    );
}

#[test]
fn a_log_that_cannot_be_read_back() {
    let world = World::new();
    // What DuckDB itself does to files: it cannot evaluate the expression while it recovers.
    let log = world.path().with_extension("duckdb.wal");
    {
        let connection = Connection::open(world.path()).expect("a new file");
        connection
            .execute_batch(
                "CREATE TABLE t (v INT); INSERT INTO t VALUES (1); CHECKPOINT;
                 ALTER TABLE t ALTER COLUMN v TYPE VARCHAR USING concat(v, 'x')",
            )
            .expect("a log");
        fs::copy(&log, world.path().with_extension("crashed.wal")).expect("a copy");
        fs::copy(world.path(), world.path().with_extension("crashed")).expect("a copy");
    }
    let error = open(&world.path().with_extension("crashed")).err();
    expect![[r#"
        destination_damaged: opening …/warehouse.crashed: its log (the .wal file beside it) cannot be read
          restore the file from a backup, or sync into a new one
    "#]].assert_eq(&describe(world.path().parent().expect("a folder"), error));
}

#[test]
fn a_file_of_a_newer_duckdb() {
    let mut bytes = database();
    // The storage version, after eight bytes of checksum and the magic word.
    bytes[12] = 200;
    let sum = checksum(&bytes[8..4096]);
    bytes[..8].copy_from_slice(&sum.to_le_bytes());
    check(
        Some(&bytes),
        expect![[r#"
        destination_newer: …/warehouse.duckdb was written by a newer DuckDB
          use a newer version of hasmore with it
        to read: destination_newer: …/warehouse.duckdb was written by a newer DuckDB
          use a newer version of hasmore with it
    "#]],
    );
}

/// DuckDB's checksum of a block.
fn checksum(block: &[u8]) -> u64 {
    let words =
        block.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight")));
    words.fold(5381, |sum, word| sum ^ word.wrapping_mul(0xbf58_476d_1ce4_e5b9))
}

#[test]
fn a_folder_that_is_not_there_and_one_that_is_no_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = open(&folder.path().join("missing/warehouse.duckdb")).err();
    let directory = open(folder.path()).err();
    let mut out = missing.map(|error| error.code()).unwrap_or_default().to_owned() + "\n";
    out.push_str(directory.map(|error| error.code()).unwrap_or_default());
    expect![[r#"
        destination_not_found
        destination_not_duckdb"#]]
    .assert_eq(&out);
}

#[test]
fn a_position_of_a_newer_version_and_a_damaged_one() {
    let mut out = String::new();
    for change in [
        r#"UPDATE _hasmore.positions SET stored = '{"version":99,"tables":{}}'"#,
        "UPDATE _hasmore.positions SET stored = '{}'",
        "UPDATE _hasmore.positions SET state = 'no json'",
        "ALTER TABLE _hasmore.positions DROP COLUMN state",
    ] {
        let world = World::new();
        world.land(0, &rows(r#"[{"id":1}]"#, "id")).expect("a first page");
        world.by_hand(change);
        let error = crate::support::now(engine::Destination::position(&mut world.open()));
        out.push_str(
            &error.err().map(|error| format!("{}: {error}\n", error.code())).unwrap_or_default(),
        );
    }
    expect![[r#"
        destination_newer: destination refused: the stored position has form 99, and this version of hasmore reads up to 1
        destination_damaged: destination refused: reading the position: the stored position cannot be read: missing field `version` at line 1 column 2
        destination_damaged: destination refused: reading the position: its state is not JSON
        destination_error: destination refused: reading the position: Binder Error: Referenced column "state" not found in FROM clause!
    "#]].assert_eq(&out);
}

#[test]
fn a_connection_keeps_its_schema_and_ours_is_not_for_tables() {
    let world = World::new();
    world.land(0, &rows(r#"[{"id":1}]"#, "id")).expect("a first page");
    let options = DuckDbOptions::default();
    let mut moved = DuckDb::open(&world.path(), "shop", "other", &options).expect("a database");
    let moved = crate::support::now(engine::Destination::position(&mut moved)).err();
    let ours = DuckDb::open(&world.path(), "shop", "_HasMore", &options).err();
    let mut out = String::new();
    for error in [moved, ours] {
        out.push_str(
            &error.map(|error| format!("{}: {error}\n", error.code())).unwrap_or_default(),
        );
    }
    expect![[r#"
        namespace_changed: destination refused: the tables of connection shop are in schema shop, not other
        invalid_namespace: destination refused: the schema _HasMore is where positions are kept
    "#]].assert_eq(&out);
}

#[test]
fn two_connections_share_a_file_within_a_process() {
    let world = World::new();
    let options = DuckDbOptions::default();
    let open = |name| DuckDb::open(&world.path(), name, name, &options).expect("a database");
    let (mut shop, mut blog) = (open("shop"), open("blog"));
    for destination in [&mut shop, &mut blog] {
        let batch = world.plan(0, &rows(r#"[{"id":1}]"#, "id"), &position(destination));
        commit(destination, &batch).expect("a page that fits");
    }
    let reader = DuckDb::open_read_only(&world.path(), "shop", "shop", &options).expect("shared");
    assert_eq!(reader.row_count("t"), Ok(1));
    let names: Vec<String> =
        reader.connections().expect("readable").into_iter().map(|found| found.name).collect();
    assert_eq!(names, ["blog", "shop"]);
    assert_eq!(reader.row_count("nope").map_err(|error| error.code()), Err("destination_error"));
}

#[test]
fn a_file_open_for_reading_takes_no_commit() {
    let world = World::new();
    world.land(0, &rows(r#"[{"id":1}]"#, "id")).expect("a first page");
    let options = DuckDbOptions::default();
    let mut reader =
        DuckDb::open_read_only(&world.path(), "shop", "shop", &options).expect("a database");
    let batch = world.plan(1, &rows(r#"[{"id":2}]"#, "id"), &position(&mut reader));
    let mut out = told(&commit(&mut reader, &batch));
    out.push('\n');
    out.push_str(open(&world.path()).err().map(|error| error.code()).unwrap_or_default());
    expect![[r#"
        destination_read_only: destination refused: the database was opened for reading only
        destination_locked"#]]
    .assert_eq(&out);
}

/// This test binary once more, running one test with a path to work on.
pub(crate) fn in_another_process(test: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a test binary has a path"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env("HASMORE_TEST_PATH", path).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Not a test of its own: holds a file open until it is told to end.
#[test]
fn holds_a_file() {
    let Ok(path) = std::env::var("HASMORE_TEST_PATH") else { return };
    let held = Connection::open(path).expect("the file can be opened");
    println!("\nheld");
    std::io::stdin().read_line(&mut String::new()).expect("a line");
    drop(held);
}

#[test]
fn a_file_that_another_process_writes_is_locked_and_says_by_whom() {
    let world = World::new();
    world.land(0, &rows(r#"[{"id":1}]"#, "id")).expect("a first page");
    let mut holder: Child = in_another_process("opening::holds_a_file", &world.path())
        .spawn()
        .expect("the test binary runs");
    let mut lines = BufReader::new(holder.stdout.take().expect("a pipe")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line == "held")), "the file is held");
    let error = open(&world.path()).err().expect("the file is locked");
    assert_eq!(error.code(), "destination_locked");
    assert!(error.to_string().contains(&format!("(process {})", holder.id())), "{error}");
    holder.stdin.take().expect("a pipe").write_all(b"\n").expect("the holder reads");
    holder.wait().expect("the holder ends");
    open(&world.path()).map(drop).expect("the file is free again");
}

#[test]
fn a_file_may_have_the_name_of_its_schema_or_of_ours() {
    let world = World::new();
    for name in ["orders", "_hasmore"] {
        let path = world.path().with_file_name(format!("{name}.duckdb"));
        let options = DuckDbOptions::default();
        let mut orders = DuckDb::open(&path, "orders", "orders", &options).expect("a database");
        for (more, sync) in [r#"[{"id":1}]"#, r#"[{"id":1,"v":"a"}]"#].iter().zip(0..) {
            let batch = world.plan(sync, &rows(more, "id"), &position(&mut orders));
            commit(&mut orders, &batch).expect("a page lands");
        }
        assert_eq!(orders.row_count("t"), Ok(1));
        assert_eq!(orders.history().map(|history| history.len()), Ok(2));
        assert_eq!(orders.connections().map(|connections| connections.len()), Ok(1));
    }
}
