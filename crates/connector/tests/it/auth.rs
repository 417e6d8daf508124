use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use crate::api::{Answered, Api, Asked, numbered, rows};
use crate::run::{Platform, told};

fn manifest(auth: &str) -> String {
    format!(
        "name: x\nbase_url: '{{url}}'\nsecrets: [api_key]\nauth: {auth}\npagination: {{page: {{to: query.page}}}}\ntables:\n  items: {{primary_key: id}}\n"
    )
}

/// Rows come, and this header or parameter went out with every request.
async fn check(auth: &str, name: &'static str, expected: &str) {
    let api = Api::serve(|asked| Answered::json(json!(numbered(&rows(3), asked, 1, 2)))).await;
    let mut platform = Platform::new(&manifest(auth), &api);
    platform.sync().await.expect("a sync");
    for asked in api.asked() {
        let found = asked.headers.get(name).or(asked.query.get(name));
        assert_eq!(found.map(String::as_str), Some(expected));
    }
}

#[tokio::test]
async fn a_key_goes_where_the_api_wants_it() {
    check("{bearer: '{{ secrets.api_key }}'}", "authorization", "Bearer s3cret-key").await;
    // printf 'me:s3cret-key' | base64
    let basic = "{basic: {username: me, password: '{{ secrets.api_key }}'}}";
    check(basic, "authorization", "Basic bWU6czNjcmV0LWtleQ==").await;
    check("{api_key: {to: header.X-Key, value: '{{ secrets.api_key }}'}}", "x-key", "s3cret-key")
        .await;
    check("{api_key: {to: query.key, value: '{{ secrets.api_key }}'}}", "key", "s3cret-key").await;
}

/// Gives out tokens `t1`, `t2`, …; each is good for so many requests. Answers how many were given out.
async fn token_api(uses: u64) -> (Api, Arc<AtomicU64>) {
    let given = Arc::new(AtomicU64::new(0));
    let (count, requests) = (Arc::clone(&given), AtomicU64::new(0));
    let api = Api::serve(move |asked: &Asked| {
        if asked.path == "/login" || asked.path == "/token" {
            let text = asked.body.to_string();
            if !text.contains("s3cret-key") {
                return Answered::status(400);
            }
            requests.store(0, Ordering::SeqCst);
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            return Answered::json(
                json!({"access_token": format!("t{number}"), "expires_in": 3600}),
            );
        }
        let token = format!("Bearer t{}", count.load(Ordering::SeqCst));
        let is_good = asked.headers.get("authorization") == Some(&token);
        if !is_good || requests.fetch_add(1, Ordering::SeqCst) >= uses {
            return Answered::status(401);
        }
        Answered::json(json!(numbered(&rows(5), asked, 1, 2)))
    })
    .await;
    (api, given)
}

const OAUTH: &str = "{oauth2: {token_url: '{url}/token', client_id: me, client_secret: '{{ secrets.api_key }}', scope: read}}";

#[tokio::test]
async fn a_token_is_fetched_once_and_shared() {
    let (api, given) = token_api(100).await;
    let mut platform = Platform::new(&manifest(OAUTH), &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 3, 4, 5]);
    assert_eq!(given.load(Ordering::SeqCst), 1);
    let asked = &api.asked()[0];
    assert_eq!(
        asked.body,
        "grant_type=client_credentials&scope=read&client_id=me&client_secret=s3cret-key"
    );
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew() {
    let (api, given) = token_api(2).await;
    let session =
        "{session: {path: /login, body: {password: '{{ secrets.api_key }}'}, token: access_token}}";
    let mut platform = Platform::new(&manifest(session), &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 3, 4, 5]);
    assert!(given.load(Ordering::SeqCst) >= 2);
    let last = platform.state.as_json().to_owned();
    assert!(!last.contains("t2"), "{last}");
}

#[tokio::test]
async fn a_login_that_fails_is_told_without_the_secret() {
    let api = Api::serve(|asked: &Asked| Answered {
        body: asked.body.to_string().into(),
        ..Answered::status(400)
    })
    .await;
    let mut platform = Platform::new(&manifest(OAUTH), &api);
    let error = platform.sync().await.expect_err("an error");
    assert!(told(&error).starts_with("login_failed"), "{}", told(&error));
    assert!(!told(&error).contains("s3cret-key"), "{}", told(&error));
}

/// A redirect to another host gets no key.
#[tokio::test]
async fn redirects_to_another_host_take_no_key_along() {
    let other = Api::serve(|_| Answered::json(json!(rows(1)))).await;
    let elsewhere = format!("{}/items", other.url.replace("127.0.0.1", "localhost"));
    let api = Api::serve(move |_| Answered {
        headers: vec![("location", elsewhere.clone())],
        ..Answered::status(302)
    })
    .await;
    let text = manifest("{bearer: '{{ secrets.api_key }}'}")
        .replace("pagination: {page: {to: query.page}}\n", "");
    let mut platform = Platform::new(&text, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1]);
    assert!(other.asked().iter().all(|asked| !asked.headers.contains_key("authorization")));
}

/// A login is not handed to another host, and an error that repeats a token or a password hides it.
#[tokio::test]
async fn logins_and_tokens_stay_where_they_belong() {
    let other = Api::serve(|_| Answered::json(json!({"access_token": "t"}))).await;
    let elsewhere = format!("{}/token", other.url);
    let api = Api::serve(move |_| Answered {
        headers: vec![("location", elsewhere.clone())],
        ..Answered::status(307)
    })
    .await;
    let error = Platform::new(&manifest(OAUTH), &api).sync().await.expect_err("an error");
    assert!(told(&error).contains("redirects to another host"), "{}", told(&error));
    assert!(other.asked().is_empty());
    let echo = |asked: &Asked| match asked.path.as_str() {
        "/token" => Answered::json(json!({"access_token": "t0ken-text"})),
        _ => Answered {
            body: asked.headers["authorization"].clone().into(),
            ..Answered::status(403)
        },
    };
    let api = Api::serve(echo).await;
    let error = Platform::new(&manifest(OAUTH), &api).sync().await.expect_err("an error");
    assert!(told(&error).contains("<secret token>"), "{}", told(&error));
    let basic = "{basic: {username: me, password: '{{ secrets.api_key }}'}}";
    let error = Platform::new(&manifest(basic), &api).sync().await.expect_err("an error");
    assert!(told(&error).contains("Basic <secret auth>"), "{}", told(&error));
}
