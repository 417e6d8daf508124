use std::fs;
use std::path::PathBuf;

use engine::Destination;
use simulation::conformance::Storage;
use simulation::conformance::bench::{Bench, block_on};

use crate::support::DeltaFolder;

const FIRST: &str = r#"{"insert":{"one":[{"id":1,"n":1},{"id":2,"n":2}],"two":[{"id":1,"n":1},{"id":2,"n":2}]},"schema":{"one":{"primary_key":["id"]},"two":{"primary_key":["id"]}}}"#;
const SECOND: &str = r#"{"insert":{"one":[{"id":2,"n":9}],"two":[{"id":2,"n":9}]}}"#;

/// Two tables of two rows each, and a second sync that changes both.
fn bench() -> Bench<DeltaFolder> {
    let mut bench = Bench::new(&DeltaFolder::new);
    bench.sync(&[FIRST]);
    bench.sync(&[SECOND]);
    bench.close();
    bench
}

fn newest_log(bench: &Bench<DeltaFolder>, table: &str) -> PathBuf {
    bench.storage.path().join("shop").join(table).join("_delta_log/00000000000000000001.json")
}

fn values(bench: &Bench<DeltaFolder>, table: &str) -> Vec<Option<String>> {
    let mut rows = bench.storage.read(table).expect("a table").rows;
    rows.sort_by_key(|row| row["id"].clone());
    rows.into_iter().map(|row| row["n"].clone()).collect()
}

/// A death between the record and the tables, or between two tables: whoever opens the lake next finishes.
#[test]
fn a_commit_that_was_decided_is_finished_by_whoever_comes_next() {
    for lost in [&["one"][..], &["two"], &["one", "two"]] {
        let mut bench = bench();
        for table in lost {
            fs::remove_file(newest_log(&bench, table)).expect("the commit is there");
            assert_eq!(values(&bench, table), [Some("1".into()), Some("2".into())], "{lost:?}");
        }
        assert_eq!(bench.position().ordinal(), 2);
        for table in ["one", "two"] {
            assert_eq!(values(&bench, table), [Some("1".into()), Some("9".into())], "{lost:?}");
        }
        bench.sync(&[r#"{"insert":{"one":[{"id":3,"n":3}]}}"#]);
        bench.close();
        assert_eq!(values(&bench, "one").len(), 3);
        let log = newest_log(&bench, "two").parent().expect("a folder").read_dir();
        assert_eq!(log.expect("a log").count(), 2, "done twice, it is there once");
    }
}

/// A death before the record: what was written is nobody's, and the same page lands as if nothing had been.
#[test]
fn files_that_no_record_names_are_nobodys() {
    let mut bench = bench();
    let positions = bench.storage.path().join("_hasmore/shop");
    fs::remove_file(positions.join("00000000000000000002.json")).expect("the record is there");
    for table in ["one", "two"] {
        fs::remove_file(newest_log(&bench, table)).expect("the commit is there");
    }
    assert_eq!(bench.position().ordinal(), 1);
    bench.sync(&[SECOND]);
    bench.close();
    for table in ["one", "two"] {
        assert_eq!(values(&bench, table), [Some("1".into()), Some("9".into())]);
    }
}

#[test]
fn what_is_damaged_is_told_and_left_alone() {
    let mut bench = bench();
    let record = bench.storage.path().join("_hasmore/shop/00000000000000000002.json");
    fs::write(&record, "{").expect("it can be written");
    let refused = block_on(bench.destination().position()).expect_err("a damaged record");
    assert_eq!(refused.code(), "destination_damaged");
    assert_eq!(fs::read_to_string(record).expect("it is there"), "{");
}
