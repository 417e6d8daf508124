//! Proxies: which calls go through one, and what it is told.

use expect_test::{Expect, expect};
use protocol::Function;
use transport::{HttpFunction, HttpOptions, Proxies};

use crate::fake::{Fake, Reply, http};
use crate::world::{alone, folder};
use crate::{PAGE, outcome, request, tls};

/// One call of `url` by way of a proxy that gives `reply`; what the proxy was told, and what came of it.
async fn check(url: &str, reply: Reply, expected: Expect) {
    let fake = Fake::start(vec![reply]).await;
    let address = fake.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let proxy = format!("http://user:pass-word@{address}");
    let options = HttpOptions {
        proxies: Proxies::new(&proxy, &proxy, "near.example"),
        ..HttpOptions::default()
    };
    let function = HttpFunction::new(url, options).expect("a URL");
    let outcome = outcome(&function.call(&request()).await).replace(&address, "PROXY");
    let sent = fake.sent();
    let told = |head: &str| {
        let named = |line: &&str| {
            let line = line.to_ascii_lowercase();
            !line.contains(':')
                || line.contains("http/1.1")
                || line.starts_with("proxy-")
                || line.starts_with("host:")
        };
        head.lines().filter(named).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    };
    let heads: Vec<String> = sent.iter().map(|sent| told(&sent.head)).collect();
    expected.assert_eq(&format!("{}\n{outcome}", heads.join("\n")));
}

#[tokio::test]
async fn a_plain_call_tells_the_proxy_the_whole_url() {
    check(
        "http://function.example/orders?code=k2",
        Reply::Bytes(http("200 OK", &[], PAGE)),
        expect![[r#"
            POST http://function.example/orders?code=k2 HTTP/1.1
            proxy-authorization: Basic dXNlcjpwYXNzLXdvcmQ=
            host: function.example
            {"state":{"n":1},"insert":{"t":[{"a":1}]},"delete":{},"schema":{},"hasMore":false}"#]],
    )
    .await;
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    check(
        "https://function.example/orders",
        Reply::BytesThenClose(http("403 Forbidden", &[], "")),
        expect![[r#"
            CONNECT function.example:443 HTTP/1.1
            Host: function.example:443
            Proxy-Authorization: Basic dXNlcjpwYXNzLXdvcmQ=
            transport: function unavailable: no connection to https://function.example/orders through the proxy PROXY: tunnel error: unsuccessful"#]],
    )
    .await;
    check(
        "http://function.example/orders",
        Reply::Bytes(http("407 Proxy Authentication Required", &[], "who are you")),
        expect![[r#"
            POST http://function.example/orders HTTP/1.1
            proxy-authorization: Basic dXNlcjpwYXNzLXdvcmQ=
            host: function.example
            function_error: function failed: HTTP 407 Proxy Authentication Required: who are you"#]],
    )
    .await;
}

#[tokio::test]
async fn a_secret_call_goes_through_a_tunnel() {
    let place = folder(&[]);
    let authority = place.path().join("authority.pem");
    let authority = authority.to_str().expect("a plain path");
    if !alone("proxy::a_secret_call_goes_through_a_tunnel", &[("SSL_CERT_FILE", authority)]) {
        return;
    }
    let authority = std::env::var("SSL_CERT_FILE").expect("it was set");
    let server = tls::serve(std::path::Path::new(&authority), "function.example").await;
    let (proxy, told) = tunnel_to(server).await;
    let options = HttpOptions { proxies: Proxies::new("", &proxy, ""), ..HttpOptions::default() };
    let function = HttpFunction::new("https://function.example/orders", options).expect("a URL");
    function.call(&request()).await.expect("a page through the tunnel");
    let told = told.await.expect("the proxy has told");
    assert!(told.starts_with("CONNECT function.example:443 HTTP/1.1\r\n"), "{told}");
    assert!(!told.contains("token-of-the-test"), "{told}");
}

/// A proxy that opens one tunnel to a port of this machine, whatever host it is asked for.
async fn tunnel_to(port: u16) -> (String, tokio::task::JoinHandle<String>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let told = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.expect("loopback accepts");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.expect("a request"));
        }
        let server = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
        let mut server = server.expect("the function is there");
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("the client reads");
        tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        String::from_utf8(head).expect("a head is text")
    });
    (url, told)
}

#[tokio::test]
async fn this_machine_and_what_no_proxy_names_are_reached_straight() {
    let function = Fake::start(vec![Reply::Bytes(http("200 OK", &[], PAGE))]).await;
    let proxy = Fake::start(vec![Reply::Silence]).await;
    for url in [function.url.clone(), function.url.replace("127.0.0.1", "localhost")] {
        let options =
            HttpOptions { proxies: Proxies::new(&proxy.url, "", ""), ..HttpOptions::default() };
        let straight = HttpFunction::new(&url, options).expect("a URL");
        straight.call(&request()).await.expect("a page");
    }
    assert_eq!((function.sent().len(), proxy.sent().len()), (2, 0));

    let options = HttpOptions {
        proxies: Proxies::new(&proxy.url, "", "127.0.0.0/8,near.example"),
        ..HttpOptions::default()
    };
    let near = HttpFunction::new("http://a.near.example:1/", options).expect("a URL");
    let answer = near.call(&request()).await.expect_err("no such host");
    assert!(!answer.to_string().contains("proxy"), "{answer}");
    assert_eq!(proxy.sent().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_names_proxies() {
    let proxy = Fake::start(vec![Reply::Bytes(http("200 OK", &[], PAGE))]).await;
    if !alone("proxy::the_environment_names_proxies", &[("http_proxy", &proxy.url)]) {
        return;
    }
    let function = HttpFunction::new("http://function.example/", HttpOptions::default());
    function.expect("a URL").call(&request()).await.expect("a page of the proxy");
}

#[test]
fn a_proxy_that_is_not_plain_http_is_refused() {
    for proxy in ["socks5://127.0.0.1:1080", "https://user:pass-word@127.0.0.1:3128"] {
        let options =
            HttpOptions { proxies: Proxies::new(proxy, proxy, ""), ..HttpOptions::default() };
        let refused = HttpFunction::new("https://function.example/", options);
        let refused = refused.err().expect("it cannot be used");
        assert_eq!(refused.code(), "invalid_proxy");
        assert!(!refused.to_string().contains("pass-word"), "{refused}");
    }
}
