use serde_json::{Value, json};

use crate::api::{Answered, Api, Asked, numbered, rows};
use crate::run::{Platform, told};

/// Five customers, two a page; customer `n` has `n` orders, two a page.
fn shop(asked: &Asked) -> Answered {
    let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
    match parts[..] {
        ["customers"] => Answered::json(json!(numbered(&rows(5), asked, 1, 2))),
        ["customers", customer, "orders"] => {
            let customer: u64 = customer.parse().expect("a number");
            let orders: Vec<Value> =
                (1..=customer).map(|order| json!({"id": customer * 10 + order})).collect();
            Answered::json(json!(numbered(&orders, asked, 1, 2)))
        }
        ["orders", order, "lines"] => {
            let order: u64 = order.parse().expect("a number");
            Answered::json(if asked.query["page"] == "1" {
                json!([{"id": order * 10}, {"id": order * 10 + 1}])
            } else {
                json!([])
            })
        }
        _ => Answered::status(404),
    }
}

const SHOP: &str = "
name: shop
base_url: '{url}'
pagination: {page: {to: query.page}}
tables:
  customers: {primary_key: id}
  orders:
    for_each: customers
    path: /customers/{{ parent.id }}/orders
    primary_key: id
    include: {customer_id: parent.id}
  lines:
    for_each: orders
    path: /orders/{{ parent.id }}/lines
    primary_key: id
    include: {order_id: parent.id}
";

fn expected_orders() -> Vec<u64> {
    (1..=5).flat_map(|customer| (1..=customer).map(move |order| customer * 10 + order)).collect()
}

#[tokio::test]
async fn children_and_their_children_are_read_for_every_parent() {
    let api = Api::serve(shop).await;
    let mut platform = Platform::new(SHOP, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("customers"), [1, 2, 3, 4, 5]);
    assert_eq!(platform.ids("orders"), expected_orders());
    assert_eq!(platform.ids("lines").len(), 2 * expected_orders().len());
    assert_eq!(platform.tables["orders"]["53"]["customer_id"], 5);
    assert_eq!(platform.tables["lines"]["531"]["order_id"], 53);
    assert_eq!(platform.received, 5 + 15 + 30, "no row twice");
    assert_eq!(platform.state.as_json(), "{}");
}

/// However short the calls are, and wherever a process dies, the tables are the same.
#[tokio::test]
async fn f_091_a_page_a_call_and_a_new_process_for_each() {
    let api = Api::serve(shop).await;
    let text = format!("{SHOP}call: {{pages: 1}}\n");
    let mut platform = Platform::new(&text, &api);
    while platform.call().await.expect("an answer") {
        assert!(platform.state.as_json().len() < 700, "{}", platform.state.as_json());
        let next = Platform::new(&text, &api);
        platform.connector = next.connector;
    }
    assert_eq!(platform.ids("orders"), expected_orders());
    assert_eq!(platform.ids("lines").len(), 2 * expected_orders().len());
    assert_eq!(platform.received, 5 + 15 + 30, "no row twice");
}

