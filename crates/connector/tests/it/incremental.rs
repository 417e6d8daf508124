use std::sync::{Arc, Mutex};

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::api::{Answered, Api, Asked, numbered, rows};
use crate::run::{Platform, told};

/// An API whose rows change while it is read: `{"id", "updated_at"}`, filtered by `since` (inclusive).
#[derive(Clone, Default)]
struct Table(Arc<Mutex<Vec<Value>>>);

impl Table {
    fn put(&self, id: u64, updated_at: &str) {
        let mut rows = self.0.lock().expect("not poisoned");
        rows.retain(|row| row["id"] != id);
        rows.push(json!({"id": id, "updated_at": updated_at}));
    }

    fn since(&self, since: &str) -> Vec<Value> {
        let rows = self.0.lock().expect("not poisoned");
        rows.iter().filter(|row| row["updated_at"].as_str() >= Some(since)).cloned().collect()
    }

    async fn serve(&self) -> Api {
        let table = self.clone();
        Api::serve(move |asked| {
            let since = asked.query.get("since").map(String::as_str).unwrap_or_default();
            Answered::json(json!(numbered(&table.since(since), asked, 1, 2)))
        })
        .await
    }
}

fn manifest(cursor: &str) -> String {
    format!(
        "name: test\nbase_url: '{{url}}'\npagination: {{page: {{to: query.page}}}}\ntables:\n  items: {{primary_key: id, cursor: {cursor}}}\n"
    )
}

#[tokio::test]
async fn a_sync_begins_at_the_newest_value_and_ties_are_read_again() {
    let table = Table::default();
    for (id, day) in [(1, "2024-01-01"), (2, "2024-01-03"), (3, "2024-01-02")] {
        table.put(id, day);
    }
    let api = table.serve().await;
    let mut platform =
        Platform::new(&manifest("{field: updated_at, to: query.since, start: 2024-01-01}"), &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.state.as_json(), r#"{"tables":{"items":{"cursor":"2024-01-03"}}}"#);
    table.put(4, "2024-01-03");
    table.put(1, "2024-01-05");
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 3, 4]);
    assert_eq!(platform.tables["items"]["1"]["updated_at"], "2024-01-05");
    assert_eq!(platform.received, 3 + 3, "the tie is read again, older rows are not");
}

#[tokio::test]
async fn f_093_the_cursor_moves_only_when_all_pages_are_read() {
    let table = Table::default();
    for id in 1..=5 {
        table.put(id, &format!("2024-01-0{id}"));
    }
    let api = table.serve().await;
    let text = manifest("{field: updated_at, to: query.since}") + "call: {pages: 1}\n";
    let mut platform = Platform::new(&text, &api);
    platform.begin_sync(2).await;
    assert!(!platform.state.as_json().contains("tables"), "{}", platform.state.as_json());
    let state = platform.state.clone();
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 3, 4, 5]);
    // The same state again gives the same rows and the same next state (F-090).
    let last = platform.state.clone();
    platform.state = state;
    platform.sync().await.expect("a sync");
    assert_eq!(platform.state, last);
}

#[tokio::test]
async fn lookback_covers_rows_that_come_late() {
    let table = Table::default();
    table.put(1, "2024-01-05");
    let api = table.serve().await;
    let cursor = "{field: updated_at, to: query.since, kind: date, lookback: 2d}";
    let mut platform = Platform::new(&manifest(cursor), &api);
    platform.sync().await.expect("a sync");
    table.put(2, "2024-01-03");
    table.put(3, "2024-01-02");
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2], "two days back, not three");
}

/// The requests of two syncs over rows up to 2024-01-01T00:03:00Z.
async fn check_requests(cursor: &str, expected: Expect) {
    let api = Api::serve(|asked: &Asked| {
        let page = asked.query.get("page").map_or("1", String::as_str);
        Answered::json(if page == "1" { json!(rows(3)) } else { json!([]) })
    })
    .await;
    let mut platform = Platform::new(&manifest(cursor), &api);
    platform.sync().await.expect("a sync");
    platform.sync().await.expect("a sync");
    let mut lines = api.lines();
    lines.retain(|line| line.contains("page=1"));
    expected.assert_eq(&lines.join("\n"));
}

