//! Answers with bytes out of place, on top of one another: each lands or is refused with a code, and what
//! lands is the same whether pages are joined or not.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{
    Batch, DeleteMode, Keyless, Limits, Naming, NulCharacters, Options, Policy, Position, Run,
    SchemaChanges, SoftDeleteTiming, StringInference, TableMode, Timestamp,
};
use protocol::{CustomPayload, Request, Response, Secrets, SyncId};
use simulation::fault::Chance;
use simulation::memory::Database;

/// How long answers are made up when `HASMORE_FUZZ_SECONDS` says nothing.
const SECONDS: u64 = 5;

/// What changes the meaning of an answer.
const TOKENS: [&str; 30] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u00",
    "\\ud83e",
    "null",
    "true",
    "NaN",
    "-Infinity",
    "-",
    "0",
    ".5",
    "1e400",
    "-0.0",
    "9223372036854775808",
    "\"id\"",
    "\"t\"",
    "\"2020-01-01\"",
    "\"2020-01-01T00:00:00Z\"",
    "[[[[[[",
    "{\"a\":",
    " ",
    "\u{0}",
    "\u{feff}",
    "é",
];

/// Every answer of every case.
fn seeds() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases");
    let folders = fs::read_dir(root).expect("the folder of cases is there");
    let files = folders
        .filter_map(|folder| fs::read_dir(folder.expect("it can be read").path()).ok())
        .flatten()
        .map(|file| file.expect("it can be read").path())
        .filter(|path| path.to_string_lossy().ends_with("-response.json"));
    // In the same order on every machine, so that a seed says which.
    let mut seeds: Vec<Vec<u8>> = files.map(|path| fs::read(path).expect("a response")).collect();
    seeds.sort();
    seeds
}

#[test]
fn any_bytes_land_or_are_refused_with_a_code() {
    let seconds = std::env::var("HASMORE_FUZZ_SECONDS").map_or(SECONDS, |seconds| {
        seconds.parse().expect("HASMORE_FUZZ_SECONDS is a number of seconds")
    });
    let (seeds, until) = (seeds(), Instant::now() + Duration::from_secs(seconds));
    let (mut landed, mut refused) = (0_u64, 0_u64);
    for seed in 0.. {
        if Instant::now() > until {
            break;
        }
        let mut chance = Chance::new(seed);
        let bodies: Vec<Vec<u8>> = (0..3).map(|_| mutated(&seeds, &mut chance)).collect();
        let run = run(&mut chance);
        let told = AssertUnwindSafe(|| land(&bodies, &run));
        let counts = catch_unwind(told).unwrap_or_else(|panic| {
            let bodies = bodies.iter().map(|body| String::from_utf8_lossy(body));
            eprintln!("seed {seed}: {:#?}", bodies.collect::<Vec<_>>());
            resume_unwind(panic)
        });
        landed += counts.0;
        refused += counts.1;
    }
    println!("{landed} answers landed, {refused} were refused");
    assert!(landed > 100 && refused > 100, "{landed} landed, {refused} refused");
}

fn mutated(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut body = chance.pick(seeds);
    for _ in 0..chance.below(5) {
        let at = place(chance, body.len() + 1);
        match chance.below(6) {
            0 | 1 => {
                body.splice(at..at, chance.pick(&TOKENS).bytes());
            }
            2 => {
                let end = (at + place(chance, 12)).min(body.len());
                body.drain(at..end);
            }
            3 => {
                let other = chance.pick(seeds);
                let start = place(chance, other.len());
                let end = (start + place(chance, 60)).min(other.len());
                body.splice(at..at, other[start..end].iter().copied());
            }
            4 if at < body.len() => body[at] = u8::try_from(chance.below(256)).expect("a byte"),
            _ if at < body.len() => {
                // A digit or a letter for another keeps most answers whole.
                let like = b"0123456789abt{}[]\",:.-e";
                if body[at].is_ascii_alphanumeric() {
                    body[at] = chance.pick(like);
                }
            }
            _ => {}
        }
    }
    body
}

fn place(chance: &mut Chance, end: usize) -> usize {
    usize::try_from(chance.below(end.max(1) as u64)).expect("a place in a body")
}

fn run(chance: &mut Chance) -> Run {
    let started_at = Timestamp(1_700_000_000_000_000);
    let options = Options {
        delete_mode: chance.pick(&[DeleteMode::Soft, DeleteMode::Hard]),
        string_inference: chance.pick(&[
            StringInference::Temporal,
            StringInference::Full,
            StringInference::None,
        ]),
        naming: chance.pick(&[Naming::Fivetran, Naming::Source]),
        keyless: chance.pick(&[Keyless::BatchIndex, Keyless::RowHash]),
        soft_delete_timing: chance
            .pick(&[SoftDeleteTiming::OnSuccess, SoftDeleteTiming::OnResponse]),
        lenient_numbers: chance.below(2) == 0,
        nul_characters: chance.pick(&[NulCharacters::Keep, NulCharacters::Remove]),
        policy: Arc::new(Policy {
            schema_changes: chance.pick(&[
                SchemaChanges::AllowAll,
                SchemaChanges::AllowColumns,
                SchemaChanges::BlockAll,
            ]),
            mode: chance.pick(&[
                TableMode::Upsert,
                TableMode::Append,
                TableMode::Live,
                TableMode::History,
            ]),
            ..Policy::default()
        }),
    };
    Run {
        sync_id: SyncId("sync-1".to_owned()),
        started_at,
        clock: Arc::new(move || started_at),
        agent: String::new(),
        secrets: Secrets::default(),
        custom_payload: CustomPayload::default(),
        options,
        limits: Limits::default(),
    }
}

/// Lands the answers one by one and joined; answers how many landed and how many were refused.
fn land(bodies: &[Vec<u8>], run: &Run) -> (u64, u64) {
    let (mut apart, mut joined) = (Database::default(), Database::default());
    let (mut batch, mut refused) = (None, 0);
    for body in bodies {
        let stored = apart.position().expect("a stored position can be read");
        match (plan(body, &stored, run), plan(body, tip(batch.as_ref(), &Position::default()), run))
        {
            (Ok(page), Ok(again)) => {
                apart.commit(&page).expect("a batch that was planned lands");
                assert_eq!(&apart.position().expect("it was just written"), page.leaves());
                batch = Some(match batch.take() {
                    Some(batch) => Batch::join(batch, again),
                    None => again,
                });
            }
            (Err(code), Err(again)) => {
                assert_eq!(code, again);
                assert!(!code.is_empty());
                refused += 1;
            }
            (one, other) => panic!("{:?}, but joined {:?}", one.err(), other.err()),
        }
    }
    if let Some(batch) = &batch {
        joined.commit(batch).expect("a batch that was joined lands");
    }
    let names: Vec<&String> = apart.tables.keys().collect();
    assert_eq!(names, joined.tables.keys().collect::<Vec<_>>());
    for (name, table) in &apart.tables {
        let sorted = |table: &simulation::table::Table| {
            let mut texts = table.texts();
            texts.sort();
            texts
        };
        assert_eq!(sorted(table), sorted(&joined.tables[name]), "table {name}");
    }
    (bodies.len() as u64 - refused, refused)
}

fn tip<'b>(batch: Option<&'b Batch>, nothing: &'b Position) -> &'b Position {
    batch.map_or(nothing, Batch::leaves)
}

fn plan(body: &[u8], position: &Position, run: &Run) -> Result<Batch, &'static str> {
    let request = Request::default();
    let response = Response::from_json(body.to_vec().into(), &request).map_err(|e| e.code())?;
    Batch::plan(response, position, run).map_err(|error| error.code())
}
