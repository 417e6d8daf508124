//! The simulated function: a story of eleven pages in four syncs, told by a state that counts pages.

use std::sync::LazyLock;

use bytes::Bytes;
use protocol::{Request, Response, State};
use serde_json::Value;

/// What the function answers, page by page. A page with `hasMore: false` ends a sync.
///
/// `orders`: updates across pages; `amount` is a long, then a double, then a string; `note` comes late.
/// `customers`: deletes of known and unknown keys, one sent again later; `since` stops being a date.
/// `clicks`: no key, equal rows. `stock`: rows vanish between syncs and are swept. `prices`: no key, swept.
/// `lines`: a composite key, declared long before its first row, once in the other order.
const PAGES: [&str; 11] = [
    r#"{"insert": {
        "orders": [{"id":1,"amount":10},{"id":2,"amount":20},{"id":3,"amount":null}],
        "customers": [{"id":"a","since":"2020-01-01"},{"id":"b","since":"2020-02-29"},{"id":"c"},{"id":"d"}],
        "clicks": [{"page":"x","seconds":5},{"page":"x","seconds":5}],
        "stock": [{"sku":"p","left":7},{"sku":"q","left":0},{"sku":"r","left":1}]},
      "schema": {"orders":{"primary_key":["id"]},"customers":{"primary_key":["id"]},
        "stock":{"primary_key":["sku"]},"lines":{"primary_key":["order_id","line"]}},
      "softDelete": ["stock"], "hasMore": true}"#,
    r#"{"insert": {
        "orders": [{"id":2,"amount":25},{"id":4,"amount":40},{"id":2,"amount":26}],
        "clicks": [{"page":"x","seconds":5}],
        "stock": [{"sku":"s","left":3}]},
      "delete": {"customers": [{"id":"b"}]}, "hasMore": true}"#,
    r#"{"insert": {"orders": []}, "hasMore": true}"#,
    r#"{"insert": {
        "customers": [{"id":"e"}],
        "clicks": [{"page":"y"},{"page":"y"}]},
      "delete": {"customers": [{"id":"nobody"}]}, "hasMore": false}"#,
    r#"{"insert": {
        "orders": [{"id":1,"amount":0.5},{"id":4},{"id":5,"amount":50}],
        "clicks": [{"page":"x","seconds":5}],
        "stock": [{"sku":"p","left":6},{"sku":"q","left":0}],
        "prices": [{"sku":"p","cents":100},{"sku":"q","cents":100}]},
      "softDelete": ["stock"], "hasMore": true}"#,
    r#"{"insert": {
        "orders": [{"id":6,"amount":60,"note":"late"}],
        "customers": [{"id":"b","since":"2020-01-01"},{"id":"f"}],
        "stock": [{"sku":"t","left":9}]},
      "delete": {"customers": [{"id":"a"},{"id":"f","since":null}]},
      "softDelete": ["stock","prices"], "hasMore": true}"#,
    r#"{"hasMore": false}"#,
    r#"{"insert": {
        "lines": [{"order_id":1,"line":1,"tags":["a"]},{"order_id":1,"line":2}],
        "orders": [{"id":2,"amount":"n/a","paid":true}],
        "clicks": [{"page":"z"}],
        "prices": [{"sku":"p","cents":100}]},
      "schema": {"lines":{"primary_key":["line","order_id"]}},
      "softDelete": ["prices"], "hasMore": true}"#,
    r#"{"insert": {
        "lines": [{"line":2,"order_id":1,"tags":{"b":1}},{"line":1,"order_id":2}],
        "customers": [{"id":"g","since":"n/a"}],
        "clicks": [{"page":"z","seconds":1,"mobile":true}],
        "prices": [{"sku":"p","cents":100}]},
      "delete": {"orders": [{"id":3}],"stock": [{"sku":"p"}]}, "hasMore": true}"#,
    r#"{"insert": {
        "clicks": [{"page":"x","seconds":5}],
        "prices": [{"sku":"r","cents":99.5}]}, "hasMore": false}"#,
    r#"{"insert": {"customers": [{"id":"a","since":"2020-02-29"}]}, "softDelete": ["stock"], "hasMore": false}"#,
];

pub const PAGE_COUNT: usize = PAGES.len();

/// The pages as the model reads them.
pub(crate) fn page_values() -> impl Iterator<Item = Value> {
    PAGES.iter().map(|page| serde_json::from_str(page).expect("a page is JSON"))
}

/// The answer to any state: the same each time it is asked (F-090). After the last page there is
/// nothing new.
pub fn answer(request: &Request) -> Response {
    static BODIES: LazyLock<Vec<Bytes>> =
        LazyLock::new(|| (0..=PAGE_COUNT).map(|page| body(page).into()).collect());
    let body = BODIES[pages_sent(&request.state)].clone();
    Response::from_json(body, request).expect("the source speaks the protocol")
}

/// The body after so many pages.
fn body(sent: usize) -> String {
    let page = PAGES.get(sent).copied().unwrap_or(r#"{"hasMore": false}"#);
    let left = (sent + 1).min(PAGE_COUNT);
    format!(r#"{{"state":{{"pages":{left}}},{}"#, &page[1..])
}

/// What a state says was sent.
pub fn pages_sent(state: &State) -> usize {
    let digits: String = state.as_json().chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() { 0 } else { digits.parse().expect("a state counts pages") }
}
