//! How requests get there: HTTP/2 where the server has it, and the proxies of the environment.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::api::{Answered, Api};
use crate::run::Platform;

/// An https server that speaks these protocols, best first; its rows tell by which they were asked for.
struct Secure {
    url: String,
    authority: String,
    connections: Arc<AtomicUsize>,
}

impl Secure {
    async fn serve(protocols: &[&str]) -> Secure {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let authority = authority.expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a configuration");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer(acceptor.clone(), socket));
            }
        });
        let url = format!("https://localhost:{port}");
        Secure { url, authority: authority.pem(), connections }
    }

    fn manifest(&self) -> String {
        let authority = serde_json::Value::from(self.authority.as_str());
        format!(
            "name: x\nbase_url: {}\nrequests: {{retries: 0}}\ntls: {{authority: {authority}}}\npagination: {{page: {{to: query.page}}}}\ntables:\n  items: {{primary_key: id}}\n",
            self.url
        )
    }
}

/// Ten pages of a row, and an empty one.
async fn answer(acceptor: TlsAcceptor, socket: TcpStream) {
    let Ok(socket) = acceptor.accept(socket).await else { return };
    let is_second = socket.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(async |request: hyper::Request<hyper::body::Incoming>| {
        let page = request.uri().query().and_then(|query| query.strip_prefix("page="));
        let page: u64 = page.and_then(|page| page.parse().ok()).expect("a page");
        let row = format!(r#"[{{"id":{page},"version":"{:?}"}}]"#, request.version());
        let body = if page > 10 { "[]".to_owned() } else { row };
        let body = http_body_util::Full::new(hyper::body::Bytes::from(body));
        Ok::<_, std::convert::Infallible>(hyper::Response::new(body))
    });
    let socket = TokioIo::new(socket);
    if is_second {
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = connection.serve_connection(socket, service).await;
    } else {
        let connection = hyper::server::conn::http1::Builder::new();
        let _ = connection.serve_connection(socket, service).await;
    }
}

#[tokio::test]
async fn http_2_is_spoken_where_the_server_has_it() {
    for (protocols, expected) in
        [(&["h2", "http/1.1"][..], "HTTP/2.0"), (&["http/1.1"], "HTTP/1.1"), (&[], "HTTP/1.1")]
    {
        let server = Secure::serve(protocols).await;
        let api = Api::serve(|_| Answered::status(500)).await;
        let mut platform = Platform::new(&server.manifest(), &api);
        platform.sync().await.expect("a sync");
        assert_eq!(platform.ids("items"), (1..=10).collect::<Vec<u64>>());
        for row in platform.tables["items"].values() {
            assert_eq!(row["version"], expected, "{protocols:?}");
        }
        let connections = server.connections.load(Ordering::SeqCst);
        assert!(connections < 8, "{protocols:?}: {connections} connections for 11 requests");
    }
}

/// A proxy that leads to wherever it is asked, and remembers that.
async fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await.expect("a head"));
                }
                let head = String::from_utf8(head).expect("text");
                let mut words = head.split(' ');
                let (method, to) = (words.next().expect("a word"), words.next().expect("a word"));
                log.lock().expect("no panic").push(format!("{method} {to}"));
                let mut other = TcpStream::connect(to).await.expect("the server");
                socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("a socket");
                let _ = tokio::io::copy_bidirectional(&mut socket, &mut other).await;
            });
        }
    });
    (url, asked)
}

/// A proxy is named by the environment of a process, so the test runs itself in another one.
#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_of_the_environment_is_used() {
    const MANIFEST: &str = "HASMORE_TEST_MANIFEST";
    if let Ok(manifest) = std::env::var(MANIFEST) {
        let api = Api::serve(|_| Answered::status(500)).await;
        let mut platform = Platform::new(&manifest, &api);
        platform.sync().await.expect("a sync");
        assert_eq!(platform.ids("items"), (1..=10).collect::<Vec<u64>>());
        return;
    }
    let server = Secure::serve(&["h2", "http/1.1"]).await;
    let (url, asked) = proxy().await;
    for (except, is_used) in [("", true), ("localhost", false)] {
        let itself = std::env::current_exe().expect("this test");
        let mut child = std::process::Command::new(itself);
        child
            .args(["--exact", "connections::the_proxy_of_the_environment_is_used"])
            .env(MANIFEST, server.manifest())
            .env("HTTPS_PROXY", &url)
            .env("NO_PROXY", except);
        let output = tokio::task::spawn_blocking(move || child.output()).await;
        let output = output.expect("a thread").expect("a process");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let asked = std::mem::take(&mut *asked.lock().expect("no panic"));
        let place = server.url.trim_start_matches("https://");
        assert_eq!(!asked.is_empty(), is_used, "{except}: {asked:?}");
        assert!(asked.iter().all(|asked| *asked == format!("CONNECT {place}")), "{asked:?}");
    }
}
