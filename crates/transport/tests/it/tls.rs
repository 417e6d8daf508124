//! https: whose certificates are trusted.

use std::path::Path;
use std::sync::Arc;

use expect_test::expect;
use protocol::Function;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use transport::{HttpFunction, HttpOptions};

use crate::fake::http;
use crate::world::{alone, folder};
use crate::{PAGE, outcome, request};

/// The port of an https server for `name`; the certificate of who signed for it goes to `authority`.
pub(crate) async fn serve(authority: &Path, name: &str) -> u16 {
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
    std::fs::write(authority, issuer.pem()).expect("a file");

    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([name.into()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate and its key");

    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            // A client that does not trust the certificate ends the handshake.
            let Ok(mut connection) = acceptor.accept(connection).await else { continue };
            let mut received = Vec::new();
            while !received.ends_with(b"}") {
                connection.read_buf(&mut received).await.expect("a request");
            }
            connection.write_all(&http("200 OK", &[], PAGE)).await.expect("the client reads");
        }
    });
    port
}

async fn serve_localhost(authority: &Path) -> String {
    format!("https://localhost:{}/", serve(authority, "localhost").await)
}

async fn call(url: &str) -> String {
    let function = HttpFunction::new(url, HttpOptions::default()).expect("a URL");
    outcome(&function.call(&request()).await).replace(url, "URL")
}

#[tokio::test]
async fn a_certificate_that_the_machine_trusts_is_enough() {
    let place = folder(&[]);
    let authority = place.path().join("authority.pem");
    let authority = authority.to_str().expect("a plain path");
    if !alone(
        "tls::a_certificate_that_the_machine_trusts_is_enough",
        &[("SSL_CERT_FILE", authority)],
    ) {
        return;
    }
    let authority = std::env::var("SSL_CERT_FILE").expect("it was set");
    let url = serve_localhost(Path::new(&authority)).await;
    expect![[
        r#"{"state":{"n":1},"insert":{"t":[{"a":1}]},"delete":{},"schema":{},"hasMore":false}"#
    ]]
    .assert_eq(&call(&url).await);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not() {
    let place = folder(&[]);
    let url = serve_localhost(&place.path().join("authority.pem")).await;
    expect!["transport: function unavailable: no connection to URL: invalid peer certificate: UnknownIssuer"].assert_eq(&call(&url).await);
    let other_name = url.replace("localhost", "127.0.0.1");
    assert!(call(&other_name).await.contains("no connection to URL"), "another name");
}
