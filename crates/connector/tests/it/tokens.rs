//! Tokens that are signed here, requests that are signed, refresh tokens that change.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use protocol::{Function, Request};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::api::{Answered, Api, Asked, numbered, rows};
use crate::run::{Platform, told};

fn manifest(auth: &str) -> String {
    format!(
        "name: x\nbase_url: '{{url}}'\nsecrets: [api_key, token, access_token]\nauth: {auth}\npagination: {{page: {{to: query.page}}}}\ntables:\n  items: {{primary_key: id}}\n"
    )
}

fn pages(asked: &Asked) -> Answered {
    Answered::json(json!(numbered(&rows(3), asked, 1, 2)))
}

/// What a token says, if its signature is right.
fn claims(token: &str, algorithm: Algorithm, key: &DecodingKey) -> Value {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    let read = jsonwebtoken::decode::<Value>(token, key, &validation);
    read.expect("a token with the right signature").claims
}

#[tokio::test]
async fn a_token_is_signed_here_and_sent_with_every_request() {
    let api = Api::serve(pages).await;
    let jwt = "{jwt: {algorithm: HS256, key: '{{ secrets.api_key }}', key_id: k1, life: 10m, claims: {iss: me, n: 7, scope: [a, '{{ secrets.token }}']}}}";
    Platform::new(&manifest(jwt), &api).sync().await.expect("a sync");
    for asked in api.asked() {
        let token = asked.headers["authorization"].strip_prefix("Bearer ").expect("a token");
        let key = DecodingKey::from_secret(b"s3cret-key");
        // 2024-06-01T00:00:00Z, and ten minutes later.
        assert_eq!(
            claims(token, Algorithm::HS256, &key),
            json!({"iss": "me", "n": 7, "scope": ["a", "s3cret-token"], "iat": 1_717_200_000, "exp": 1_717_200_600})
        );
        let header = jsonwebtoken::decode_header(token).expect("a header");
        assert_eq!(header.kid.as_deref(), Some("k1"));
    }
    let wrong = "{jwt: {key: '{{ secrets.api_key }}', claims: {iss: me}}}";
    let error = Platform::new(&manifest(wrong), &api).sync().await.expect_err("no private key");
    assert_eq!(
        told(&error),
        "invalid_template: table items: the key is no private key for RS256 in PEM"
    );
}

#[tokio::test]
async fn a_token_that_is_signed_here_is_exchanged_for_another() {
    let pair = rcgen::KeyPair::generate().expect("a key");
    let public = DecodingKey::from_ec_pem(pair.public_key_pem().as_bytes()).expect("a key");
    let api = Api::serve(move |asked: &Asked| {
        if asked.path != "/token" {
            assert_eq!(asked.headers["authorization"], "Bearer given");
            return pages(asked);
        }
        let body = asked.body.as_str().expect("a form").to_owned();
        let fields: Vec<(String, String)> =
            form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let field = |name: &str| &fields.iter().find(|(known, _)| known == name).expect(name).1;
        assert_eq!(field("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
        assert_eq!(claims(field("assertion"), Algorithm::ES256, &public)["sub"], "me");
        Answered::json(json!({"access_token": "given", "expires_in": 600}))
    })
    .await;
    // In one line, as keys often stand in environment variables.
    let key = pair.serialize_pem().trim().replace('\n', "\\n");
    let auth = format!(
        "{{oauth2: {{token_url: '{{url}}/token', assertion: {{algorithm: ES256, key: '{key}', claims: {{sub: me}}}}}}}}"
    );
    let mut platform = Platform::new(&manifest(&auth), &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 3]);
}

#[tokio::test]
async fn a_request_is_signed_by_what_is_in_it() {
    let api = Api::serve(pages).await;
    let hmac = "\n  hmac:\n    key: '{{ secrets.api_key }}'\n    encoding: base64\n    sign: \"{{ method }} {{ path }}?{{ query }} {{ timestamp }} {{ body }}\"\n    headers: {X-Time: '{{ timestamp }}', X-Signature: 'v1={{ signature }}'}";
    let mut platform = Platform::new(&manifest(hmac), &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 3]);
    let asked = api.asked();
    assert_eq!(asked.len(), 3, "what is fetched ahead is used: {:?}", api.lines());
    for asked in asked {
        let text = format!("GET /items?page={} 1717200000 ", asked.query["page"]);
        let mac = Hmac::<Sha256>::new_from_slice(b"s3cret-key").expect("a key");
        let expected = STANDARD.encode(mac.chain_update(text).finalize().into_bytes());
        assert_eq!(asked.headers["x-signature"], format!("v1={expected}"));
        assert_eq!(asked.headers["x-time"], "1717200000");
    }
}

