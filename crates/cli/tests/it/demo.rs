//! `hasmore demo`: no Python, no network, nothing to set up.

use expect_test::expect;

use crate::support::{Hasmore, query, write};

#[test]
fn f_070_the_demo_tells_the_seeds_story_again_and_again() {
    let folder = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        let ended = Hasmore::new(folder.path()).args(["demo"]).run().expect_code(0);
        assert_eq!(ended.stderr, "");
        let (_, told) = ended.stdout.split_once("\n\n").expect("an introduction");
        assert!(told.starts_with("Sync A"), "{told}");
        assert_eq!(told.matches("→ state").count(), 5);
        assert!(told.contains(
            r#"← 1 row, hasMore false, state {"lastUpdate":"2020-01-01","paginationCounter":0}"#
        ));
        assert!(told.contains("widened from long to double"), "{told}");
    }
    let rows = query(
        &folder.path().join("hasmore-demo.duckdb"),
        "SELECT id, item, price, _fivetran_deleted FROM demo.api_json_response_table ORDER BY id",
    );
    let rows: Vec<_> = rows.into_iter().map(|row| row.join(" ")).collect();
    expect![[r#"
        [
            "1 Tea 4.5 false",
            "2 Coffee 7.0 false",
            "3 Cocoa 5.0 false",
            "4 Milk 2.0 true",
            "5 Juice 3.0 false",
            "6 Water 1.0 false",
        ]
    "#]]
    .assert_debug_eq(&rows);
}

#[test]
fn what_is_no_demo_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "letter.duckdb", &"not a database ".repeat(1000));
    let demo = |to: &str| Hasmore::new(folder.path()).args(["demo", "--to", to]).run();
    demo("letter.duckdb").expect_error(4, "destination_not_duckdb");
    let mine = duckdb::Connection::open(folder.path().join("mine.duckdb")).expect("a database");
    mine.execute_batch("CREATE TABLE mine AS SELECT 1 AS a").expect("a table");
    drop(mine);
    demo("mine.duckdb").expect_error(4, "destination_exists");
    assert_eq!(query(&folder.path().join("mine.duckdb"), "FROM mine"), [["1"]]);
}
