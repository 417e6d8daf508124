//! What is let through, measured on the answer as JSON, in every place.

use protocol::{Function, Request, State, SyncId};
use serde_json::Value;

use crate::deployed::{Deployed, WAYS, Way};
use crate::upstream::Upstream;

/// Every answer of a sync as JSON; ends the test when there is no end.
async fn answers(deployed: &Deployed) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    let mut state = State::default();
    for _ in 0..100 {
        let sync_id = SyncId("one".into());
        let request = Request { state, sync_id, ..Request::default() };
        let response = deployed.call(&request).await.expect("an answer");
        answers.push(response.to_json());
        if !response.has_more {
            return answers;
        }
        state = response.state;
    }
    panic!("the function never ends");
}

fn ids(answers: &[Vec<u8>]) -> Vec<u64> {
    let mut ids = Vec::new();
    for answer in answers {
        let answer: Value = serde_json::from_slice(answer).expect("JSON");
        let rows = answer["insert"]["items"].as_array().cloned().unwrap_or_default();
        ids.extend(rows.iter().map(|row| row["id"].as_u64().expect("an id")));
    }
    ids
}

/// Pages of `rows` rows of `bytes` each.
fn pages(rows: u64, bytes: usize, pages: u64) -> Upstream {
    Upstream::serve(move |query| {
        let page: u64 = query["page"].parse().expect("a page");
        let row = |id: u64| format!(r#"{{"id":{id},"text":"{}"}}"#, "x".repeat(bytes));
        let ids = (page - 1) * rows..(page.min(pages)) * rows;
        format!("[{}]", ids.map(row).collect::<Vec<_>>().join(","))
    })
}

const MANIFEST: &str = "name: x\nbase_url: '{url}'\npagination: {page: {to: query.page}}\ntables:\n  items: {primary_key: id}\n";

/// 30 MB in pages of 10 MB: larger than an answer may be on Lambda.
#[tokio::test(flavor = "multi_thread")]
async fn f_090_f_091_answers_fit_each_place_and_rows_come_once() {
    let upstream = pages(100, 100_000, 3);
    let manifest = MANIFEST.replace("{url}", &upstream.url);
    for (way, bytes_max, calls_min) in
        [(Way::Lambda, 6_291_556, 6), (Way::Container, 32 << 20, 3), (Way::Azure, 100_000_000, 3)]
    {
        let deployed = Deployed::start(way, &manifest);
        let first = answers(&deployed).await;
        assert!(first.iter().all(|answer| answer.len() <= bytes_max), "{way:?}");
        assert!(first.len() >= calls_min, "{way:?}: {} calls", first.len());
        assert_eq!(ids(&first), (0..300).collect::<Vec<_>>(), "{way:?}");
        assert!(answers(&deployed).await == first, "{way:?}: the same states, the same answers");
    }
}

/// The same answers as with nothing in between.
#[tokio::test(flavor = "multi_thread")]
async fn f_090_every_way_answers_as_the_manifest_itself() {
    let upstream = pages(7, 10, 5);
    let manifest = MANIFEST.replace("{url}", &upstream.url) + "call: {pages: 2}\n";
    let direct = answers(&Deployed::start(Way::Direct, &manifest)).await;
    assert_eq!(direct.len(), 3);
    for way in WAYS {
        let deployed = Deployed::start(way, &manifest);
        assert!(answers(&deployed).await == direct, "{way:?}");
    }
}
