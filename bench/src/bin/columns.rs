//! How fast the bytes of a page become Arrow columns, on one thread, without network or database.

use bench::measure::cpu_seconds;
use bench::rows::Rows;
use bench::server;
use bytes::Bytes;
use engine::{Batch, Limits, Options, Position, Run, Timestamp};
use protocol::{CustomPayload, Request, Response, Secrets, SyncId};
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

const ROW_COUNT: usize = 100_000;
const PAGE_ROWS: [usize; 2] = [1_000, 100];
/// The fastest of so many runs counts: what disturbs a run only ever slows it.
const REPEATS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let rows = Rows::generate(ROW_COUNT);
    let pages = PAGE_ROWS.map(|page_rows| pages(&rows, page_rows));
    println!("JSON to columns, one thread, MB of rows per CPU second");
    println!("{:<36}{:>14}{:>14}", "", "pages of 1000", "pages of 100");
    line("read the answer", &pages, read_all)?;
    line("plan: types and columns", &pages, plan_all)?;
    line("read, plan, join to one batch", &pages, whole_way)?;
    line("for comparison: serde_json::Value", &pages, values_of_all)
}

/// Measures `work` on both page sizes; `work` returns the CPU seconds that count.
fn line(
    name: &str,
    pages: &[Vec<Bytes>; 2],
    work: impl Fn(&[Bytes]) -> Result<f64, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut shown = format!("{name:<36}");
    for pages in pages {
        let megabytes = pages.iter().map(Bytes::len).sum::<usize>() / 1_000_000;
        let mut least = f64::INFINITY;
        for _ in 0..REPEATS {
            least = least.min(work(pages)?);
        }
        let megabytes = f64::from(u32::try_from(megabytes)?);
        shown.push_str(&format!("{:>14.0}", megabytes / least));
    }
    println!("{shown}");
    Ok(())
}

fn read_all(pages: &[Bytes]) -> Result<f64, Box<dyn Error>> {
    let request = Request::default();
    let started = cpu_seconds()?;
    for page in pages {
        black_box(Response::from_json(page.clone(), &request)?);
    }
    Ok(cpu_seconds()? - started)
}

/// Each page by itself, its answer read before the clock starts.
fn plan_all(pages: &[Bytes]) -> Result<f64, Box<dyn Error>> {
    let (request, run) = (Request::default(), run());
    let responses = pages
        .iter()
        .map(|page| Response::from_json(page.clone(), &request))
        .collect::<Result<Vec<_>, _>>()?;
    let mut position = Position::default();
    let started = cpu_seconds()?;
    for response in responses {
        let batch = Batch::plan(response, &position, &run)?;
        position = batch.leaves().clone();
    }
    Ok(cpu_seconds()? - started)
}

/// Everything between the wire and a destination: the pages become one batch.
fn whole_way(pages: &[Bytes]) -> Result<f64, Box<dyn Error>> {
    let (request, run) = (Request::default(), run());
    let mut position = Position::default();
    let mut joined: Option<Batch> = None;
    let started = cpu_seconds()?;
    for page in pages {
        let response = Response::from_json(page.clone(), &request)?;
        let batch = Batch::plan(response, &position, &run)?;
        let batch = match joined.take() {
            Some(earlier) => earlier.join(batch),
            None => batch,
        };
        position = batch.leaves().clone();
        joined = Some(batch);
    }
    let mut row_count = 0;
    for table in joined.iter().flat_map(Batch::tables) {
        for columns in table.upserts() {
            row_count += columns.num_rows();
        }
    }
    let took = cpu_seconds()? - started;
    assert_eq!(row_count, ROW_COUNT, "every row is a row of the columns");
    Ok(took)
}

fn values_of_all(pages: &[Bytes]) -> Result<f64, Box<dyn Error>> {
    let started = cpu_seconds()?;
    for page in pages {
        black_box(serde_json::from_slice::<serde_json::Value>(page)?);
    }
    Ok(cpu_seconds()? - started)
}

fn pages(rows: &Rows, page_rows: usize) -> Vec<Bytes> {
    (0..ROW_COUNT)
        .step_by(page_rows)
        .map(|first| Bytes::from(server::page(rows, 1, first, page_rows, ROW_COUNT)))
        .collect()
}

fn run() -> Run {
    /// 2026-01-01T00:00:00Z in microseconds.
    const STARTED_AT: Timestamp = Timestamp(1_767_225_600_000_000);
    Run {
        sync_id: SyncId("00000000-0000-4000-8000-000000000000".to_owned()),
        started_at: STARTED_AT,
        clock: Arc::new(|| STARTED_AT),
        agent: "hasmore/bench".to_owned(),
        secrets: Secrets::default(),
        custom_payload: CustomPayload::default(),
        options: Options::default(),
        limits: Limits::default(),
    }
}
