//! What an API may do that is not to be trusted, and how each of it ends.

use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::api::{Answered, Api, rows};
use crate::run::{Platform, told};

const ONE_PAGE: &str =
    "name: x\nbase_url: '{url}'\nrequests: {retries: 0}\ntables:\n  items: {primary_key: id}\n";

/// The error of the first call, with a connector as clouds have it.
async fn in_a_cloud(text: &str, api: &Api) -> String {
    let mut platform = Platform::new(text, api);
    platform.connector = platform.connector.public_only();
    told(&platform.sync().await.expect_err("an error"))
}

#[tokio::test]
async fn in_a_cloud_nothing_leads_into_the_network_around_it() {
    let inside = Api::serve(|_| Answered::json(json!(rows(1)))).await;
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"] {
        let address = format!("{}/latest/meta-data", inside.url.replace("127.0.0.1", host));
        let link = address.clone();
        let api = Api::serve(move |_| Answered {
            headers: vec![("location", address.clone())],
            ..Answered::status(302)
        })
        .await;
        let error = in_a_cloud(ONE_PAGE, &api).await;
        assert!(error.starts_with("private_address"), "{host}: {error}");
        let api = Api::serve(move |_| Answered::json(json!({"data": rows(1), "next": link}))).await;
        let text = format!(
            "{ONE_PAGE}pagination: {{cursor: {{from: body.next, to: url}}}}\nhosts: [127.0.0.1, localhost, '[::ffff:7f00:1]']\n"
        );
        let mut platform = Platform::new(&text, &api);
        platform.connector = platform.connector.public_only();
        let mut ended = Ok(());
        while ended.is_ok() {
            ended = platform.sync().await;
        }
        let error = told(&ended.expect_err("an error"));
        assert!(error.starts_with("private_address"), "{host}: {error}");
    }
    assert!(inside.asked().is_empty(), "{:?}", inside.lines());
}

#[tokio::test]
async fn what_is_too_large_or_absurd_ends_in_an_error_with_a_code() {
    let check = async |answered: fn() -> Answered, expected: &str| {
        let api = Api::serve(move |_| answered()).await;
        let text = format!("{ONE_PAGE}pagination: {{cursor: {{from: link.next, to: url}}}}\n")
            .replace("{retries: 0}", "{retries: 0, body_bytes: 1 MB}");
        let error = told(&Platform::new(&text, &api).sync().await.expect_err("an error"));
        let error = error.replace(&api.url, "URL");
        assert!(error.contains(expected), "{error}");
    };
    // A body that goes on and on is given up where it passes the limit.
    let long = || Answered { body: vec![b' '; 3 << 20], ..Answered::status(200) };
    check(
        long,
        "source_refused: table items: the answer of URL/items is larger than 1000000 bytes",
    )
    .await;
    // 20 MB of spaces in a few kB.
    let bomb =
        || Answered { body: crate::formats::gzip(&vec![b' '; 20 << 20]), ..Answered::status(200) };
    check(bomb, "invalid_page: table items: an answer of URL/items: the gzip unpacks to more than")
        .await;
    // Headers without end.
    let headers = || Answered {
        headers: vec![("x-absurd", "x".repeat(1 << 20))],
        ..Answered::json(json!([]))
    };
    check(
        headers,
        "source_unavailable: function unavailable: table items: no whole answer from URL/items",
    )
    .await;
    // A link that leads to its own page.
    let circle = || Answered {
        headers: vec![("link", "</items>; rel=\"next\"".into())],
        ..Answered::json(json!([{"id": 1}]))
    };
    check(circle, "repeated_page: table items").await;
}

/// Entities that multiply are not expanded, and elements are not nested without end.
#[tokio::test]
async fn an_xml_bomb_is_an_error_and_not_a_gigabyte() {
    let check = async |body: String, expected: &str| {
        let body = Arc::new(body);
        let api = Api::serve(move |_| Answered {
            body: body.as_bytes().to_vec(),
            ..Answered::status(200)
        })
        .await;
        let text =
            ONE_PAGE.replace("primary_key: id", "primary_key: id, format: xml, records: r.i");
        let error = told(&Platform::new(&text, &api).sync().await.expect_err("an error"));
        assert!(error.starts_with("invalid_page") && error.contains(expected), "{error}");
    };
    let laugh = |n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10));
    let laughs = (1..10).map(laugh).collect::<Vec<_>>().concat();
    let bomb = format!("<!DOCTYPE r [<!ENTITY l0 \"ha\">{laughs}]><r><i><id>&l9;</id></i></r>");
    check(bomb, "").await;
    check(format!("<r>{}", "<i>".repeat(200_000)), "").await;
}

/// An https server that wants a certificate of its client, and the three that belong together.
async fn mutual_tls() -> (String, [String; 3]) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
    let authority = authority.expect("an authority");
    let issue = || {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        (params.signed_by(&key, &authority).expect("a certificate"), key)
    };
    let (server, server_key) = issue();
    let (client, client_key) = issue();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).expect("a root");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(vec![server.der().clone()], key)
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(socket) = acceptor.accept(socket).await else { return };
                let service = service_fn(async |_| {
                    let body = http_body_util::Full::new(hyper::body::Bytes::from(r#"[{"id":1}]"#));
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(body))
                });
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    let pems = [client.pem(), client_key.serialize_pem(), authority.pem()];
    (format!("https://localhost:{port}"), pems)
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks_for_it() {
    let (url, [certificate, key, authority]) = mutual_tls().await;
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let api = Api::serve(|_| Answered::status(500)).await;
    let text = ONE_PAGE.replace("{url}", &url);
    let trusting = format!("{text}tls:\n  authority: {}\n", quoted(&authority));
    let error = told(&Platform::new(&trusting, &api).sync().await.expect_err("no certificate"));
    assert!(error.starts_with("source_unavailable"), "{error}");
    let known = format!(
        "{trusting}  certificate: {}\n  key: {}\n",
        quoted(&certificate),
        quoted(&key.replace('\n', "\\n"))
    );
    let mut platform = Platform::new(&known, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1]);
    let wrong = known.replace("BEGIN PRIVATE KEY", "BEGIN PUBLIC KEY");
    let error = Platform::new(&wrong, &api).sync().await.expect_err("no key");
    assert_eq!(told(&error), "invalid_certificate: `key` of `tls` is not what it is named, in PEM");
}