#[tokio::test]
async fn bounds_are_written_in_the_format_and_the_place_that_the_api_wants() {
    check_requests(
        "{field: updated_at, to: query.since}",
        expect![[r#"
        /items?page=1
        /items?page=1&since=2024-01-01T00:03:00Z"#]],
    )
    .await;
    check_requests(
        "{field: updated_at, to: query.since, format: epoch_s, start: 2023-01-01}",
        expect![[r#"
            /items?page=1&since=1672531200
            /items?page=1&since=1704067380"#]],
    )
    .await;
    check_requests(
        "{field: updated_at, to: query.since, until: query.until, format: date}",
        expect![[r#"
            /items?page=1&until=2024-06-01
            /items?page=1&since=2024-01-01&until=2024-06-01"#]],
    )
    .await;
    check_requests(
        "{field: updated_at, to: query.since, format: '%Y%m%d%H', lookback: 1h}",
        expect![[r#"
            /items?page=1
            /items?page=1&since=2023123123"#]],
    )
    .await;
    check_requests(
        "{field: id, kind: integer, to: query.after}",
        expect![[r#"
        /items?page=1
        /items?after=3&page=1"#]],
    )
    .await;
}

#[tokio::test]
async fn f_095_a_window_is_read_step_by_step_up_to_a_bound_that_is_fixed() {
    let api = Api::serve(|asked: &Asked| {
        let (from, until) = (&asked.query["from"], &asked.query["until"]);
        let in_step = |row: &Value| {
            let time = row["updated_at"].as_str().unwrap_or_default();
            time >= from.as_str() && time < until.as_str()
        };
        let all = ["2024-02-15T00:00:00Z", "2024-03-15T00:00:00Z", "2024-05-30T00:00:00Z"];
        let all = all.iter().enumerate().map(|(id, time)| json!({"id": id, "updated_at": time}));
        Answered::json(json!(all.filter(in_step).collect::<Vec<_>>()))
    })
    .await;
    let text = "name: test\nbase_url: '{url}'\ntables:\n  items:\n    primary_key: id\n    cursor: {field: updated_at, to: query.from, until: query.until, start: '2024-02-01T00:00:00Z', step: 30d}\n";
    let mut platform = Platform::new(text, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [0, 1, 2]);
    expect![[r#"
        /items?from=2024-02-01T00:00:00Z&until=2024-03-02T00:00:00Z
        /items?from=2024-03-02T00:00:00Z&until=2024-04-01T00:00:00Z
        /items?from=2024-04-01T00:00:00Z&until=2024-05-01T00:00:00Z
        /items?from=2024-05-01T00:00:00Z&until=2024-05-31T00:00:00Z
        /items?from=2024-05-31T00:00:00Z&until=2024-06-01T00:00:00Z"#]]
    .assert_eq(&api.lines().join("\n"));
    assert_eq!(
        platform.state.as_json(),
        r#"{"tables":{"items":{"cursor":"2024-05-30T00:00:00Z"}}}"#
    );
}

#[tokio::test]
async fn without_a_bound_in_the_request_old_rows_are_left_out_here() {
    let table = Table::default();
    table.put(1, "2024-01-01");
    table.put(2, "2024-01-02");
    let api = table.serve().await;
    let mut platform = Platform::new(&manifest("{field: updated_at}"), &api);
    platform.sync().await.expect("a sync");
    table.put(3, "2024-01-03");
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 3]);
    assert_eq!(platform.received, 2 + 2, "the second sync keeps the tie and the new row");
}

#[tokio::test]
async fn a_descending_answer_is_read_down_to_the_cursor_and_no_further() {
    let newest_first = |asked: &Asked| {
        let rows: Vec<Value> = rows(9).into_iter().rev().collect();
        Answered::json(json!(numbered(&rows, asked, 1, 3)))
    };
    let api = Api::serve(newest_first).await;
    let text = manifest("{field: updated_at, order: descending}");
    let mut platform = Platform::new(&text, &api);
    platform.sync().await.expect("a sync");
    let before = api.lines().len();
    platform.sync().await.expect("a sync");
    assert_eq!(platform.received, 9 + 1);
    assert!(api.lines().len() - before <= 2, "one page, and one fetched ahead: {:?}", api.lines());
}

#[tokio::test]
async fn a_sync_token_of_the_answer_is_kept_and_sent() {
    let answer = |asked: &Asked| match asked.query.get("token").map(String::as_str) {
        None => Answered::json(json!({"items": rows(2), "sync_token": "t1"})),
        Some("t1") => Answered::json(json!({"items": rows(3), "sync_token": "t2"})),
        Some(_) => Answered::json(json!({"items": [], "sync_token": "t2"})),
    };
    let api = Api::serve(answer).await;
    let text = "name: test\nbase_url: '{url}'\ntables:\n  items: {primary_key: id, cursor: {from: body.sync_token, to: query.token}}\n";
    let mut platform = Platform::new(text, &api);
    for _ in 0..3 {
        platform.sync().await.expect("a sync");
    }
    assert_eq!(api.lines(), ["/items", "/items?token=t1", "/items?token=t2"]);
    assert_eq!(platform.ids("items"), [1, 2, 3]);
}

#[tokio::test]
async fn deletes_by_flag_and_by_sweep() {
    let answer = |_: &Asked| {
        Answered::json(json!([{"id": 1, "gone": false}, {"id": 2, "gone": true}, {"id": 3}]))
    };
    let api = Api::serve(answer).await;
    let text = "name: test\nbase_url: '{url}'\ntables:\n  items: {primary_key: id, deletes: {flag: gone}}\n";
    let mut platform = Platform::new(text, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 3]);
    let platform = Platform::new(&text.replace("{flag: gone}", "sweep"), &api);
    let response = protocol::Function::call(&platform.connector, &platform.request()).await;
    let response = response.expect("an answer");
    assert_eq!(response.soft_delete.iter().map(|table| &table.0).collect::<Vec<_>>(), ["items"]);
}

#[tokio::test]
async fn a_value_that_is_no_cursor_is_an_error_that_names_the_row_and_not_the_value() {
    let api =
        Api::serve(|_: &Asked| Answered::json(json!([{"id": 1, "updated_at": "soon"}]))).await;
    let mut platform = Platform::new(&manifest("{field: updated_at}"), &api);
    let error = platform.sync().await.expect_err("an error");
    expect![
        "invalid_cursor: table items: row 0 of a page, `updated_at`: the value is no timestamp"
    ]
    .assert_eq(&told(&error));
}

#[tokio::test]
async fn an_order_that_is_not_kept_is_an_error_and_not_an_early_end() {
    let mixed = |_: &Asked| {
        Answered::json(
            json!([{"id": 1, "updated_at": "2024-01-02"}, {"id": 2, "updated_at": "2024-01-03"}]),
        )
    };
    let api = Api::serve(mixed).await;
    let mut platform = Platform::new(&manifest("{field: updated_at, order: descending}"), &api);
    let error = platform.sync().await.expect_err("an error");
    assert_eq!(error.code(), "not_descending");
}

/// Rows of a table that is asked for by ranges of ids: both bounds included, up to 900; ids 301 to 600
/// are missing.
fn by_range(asked: &Asked) -> Answered {
    let bound = |name: &str| asked.query[name].parse::<u64>().expect("a number");
    let rows = (bound("from")..=bound("to").min(900)).filter(|id| !(301..=600).contains(id));
    let rows: Vec<Value> = rows.map(|id| json!({"id": id})).collect();
    Answered::json(json!({"rows": rows, "max": 900}))
}

fn ranges(cursor: &str) -> String {
    format!(
        "name: test\nbase_url: '{{url}}'\ntables:\n  items: {{primary_key: id, records: rows, cursor: {{field: id, to: query.from, until: query.to, start: 1, {cursor}}}}}\n"
    )
}

/// Two syncs: the requests, then the state.
async fn check_ranges(cursor: &str, expected: Expect) {
    let api = Api::serve(by_range).await;
    let text = ranges(cursor);
    let mut platform = Platform::new(&format!("{text}call: {{pages: 2}}\n"), &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), (1..=300).chain(601..=900).collect::<Vec<_>>());
    platform.sync().await.expect("a sync");
    let lines = api.lines().join("\n");
    expected.assert_eq(&format!("{lines}\n{}", platform.state.as_json()));
}

#[tokio::test]
async fn ranges_of_ids_are_read_up_to_the_highest() {
    check_ranges(
        "step: 400, end: body.max",
        expect![[r#"
            /items?from=1&to=401
            /items?from=401&to=801
            /items?from=801&to=1201
            /items?from=900&to=1300
            {"tables":{"items":{"cursor":"900"}}}"#]],
    )
    .await;
    check_ranges(
        "step: 400, end: 1000",
        expect![[r#"
            /items?from=1&to=401
            /items?from=401&to=801
            /items?from=801&to=1201
            /items?from=900&to=1300
            {"tables":{"items":{"cursor":"900"}}}"#]],
    )
    .await;
}

#[tokio::test]
async fn ranges_of_ids_without_an_end_are_read_until_the_gap_is_too_large() {
    check_ranges(
        "step: 200, empty_steps: 2",
        expect![[r#"
            /items?from=1&to=201
            /items?from=201&to=401
            /items?from=401&to=601
            /items?from=601&to=801
            /items?from=801&to=1001
            /items?from=1001&to=1201
            /items?from=1201&to=1401
            /items?from=900&to=1100
            /items?from=1100&to=1300
            /items?from=1300&to=1500
            {"tables":{"items":{"cursor":"900"}}}"#]],
    )
    .await;
}

#[tokio::test]
async fn a_highest_id_that_no_answer_tells_is_an_error() {
    let api = Api::serve(by_range).await;
    let mut platform = Platform::new(&ranges("step: 400, end: body.maximum"), &api);
    let error = platform.sync().await.expect_err("an error");
    assert_eq!(error.code(), "more_not_found");
    let empty = Api::serve(|_| Answered::json(json!({"rows": [], "max": null}))).await;
    let mut platform = Platform::new(&ranges("step: 400, end: body.max"), &empty);
    platform.sync().await.expect("a sync");
    assert_eq!(empty.lines().len(), 1, "a table without rows has no highest id");
}

#[tokio::test]
async fn bounds_may_stand_in_the_first_request_only() {
    let answer = |asked: &Asked| match asked.query.get("cursor").map(String::as_str) {
        None => Answered::json(json!({"data": rows(2), "next": "b"})),
        Some(_) => Answered::json(json!({"data": [{"id": 3, "updated_at": "2024-01-02"}]})),
    };
    let api = Api::serve(answer).await;
    let text = "name: test\nbase_url: '{url}'\npagination: {cursor: {from: body.next, to: query.cursor}}\ntables:\n  items: {primary_key: id, cursor: {field: updated_at, to: query.since, start: 2024-01-01, first_page_only: true}}\n";
    let mut platform = Platform::new(text, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(api.lines(), ["/items?since=2024-01-01", "/items?cursor=b"]);
}

/// A platform whose connector reads a range of the past from the state that syncs have reached.
fn reading(range: (&str, Option<&str>), text: &str, api: &Api, synced: &Platform) -> Platform {
    let mut platform = Platform::new(text, api);
    let manifest = connector::manifest::Manifest::parse(&text.replace("{url}", &api.url));
    let manifest = manifest.expect("a manifest").between(range.0, range.1).expect("a range");
    let clock = Arc::new(|| "2024-06-01T00:00:00Z".to_owned());
    platform.connector = connector::Connector::new(manifest, clock).expect("a connector");
    platform.state = synced.state.clone();
    platform
}

#[tokio::test]
async fn a_range_lands_and_the_cursor_stays_where_it_was() {
    let table = Table::default();
    for id in 1..=9 {
        table.put(id, &format!("2024-01-0{id}"));
    }
    let api = table.serve().await;
    let text = manifest("{field: updated_at, to: query.since}");
    let mut synced = Platform::new(&text, &api);
    synced.sync().await.expect("a sync");
    let by_page = format!("{text}call: {{pages: 1}}\n");
    let mut ranged = reading(("2024-01-03", Some("2024-01-06")), &by_page, &api, &synced);
    ranged.begin_sync(1).await;
    // Cut short, and gone on with by the same range.
    assert!(ranged.state.as_json().contains(r#""range":{"from":"2024-01-03""#));
    let cut = ranged.state.clone();
    ranged.sync().await.expect("a sync");
    assert_eq!(ranged.ids("items"), [3, 4, 5, 6]);
    assert_eq!(ranged.state, synced.state, "nothing of it stays in the state");
    // A sync without a range gives up what was not read to its end, and says so.
    synced.state = cut;
    synced.sync().await.expect("a sync");
    assert_eq!(synced.warnings, ["range_unfinished"]);
    assert_eq!(synced.state, ranged.state);
    // While a sync waits to be ended, no range is read.
    let mut cut = Platform::new(&by_page, &api);
    cut.begin_sync(1).await;
    let mut early = reading(("2024-01-03", None), &text, &api, &cut);
    let error = early.sync().await.expect_err("an error");
    assert_eq!(error.code(), "sync_under_way");
}

#[test]
fn a_range_needs_cursors_keys_and_values() {
    let between = |tables: &str, from: &str| {
        let text = format!("name: x\nbase_url: 'http://a'\ntables:\n{tables}");
        let manifest = connector::manifest::Manifest::parse(&text).expect("a manifest");
        let ranged = manifest.between(from, None);
        ranged.map(|ranged| ranged.tables.into_keys().collect::<Vec<_>>().join(" "))
    };
    let check = |tables: &str, from: &str, expected: Expect| {
        expected.assert_eq(&between(tables, from).unwrap_or_else(|error| error));
    };
    let family = "  a: {primary_key: id, deletes: sweep}\n  b: {for_each: a, path: '/{{ parent.id }}', primary_key: id, cursor: {field: at, to: query.s}}\n  c: {for_each: b, path: '/{{ parent.id }}', primary_key: id}\n  d: {primary_key: id}\n  e: {for_each: a, path: '/{{ parent.id }}/e', primary_key: id}\n";
    check(family, "2024-01-01", expect!["a b c"]);
    check(
        family,
        "soon",
        expect!["table b: its cursor cannot go from or up to that: the value is no timestamp"],
    );
    check(
        "  d: {primary_key: id}\n",
        "1",
        expect!["no table has a `cursor` with a `field` whose values have an order"],
    );
    check(
        "  d: {cursor: {field: at, to: query.s}}\n",
        "2024-01-01",
        expect!["the table d has no `primary_key`: rows that are read again would be there twice"],
    );
}

/// Deletes that an address of their own lists are asked for before the rows, so that what came back stays.
#[tokio::test]
async fn dec_25_a_feed_of_deletes_has_its_own_cursor_and_comes_before_the_rows() {
    let gone = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&gone);
    let api = Api::serve(move |asked: &Asked| match asked.path.as_str() {
        "/items" => Answered::json(json!([{"id": 1, "mail": "a"}, {"id": 2, "mail": "b"}])),
        _ => {
            let since = asked.query.get("since").cloned().unwrap_or_default();
            let gone = told.lock().expect("not poisoned");
            let gone = gone.iter().filter(|(_, at): &&(&str, &str)| **at >= *since);
            let gone: Vec<Value> =
                gone.map(|(mail, at)| json!({"address": mail, "at": at})).collect();
            Answered::json(json!({"gone": gone}))
        }
    })
    .await;
    let text = "name: x\nbase_url: '{url}'\nsecrets: [api_key]\nhash_key: '{{ secrets.api_key }}'\ntables:\n  items:\n    primary_key: mail\n    hash: mail\n    deletes: {path: /gone, records: gone, rename: {address: mail}, cursor: {field: at, to: query.since}}\n";
    let mut platform = Platform::new(text, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.tables["items"].len(), 2);
    *gone.lock().expect("not poisoned") = vec![("c", "2024-01-01"), ("b", "2024-01-02")];
    platform.connector = Platform::new(text, &api).connector;
    let mut old = Platform::new(text, &api);
    old.tables = platform.tables.clone();
    platform.sync().await.expect("a sync");
    // `b` was deleted and is there again: the rows come after the deletes, in an answer of their own.
    assert_eq!(platform.tables["items"].len(), 2);
    assert_eq!(platform.state.as_json(), r#"{"tables":{"items@deletes":{"cursor":"2024-01-02"}}}"#);
    platform.sync().await.expect("a sync");
    assert_eq!(
        api.lines().iter().filter(|line| line.contains("since")).collect::<Vec<_>>(),
        ["/gone?since=2024-01-02"]
    );
    // What is gone is named as it stands in the table: by its hash.
    let response = protocol::Function::call(&old.connector, &old.request()).await;
    let response = response.expect("an answer");
    let sent = String::from_utf8(response.to_json()).expect("UTF-8");
    assert!(response.has_more && response.insert.is_empty(), "{sent}");
    let shown = platform.tables["items"].keys().filter(|key| sent.contains(key.as_str())).count();
    assert_eq!(shown, 1, "{sent}");
    assert!(!sent.contains("address"), "{sent}");
}

#[tokio::test]
async fn a_list_of_keys_that_are_gone_is_a_feed_too() {
    let api = Api::serve(|asked: &Asked| match asked.path.as_str() {
        "/items" => Answered::json(json!([{"id": 1}, {"id": 2}])),
        _ => Answered::json(json!({"ids": [7, 8]})),
    })
    .await;
    let text = "name: x\nbase_url: '{url}'\ntables:\n  items: {primary_key: id, deletes: {path: /gone, records: ids}}\n";
    let platform = Platform::new(text, &api);
    let response = protocol::Function::call(&platform.connector, &platform.request()).await;
    let response = response.expect("an answer");
    assert_eq!(response.delete[0].1.as_json(), br#"[{"id":7},{"id":8}]"#);
    assert_eq!(response.delete[0].0.0, "items");
}

#[tokio::test]
async fn a_sweep_carries_how_much_it_may_mark() {
    let api = Api::serve(|_: &Asked| Answered::json(json!([{"id": 1}]))).await;
    let text = "name: x\nbase_url: '{url}'\ntables:\n  items: {primary_key: id, deletes: {sweep: true, max_deletes: 20 %}}\n";
    let platform = Platform::new(text, &api);
    let response = protocol::Function::call(&platform.connector, &platform.request()).await;
    let response = response.expect("an answer");
    let percent: Vec<u8> = response.max_deletes.iter().map(|most| most.percent).collect();
    assert_eq!(percent, [20]);
    let sent = response.to_json();
    let read = protocol::Response::from_json(sent.into(), &platform.request()).expect("an answer");
    assert_eq!(read.max_deletes, response.max_deletes);
}
