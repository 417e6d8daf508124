//! For generated combinations of paging, cursor, budgets, parents and faults, the final tables equal the
//! API's rows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::api::{Answered, Api, Asked};
use crate::run::Platform;

#[derive(Clone, Debug)]
struct Case {
    style: Style,
    /// Rows, by the minute of their last change; equal minutes are ties.
    minutes: Vec<u8>,
    /// Rows changed, and rows added, between the first and the second sync.
    changed: Vec<(usize, u8)>,
    size: usize,
    cursor: bool,
    children: bool,
    pages_a_call: Option<u64>,
    bytes_a_call: Option<u64>,
    /// Every so many requests one fails, in this way.
    fault_every: u64,
    fault: Fault,
    /// A new process for every call.
    restarts: bool,
}

#[derive(Clone, Copy, Debug)]
enum Style {
    Page,
    PageWithTotal,
    Offset,
    Clamped,
    Token,
    Link,
    Keyset,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Busy,
    Broken,
    Truncated,
    /// Tokens given out before this moment are void.
    Expired,
    Duplicates,
}

fn cases() -> impl Strategy<Value = Case> {
    use Style::{Clamped, Keyset, Link, Offset, Page, PageWithTotal, Token};
    let style =
        prop::sample::select(vec![Page, PageWithTotal, Offset, Clamped, Token, Link, Keyset]);
    let fault = prop::sample::select(vec![
        Fault::Busy,
        Fault::Broken,
        Fault::Truncated,
        Fault::Expired,
        Fault::Duplicates,
    ]);
    let rows = (
        prop::collection::vec(0..40_u8, 0..14),
        prop::collection::vec((0..20_usize, 40..60_u8), 0..4),
    );
    let budget = (prop::option::of(1..4_u64), prop::option::of(60..400_u64));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (style, rows, 1..5_usize, flags, budget, 2..9_u64, fault).prop_map(
        |(style, (minutes, changed), size, flags, budget, fault_every, fault)| Case {
            style,
            minutes,
            changed,
            size,
            cursor: flags.0,
            children: flags.1,
            pages_a_call: budget.0,
            bytes_a_call: budget.1,
            fault_every,
            fault,
            restarts: flags.2,
        },
    )
}

/// The API's rows by id; sorted as it answers, by time and id.
type Store = Arc<Mutex<BTreeMap<u64, u8>>>;

fn row(id: u64, minute: u8) -> Value {
    json!({"id": id, "updated_at": format!("2024-01-01T00:{minute:02}:00Z")})
}

