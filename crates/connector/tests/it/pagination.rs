use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::api::{Answered, Api, Asked, numbered, rows};
use crate::run::{Platform, told};

fn manifest(pagination: &str) -> String {
    format!(
        "name: test\nbase_url: '{{url}}'\npagination: {pagination}\nrequests: {{retries: 1}}\ntables:\n  items: {{primary_key: id}}\n"
    )
}

/// All rows arrive by this style; the requests are as expected, in any order (some are sent ahead).
async fn check(
    pagination: &str,
    answer: impl Fn(&Asked) -> Answered + Send + Sync + 'static,
    count: usize,
    expected: Expect,
) {
    let api = Api::serve(answer).await;
    let mut platform = Platform::new(&manifest(pagination), &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), (1..=count as u64).collect::<Vec<_>>());
    assert_eq!(platform.received, count, "no row twice");
    let mut lines = api.lines();
    lines.sort();
    expected.assert_eq(&lines.join("\n"));
}

/// The sync fails, and this is why.
async fn check_fails(
    pagination: &str,
    answer: impl Fn(&Asked) -> Answered + Send + Sync + 'static,
    expected: Expect,
) {
    let api = Api::serve(answer).await;
    let mut platform = Platform::new(&manifest(pagination), &api);
    let error = platform.sync().await.expect_err("an error");
    expected.assert_eq(&told(&error).replace(&api.url, "URL"));
}

fn number(asked: &Asked, name: &str, default: usize) -> usize {
    asked.query.get(name).map_or(default, |text| text.parse().expect("a number"))
}

fn from(at: usize, size: usize) -> Vec<Value> {
    rows(7).into_iter().skip(at).take(size).collect()
}

