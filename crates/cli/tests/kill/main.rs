//! The real binary on a real destination, killed with SIGKILL at random moments and started again, until
//! it has been killed a hundred times; and with the server's side of its transactions ended as often.
//! After each death the rows that are there are exactly those that the stored state says were sent; at
//! the end the tables equal those of a run that nobody disturbed.

mod facts;
mod place;

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use facts::Source;
use place::Place;

/// Deaths that the destination must survive.
const KILLS: usize = 100;
/// A life ends after at most so long: shorter than a sync, longer than its first commits.
const LIFE_MS: std::ops::Range<u64> = 5..260;
/// Lives that run to their end count for nothing; there may not be too many of them.
const LIVES_MAX: usize = 1000;
const FINISH_MAX: Duration = Duration::from_secs(120);
/// Of a migration into each kind of destination.
const MIGRATION_KILLS: usize = 30;
const MIGRATION_MS: std::ops::Range<u64> = 5..160;
/// Between two terminations: some hit the same commit twice, some a later one.
const PAUSE_MS: std::ops::Range<u64> = 1..60;

#[test]
fn a_hundred_kills_lose_nothing_and_double_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let undisturbed = Place::file(folder.path(), "undisturbed.duckdb");
    kill_a_hundred_times(&Place::file(folder.path(), "killed.duckdb"), &undisturbed);
}

#[test]
fn a_hundred_kills_beside_sqlite_lose_nothing_and_double_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let undisturbed = Place::sqlite(folder.path(), "undisturbed.sqlite");
    kill_a_hundred_times(&Place::sqlite(folder.path(), "killed.sqlite"), &undisturbed);
}

#[test]
fn a_hundred_kills_beside_a_lake_lose_nothing_and_double_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    kill_a_hundred_times(
        &Place::lake(folder.path(), "killed"),
        &Place::lake(folder.path(), "undisturbed"),
    );
}

#[test]
fn a_hundred_kills_beside_postgres_lose_nothing_and_double_nothing() {
    kill_a_hundred_times(&Place::postgres("killed"), &Place::postgres("undisturbed"));
}

fn kill_a_hundred_times(place: &Place, undisturbed: &Place) {
    let source = Source::start();
    let mut chance = Chance(0x5eed);
    let (mut kills, mut finished) = (0, 0);
    while kills < KILLS {
        assert!(kills + finished < LIVES_MAX, "{finished} lives ran to their end, {kills} did not");
        let mut life = start(&source.url(), place);
        if end_within(&mut life, Duration::from_millis(chance.within(LIFE_MS))) {
            finished += 1;
            source.grow();
            continue;
        }
        kills += 1;
        // The next life mostly finds the destination as the last one left it, log and all; looking at
        // a file from here would replay its log first.
        if chance.within(0..4) == 0 {
            facts::check(place, &format!("after kill {kills}"));
        }
    }
    source.grow();
    finish(&source.url(), place);
    compare(place, undisturbed, &source);
    println!("{kills} kills, {finished} lives that ended by themselves, {} facts", source.facts());
}

/// The server ends the transactions of a sync: those that it can repeat it does, and else the next sync.
#[test]
fn a_hundred_terminated_backends_lose_nothing_and_double_nothing() {
    let place = Place::postgres("terminated");
    let source = Source::start();
    let mut server = place::connect();
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE application_name = left($1, 63) AND xact_start IS NOT NULL";
    let mut chance = Chance(0x5eed);
    let (mut terminated, mut finished, mut failed) = (0, 0, 0);
    let mut life = start(&source.url(), &place);
    while terminated < KILLS {
        thread::sleep(Duration::from_millis(chance.within(PAUSE_MS)));
        let ended = server.query(terminate, &[&place.connection()]).expect("a superuser may");
        terminated += ended.len();
        let Some(status) = life.try_wait().expect("a child can be waited for") else { continue };
        match status.code() {
            Some(0) => {
                finished += 1;
                source.grow();
            }
            Some(4) => {
                let said = words(&mut life);
                assert!(said.contains("error[destination_unavailable]"), "{said}");
                failed += 1;
            }
            other => panic!("exit code {other:?}: {}", words(&mut life)),
        }
        facts::check(&place, &format!("after {terminated} terminations"));
        assert!(finished + failed < LIVES_MAX, "{terminated} terminations only");
        life = start(&source.url(), &place);
    }
    // Two terminations of one commit in a row fail a sync, so this one may have failed.
    life.wait().expect("a sync ends");
    finish(&source.url(), &place);
    compare(&place, &Place::postgres("undisturbed"), &source);
    println!("{terminated} terminations, {finished} syncs to their end, {failed} that failed");
}