#[tokio::test]
async fn a_list_of_values_is_a_parent_too() {
    let answer = |asked: &Asked| {
        let id = asked.path.len();
        Answered::json(json!([{"id": id, "at": asked.path}]))
    };
    let api = Api::serve(answer).await;
    let text = "name: x\nbase_url: '{url}'\ntables:\n  items: {for_each: [de, 'a/b?'], path: '/r/{{ parent }}', primary_key: [id, region], include: {region: parent}}\n";
    let mut platform = Platform::new(text, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(api.lines(), ["/r/de", "/r/a%2Fb%3F"]);
    assert_eq!(platform.tables["items"].len(), 2);
    assert_eq!(platform.tables["items"].keys().next().expect("a row"), r#"11/"a/b?""#);
}

#[tokio::test]
async fn a_parent_that_fails_stops_the_sync_or_is_skipped_and_told() {
    let answer = |asked: &Asked| match asked.path.as_str() {
        "/customers/3/orders" => Answered::status(500 - 97),
        _ => shop(asked),
    };
    let api = Api::serve(answer).await;
    let mut platform = Platform::new(SHOP, &api);
    let error = platform.sync().await.expect_err("an error");
    assert!(told(&error).contains("table orders: GET"), "{}", told(&error));
    let text = SHOP
        .replace("    include: {customer_id", "    parent_errors: skip\n    include: {customer_id");
    let mut platform = Platform::new(&text, &api);
    platform.sync().await.expect("a sync");
    let others: Vec<u64> = expected_orders().into_iter().filter(|id| id / 10 != 3).collect();
    assert_eq!(platform.ids("orders"), others);
    assert_eq!(platform.warnings, ["parent_skipped"]);
}

#[tokio::test]
async fn each_parent_has_its_own_cursor() {
    let answer = |asked: &Asked| match asked.path.as_str() {
        "/customers" => Answered::json(json!([{"id": 1}, {"id": 2}])),
        path => {
            let times = if path == "/customers/1/orders" {
                ["2024-01-01", "2024-01-02"]
            } else {
                ["2023-05-01", "2023-05-02"]
            };
            let since = asked.query.get("since").cloned().unwrap_or_default();
            let rows = times.iter().filter(|time| **time >= since.as_str());
            Answered::json(json!(
                rows.map(|time| json!({"id": time, "at": time})).collect::<Vec<_>>()
            ))
        }
    };
    let api = Api::serve(answer).await;
    let text = "name: x\nbase_url: '{url}'\ntables:\n  customers: {primary_key: id}\n  orders: {for_each: customers, path: '/customers/{{ parent.id }}/orders', primary_key: id, cursor: {field: at, to: query.since}}\n";
    let mut platform = Platform::new(text, &api);
    platform.sync().await.expect("a sync");
    platform.sync().await.expect("a sync");
    assert_eq!(
        platform.state.as_json(),
        r#"{"tables":{"orders":{"parents":{"1":"2024-01-02","2":"2023-05-02"}}}}"#
    );
    let asked: Vec<String> =
        api.lines().into_iter().filter(|line| line.contains("since")).collect();
    assert_eq!(
        asked,
        ["/customers/1/orders?since=2024-01-02", "/customers/2/orders?since=2023-05-02"]
    );
}

/// Past a thousand parents there is one cursor for all, and rows that came between are not lost.
#[tokio::test]
async fn past_a_thousand_parents_the_state_stays_small() {
    let answer = |asked: &Asked| match asked.path.as_str() {
        "/p" => Answered::json(json!((1..=1100).map(|id| json!({"id": id})).collect::<Vec<_>>())),
        path => {
            let id: u64 = path.trim_start_matches("/c/").parse().expect("a number");
            Answered::json(
                json!([{"id": id, "at": format!("2024-01-01T00:{:02}:{:02}Z", id / 60, id % 60)}]),
            )
        }
    };
    let api = Api::serve(answer).await;
    let text = "name: x\nbase_url: '{url}'\ntables:\n  p: {primary_key: id}\n  c: {for_each: p, path: '/c/{{ parent.id }}', primary_key: id, cursor: {field: at, to: query.since}}\n";
    let mut platform = Platform::new(text, &api);
    for _ in 0..3 {
        platform.sync().await.expect("a sync");
    }
    assert_eq!(platform.ids("c").len(), 1100);
    assert_eq!(
        platform.state.as_json(),
        r#"{"tables":{"c":{"cursor":"2024-01-01T00:18:20Z","before":"2024-01-01T00:18:20Z"}}}"#
    );
}

/// A page of parents that has changed is read again: its new rows are rows, too.
#[tokio::test]
async fn a_page_that_lost_the_parent_under_way_is_read_again() {
    let moved = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = std::sync::Arc::clone(&moved);
    let api = Api::serve(move |asked: &Asked| match asked.path.as_str() {
        "/customers" if asked.query["page"] != "1" => Answered::json(json!([])),
        "/customers" if now.load(std::sync::atomic::Ordering::SeqCst) => {
            Answered::json(json!([{"id": 3}, {"id": 4}]))
        }
        "/customers" => Answered::json(json!([{"id": 1}, {"id": 2}])),
        _ => shop(asked),
    })
    .await;
    let text = format!("{SHOP}call: {{pages: 1}}\n");
    let mut platform = Platform::new(&text, &api);
    platform.begin_sync(2).await;
    moved.store(true, std::sync::atomic::Ordering::SeqCst);
    platform.connector = Platform::new(&text, &api).connector;
    while platform.call().await.expect("an answer") {}
    assert_eq!(platform.ids("customers"), [1, 2, 3, 4]);
    assert!(platform.ids("orders").ends_with(&[31, 32, 33, 41, 42, 43, 44]));
}

/// Past a thousand parents, one that was skipped holds the cursor of all where it is.
#[tokio::test]
async fn a_skipped_parent_holds_the_one_cursor() {
    let fails = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = std::sync::Arc::clone(&fails);
    let api = Api::serve(move |asked: &Asked| match asked.path.as_str() {
        "/p" => Answered::json(json!((1..=1100).map(|id| json!({"id": id})).collect::<Vec<_>>())),
        "/c/7" if now.load(std::sync::atomic::Ordering::SeqCst) => Answered::status(403),
        _ => Answered::json(json!([{"id": 1, "at": "2024-01-01"}])),
    })
    .await;
    let text = "name: x\nbase_url: '{url}'\ntables:\n  p: {primary_key: id}\n  c: {for_each: p, path: '/c/{{ parent.id }}', primary_key: id, parent_errors: skip, cursor: {field: at, to: query.since}}\n";
    let mut platform = Platform::new(text, &api);
    platform.sync().await.expect("a sync");
    let before = platform.state.clone();
    fails.store(true, std::sync::atomic::Ordering::SeqCst);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.state, before);
    assert!(platform.warnings.contains(&"one_cursor_for_all".to_owned()));
}
