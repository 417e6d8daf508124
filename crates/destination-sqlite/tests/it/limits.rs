use simulation::conformance::bench::Bench;

use crate::support::SqliteFile;

fn row(columns: usize, first: usize) -> String {
    let columns = (0..columns).map(|index| format!(r#""c{index}":{}"#, first + index));
    format!(r#"[{{"id":1,{}}}]"#, columns.collect::<Vec<_>>().join(","))
}

#[test]
fn rows_of_a_thousand_columns_and_more_are_replaced() {
    let mut bench = Bench::new(&SqliteFile::new);
    bench.sync(&[&row(1_500, 0)]);
    bench.sync(&[&row(1_500, 1)]);
    let landed = bench.sync(&[&row(1_500, 1)]);
    assert_eq!(landed.tables["t"].unchanged, 1);
    let stored = bench.read("t").expect("the table is there");
    assert_eq!(stored.rows[0]["c1499"].as_deref(), Some("1500"));
}

#[test]
fn a_table_of_more_columns_than_sqlite_holds_is_refused() {
    let mut bench = Bench::new(&SqliteFile::new);
    bench.sync(&[&row(1_900, 0)]);
    bench.begin_sync();
    let refused = bench.land(&row(2_100, 0), true).expect_err("it does not fit");
    assert_eq!(refused.code(), "too_many_columns");
    assert_eq!(bench.position().ordinal(), 1, "nothing has landed");
    bench.sync(&[&row(1_900, 1)]);
}
