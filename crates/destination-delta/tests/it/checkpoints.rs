use std::fs;
use std::path::PathBuf;

use engine::Destination;
use serde_json::{Value, json};
use simulation::conformance::Storage;
use simulation::conformance::bench::{Bench, block_on};

use crate::support::{self, DeltaFolder};

/// A table of so many commits of one row each.
fn bench(commits: u32) -> Bench<DeltaFolder> {
    let mut bench = Bench::new(&DeltaFolder::new);
    for commit in 0..commits {
        // The first row is written over with each commit.
        bench.sync(&[&format!(r#"[{{"id":0,"n":{commit}}},{{"id":{commit},"n":{commit}}}]"#)]);
    }
    bench.close();
    bench
}

fn log(bench: &Bench<DeltaFolder>, file: &str) -> PathBuf {
    bench.storage.path().join("shop/t/_delta_log").join(file)
}

/// As Delta's own writers do with versions that are old and stand in a checkpoint.
fn clear_away(bench: &Bench<DeltaFolder>, versions: std::ops::Range<u64>) {
    for version in versions {
        fs::remove_file(log(bench, &format!("{version:020}.json"))).expect("the version is there");
    }
}

fn by_hand(bench: &Bench<DeltaFolder>, what: &str) {
    support::ask(&json!({ what: bench.storage.path().join("shop/t") }));
}

fn sum(bench: &Bench<DeltaFolder>) -> (usize, i64) {
    let rows = bench.storage.read("t").expect("a table").rows;
    let number = |text: &Option<String>| text.as_deref().expect("a number").parse::<i64>();
    (rows.len(), rows.iter().map(|row| number(&row["n"]).expect("a number")).sum())
}

/// Other readers find the same table without the versions before, and so does the next sync.
#[test]
fn a_checkpoint_stands_for_all_versions_before_it() {
    let mut bench = bench(24);
    let note = fs::read_to_string(log(&bench, "_last_checkpoint")).expect("a note");
    let note: Value = serde_json::from_str(&note).expect("JSON");
    assert_eq!(note["version"], 20);
    assert!(log(&bench, "00000000000000000010.checkpoint.parquet").exists());
    let whole = sum(&bench);
    assert_eq!(whole, (24, 23 * 24 / 2 + 23));
    clear_away(&bench, 0..20);
    assert_eq!(sum(&bench), whole);
    bench.sync(&[r#"[{"id":0,"n":1000},{"id":24,"n":24}]"#]);
    bench.close();
    assert_eq!(sum(&bench), (25, 1000 + 24 * 25 / 2));
    // Only the hint is gone.
    fs::remove_file(log(&bench, "_last_checkpoint")).expect("the note is there");
    bench.sync(&[r#"[{"id":25,"n":25}]"#]);
    bench.close();
    assert_eq!(sum(&bench), (26, 1000 + 25 * 26 / 2));
    // It names one that is not there yet, as after the table was restored.
    fs::write(log(&bench, "_last_checkpoint"), r#"{"version":90,"size":1}"#).expect("a note");
    bench.sync(&[r#"[{"id":26,"n":26}]"#]);
    bench.close();
    assert_eq!(fs::read_dir(log(&bench, "")).expect("a log").count(), 10);
}

/// A log with neither its versions nor a checkpoint of them says what it lacks, and nothing is written.
#[test]
fn a_log_with_a_gap_is_told() {
    let bench = bench(24);
    clear_away(&bench, 5..6);
    for checkpoint in ["00000000000000000010", "00000000000000000020"] {
        let file = log(&bench, &format!("{checkpoint}.checkpoint.parquet"));
        fs::remove_file(file).expect("the checkpoint is there");
    }
    let refused = block_on(bench.storage.open().position()).expect_err("a gap");
    assert_eq!(refused.code(), "destination_damaged", "{refused}");
    assert!(refused.to_string().contains("which lacks version 5"), "{refused}");
}

/// One that was written to by another program is told from one whose files were joined, though a checkpoint
/// stands before it: by the versions while they are kept, else by the times.
#[test]
fn f_199_rows_of_another_program_are_noticed_behind_its_checkpoint() {
    for (what, kept, is_ours) in [
        ("optimize", true, true),
        ("append", true, false),
        ("remove", true, false),
        ("append", false, false),
        ("remove", false, false),
    ] {
        let mut bench = bench(13);
        by_hand(&bench, what);
        by_hand(&bench, "checkpoint");
        if !kept {
            clear_away(&bench, 0..14);
            let file = log(&bench, "00000000000000000010.checkpoint.parquet");
            fs::remove_file(file).expect("the checkpoint is there");
        }
        bench.begin_sync();
        let landed = bench.land(r#"[{"id":9,"n":90}]"#, true);
        match landed {
            Ok(_) if is_ours => {
                bench.close();
                assert_eq!(sum(&bench), (13, 12 * 13 / 2 + 12 + 81));
            }
            Err(refused) if !is_ours => {
                assert_eq!(refused.code(), "table_changed_by_hand", "{what}: {refused}");
            }
            other => panic!("{what}, versions kept: {kept}: {other:?}"),
        }
    }
}

/// What somebody has said of a table stays, whatever columns come.
#[test]
fn what_is_said_of_a_table_stays() {
    let mut bench = bench(3);
    by_hand(&bench, "describe");
    for commit in 0..20 {
        bench.sync(&[&format!(r#"[{{"id":{commit},"n":1,"c{commit}":"new"}}]"#)]);
    }
    bench.close();
    clear_away(&bench, 0..20);
    let newest = log(&bench, "00000000000000000023.json");
    let newest = fs::read_to_string(newest).expect("the version is there");
    let meta_data = newest.lines().find(|line| line.contains("metaData")).expect("new columns");
    let meta_data: Value = serde_json::from_str(meta_data).expect("JSON");
    let said = &meta_data["metaData"]["configuration"]["delta.logRetentionDuration"];
    assert_eq!(said, "interval 2 days");
}
