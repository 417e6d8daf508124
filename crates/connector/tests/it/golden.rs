use serde_json::json;

use crate::api::{Answered, Api, Asked};
use crate::run::Platform;

/// The five calls of section 4.3 of the protocol, request and answer, byte for byte.
#[tokio::test]
async fn f_070_f_093_the_seeds_states_with_one_page_a_call() {
    let answer = |asked: &Asked| {
        let day = |day: u32, id: u32| json!({"id": id, "lastUpdate": format!("2020-01-0{day}")});
        let rows =
            match (asked.query.get("since").map(String::as_str), asked.query["page"].as_str()) {
                (None, "1") => vec![day(1, 1), day(1, 2)],
                (None, "2") => vec![day(1, 3), day(1, 4)],
                (None, "3") => vec![day(1, 5)],
                (Some("2020-01-01"), "1") => vec![day(2, 6)],
                (Some("2020-01-02"), "1") => vec![day(3, 7)],
                other => panic!("not in the story: {other:?}"),
            };
        Answered::json(json!({"rows": rows, "last": rows.len() < 2 , "more": rows.len() == 2}))
    };
    let api = Api::serve(answer).await;
    let manifest = r#"
name: seed
base_url: "{url}"
pagination: {page: {to: query.page}, has_more: body.more}
call: {pages: 1}
state: {cursor: lastUpdate, page: paginationCounter}
tables:
  apiJsonResponseTable:
    records: rows
    primary_key: id
    cursor: {field: lastUpdate, to: query.since, kind: date, order: ascending}
"#;
    let mut platform = Platform::new(manifest, &api);
    let mut story = Vec::new();
    for _ in 0..5 {
        let sent = platform.state.as_json().to_owned();
        let has_more = platform.call().await.expect("an answer");
        story.push(format!("{sent} -> {} {has_more}", platform.state.as_json()));
    }
    assert_eq!(
        story,
        [
            r#"{} -> {"lastUpdate":"","paginationCounter":1} true"#,
            r#"{"lastUpdate":"","paginationCounter":1} -> {"lastUpdate":"","paginationCounter":2} true"#,
            r#"{"lastUpdate":"","paginationCounter":2} -> {"lastUpdate":"2020-01-01","paginationCounter":0} false"#,
            r#"{"lastUpdate":"2020-01-01","paginationCounter":0} -> {"lastUpdate":"2020-01-02","paginationCounter":0} false"#,
            r#"{"lastUpdate":"2020-01-02","paginationCounter":0} -> {"lastUpdate":"2020-01-03","paginationCounter":0} false"#,
        ]
    );
    assert_eq!(platform.ids("apiJsonResponseTable"), [1, 2, 3, 4, 5, 6, 7]);
}
