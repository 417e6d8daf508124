//! Certificates for the hosts that a function asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority that lives as long as the process and signs for any host. Its key is never written.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    servers: Mutex<BTreeMap<String, Arc<ServerConfig>>>,
}

impl Authority {
    pub(super) fn new() -> Authority {
        let mut params = CertificateParams::new([]).expect("no names are right names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "hasmore, for one check");
        let key = KeyPair::generate().expect("ring makes keys");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a key signs for itself");
        Authority { issuer, servers: Mutex::default() }
    }

    pub(super) fn certificate(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// Its certificate alone: while the proxy is at work, nothing else is spoken to.
    pub(super) fn trusted_pem(&self) -> String {
        self.issuer.pem()
    }

    pub(super) fn server_for(&self, host: &str) -> Arc<ServerConfig> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let server = servers.entry(host.to_owned()).or_insert_with(|| Arc::new(self.sign(host)));
        Arc::clone(server)
    }

    fn sign(&self, host: &str) -> ServerConfig {
        let key = KeyPair::generate().expect("ring makes keys");
        let host = host.trim_matches(['[', ']']).to_owned();
        let params = CertificateParams::new([host]).unwrap_or_default();
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority signs");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate and its key")
    }
}
