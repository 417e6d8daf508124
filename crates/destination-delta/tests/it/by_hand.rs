use serde_json::json;
use simulation::conformance::Storage;
use simulation::conformance::bench::Bench;

use crate::support::{self, DeltaFolder};

fn bench() -> Bench<DeltaFolder> {
    let mut bench = Bench::new(&DeltaFolder::new);
    bench.sync(&[r#"[{"id":1,"n":1},{"id":2,"n":2},{"id":3,"n":3}]"#]);
    bench.sync(&[r#"[{"id":4,"n":4}]"#]);
    bench.close();
    bench
}

fn by_hand(bench: &Bench<DeltaFolder>, what: &str) {
    support::ask(&json!({ what: bench.storage.path().join("shop/t") }));
}

/// Files that are joined, and files that are cleared away: the rows are the same, and the next sync goes on.
#[test]
fn what_keeps_a_table_in_order_is_no_matter() {
    let mut bench = bench();
    by_hand(&bench, "optimize");
    bench.sync(&[r#"[{"id":2,"n":20},{"id":5,"n":5}]"#]);
    by_hand(&bench, "optimize");
    by_hand(&bench, "vacuum");
    by_hand(&bench, "checkpoint");
    bench.sync(&[r#"[{"id":6,"n":6}]"#]);
    bench.close();
    let mut rows = bench.storage.read("t").expect("a table").rows;
    rows.sort_by_key(|row| row["id"].clone());
    let found: Vec<_> = rows.iter().map(|row| row["n"].as_deref().unwrap_or("null")).collect();
    assert_eq!(found, ["1", "20", "3", "4", "5", "6"]);
}

#[test]
fn f_199_rows_of_another_program_are_not_written_over() {
    for what in ["append", "remove"] {
        let mut bench = bench();
        by_hand(&bench, what);
        bench.begin_sync();
        let refused = bench.land(r#"[{"id":9,"n":9}]"#, true).expect_err(what);
        assert_eq!(refused.code(), "table_changed_by_hand", "{what}: {refused}");
        assert_eq!(bench.position().ordinal(), 2, "{what}: nothing has landed");
    }
}

#[test]
fn f_199_a_table_that_is_gone_is_told() {
    let mut bench = bench();
    std::fs::remove_dir_all(bench.storage.path().join("shop/t")).expect("a folder");
    bench.begin_sync();
    let refused = bench.land(r#"[{"id":9,"n":9}]"#, true).expect_err("no table");
    assert_eq!(refused.code(), "table_changed_by_hand", "{refused}");
}
