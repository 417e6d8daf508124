//! The real binary on a real file, killed with SIGKILL at random moments and started again, until it has
//! been killed a hundred times. After each death the rows on disk are exactly those that the stored
//! state says were sent; at the end the tables equal those of a run that nobody disturbed.

mod facts;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use facts::Source;

/// Deaths that the file must survive.
const KILLS: usize = 100;
/// A life ends after at most so long: shorter than a sync, longer than its first commits.
const LIFE_MS: std::ops::Range<u64> = 5..260;
/// Lives that run to their end count for nothing; there may not be too many of them.
const LIVES_MAX: usize = 1000;
const FINISH_MAX: Duration = Duration::from_secs(120);

#[test]
fn a_hundred_kills_lose_nothing_and_double_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("killed.duckdb");
    let source = Source::start();
    let mut chance = Chance(0x5eed);
    let (mut kills, mut finished) = (0, 0);
    while kills < KILLS {
        assert!(kills + finished < LIVES_MAX, "{finished} lives ran to their end, {kills} did not");
        let mut life = start(&source.url(), &file);
        if end_within(&mut life, Duration::from_millis(chance.within(LIFE_MS))) {
            finished += 1;
            source.grow();
            continue;
        }
        kills += 1;
        // The next life mostly finds the file as the last one left it, log and all; looking at it
        // from here would replay the log first.
        if chance.within(0..4) == 0 {
            facts::check(&file, &format!("after kill {kills}"));
        }
    }
    source.grow();
    finish(&source.url(), &file);
    facts::check(&file, "at the end");
    let undisturbed = folder.path().join("undisturbed.duckdb");
    finish(&source.url(), &undisturbed);
    assert_eq!(facts::tables(&file), facts::tables(&undisturbed));
    assert_eq!(facts::tables(&file).sent, source.facts(), "every fact was sent in the end");
    println!("{kills} kills, {finished} lives that ended by themselves, {} facts", source.facts());
}

fn start(url: &str, file: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_hasmore"))
        .args(["sync", "-q", "--name", "facts", "--url", url, "--to"])
        .arg(file)
        .args(["--batch-rows", "400"])
        .current_dir(file.parent().expect("the file is in a folder"))
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

fn finish(url: &str, file: &Path) {
    let mut life = start(url, file);
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
