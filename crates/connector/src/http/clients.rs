//! The clients that requests go out by: with or without TLS, with or without a certificate of our own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Clients by what they may do; each is made when the first request needs it.
#[derive(Default)]
pub(super) struct Clients {
    identity: Identity,
    via: Option<Via>,
    made: HashMap<ClientKind, Client>,
}

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ClientKind {
    /// Certificates are loaded for it.
    pub(super) secure: bool,
    /// It shows the certificate of the manifest, which is for the manifest's host alone.
    pub(super) identified: bool,
    /// It connects to no address inside of this network.
    pub(super) public_only: bool,
}

/// Who is on either end, in PEM.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// A certificate and its private key.
    pub(crate) own: Option<(String, String)>,
    /// An authority that is trusted beside the known ones.
    pub(crate) authority: Option<String>,
}

/// A proxy that stands between a connector and its API, and the authority that signs for it.
#[derive(Clone, Debug)]
pub struct Via {
    pub proxy: String,
    /// DER.
    pub authority: Vec<u8>,
}

/// What of an identity cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` of `tls` is not what it is named, in PEM")]
pub(crate) struct BadIdentity(&'static str);

/// A name that leads into this network.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the address is inside of this network")]
pub(super) struct PrivateAddress;

/// An address that drops packets is not waited for as long as an API that works.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

impl Clients {
    /// # Errors
    /// When a certificate or a key is none; the clients are then as they were.
    pub(super) fn identify(&mut self, identity: Identity) -> Result<(), BadIdentity> {
        if identity == self.identity {
            return Ok(());
        }
        configured(true, &identity, self.via.as_ref())?;
        (self.identity, self.made) = (identity, HashMap::new());
        Ok(())
    }

    pub(super) fn go_by(&mut self, via: Via) {
        (self.via, self.made) = (Some(via), HashMap::new());
    }

    pub(super) fn get(&mut self, kind: ClientKind, user_agent: &str) -> Client {
        let (identity, via) = (&self.identity, self.via.as_ref());
        let make = || {
            let mut shown = identity.clone();
            if !kind.identified {
                shown.own = None;
            }
            let tls = configured(kind.secure, &shown, via).expect("the identity was tried");
            let client = Client::builder()
                .use_preconfigured_tls(tls)
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .user_agent(user_agent);
            let client = match via {
                Some(via) => {
                    let proxy = reqwest::Proxy::all(&via.proxy);
                    client.proxy(proxy.expect("the address of a listener is one"))
                }
                None => client,
            };
            let client =
                if kind.public_only { client.dns_resolver(Arc::new(PublicOnly)) } else { client };
            client.build().expect("a client with a TLS configuration of its own can be made")
        };
        self.made.entry(kind).or_insert_with(make).clone()
    }
}

fn configured(
    secure: bool,
    identity: &Identity,
    via: Option<&Via>,
) -> Result<ClientConfig, BadIdentity> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    if secure {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for certificate in certificates(identity.authority.as_deref(), BadIdentity("authority"))? {
        roots.add(certificate).map_err(|_| BadIdentity("authority"))?;
    }
    if let Some(via) = via {
        let authority = CertificateDer::from(via.authority.clone());
        roots.add(authority).expect("an authority of our own making");
    }
    let mut tls = configured_for(provider, roots, identity)?;
    tls.alpn_protocols = [&b"h2"[..], b"http/1.1"].map(<[u8]>::to_vec).into();
    Ok(tls)
}

fn configured_for(
    provider: Arc<rustls::crypto::CryptoProvider>,
    roots: RootCertStore,
    identity: &Identity,
) -> Result<ClientConfig, BadIdentity> {
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let Some((certificate, key)) = &identity.own else { return Ok(tls.with_no_client_auth()) };
    let chain = certificates(Some(certificate), BadIdentity("certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(one_per_line(key).as_bytes());
    let key = key.map_err(|_| BadIdentity("key"))?;
    tls.with_client_auth_cert(chain, key).map_err(|_| BadIdentity("key"))
}

fn certificates(
    pem: Option<&str>,
    wrong: BadIdentity,
) -> Result<Vec<CertificateDer<'static>>, BadIdentity> {
    let Some(pem) = pem else { return Ok(Vec::new()) };
    let lines = one_per_line(pem);
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(lines.as_bytes()).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or(wrong)
}

/// Environment variables and JSON files often hold a PEM in one line.
pub(crate) fn one_per_line(pem: &str) -> String {
    if pem.contains('\n') { pem.to_owned() } else { pem.replace("\\n", "\n") }
}

/// Finds public addresses, and refuses names that lead to others.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<_> = found.collect();
            // One private address among public ones is enough to be led astray.
            if found.iter().any(|address| !is_public(address.ip())) {
                return Err(PrivateAddress.into());
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether an address may be public: a name may, until it is looked up.
pub(super) fn may_be_public(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    literal.parse::<IpAddr>().map_or(true, is_public)
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    let is_benchmark = first == 198 && (18..20).contains(&second);
    let is_special = (first, second, third) == (192, 0, 0);
    !(first == 0
        || first >= 240
        || is_shared
        || is_benchmark
        || is_special
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Global unicast (2000::/3) but for the prefix of documentation.
    let [first, second, ..] = address.segments();
    first & 0xe000 == 0x2000 && !(first == 0x2001 && second == 0xdb8)
}

/// The address that is reached by way of one of these: mapped, translated (64:ff9b::/96), or 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [first, second, third, ..] = address.segments();
    let last = || {
        let [.., a, b, c, d] = address.octets();
        Ipv4Addr::new(a, b, c, d)
    };
    match (first, second) {
        (0x64, 0xff9b) => Some(last()),
        (0x2002, _) => {
            let ([a, b], [c, d]) = (second.to_be_bytes(), third.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => address.to_ipv4_mapped(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_inside_of_a_network_are_told_from_public_ones() {
        let check = |text: &str, expected: bool| {
            let url: Url = format!("http://{text}/").parse().expect("an address");
            assert_eq!(may_be_public(&url), expected, "{text}");
        };
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "2130706433",
            "0x7f.1",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:7f00:1::]",
        ] {
            check(inside, false);
        }
        for outside in ["8.8.8.8", "1.1.1.1", "[2606:4700::1111]", "example.com"] {
            check(outside, true);
        }
    }

    #[test]
    fn what_is_no_certificate_is_told_by_its_name() {
        let mut clients = Clients::default();
        let wrong = Identity { authority: Some("no PEM".into()), own: None };
        assert_eq!(clients.identify(wrong), Err(BadIdentity("authority")));
        let wrong = Identity { authority: None, own: Some(("x".into(), "y".into())) };
        assert_eq!(clients.identify(wrong), Err(BadIdentity("certificate")));
    }
}