#[tokio::test]
async fn requests_are_signed_as_aws_wants_them() {
    let api = Api::serve(pages).await;
    let aws = "{aws: {access_key_id: AKID, secret_access_key: '{{ secrets.api_key }}', session_token: '{{ secrets.token }}', region: eu-central-1, service: execute-api}}";
    let mut platform = Platform::new(&manifest(aws), &api);
    platform.sync().await.expect("a sync");
    let signatures: Vec<String> =
        api.asked().into_iter().map(|asked| asked.headers["authorization"].clone()).collect();
    let begins = "AWS4-HMAC-SHA256 Credential=AKID/20240601/eu-central-1/execute-api/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=";
    assert!(signatures.iter().all(|signature| signature.starts_with(begins)), "{signatures:?}");
    assert_ne!(signatures[0], signatures[1], "each page has its own");
    assert_eq!(api.asked()[0].headers["x-amz-date"], "20240601T000000Z");
}

/// An API that takes each refresh token once, and gives out another one with every access token.
async fn rotating(newest: &Arc<Mutex<String>>, fails: bool) -> Api {
    let newest = Arc::clone(newest);
    Api::serve(move |asked: &Asked| {
        let mut newest = newest.lock().expect("not poisoned");
        if asked.path == "/token" {
            let body = asked.body.as_str().expect("a form");
            if !body.ends_with(&format!("refresh_token={newest}"))
                && !body.contains(&format!("refresh_token={newest}&"))
            {
                return Answered::status(400);
            }
            newest.push_str("-next");
            return Answered::json(
                json!({"access_token": "a", "refresh_token": *newest, "expires_in": 600}),
            );
        }
        if fails { Answered::status(403) } else { pages(asked) }
    })
    .await
}

const ROTATING: &str = "{oauth2: {token_url: '{url}/token', client_id: me, client_secret: x, refresh_token: '{{ secrets.api_key }}', keep_with: '{{ secrets.token }}{{ secrets.access_token }}'}}";

#[tokio::test]
async fn a_refresh_token_that_changes_is_kept_and_is_not_to_be_read() {
    let newest = Arc::new(Mutex::new("s3cret-key".to_owned()));
    let api = rotating(&newest, false).await;
    let text = manifest(ROTATING);
    let mut platform = Platform::new(&text, &api);
    for _ in 0..3 {
        platform.sync().await.expect("a sync");
        let state = platform.state.as_json();
        assert!(state.contains(r#""refresh_token":{"of":"#), "{state}");
        assert!(!state.contains("s3cret") && !state.contains("next"), "{state}");
        // The next sync is another process.
        platform.connector = Platform::new(&text, &api).connector;
    }
    assert_eq!(*newest.lock().expect("not poisoned"), "s3cret-key-next-next-next");
    assert_eq!(platform.ids("items"), [1, 2, 3]);
    // Another key does not open it.
    let mut other = Platform::new(&text.replace("{{ secrets.access_token }}", "x-x-x-x-x"), &api);
    other.state = platform.state.clone();
    let error = other.sync().await.expect_err("another key");
    assert_eq!(error.code(), "kept_token_unreadable");
    // A new token in the secrets is a new beginning, whatever the state holds.
    *newest.lock().expect("not poisoned") = "fresh".to_owned();
    let mut anew = Platform::new(&text.replace("{{ secrets.api_key }}", "fresh"), &api);
    anew.state = platform.state.clone();
    anew.sync().await.expect("a sync");
    assert_eq!(*newest.lock().expect("not poisoned"), "fresh-next");
}

/// The token that was given out goes into the state before anything else can fail.
#[tokio::test]
async fn a_new_refresh_token_is_kept_though_the_call_comes_to_nothing() {
    let newest = Arc::new(Mutex::new("s3cret-key".to_owned()));
    let api = rotating(&newest, true).await;
    let text = manifest(ROTATING);
    let mut platform = Platform::new(&text, &api);
    assert!(platform.call().await.expect("an answer"), "there is more: the error comes again");
    assert!(platform.state.as_json().contains("refresh_token"));
    platform.call().await.expect_err("the API refuses");
    // Nothing is asked where the state would be thrown away.
    let before = api.lines().len();
    let request = Request { setup_test: true, ..platform.request() };
    let answer = platform.connector.call(&request).await.expect("an answer");
    assert_eq!(answer.warnings[0].code, "login_untested");
    assert_eq!(api.lines().len(), before);
}

#[tokio::test]
async fn a_secret_that_may_be_missing_is_an_empty_text() {
    let api = Api::serve(pages).await;
    let text = manifest("none").replace("secrets:", "optional_secrets: [region]\nquery: {region: '{{ secrets.region }}', key: '{{ secrets.api_key }}'}\nsecrets:");
    let platform = Platform::new(&text, &api);
    platform.connector.call(&platform.request()).await.expect("an answer");
    assert_eq!(api.lines()[0], "/items?key=s3cret-key&page=1");
    let mut request = platform.request();
    request.secrets.insert("region", "eu");
    platform.connector.call(&request).await.expect("an answer");
    assert!(api.lines().contains(&"/items?key=s3cret-key&page=1&region=eu".to_owned()));
}
