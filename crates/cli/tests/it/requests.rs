//! What the function is sent: F-001 to F-009.

use crate::support::{FakeFunction, Hasmore, empty_page, page};

#[test]
fn f_001_f_004_f_008_f_009_a_first_request_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([empty_page("{}", false)]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    let received = function.received();
    let request = &received[0];
    assert_eq!(request.line, "POST / HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    let body = request.json();
    assert_eq!(body["state"], serde_json::json!({}));
    assert_eq!(body["secrets"], serde_json::json!({}));
    assert_eq!(body["customPayload"], serde_json::json!({}));
    assert!(body.get("setup_test").is_none(), "Q-05: the key is left out of syncs");
    let agent = body["agent"].as_str().expect("an agent");
    assert!(agent.starts_with("hasmore/") && agent.ends_with("/orders"), "{agent}");
    assert_eq!(request.header("user-agent"), Some(agent));
    let sync_id = body["sync_id"].as_str().expect("a sync id");
    assert_eq!(sync_id.len(), 36, "a UUID: {sync_id}");
}

#[test]
fn f_002_f_003_a_state_comes_back_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = r#"{"a":9007199254740993,"b":1.0,"é\u00e9":"\/","z":[],"c":-0}"#;
    let function = FakeFunction::start([empty_page(state, false), empty_page("{}", false)]);
    for _ in 0..2 {
        Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    }
    assert_eq!(function.received()[1].state(), state);
}

#[test]
fn f_034_q_04_a_state_that_is_no_object_comes_back_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([empty_page(r#""abc""#, false), empty_page("{}", false)]);
    let ended = Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    assert!(ended.stderr.contains("warning[unusual_state]"), "{}", ended.stderr);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    assert_eq!(function.received()[1].state(), r#""abc""#);
}

#[test]
fn f_005_f_006_f_007_secrets_payload_and_sync_id_go_with_every_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        page(r#"[{"id":1}]"#, r#"{"p":1}"#, true),
        page(r#"[{"id":2}]"#, r#"{"p":2}"#, true),
        page(r#"[{"id":3}]"#, r#"{"p":0}"#, false),
    ]);
    std::fs::write(folder.path().join("key.pem"), "from a file\n").expect("a file");
    std::fs::write(folder.path().join("old.json"), r#"{"nested":{"list":[1,"two"]},"word":"x"}"#)
        .expect("a file");
    Hasmore::sync(folder.path(), &function.url())
        .args(["--secret", "API_TOKEN", "--secret", "other=${API_TOKEN}!", "--secret"])
        .args(["key=file:key.pem", "--secrets-file", "old.json"])
        .args(["--payload", "region=eu", "--payload", "page_size=100"])
        .env("API_TOKEN", "t0ken-value")
        .run()
        .expect_code(0);
    let received = function.received();
    assert_eq!(received.len(), 3);
    for request in &received {
        let body = request.json();
        assert_eq!(
            body["secrets"],
            serde_json::json!({
                "API_TOKEN": "t0ken-value", "other": "t0ken-value!", "key": "from a file",
                "nested": {"list": [1, "two"]}, "word": "x",
            })
        );
        assert_eq!(body["customPayload"], serde_json::json!({"region": "eu", "page_size": "100"}));
        assert_eq!(body["sync_id"], received[0].json()["sync_id"]);
    }
}

#[test]
fn headers_and_agent_are_the_users_to_choose() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([empty_page("{}", false)]);
    Hasmore::sync(folder.path(), &function.url())
        .args(["--header", "X-Api-Key: Bearer ${KEY}", "--agent", "somebody else"])
        .env("KEY", "k3y-value")
        .run()
        .expect_code(0);
    let request = &function.received()[0];
    assert_eq!(request.header("x-api-key"), Some("Bearer k3y-value"));
    assert_eq!(request.header("user-agent"), Some("somebody else"));
    assert_eq!(request.json()["agent"], "somebody else");
}
