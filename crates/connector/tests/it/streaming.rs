//! Large answers, and packed ones, are read piece by piece.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::api::{Answered, Api};
use crate::formats::gzip;
use crate::run::{Platform, told};

/// Rows of some hundred bytes, so that a few thousand of them are several pieces.
fn csv(ids: std::ops::Range<u64>) -> String {
    let text = "x".repeat(200);
    let rows = ids.map(|id| format!("{id},2024-01-{:02},{text}\n", id % 28 + 1));
    format!("id,day,text\n{}", rows.collect::<Vec<_>>().concat())
}

fn lines(ids: std::ops::Range<u64>) -> String {
    let text = "x".repeat(200);
    let row = |id| {
        format!("{{\"id\":{id},\"day\":\"2024-01-{:02}\",\"text\":\"{text}\"}}\n", id % 28 + 1)
    };
    ids.map(row).collect::<Vec<_>>().concat()
}

fn fixed(ids: std::ops::Range<u64>) -> String {
    let text = "x".repeat(200);
    let row = |id| format!("{id:>8}2024-01-{:02}{text}\n", id % 28 + 1);
    ids.map(row).collect::<Vec<_>>().concat()
}

fn xml(ids: std::ops::Range<u64>) -> String {
    let text = "x".repeat(200);
    let row = |id| {
        format!("<row><id>{id}</id><day>2024-01-{:02}</day><text>{text}</text></row>", id % 28 + 1)
    };
    format!("<list>{}</list>", ids.map(row).collect::<String>())
}

const XML: &str = "format: xml, records: list.row";
const FIXED: &str = "format: fixed_width, fixed_width: {columns: {id: 8, day: 10, text: 200}}";

fn answered(body: impl Into<Vec<u8>>) -> Answered {
    Answered { status: 200, headers: Vec::new(), body: body.into() }
}

/// The ids of a table, by one process or by one for each call, and the requests that it took.
async fn check(table: &str, body: Vec<u8>, rows: u64, is_new_each_time: bool) {
    let api = Api::serve(move |_| answered(body.clone())).await;
    let text = format!(
        "name: x\nbase_url: '{{url}}'\ncall: {{bytes: 400000}}\ntables:\n  items: {{{table}, cursor: {{field: day, to: query.since, start: 2024-01-01}}}}\n"
    );
    let mut platform = Platform::new(&text, &api);
    platform.new_sync();
    while platform.call().await.unwrap_or_else(|error| panic!("{table}: {}", told(&error))) {
        if is_new_each_time {
            platform.connector = Platform::new(&text, &api).connector;
        }
    }
    let case = format!("{table}, {is_new_each_time}");
    assert_eq!(platform.received as u64, rows, "{case}: no row twice");
    let mut ids: Vec<u64> = platform.tables["items"]
        .values()
        .map(|row| row["id"].to_string().trim_matches('"').parse().expect("an id"))
        .collect();
    ids.sort_unstable();
    // Without a key, rows are counted only.
    if !table.contains("primary_key: []") {
        assert_eq!(ids, (0..rows).collect::<Vec<_>>(), "{case}");
    }
    assert!(platform.calls > 2, "{case}: {} calls", platform.calls);
    let asked = if is_new_each_time { platform.calls } else { 1 };
    assert_eq!(api.asked().len() as u64, asked, "{case}: requests");
    let state = platform.state.as_json();
    assert!(state.contains("2024-01-28") && !state.contains("file"), "{case}: {state}");
    assert_eq!(platform.warnings, [""; 0], "{case}");
}

#[tokio::test]
async fn f_091_a_call_may_end_in_the_middle_of_an_answer() {
    for is_new_each_time in [false, true] {
        // Large as it is.
        check("primary_key: id, format: csv", csv(0..26_000).into(), 26_000, is_new_each_time)
            .await;
        let list = |rows: &str| format!("[{}]", rows.trim_end().replace('\n', ","));
        check("primary_key: id", list(&lines(0..20_000)).into(), 20_000, is_new_each_time).await;
        let rows = format!("{{\"data\": {{\"rows\": {}}}}}", list(&lines(0..9000)));
        let packed = gzip(rows.as_bytes());
        check("primary_key: id, records: data.rows", packed, 9000, is_new_each_time).await;
        check(&format!("primary_key: id, {XML}"), xml(0..20_000).into(), 20_000, is_new_each_time)
            .await;
        // Small, and large when it is unpacked.
        let packed = gzip(csv(0..9000).as_bytes());
        check("primary_key: [], format: csv", packed, 9000, is_new_each_time).await;
        let packed = zstd::encode_all(lines(0..9000).as_bytes(), 0).expect("memory");
        check("primary_key: id, format: json_lines", packed, 9000, is_new_each_time).await;
        let twice = gzip(&gzip(fixed(0..9000).as_bytes()));
        check(&format!("primary_key: id, {FIXED}"), twice, 9000, is_new_each_time).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_another_one_now_is_read_again() {
    for (key, expected) in [("id", Ok(())), ("[]", Err("page_changed"))] {
        let version = Arc::new(AtomicU64::new(0));
        let current = Arc::clone(&version);
        let api = Api::serve(move |_| {
            let from = current.load(Ordering::SeqCst) * 100_000;
            answered(gzip(csv(from..from + 9000).as_bytes()))
        })
        .await;
        let text = format!(
            "name: x\nbase_url: '{{url}}'\ncall: {{bytes: 400000}}\ntables:\n  items: {{primary_key: {key}, format: csv}}\n"
        );
        let mut platform = Platform::new(&text, &api);
        platform.begin_sync(2).await;
        version.store(1, Ordering::SeqCst);
        // The process that has it goes on with what it has.
        platform.call().await.expect("rows of the first answer");
        assert_eq!(platform.warnings, [""; 0]);
        platform.connector = Platform::new(&text, &api).connector;
        let found = loop {
            match platform.call().await {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error.code()),
            }
        };
        assert_eq!(found, expected, "{key}");
        if found.is_ok() {
            let ids = platform.ids("items");
            assert!((100_000..109_000).all(|id| ids.binary_search(&id).is_ok()), "{}", ids.len());
            assert_eq!(platform.warnings, ["answer_changed"]);
        }
    }
}

#[tokio::test]
async fn a_row_that_does_not_fit_is_told_with_its_line() {
    let api = Api::serve(|_| answered(gzip((csv(0..9000) + "9000\n").as_bytes()))).await;
    let text = "name: x\nbase_url: '{url}'\ntables:\n  items: {format: csv, primary_key: id}\n";
    let mut platform = Platform::new(text, &api);
    let error = platform.sync().await.expect_err("a row with one field");
    let told = told(&error);
    assert!(told.starts_with("invalid_page: table items: an answer of http://"), "{told}");
    assert!(told.contains("line 9002: a row has 1 fields"), "{told}");
}
