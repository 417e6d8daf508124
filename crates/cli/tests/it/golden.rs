//! F-070: the seed's conversation, section 4.3: five calls, three syncs, byte for byte.

use crate::support::{Answer, FakeFunction, Hasmore, query};

/// The state returned, hasMore.
const CALLS: [(&str, bool); 5] = [
    (r#"{"lastUpdate":"","paginationCounter":1}"#, true),
    (r#"{"lastUpdate":"","paginationCounter":2}"#, true),
    (r#"{"lastUpdate":"2020-01-01","paginationCounter":0}"#, false),
    (r#"{"lastUpdate":"2020-01-02","paginationCounter":0}"#, false),
    (r#"{"lastUpdate":"2020-01-03","paginationCounter":0}"#, false),
];

fn answer(number: usize) -> Answer {
    let (state, has_more) = CALLS[number];
    Answer::json(format!(
        r#"{{"state":{state},"insert":{{"apiJsonResponseTable":[{{"id":{number},"name":"n{number}"}}]}},"schema":{{"apiJsonResponseTable":{{"primary_key":["id"]}}}},"hasMore":{has_more}}}"#
    ))
}

#[test]
fn f_070_f_071_f_072_the_seeds_five_calls_make_three_syncs() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start((0..5).map(answer));
    let mut sync_ids = Vec::new();
    for calls in [3, 1, 1] {
        Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
        let received = function.received();
        let received = &received[sync_ids.len()..];
        assert_eq!(received.len(), calls);
        for request in received {
            let sent = sync_ids.len();
            let state = if sent == 0 { "{}" } else { CALLS[sent - 1].0 };
            let sync_id = request.json()["sync_id"].as_str().expect("a sync id").to_owned();
            let version = env!("CARGO_PKG_VERSION");
            assert_eq!(
                request.body,
                format!(
                    r#"{{"agent":"hasmore/{version}/orders/orders","state":{state},"secrets":{{}},"customPayload":{{}},"sync_id":"{sync_id}"}}"#
                )
            );
            sync_ids.push(sync_id);
        }
    }
    assert!(sync_ids[0] == sync_ids[1] && sync_ids[1] == sync_ids[2], "one sync, one id");
    assert!(sync_ids[2] != sync_ids[3] && sync_ids[3] != sync_ids[4], "a sync each");

    let state = Hasmore::new(folder.path())
        .args(["state", "show", "--to", "warehouse.duckdb"])
        .run()
        .expect_code(0);
    assert_eq!(state.stdout, format!("{}\n", CALLS[4].0));
    let rows = query(
        &folder.path().join("warehouse.duckdb"),
        "SELECT id, name FROM orders.api_json_response_table ORDER BY id",
    );
    let expected: Vec<_> = (0..5).map(|n| vec![n.to_string(), format!("n{n}")]).collect();
    assert_eq!(rows, expected);
}