async fn serve(case: &Case, store: &Store) -> Api {
    let (case, store) = (case.clone(), Arc::clone(store));
    let requests = AtomicU64::new(0);
    let generation = AtomicU64::new(0);
    Api::serve(move |asked| {
        let number = requests.fetch_add(1, Ordering::SeqCst) + 1;
        let fails = number.is_multiple_of(case.fault_every);
        match case.fault {
            Fault::Busy if fails => {
                return Answered {
                    headers: vec![("retry-after", "0".into())],
                    ..Answered::status(429)
                };
            }
            Fault::Broken if fails => return Answered::status(502),
            // A token that never lives as long as a window would let nobody read to the end.
            Fault::Expired if fails && generation.load(Ordering::SeqCst) < 2 => {
                generation.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
        let generation = generation.load(Ordering::SeqCst);
        let mut answered = page(&case, &store, asked, generation);
        if fails && matches!(case.fault, Fault::Truncated) {
            // What was promised does not come: the body ends half-way.
            let whole = crate::formats::gzip(&answered.body);
            answered.body = whole[..whole.len() / 2].to_vec();
            answered.headers.push(("content-encoding", "gzip".into()));
        }
        answered
    })
    .await
}

fn page(case: &Case, store: &Store, asked: &Asked, generation: u64) -> Answered {
    if let Some(parent) = asked.path.strip_prefix("/items/") {
        let id: u64 = parent.trim_end_matches("/parts").parse().expect("an id");
        return Answered::json(json!({"data": [{"id": id * 10}, {"id": id * 10 + 1}]}));
    }
    let since = asked.query.get("since").cloned().unwrap_or_default();
    let mut rows: Vec<(u8, u64)> =
        store.lock().expect("not poisoned").iter().map(|(id, minute)| (*minute, *id)).collect();
    rows.sort_unstable();
    if matches!(case.style, Style::Keyset) {
        rows.sort_by_key(|(_, id)| *id);
    }
    let mut rows: Vec<Value> = rows.into_iter().map(|(minute, id)| row(id, minute)).collect();
    rows.retain(|row| row["updated_at"].as_str() >= Some(since.as_str()));
    let number = |name: &str| asked.query.get(name).and_then(|text| text.parse::<usize>().ok());
    let size = match case.style {
        Style::Clamped => case.size.min(2),
        _ => case.size,
    };
    let start = match case.style {
        Style::Page | Style::PageWithTotal => (number("page").unwrap_or(1) - 1) * size,
        Style::Offset | Style::Clamped => number("offset").unwrap_or(0),
        Style::Token | Style::Link => match asked.query.get("token") {
            None => 0,
            Some(token) => {
                let (of, at) = token.split_once('-').expect("a token");
                if of != generation.to_string() {
                    return Answered::status(410);
                }
                at.parse().expect("a number")
            }
        },
        Style::Keyset => {
            let after = number("after").unwrap_or(0) as u64;
            rows.iter().position(|row| row["id"].as_u64() > Some(after)).unwrap_or(rows.len())
        }
    };
    let total = rows.len();
    let mut shown: Vec<Value> = rows.into_iter().skip(start).take(size).collect();
    if matches!(case.fault, Fault::Duplicates)
        && !matches!(case.style, Style::Offset | Style::Clamped | Style::PageWithTotal)
    {
        shown.extend(shown.first().cloned());
    }
    let more = start + size < total;
    let token = format!("{generation}-{}", start + size);
    let mut answered = Answered::json(json!({
        "data": shown,
        "total": total,
        "next": (more && matches!(case.style, Style::Token)).then_some(&token),
    }));
    if more && matches!(case.style, Style::Link) {
        let since = if since.is_empty() { String::new() } else { format!("&since={since}") };
        answered.headers.push(("link", format!("</items?token={token}{since}>; rel=next")));
    }
    answered
}

fn manifest(case: &Case) -> String {
    let size = format!("size: {{to: query.limit, value: {}}}", case.size);
    let pagination = match case.style {
        Style::Page => "page: {to: query.page}".to_owned(),
        Style::PageWithTotal => "page: {to: query.page}, total: body.total".to_owned(),
        Style::Offset | Style::Clamped => format!("offset: {{to: query.offset}}, {size}"),
        Style::Token => "cursor: {from: body.next, to: query.token}".to_owned(),
        Style::Link => "cursor: {from: link.next, to: url}".to_owned(),
        Style::Keyset => "cursor: {from: last_row.id, to: query.after}".to_owned(),
    };
    let mut text = format!(
        "name: x\nbase_url: '{{url}}'\nrequests: {{retries: 8, backoff: 1ms}}\ntables:\n  items:\n    primary_key: id\n    records: data\n    pagination: {{{pagination}}}\n"
    );
    if case.cursor {
        text += "    cursor: {field: updated_at, to: query.since}\n";
    }
    if case.children {
        text += "  parts:\n    for_each: items\n    path: /items/{{ parent.id }}/parts\n    records: data\n    primary_key: id\n";
    }
    let pages = case.pages_a_call.map(|pages| format!("pages: {pages}"));
    let bytes = case.bytes_a_call.map(|bytes| format!("bytes: {bytes}"));
    let budget: Vec<String> = [pages, bytes].into_iter().flatten().collect();
    if !budget.is_empty() {
        text += &format!("call: {{{}}}\n", budget.join(", "));
    }
    text
}

async fn sync(platform: &mut Platform, text: &str, api: &Api, case: &Case) {
    platform.new_sync();
    for _ in 0..2000 {
        match platform.call().await {
            Ok(true) => {}
            Ok(false) => return,
            // As a scheduler would: what failed is tried again.
            Err(error) if error.code() == "source_unavailable" => {}
            Err(error) => panic!("{case:?}: {error}"),
        }
        if case.restarts {
            platform.connector = Platform::new(text, api).connector;
        }
    }
    panic!("{case:?}: never ends");
}

async fn check(case: Case) {
    let rows = case.minutes.iter().enumerate().map(|(index, minute)| (index as u64 + 1, *minute));
    let store: Store = Arc::new(Mutex::new(rows.collect()));
    let api = serve(&case, &store).await;
    let text = manifest(&case);
    let mut platform = Platform::new(&text, &api);
    sync(&mut platform, &text, &api, &case).await;
    compare(&platform, &store, &case);
    for (place, minute) in &case.changed {
        store.lock().expect("not poisoned").insert(*place as u64 + 1, *minute);
    }
    sync(&mut platform, &text, &api, &case).await;
    compare(&platform, &store, &case);
    assert!(platform.state.as_json().len() < 200, "{}", platform.state.as_json());
}

fn compare(platform: &Platform, store: &Store, case: &Case) {
    let store = store.lock().expect("not poisoned");
    let expected: Vec<Value> = store.iter().map(|(id, minute)| row(*id, *minute)).collect();
    let mut found: Vec<Value> = platform
        .tables
        .get("items")
        .map(|rows| rows.values().cloned().collect())
        .unwrap_or_default();
    found.sort_by_key(|row| row["id"].as_u64());
    assert_eq!(found, expected, "{case:?}");
    if case.children {
        let parts: Vec<u64> = store.keys().flat_map(|id| [id * 10, id * 10 + 1]).collect();
        assert_eq!(platform.ids("parts"), parts, "{case:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_final_tables_equal_the_apis_rows(case in cases()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(check(case));
    }
}