type Make = fn(&std::path::Path, &str) -> Place;

/// A connection on its way to another destination: whatever a death leaves behind, it is there whole or not at
/// all, the next try is not in its way, and where it comes from nothing has changed.
#[test]
fn a_killed_migration_has_brought_all_or_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, from) = (Source::start(), Place::file(folder.path(), "from.duckdb"));
    source.grow();
    finish(&source.url(), &from);
    let expected = facts::tables(&from);
    let mut chance = Chance(0x5eed);
    let kinds: [(Make, &str); 3] =
        [(Place::file, "duckdb"), (Place::sqlite, "sqlite"), (Place::lake, "lake")];
    for (make, kind) in kinds {
        let (mut kills, mut arrived, mut tries) = (0, 0, 0);
        let next = |arrived: usize| make(folder.path(), &format!("{arrived}.{kind}"));
        let mut to = next(arrived);
        while kills < MIGRATION_KILLS || arrived == 0 {
            tries += 1;
            assert!(tries < LIVES_MAX, "{kills} kills, {arrived} arrivals");
            let mut life = migrate(&from, &to);
            let life_time = Duration::from_millis(chance.within(MIGRATION_MS));
            kills += usize::from(!end_within(&mut life, life_time));
            if let Some(tables) = facts::tables(&to) {
                assert!(Some(&tables) == expected.as_ref(), "after {kills} kills");
                arrived += 1;
                to = next(arrived);
            }
        }
        println!("{kind}: {kills} kills, {arrived} arrivals");
    }
    assert!(facts::tables(&from) == expected, "where it came from");
}

fn compare(place: &Place, undisturbed: &Place, source: &Source) {
    facts::check(place, "at the end");
    finish(&source.url(), undisturbed);
    let (found, expected) = (facts::tables(place), facts::tables(undisturbed));
    assert!(found == expected, "the tables are not those of an undisturbed run");
    assert_eq!(found.map(|tables| tables.sent), Some(source.facts()), "every fact was sent");
}

fn start(url: &str, place: &Place) -> Child {
    let line = ["sync", "-q", "--name", place.connection(), "--url", url, "--to", &place.to()];
    run(&[&line[..], &["--batch-rows", "400"]].concat())
}

fn migrate(from: &Place, to: &Place) -> Child {
    run(&["migrate", "-q", from.connection(), "--from", &from.to(), "--to", &to.to()])
}

fn run(line: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_hasmore"))
        .args(line)
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("hasmore starts")
}

/// Waits for the end of a life, and kills it when the time is over; says whether it ended by itself.
fn end_within(life: &mut Child, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        if let Some(status) = life.try_wait().expect("a child can be waited for") {
            assert!(status.success(), "a life failed by itself: {status}\n{}", words(life));
            return true;
        }
        thread::sleep(Duration::from_millis(1));
    }
    life.kill().expect("SIGKILL is sent");
    life.wait().expect("a killed child is reaped");
    false
}

fn finish(url: &str, place: &Place) {
    let mut life = start(url, place);
    assert!(end_within(&mut life, FINISH_MAX), "the last sync did not end");
}

fn words(life: &mut Child) -> String {
    use std::io::Read;
    let mut text = String::new();
    if let Some(stderr) = &mut life.stderr {
        stderr.read_to_string(&mut text).expect("standard error is text");
    }
    text
}

/// Numbers that are the same in every run of the test (xorshift64*).
struct Chance(u64);

impl Chance {
    fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        range.start + self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % (range.end - range.start)
    }
}
