use destination_sqlite::{Access, Sqlite};
use rusqlite::Connection;
use simulation::conformance::Storage;
use simulation::conformance::bench::Bench;

use crate::support::SqliteFile;

/// A table of one row, and what somebody does to it.
fn bench(by_hand: &str) -> Bench<SqliteFile> {
    let mut bench = Bench::new(&SqliteFile::new);
    bench.sync(&[r#"[{"id":1,"n":1}]"#]);
    bench.close();
    bench.storage.connect().execute_batch(by_hand).expect("anybody may");
    bench
}

#[test]
fn columns_indexes_triggers_and_views_outlive_a_column_that_widens() {
    let mut bench = bench(
        "ALTER TABLE shop__t ADD COLUMN mine TEXT;
         UPDATE shop__t SET mine = 'a note';
         CREATE INDEX by_n ON shop__t (n);
         CREATE TABLE log (n);
         CREATE TRIGGER logged AFTER INSERT ON shop__t BEGIN INSERT INTO log VALUES (new.n); END;
         CREATE VIEW ns AS SELECT n FROM shop__t;",
    );
    bench.sync(&[r#"[{"id":2,"n":"two"}]"#]);
    bench.close();
    let file = bench.storage.connect();
    let all = |query: &str| -> Vec<String> {
        let mut statement = file.prepare(query).expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    };
    assert_eq!(all("SELECT n FROM ns ORDER BY n"), ["1", "two"]);
    assert_eq!(all("SELECT n FROM log"), ["two"]);
    assert_eq!(all("SELECT mine FROM shop__t WHERE id = 1"), ["a note"]);
    let indexes = all(
        "SELECT name FROM sqlite_schema WHERE tbl_name = 'shop__t' AND type = 'index' AND sql IS NOT NULL",
    );
    assert_eq!(indexes, ["by_n"]);
}

#[test]
fn what_was_changed_by_hand_is_refused() {
    for (by_hand, page) in [
        ("DROP TABLE shop__t", r#"[{"id":2,"n":2}]"#),
        ("ALTER TABLE shop__t DROP COLUMN n", r#"[{"id":2,"n":2}]"#),
        ("ALTER TABLE shop__t ADD COLUMN m TEXT", r#"[{"id":2,"m":2}]"#),
        (
            "CREATE TRIGGER no BEFORE INSERT ON shop__t BEGIN SELECT RAISE(ABORT, 'secret'); END",
            r#"[{"id":2,"n":1}]"#,
        ),
        ("CREATE UNIQUE INDEX one_n ON shop__t (n)", r#"[{"id":2,"n":1}]"#),
    ] {
        let mut bench = bench(by_hand);
        bench.begin_sync();
        let refused = bench.land(page, true).expect_err(by_hand);
        assert_eq!(refused.code(), "table_changed_by_hand", "{by_hand}: {refused}");
        assert!(!refused.to_string().contains("secret"), "{refused}");
        assert_eq!(bench.position().ordinal(), 1, "{by_hand}: nothing has landed");
    }
}

#[test]
fn foreign_keys_of_the_user_are_left_alone() {
    let mut bench = bench(
        "CREATE TABLE notes (t BIGINT REFERENCES shop__t (id) ON DELETE CASCADE);
         INSERT INTO notes VALUES (1);",
    );
    bench.sync(&[r#"[{"id":2,"n":"two"}]"#]);
    bench.close();
    let query = "SELECT count(*) FROM notes";
    let notes: i64 = bench.storage.connect().query_row(query, [], |row| row.get(0)).expect("notes");
    assert_eq!(notes, 1);
}

#[test]
fn a_connection_keeps_its_namespace_and_others_may_share_the_file() {
    let mut bench = bench("");
    let path = bench.storage.path();
    let position = |name: &str, namespace: &str| {
        use engine::Destination;
        let mut sqlite =
            Sqlite::open(&path, name, namespace, Access::Look).expect("the file opens");
        simulation::conformance::bench::block_on(sqlite.position())
    };
    assert_eq!(position("shop", "other").expect_err("it moved").code(), "namespace_changed");
    assert_eq!(position("other", "other").expect("a beginning").ordinal(), 0);
    let connections = bench.destination().connections().expect("the file can be read");
    assert_eq!(connections.len(), 1);
    assert_eq!((connections[0].name.as_str(), connections[0].namespace.as_str()), ("shop", "shop"));
}

#[test]
fn a_reader_is_not_in_the_way_and_looks_without_writing() {
    let mut bench = bench("");
    let reader: Connection = bench.storage.connect();
    let count = |reader: &Connection| -> i64 {
        reader.query_row("SELECT count(*) FROM shop__t", [], |row| row.get(0)).expect("a count")
    };
    assert_eq!(count(&reader), 1);
    bench.sync(&[r#"[{"id":2}]"#]);
    assert_eq!(count(&reader), 2);
    let batch = bench.join(&[r#"[{"id":3}]"#]);
    bench.close();
    let path = bench.storage.path();
    let mut looking = Sqlite::open(&path, "shop", "shop", Access::Look).expect("the file opens");
    let refused = {
        use engine::Destination;
        simulation::conformance::bench::block_on(looking.commit(&batch)).expect_err("it looks only")
    };
    assert_eq!(refused.code(), "destination_read_only");
    let _: Sqlite = bench.storage.open();
}
