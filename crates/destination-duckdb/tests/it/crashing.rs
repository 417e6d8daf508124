//! Files as a crash leaves them: every copy made right after a commit can be opened, and holds it.

use std::fs;

use engine::{DeleteMode, Options};
use expect_test::expect;

use crate::support::{World, commit, position, query, rows};

const EVERY_TYPE: &str = r#"{"id":1,"b":true,"n":1,"f":0.5,"big":12345678901234567890,"d":"2024-01-01",
    "dt":"2024-01-01T00:00:00","i":"2024-01-01T00:00:00Z","s":"a text of some length","j":{"a":[1]}}"#;

/// Lands pages in one open file. After each commit, a copy of the file and its log is opened by a DuckDB
/// that knows nothing of us.
fn check(world: &World, pages: &[&str]) -> String {
    let mut destination = world.open();
    let mut out = String::new();
    for (sync, page) in (0..).zip(pages) {
        let batch = world.plan(sync, page, &position(&mut destination));
        commit(&mut destination, &batch).expect(page);
        let log = world.path().with_extension("duckdb.wal");
        let logged = fs::metadata(&log).is_ok_and(|log| log.len() > 0);
        assert_eq!(
            logged,
            sync > 0 && batch.changes().is_empty(),
            "a commit that changes the schema is not left to the log: {page}"
        );
        let crashed = world.path().with_extension("crashed");
        fs::copy(world.path(), &crashed).expect("a copy");
        if logged {
            fs::copy(&log, world.path().with_extension("crashed.wal")).expect("a copy");
        }
        out.push_str(
            &query(&crashed, "SELECT ordinal FROM _hasmore.positions").replace('\n', ": "),
        );
        out.push_str(&query(&crashed, "SELECT count(*), count(COLUMNS(*)) FROM shop.t"));
        let _ = fs::remove_file(world.path().with_extension("crashed.wal"));
    }
    out
}

#[test]
fn rows_marks_sweeps_and_every_change_of_the_schema() {
    let world = World::new();
    let wider = rows(
        r#"[{"id":"x","b":"n/a","n":0.5,"f":"n/a","big":{},"d":"2024-01-01T00:00:00","dt":[1],"i":"n/a","s":{}}]"#,
        "id",
    );
    let out = check(
        &world,
        &[
            &rows(&format!("[{EVERY_TYPE}]"), "id"),
            &rows(r#"[{"id":1,"s":"another text of some length"},{"id":2}]"#, "id"),
            &rows(r#"[{"id":2},{"id":3,"j":[2]}]"#, "id"),
            r#"{"state":{},"delete":{"t":[{"id":1}]},"hasMore":true}"#,
            r#"{"state":{},"delete":{"t":[{"id":1},{"id":2}]},"hasMore":true}"#,
            &rows(r#"[{"id":1,"new":1.5,"later":{"a":1}}]"#, "id"),
            &wider,
            &rows(r#"[{"id":"x","b":"z"},{"id":2}]"#, "id"),
            r#"{"state":{},"softDelete":["t"],"hasMore":false}"#,
            r#"{"state":{"only":"state"},"hasMore":false}"#,
        ],
    );
    expect![[r#"
        1: 1 | 1 | 1 | 1 | 1 | 1 | 1 | 1 | 1 | 1 | 1 | 1
        2: 2 | 2 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 0 | 2
        3: 3 | 3 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 1 | 3
        4: 3 | 3 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 1 | 3 | 3
        5: 3 | 3 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 1 | 3 | 3
        6: 3 | 3 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 3 | 3 | 1 | 1
        7: 4 | 4 | 1 | 1 | 1 | 1 | 1 | 1 | 1 | 1 | 1 | 4 | 4 | 1 | 1
        8: 4 | 4 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 4 | 4 | 1 | 1
        9: 4 | 4 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 4 | 4 | 1 | 1
        10: 4 | 4 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 4 | 4 | 1 | 1
    "#]]
    .assert_eq(&out);
}

#[test]
fn rows_that_are_removed() {
    let options = Options { delete_mode: DeleteMode::Hard, ..Options::default() };
    let out = check(
        &World::with(options),
        &[
            &rows(r#"[{"id":1},{"id":2},{"id":3}]"#, "id"),
            r#"{"state":{},"insert":{"t":[{"id":4}]},"delete":{"t":[{"id":1}]},"hasMore":true}"#,
            r#"{"state":{},"delete":{"t":[{"id":2},{"id":4}]},"hasMore":true}"#,
        ],
    );
    expect![[r#"
        1: 3 | 3 | 3
        2: 3 | 3 | 3
        3: 1 | 1 | 1
    "#]]
    .assert_eq(&out);
}
