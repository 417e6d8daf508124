mod deletes;
mod keys;
mod positions;
mod typing;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use bytes::Bytes;
use expect_test::Expect;
use protocol::{Request, SyncId};

use super::*;
use crate::run::DeleteMode;
use crate::run::{Limits, Naming, NulCharacters, Options};
use crate::value::ColumnType;
use crate::{Feature, system_columns, widen};

fn run() -> Run {
    run_of("sync-1", 1_700_000_000_000_000)
}

fn run_of(sync_id: &str, started_at: i64) -> Run {
    Run {
        sync_id: SyncId(sync_id.to_owned()),
        started_at: Timestamp(started_at),
        clock: Arc::new(move || Timestamp(started_at)),
        agent: String::new(),
        secrets: protocol::Secrets::default(),
        custom_payload: protocol::CustomPayload::default(),
        options: Options::default(),
        limits: Limits::default(),
    }
}

fn response(body: &str) -> Response {
    Response::from_json(Bytes::copy_from_slice(body.as_bytes()), &Request::default()).expect(body)
}

fn plan(body: &str, position: &Position, run: &Run) -> Result<Batch, PlanError> {
    Batch::plan(response(body), position, run)
}

/// A page of one table `t`, more to come.
fn rows(rows: &str, key: &str) -> String {
    let schema = if key.is_empty() {
        "{}".to_owned()
    } else {
        format!(r#"{{"t":{{"primary_key":[{key}]}}}}"#)
    };
    format!(r#"{{"state":{{}},"insert":{{"t":{rows}}},"schema":{schema},"hasMore":true}}"#)
}

/// Plans pages one on the other, joined, and prints the batch.
fn check(pages: &[&str], expected: Expect) {
    check_with(&run(), pages, expected);
}

fn check_with(run: &Run, pages: &[&str], expected: Expect) {
    let mut batch: Option<Batch> = None;
    for page in pages {
        let position =
            batch.as_ref().map_or_else(Position::default, |batch| batch.leaves().clone());
        batch = match (plan(page, &position, run), batch) {
            (Ok(next), None) => Some(next),
            (Ok(next), Some(batch)) => Some(batch.join(next)),
            (Err(error), _) => return expected.assert_eq(&format!("{}: {error}\n", error.code())),
        };
    }
    expected.assert_eq(&print(&batch.expect("a page was planned")));
}

fn print(batch: &Batch) -> String {
    let mut out = String::new();
    for table in batch.tables() {
        let columns = batch.leaves().schema().tables[table.table()].columns.iter();
        let columns: Vec<String> =
            columns.map(|column| format!("{} {}", column.name, column.column_type())).collect();
        out += &format!("{} {}: {}\n", table.table(), table.primary_key(), columns.join(", "));
        for (verb, chunks) in
            [("+", table.upserts()), ("x", table.marks()), ("-", table.removals())]
        {
            for chunk in chunks {
                out += &print_rows(verb, &chunk, table.columns());
            }
        }
    }
    for sweep in batch.sweeps() {
        out += &format!("sweep {} before {}\n", sweep.table, sweep.before);
    }
    for warning in batch.warnings() {
        out += &format!("warning {}: {}\n", warning.code, warning.message);
    }
    out
}

fn print_rows(verb: &str, rows: &RecordBatch, columns: &[(String, ColumnType)]) -> String {
    let mut out = String::new();
    for row in 0..rows.num_rows() {
        let mut cells = Vec::new();
        for (field, array) in rows.schema().fields().iter().zip(rows.columns()) {
            let (name, column_type) =
                columns.iter().find(|(name, _)| name == field.name()).expect("a column");
            if name == system_columns::SYNCED || name == system_columns::BATCH {
                continue;
            }
            let text = widen(array, *column_type, ColumnType::Json);
            cells.push(if text.is_null(row) {
                "null".into()
            } else {
                text.as_string::<i32>().value(row).to_owned()
            });
        }
        out += &format!("{verb} {}\n", cells.join(" | "));
    }
    out
}