#[tokio::test]
async fn by_page_number() {
    check(
        "{page: {to: query.page}}",
        |asked| Answered::json(json!(numbered(&rows(7), asked, 1, 3))),
        7,
        expect![[r#"
        /items?page=1
        /items?page=2
        /items?page=3
        /items?page=4"#]],
    )
    .await;
    check(
        "{page: {to: query.page, start: 0}}",
        |asked| Answered::json(json!(numbered(&rows(6), asked, 0, 3))),
        6,
        expect![[r#"
        /items?page=0
        /items?page=1
        /items?page=2"#]],
    )
    .await;
}

#[tokio::test]
async fn by_offset_with_a_size_that_the_api_clamps() {
    let answer = |asked: &Asked| {
        let size = number(asked, "limit", 2).min(3);
        Answered::json(json!({"data": from(number(asked, "offset", 0), size)}))
    };
    check(
        "{offset: {to: query.offset}, size: {to: query.limit, value: 100}}",
        answer,
        7,
        expect![[r#"
        /items?limit=100&offset=0
        /items?limit=100&offset=3
        /items?limit=100&offset=6
        /items?limit=100&offset=7"#]],
    )
    .await;
}

#[tokio::test]
async fn by_token_link_header_and_next_address() {
    let by_token = |asked: &Asked| {
        let at = number(asked, "cursor", 0);
        let next = (at + 3 < 7).then(|| (at + 3).to_string());
        Answered::json(json!({"data": from(at, 3), "meta": {"next": next}}))
    };
    check(
        "{cursor: {from: body.meta.next, to: query.cursor}}",
        by_token,
        7,
        expect![[r#"
        /items
        /items?cursor=3
        /items?cursor=6"#]],
    )
    .await;
    let by_link = |asked: &Asked| {
        let at = number(asked, "at", 0);
        let mut answered = Answered::json(json!(from(at, 3)));
        if at + 3 < 7 {
            answered.headers.push(("link", format!("</items?at={}>; rel=\"next\"", at + 3)));
        }
        answered
    };
    check(
        "{cursor: {from: link.next, to: url}}",
        by_link,
        7,
        expect![[r#"
        /items
        /items?at=3
        /items?at=6"#]],
    )
    .await;
    let by_address = |asked: &Asked| {
        let at = number(asked, "at", 0);
        let next = (at + 4 < 7).then(|| format!("?at={}", at + 4));
        Answered::json(json!({"rows": from(at, 4), "next": next}))
    };
    check(
        "{cursor: {from: body.next, to: url}}",
        by_address,
        7,
        expect![[r#"
        /items
        /items?at=4"#]],
    )
    .await;
    let by_header = |asked: &Asked| {
        let at = asked.headers.get("x-after").map_or(0, |text| text.parse().expect("a number"));
        let mut answered = Answered::json(json!(from(at, 5)));
        if at + 5 < 7 {
            answered.headers.push(("x-next", (at + 5).to_string()));
        }
        answered
    };
    check(
        "{cursor: {from: header.X-Next, to: header.X-After}}",
        by_header,
        7,
        expect![[r#"
        /items
        /items"#]],
    )
    .await;
}

#[tokio::test]
async fn by_the_key_of_the_last_row() {
    let answer = |asked: &Asked| {
        let after = number(asked, "after", 0);
        Answered::json(json!(from(after, 3)))
    };
    check(
        "{cursor: {from: last_row.id, to: query.after}}",
        answer,
        7,
        expect![[r#"
        /items
        /items?after=3
        /items?after=6
        /items?after=7"#]],
    )
    .await;
}

#[tokio::test]
async fn totals_save_the_last_request_and_let_pages_be_fetched_at_once() {
    let answer = |asked: &Asked| {
        Answered::json(json!({"items": numbered(&rows(7), asked, 1, 3), "total": 7, "pages": 3}))
    };
    check(
        "{page: {to: query.page}, total: body.total}",
        answer,
        7,
        expect![[r#"
        /items?page=1
        /items?page=2
        /items?page=3"#]],
    )
    .await;
    check(
        "{page: {to: query.page}, total_pages: body.pages}",
        answer,
        7,
        expect![[r#"
        /items?page=1
        /items?page=2
        /items?page=3"#]],
    )
    .await;
}

#[tokio::test]
async fn an_end_that_may_lose_rows_is_an_error() {
    let short_total = |asked: &Asked| {
        Answered::json(json!({"items": numbered(&rows(7), asked, 1, 3), "total": 9}))
    };
    check_fails(
        "{page: {to: query.page}, total: body.total}",
        short_total,
        expect!["total_mismatch: table items: the API said there are 9 rows and gave 7"],
    )
    .await;
    let same_page = |_: &Asked| Answered::json(json!(rows(3)));
    check_fails("{page: {to: query.page}}", same_page, expect!["repeated_page: table items: the API answered with the same rows as on the page before: it may not know the parameter that asks for the next page"]).await;
    let same_token = |_: &Asked| Answered::json(json!({"data": rows(3), "next": "again"}));
    check_fails("{cursor: {from: body.next, to: query.cursor}}", same_token, expect!["repeated_page: table items: the API answered with the same rows as on the page before: it may not know the parameter that asks for the next page"]).await;
    let circle = |asked: &Asked| {
        let at = number(asked, "cursor", 0);
        Answered::json(json!({"data": from(at, 1), "next": ((at + 1) % 5).to_string()}))
    };
    check_fails("{cursor: {from: body.next, to: query.cursor}}", circle, expect!["repeated_token: table items: the page after this one is this one again: the API answered with the same token"]).await;
    let no_rows = |_: &Asked| Answered::json(json!({"status": "ok"}));
    check_fails("{page: {to: query.page}}", no_rows, expect!["invalid_page: table items: an answer of URL/items: it has no list of rows; say where they are with `records`; its members are status"]).await;
}

#[tokio::test]
async fn refusals_are_told_with_the_table_and_the_status() {
    check_fails("{page: {to: query.page}}", |_| Answered::status(403), expect![[r#"source_refused: table items: GET URL/items answered 403 Forbidden: {"error":"on purpose"}"#]]).await;
    check_fails("{page: {to: query.page}}", |_| Answered::status(503), expect![[r#"source_unavailable: function unavailable: table items: GET URL/items answered 503 Service Unavailable: {"error":"on purpose"}"#]]).await;
}

/// A link to another host gets no key; one that is named does.
#[tokio::test]
async fn a_link_to_another_host_is_refused_unless_it_is_named() {
    let other = Api::serve(|_| Answered::json(json!({"data": [{"id": 9}]}))).await;
    let link = format!("{}/items", other.url.replace("127.0.0.1", "localhost"));
    let answer = move |_: &Asked| Answered::json(json!({"data": rows(2), "next": link}));
    let api = Api::serve(answer).await;
    let text =
        format!("{}auth: {{bearer: k-e-y}}\n", manifest("{cursor: {from: body.next, to: url}}"));
    let error = Platform::new(&text, &api).sync().await.expect_err("an error");
    assert!(told(&error).contains("leads to another host, localhost"), "{}", told(&error));
    assert!(other.asked().is_empty());
    let mut platform = Platform::new(&format!("{text}hosts: [localhost]\n"), &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 9]);
}

/// A misspelt place of the token looks like the end; a page that is full tells otherwise.
#[tokio::test]
async fn a_full_page_that_says_nothing_of_another_is_told() {
    let answer = |_: &Asked| Answered::json(json!({"data": rows(3), "next": "b"}));
    let api = Api::serve(answer).await;
    let text =
        manifest("{cursor: {from: body.nxt, to: query.cursor}, size: {to: query.limit, value: 3}}");
    let mut platform = Platform::new(&text, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.warnings, ["full_page_without_token"]);
    let misspelt = "{cursor: {from: last_row.idd, to: query.after}}";
    check_fails(misspelt, |_| Answered::json(json!(rows(3))), expect!["more_not_found: table items: more rows may follow, and the page has no last_row.idd to get them"]).await;
}

/// Rows by page of three; `change` is made when the second page is asked for the first time.
async fn shifting(
    pagination: &str,
    key: &str,
    change: impl Fn(&mut Vec<Value>) + Send + Sync + 'static,
) -> (Platform, Vec<Value>) {
    let table = std::sync::Arc::new(std::sync::Mutex::new((rows(9), false)));
    let served = std::sync::Arc::clone(&table);
    let api = Api::serve(move |asked| {
        let mut table = served.lock().expect("not poisoned");
        if asked.query["page"] == "2" && !std::mem::replace(&mut table.1, true) {
            change(&mut table.0);
        }
        Answered::json(json!({"total": table.0.len(), "items": numbered(&table.0, asked, 1, 3)}))
    })
    .await;
    let text = manifest(pagination).replace("primary_key: id", key);
    let mut platform = Platform::new(&text, &api);
    platform.sync().await.expect("a sync");
    let rows = table.lock().expect("not poisoned").0.clone();
    (platform, rows)
}

/// A row that goes while pages are read by number moves another one to a page that was read already.
#[tokio::test]
async fn a_table_that_loses_rows_while_it_is_read_is_read_again() {
    let total = "{page: {to: query.page}, total: body.total}";
    let (platform, rows) = shifting(total, "primary_key: id", |rows| {
        rows.remove(0);
    })
    .await;
    assert_eq!(platform.warnings, ["table_shifted"]);
    let missing: Vec<&Value> = rows
        .iter()
        .filter(|row| !platform.ids("items").contains(&row["id"].as_u64().expect("an id")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn rows_that_come_in_front_are_noticed_and_nothing_is_doubled_by_key() {
    let plain = "{page: {to: query.page}}";
    let (platform, _) = shifting(plain, "primary_key: id", |rows| {
        rows.insert(0, json!({"id": 100}));
    })
    .await;
    assert_eq!(platform.warnings, ["table_shifted"]);
    assert_eq!(platform.ids("items"), (1..=9).collect::<Vec<_>>());
}

/// With a known total, pages are under way at once: a quarter of the time of one after the other needs
/// four of them, and as many are as the manifest allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 10)]
async fn pages_that_numbers_name_are_fetched_at_once() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counter, highest) = (Arc::clone(&under_way), Arc::clone(&most));
    let api = Api::serve(move |asked| {
        highest.fetch_max(counter.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(50));
        counter.fetch_sub(1, Ordering::SeqCst);
        Answered::json(json!({"items": numbered(&rows(80), asked, 1, 2), "total": 80}))
    })
    .await;
    let text = manifest("{page: {to: query.page}, total: body.total}")
        .replace("{retries: 1}", "{concurrency: 8}");
    let mut platform = Platform::new(&text, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items").len(), 80);
    assert_eq!(api.lines().len(), 40, "each page once");
    assert_eq!(most.load(Ordering::SeqCst), 8, "as many as are allowed, and no more");
}
