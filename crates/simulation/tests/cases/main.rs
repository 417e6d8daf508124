//! Every case in `cases/`, in memory, on DuckDB, on Postgres, on SQLite and in a lake, each page landed by itself and pages
//! joined: all end equal, and as the case expects.

mod case;
mod play;
mod policy;
mod print;
#[path = "../support/delta.rs"]
mod support_delta;
#[path = "../support/duckdb.rs"]
mod support_duckdb;
#[path = "../support/postgres.rs"]
mod support_postgres;
#[path = "../support/sqlite.rs"]
mod support_sqlite;

use std::collections::BTreeSet;
use std::fs;

use simulation::conformance::Storage;
use simulation::memory::Memory;

use crate::case::{Case, Joining};
use crate::play::play;
use crate::support_delta::DeltaFolder;
use crate::support_duckdb::DuckDbFile;
use crate::support_postgres::PostgresSchema;
use crate::support_sqlite::SqliteFile;

/// Ids of the reference that a case must have, and those among them that are no matter of data: they are
/// proven where requests travel (`crates/transport/tests/it`).
const IDS: [std::ops::RangeInclusive<u32>; 11] = [
    30..=47,
    70..=74,
    76..=82,
    87..=89,
    100..=129,
    140..=149,
    151..=152,
    160..=181,
    183..=186,
    190..=199,
    210..=214,
];
const OF_THE_TRANSPORT: [u32; 2] = [44, 46];

fn check<S: Storage>(fresh: impl Fn() -> S) {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut differing = Vec::new();
    for case in Case::all() {
        let played = play(&case, &fresh(), case.joining);
        if update {
            fs::write(case.folder.join("expect.json"), &played.account).expect("it is written");
        } else if case.expected != played.account {
            differing.push(format!(
                "{}: {}",
                case.name,
                difference(&case.expected, &played.account)
            ));
        }
        if case.joining == Joining::Joined {
            let apart = play(&case, &fresh(), Joining::PageByPage);
            assert_eq!(apart.ending, played.ending, "{}: each page by itself", case.name);
        }
    }
    assert!(differing.is_empty(), "{}\nUPDATE_EXPECT=1 accepts them", differing.join("\n"));
}

/// The first line that differs.
fn difference(expected: &str, found: &str) -> String {
    let mut lines = expected.lines().zip(found.lines()).zip(1..);
    match lines.find(|((expected, found), _)| expected != found) {
        Some(((expected, found), line)) => {
            format!("line {line}:\n  expected {expected}\n  found    {found}")
        }
        None => "one is longer".to_owned(),
    }
}

#[test]
fn every_case_in_memory() {
    check(Memory::default);
}

#[test]
fn every_case_on_duckdb() {
    check(DuckDbFile::new);
}

#[test]
fn every_case_on_postgres() {
    check(PostgresSchema::new);
}

#[test]
fn every_case_on_sqlite() {
    check(SqliteFile::new);
}

#[test]
fn every_case_in_a_lake() {
    check(DeltaFolder::new);
}

#[test]
fn every_id_has_a_case() {
    let named: BTreeSet<String> =
        Case::all().iter().map(|case| case.name[..5].to_owned()).collect();
    let ids = IDS.into_iter().flatten().filter(|id| !OF_THE_TRANSPORT.contains(id));
    let missing: Vec<String> =
        ids.map(|id| format!("F-{id:03}")).filter(|id| !named.contains(id)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    println!("{} cases", Case::all().len());
}
