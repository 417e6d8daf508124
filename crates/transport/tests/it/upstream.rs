//! The proxy between a function and its API, asked by a Python program as handlers are.

use std::path::Path;

use tokio::process::Command;
use transport::{Exchange, Fault, Upstream, UpstreamProxy};

use crate::fake::{Fake, Reply, http};
use crate::tls;
use crate::world::{alone, folder, venv};

const ASK: &str = r#"
import sys, urllib.request
try:
    data = sys.argv[2].encode() if len(sys.argv) > 2 else None
    with urllib.request.urlopen(urllib.request.Request(sys.argv[1], data=data), timeout=30) as answer:
        print(answer.status, answer.read().decode(), end="")
except Exception as error:
    print(type(error).__name__, error, end="")
"#;

async fn ask(proxy: &UpstreamProxy, words: &[&str]) -> String {
    let asked = Command::new(venv().join("bin/python"))
        .args(["-c", ASK])
        .args(words)
        .envs(proxy.environment())
        .output()
        .await
        .expect("Python runs");
    String::from_utf8(asked.stdout).expect("text")
}

const PAGE: &str = r#"{"data":[1],"next":"b"}"#;

fn page() -> Reply {
    Reply::Bytes(http("200 OK", &[], PAGE))
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_passed_on_and_kept_and_given_again_without_the_api() {
    let place = folder(&[]);
    let proxy = UpstreamProxy::start(place.path()).expect("a port");
    let api = Fake::start(vec![page()]).await;
    let url = format!("{}orders?since=1", api.url);
    assert_eq!(ask(&proxy, &[&url]).await, format!("200 {PAGE}"));
    let kept = proxy.take();
    let [exchange] = &kept[..] else { panic!("one exchange: {kept:?}") };
    assert_eq!((&*exchange.method, &*exchange.url, exchange.status), ("GET", &*url, 200));
    assert_eq!(exchange.body, PAGE);
    assert!(exchange.says_more());
    drop(api);
    proxy.set(Upstream::Kept(kept));
    assert_eq!(ask(&proxy, &[&url]).await, format!("200 {PAGE}"));
    assert_eq!(ask(&proxy, &[&url, "body"]).await, "HTTPError HTTP Error 502: Bad Gateway");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_begin_after_so_many_requests() {
    let place = folder(&[]);
    let proxy = UpstreamProxy::start(place.path()).expect("a port");
    for (fault, expected) in [
        (Fault::Throttled, "HTTPError HTTP Error 429: Too Many Requests"),
        (Fault::ServerError, "HTTPError HTTP Error 500: Internal Server Error"),
        (Fault::NoAnswer, "RemoteDisconnected Remote end closed connection without response"),
        (Fault::Truncated, "IncompleteRead IncompleteRead(11 bytes read, 12 more expected)"),
        (Fault::EmptyPage, r#"200 {"data":[],"next":"b"}"#),
        (Fault::RepeatedToken, r#"200 {"data":[1],"next":"a"}"#),
        (Fault::Nothing, r#"200 {"data":[],"next":null}"#),
    ] {
        let api = Fake::start(vec![page(), page()]).await;
        let url = format!("{}?cursor=a", api.url);
        proxy.set(Upstream::Faulty { fault, after: 1 });
        assert_eq!(ask(&proxy, &[&url]).await, format!("200 {PAGE}"), "{fault:?}");
        assert_eq!(ask(&proxy, &[&url]).await, expected, "{fault:?}");
        let kept: Vec<u16> =
            proxy.take().iter().map(|exchange: &Exchange| exchange.status).collect();
        assert_eq!(kept.len(), 2, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_opened_by_an_authority_of_its_own() {
    let place = folder(&[]);
    let trusted = place.path().join("trusted.pem");
    let trusted = trusted.to_str().expect("a plain path");
    let name = "upstream::https_is_opened_by_an_authority_of_its_own";
    if !alone(name, &[("SSL_CERT_FILE", trusted)]) {
        return;
    }
    let trusted = std::env::var("SSL_CERT_FILE").expect("it was set");
    let port = tls::serve(Path::new(&trusted), "localhost").await;
    let proxy = UpstreamProxy::start(place.path()).expect("a port");
    let url = format!("https://localhost:{port}/orders");
    assert_eq!(ask(&proxy, &[&url, "{}"]).await, format!("200 {}", crate::PAGE));
    let kept = proxy.take();
    assert_eq!((&*kept[0].method, &*kept[0].url), ("POST", &*url));
    assert_eq!(kept[0].sent, "{}");
}
