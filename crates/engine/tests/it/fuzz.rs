//! Any bytes give a batch or an error with a code, whatever the options.

use std::time::Instant;

use arrow_array::RecordBatch;
use bytes::Bytes;
use engine::{
    Batch, DeleteMode, Keyless, Naming, Options, Position, SoftDeleteTiming, StringInference,
};
use protocol::{Request, Response};

use crate::chance::Chance;
use crate::{run, time_to_spend};

/// Answers to start from: every member of the protocol, and values of every kind.
const SEEDS: [&str; 6] = [
    r#"{"state":{"a":9007199254740993,"b":1.0},"insert":{"t":[{"id":1,"a":"2017-12-31T05:12:05+02:00","b":1.5,"c":null},{"id":2,"a":"n/a","b":true,"c":{"k":[1]}}]},"delete":{"t":[{"id":1}]},"schema":{"t":{"primary_key":["id"]}},"softDelete":["t"],"hasMore":true}"#,
    r#"{"state":"x","insert":{"userData":[{"aB":-0,"a_b":1e400,"_fivetran_id":1}],"user.data":[{"aB":19.90,"x":"\ud83e\udd80\u0000"}]},"hasMore":"False"}"#,
    r#"{"state":{},"insert":{"k":[{"a":123456789012345678901234567890},{"a":0.1},{"a":NaN},{"a":-Infinity}]}}"#,
    r#"{"state":[],"insert":{"t":[{"id":"1","id":2,"select":"10000-01-01","rowid":"007"}]},"schema":{"t":{"primary_key":"id"}},"softDelete":true}"#,
    r#""{\"state\":{},\"insert\":{\"t\":[{\"a\":\"\\ud800\"}]}}""#,
    r#"{"errorMessage":{"code":7},"stackTrace":["a",["b"]],"state":null}"#,
];

/// What is put between bytes: what changes the meaning of JSON.
const TOKENS: [&str; 28] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "null",
    "true",
    "NaN",
    "-",
    "0",
    "1e9",
    ".",
    "9999999999999999999",
    "\"id\"",
    "\"2020-01-01\"",
    "[[[[",
    "]]]]",
    " ",
    "\n",
    "\u{0}",
    "\u{feff}",
    "é",
    "{}",
];

#[test]
fn any_bytes_give_a_batch_or_a_coded_error() {
    let (until, mut chance) = (Instant::now() + time_to_spend(), Chance(0xfa11));
    let (mut planned, mut refused) = (0_u64, 0_u64);
    while Instant::now() < until {
        let body = mutated(&mut chance);
        let told = Told(&body);
        match batch(&body, &mut chance) {
            Ok(()) => planned += 1,
            Err(code) => {
                assert!(!code.is_empty());
                refused += 1;
            }
        }
        std::mem::forget(told);
    }
    println!("{planned} answers were planned, {refused} refused");
    assert!(planned > 100 && refused > 100, "{planned} planned, {refused} refused");
}

/// Prints the answer under test when the test panics over it.
struct Told<'b>(&'b [u8]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        eprintln!("the answer was: {}", String::from_utf8_lossy(self.0));
    }
}

fn mutated(chance: &mut Chance) -> Vec<u8> {
    let mut body = chance.pick(&SEEDS).as_bytes().to_vec();
    for _ in 0..=chance.below(5) {
        let at = chance.below(body.len() + 1);
        match chance.below(5) {
            0 => {
                body.splice(at..at, chance.pick(&TOKENS).bytes());
            }
            1 => {
                let end = (at + chance.below(8)).min(body.len());
                body.drain(at..end);
            }
            2 => {
                let (start, length) = (chance.below(body.len()), chance.below(40));
                let copied = body[start..(start + length).min(body.len())].to_vec();
                body.splice(at..at, copied);
            }
            3 if at < body.len() => body[at] = u8::try_from(chance.below(256)).expect("a byte"),
            _ => body.truncate(body.len().max(1) - chance.below(2)),
        }
        if body.is_empty() {
            body.push(b'{');
        }
    }
    body
}

/// Reads and plans the answer twice, the second time on top of the first, joined.
fn batch(body: &[u8], chance: &mut Chance) -> Result<(), &'static str> {
    let run = run(options(chance));
    let request = Request { setup_test: chance.below(8) == 0, ..Request::default() };
    let read = || {
        Response::from_json(Bytes::copy_from_slice(body), &request).map_err(|error| error.code())
    };
    let first = Batch::plan(read()?, &Position::default(), &run).map_err(|error| error.code())?;
    let again = Batch::plan(read()?, first.leaves(), &run).map_err(|error| error.code())?;
    let both = first.join(again);
    let left = both.leaves();
    let back = Position::from_stored(
        left.state().clone(),
        left.ordinal(),
        left.committed_by().clone(),
        &left.stored(),
    );
    assert_eq!(back.as_ref(), Ok(left), "a stored position comes back");
    for table in both.tables() {
        let rows: usize = table.upserts().iter().map(RecordBatch::num_rows).sum();
        assert!(rows as u64 <= table.rows_sent());
    }
    Ok(())
}

fn options(chance: &mut Chance) -> Options {
    Options {
        delete_mode: [DeleteMode::Soft, DeleteMode::Hard][chance.below(2)],
        string_inference: [StringInference::Temporal, StringInference::Full, StringInference::None]
            [chance.below(3)],
        naming: [Naming::Fivetran, Naming::Source][chance.below(2)],
        keyless: [Keyless::BatchIndex, Keyless::RowHash][chance.below(2)],
        soft_delete_timing: [SoftDeleteTiming::OnSuccess, SoftDeleteTiming::OnResponse]
            [chance.below(2)],
        lenient_numbers: chance.below(2) == 0,
    }
}
