//! The engine's reading of rows against an oracle that reads each field apart with serde_json: the same
//! columns, the same types, the same value in every cell.

mod literals;
mod oracle;
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::Array;
use engine::{
    Batch, ColumnType, Limits, Options, Position, Run, StringInference, Timestamp, system_columns,
};
use protocol::{CustomPayload, Request, Response, Secrets, SyncId};
use simulation::cell::texts;
use simulation::fault::Chance;

use crate::oracle::Column;
use crate::rows::{Kinds, Row};

/// How long rows are made up when `HASMORE_FUZZ_SECONDS` says nothing.
const SECONDS: u64 = 5;

fn run(string_inference: StringInference) -> Run {
    let started_at = Timestamp(1_700_000_000_000_000);
    Run {
        sync_id: SyncId("sync-1".to_owned()),
        started_at,
        clock: Arc::new(move || started_at),
        agent: String::new(),
        secrets: Secrets::default(),
        custom_payload: CustomPayload::default(),
        options: Options { string_inference, ..Options::default() },
        limits: Limits::default(),
    }
}

fn plan(rows: &str, position: &Position, run: &Run) -> Batch {
    let body = format!(r#"{{"state":{{}},"insert":{{"t":{rows}}},"hasMore":true}}"#);
    let response = Response::from_json(body.into(), &Request::default()).expect("a response");
    Batch::plan(response, position, run).expect("rows without key can be placed")
}

/// The columns of a batch and their types, and each row's values as canonical texts; NULL left out.
type Typed = (BTreeMap<String, String>, Vec<BTreeMap<String, String>>);

fn engine_reads(batch: &Batch) -> Typed {
    let schema = &batch.leaves().schema().tables["t"];
    let columns = schema.columns.iter();
    let columns = columns.map(|column| (column.name.clone(), column.column_type().to_string()));
    let mut rows = Vec::new();
    for chunk in batch.tables().flat_map(engine::TableBatch::upserts) {
        let first = rows.len();
        rows.resize(first + chunk.num_rows(), BTreeMap::new());
        for (field, array) in chunk.schema().fields().iter().zip(chunk.columns()) {
            if field.name().starts_with(system_columns::RESERVED_PREFIX) {
                continue;
            }
            assert_eq!(array.len(), chunk.num_rows());
            for (row, text) in rows[first..].iter_mut().zip(texts(array)) {
                if let Some(text) = text {
                    row.insert(field.name().clone(), text);
                }
            }
        }
    }
    (columns.collect(), rows)
}

/// `before` holds the rows of an earlier page, which have a say in the types.
fn oracle_reads(before: &[Row], page: &[Row], strings: StringInference) -> Typed {
    let mut columns: BTreeMap<String, Column> = BTreeMap::new();
    for row in before.iter().chain(page) {
        for (name, value) in oracle::fields(&row.json) {
            columns.entry(name).or_default().see(&oracle::read(value.get(), strings));
        }
    }
    let types: BTreeMap<String, ColumnType> = columns
        .into_iter()
        .filter_map(|(name, column)| column.column_type().map(|kind| (name, kind)))
        .collect();
    let rows = page.iter().map(|row| {
        let fields = oracle::fields(&row.json);
        let cells = fields.iter().filter_map(|(name, value)| {
            let value = oracle::read(value.get(), strings);
            Some((name.clone(), value.text(*types.get(name)?)?))
        });
        cells.collect()
    });
    let rows = rows.collect();
    (types.into_iter().map(|(name, kind)| (name, kind.to_string())).collect(), rows)
}

#[test]
fn any_rows_are_read_as_the_oracle_reads_them() {
    let seconds = std::env::var("HASMORE_FUZZ_SECONDS").map_or(SECONDS, |seconds| {
        seconds.parse().expect("HASMORE_FUZZ_SECONDS is a number of seconds")
    });
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut rows_compared = 0;
    for seed in 0.. {
        if Instant::now() > until {
            break;
        }
        let mut chance = Chance::new(seed);
        let strings = chance.pick(&[
            StringInference::Temporal,
            StringInference::Temporal,
            StringInference::Full,
            StringInference::None,
        ]);
        let run = run(strings);
        let kinds = Kinds::any(&mut chance);
        let (before, page) = (rows::page(&mut chance, &kinds), rows::page(&mut chance, &kinds));
        let first = plan(&rows::text(&before, &mut chance), &Position::default(), &run);
        let told = format!("seed {seed}, {strings:?}");
        assert_eq!(engine_reads(&first), oracle_reads(&[], &before, strings), "{told}: {before:?}");
        let second = plan(&rows::text(&page, &mut chance), first.leaves(), &run);
        let expected = oracle_reads(&before, &page, strings);
        assert_eq!(engine_reads(&second), expected, "{told}: {before:?} and then {page:?}");
        rows_compared += before.len() + page.len();
    }
    println!("{rows_compared} rows are read alike");
    assert!(rows_compared > 1000, "{rows_compared} rows");
}
